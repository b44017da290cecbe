"""Serving: the doors of registry and validation, opened for the server of a line.

It is no stage of a run, and no Prefect task: it goes on until it is told to end.
"""

import asyncio
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from infra.errors import PromotionError
from infra.store import open_store
from infra.tracking import open_tracking_to_read
from tasks.records.canary import CanaryStep
from tasks.records.registry import Production
from tasks.serving.application import EntityFinder
from tasks.serving.http_server import run_server
from tasks.serving.line_server import LineServer
from tasks.serving.loading import VersionSource
from tasks.serving.metrics import ServingMetrics
from tasks.serving.recording import Recorder
from tasks.serving.served_version import Trial
from tasks.serving.settings import ServingSettings
from tasks.stages.caching import in_own_folder
from tasks.task_types.row_shapes import shape_of
from tasks.validation.personal_data.requests import RequestRedactor
from tasks.validation.personal_data.settings import PrivacySettings

# Runs in a process of its own, and is imported by no server.
EXPLAINING: Final = "tasks.explanation.explaining_process"


@dataclass(frozen=True)
class LineToServe:
    """A line as its settings have it.

    Attributes:
        name: of the model line.
        task_type: that its settings say.
        serving: how it is served.
        privacy: what becomes of personal data in what is recorded.

    """

    name: str
    task_type: str
    serving: ServingSettings
    privacy: PrivacySettings

    def opened(self) -> tuple[LineServer, Recorder]:
        """Its server and what records for it, neither started yet."""
        metrics = ServingMetrics()
        source = version_source(self.name, self.task_type)
        # Labels are those of the version that serves when the recorder begins, and of a candidate.
        redactor = _Redactor(self.privacy, self.task_type, lambda: server.labels)
        server = LineServer(self.name, source, self.serving, metrics)
        record = self.serving.record
        return server, Recorder(self.name, record, redactor.redact, open_store(), metrics)


def serve_line(
    line: LineToServe,
    finding: LineToServe | None,
    listening: socket.socket,
    *,
    software: str,
    addresses: Sequence[str],
    token: str | None,
    say: Callable[[str], None],
) -> None:
    """Serve the version in production until SIGTERM or SIGINT; see `run_server`.

    Args:
        line: the model line.
        finding: the tagging line that finds entities for it; None where its settings name none.
        listening: a bound socket.
        software: name and version of this program.
        addresses: under which the server is reached.
        token: that each request must name; None asks for none.
        say: is told what a person should know.

    Raises:
        AssaylineError: a line has no version in production that can be served, or there is no
            room on the local disk for it.

    """
    server, recorder = line.opened()
    entities, finder = line.serving.entities, None
    if finding and entities:
        finder = EntityFinder(*finding.opened(), entities)
    with in_own_folder():
        asyncio.run(
            run_server(
                server, recorder, listening, software=software, addresses=addresses, token=token,
                say=say, finder=finder,
            )
        )  # fmt: skip


def version_source(line: str, task_type: str) -> VersionSource:
    """How a line's version in production, and one that a canary tries, are found and tried."""
    store, tracking = open_store(), open_tracking_to_read()

    def production() -> Production:
        from tasks.registry.production import production_of

        return _of_task_type(production_of(line, store=store, tracking=tracking), task_type)

    def canary() -> CanaryStep | None:
        from tasks.registry.canary import canary_of

        return canary_of(line, store=store, tracking=tracking)

    def candidate(step: CanaryStep) -> Production:
        from tasks.registry.production import candidate_of

        return _of_task_type(candidate_of(step, store=store, tracking=tracking), task_type)

    def fetch(production: Production, folder: Path) -> Path:
        from tasks.serving.production_model import download_model

        return download_model(production, folder, store=store, tracking=tracking)

    def trial_of(production: Production) -> Trial:
        from tasks.registry.served_proof import asked_before_serving

        return Trial(*asked_before_serving(production, store=store, tracking=tracking))

    return VersionSource(production, canary, candidate, fetch, trial_of, EXPLAINING)


def _of_task_type(found: Production, task_type: str) -> Production:
    """A version, which must be of the task type that its line's settings say."""
    if found.task_type != task_type:
        raise PromotionError(
            f"version {found.version} of {found.line} is for {found.task_type}, and the line's "
            f"settings say task_type: {task_type}; serve it with the settings that it was made with"
        )
    return found


class _Redactor:
    """A redactor of the labels that the line has now; made anew where they change."""

    def __init__(
        self, privacy: PrivacySettings, task_type: str, labels: Callable[[], tuple[str, ...]]
    ) -> None:
        self._privacy, self._task_type, self._labels = privacy, task_type, labels
        self._made_for: tuple[str, ...] = ()
        self._redactor = self._made()  # what is wrong with the policy is said at once

    def _made(self) -> RequestRedactor:
        return RequestRedactor(self._privacy, shape_of(self._task_type), self._made_for)

    def redact(
        self, pairs: Sequence[tuple[dict[str, Any], Any]]
    ) -> Sequence[tuple[dict[str, Any], Any] | None]:
        """See `RequestRedactor.redact`."""
        labels = self._labels()
        if labels != self._made_for:
            self._made_for = labels
            self._redactor = self._made()
        return self._redactor.redact(pairs)
