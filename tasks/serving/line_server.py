"""A line behind HTTP: which version serves it, how requests reach it, and what is known of it."""

import asyncio
import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from infra.errors import AssaylineError, StoreError, TrackingError
from tasks.records.registry import Production
from tasks.serving.metrics import ServingMetrics
from tasks.serving.served_version import ServedVersion, Trial
from tasks.serving.settings import ServingSettings
from tasks.serving.waiting_rows import Answered, UnansweredError, WaitingRows

logger = logging.getLogger(__name__)

ROLE: Final = "production"
# Seconds until a version that was refused is tried again: a server may have been away.
TRY_AGAIN_S: Final = 60.0
# Times that a request is asked anew, where a reload answered some of its rows by each version.
ONE_VERSION_TRIES: Final = 3
# Counting the tokens of more rows takes long enough to hold other requests up.
ROWS_COUNTED_AT_ONCE: Final = 8


@dataclass(frozen=True)
class ProductionSource:
    """How the version in production is found and fetched; each of these waits for servers.

    Attributes:
        find: the version in production; raises where ledger and registry do not agree.
        fetch: downloads a version below a folder, held against its manifest; its model's folder.
        trial_of: what it is asked before it serves.

    """

    find: Callable[[], Production]
    fetch: Callable[[Production, Path], Path]
    trial_of: Callable[[Production], Trial]


@dataclass(frozen=True)
class Health:
    """What is known of a line that is served.

    Attributes:
        ready: whether a process of the model answers.
        version: that serves.
        weights_sha256: of the weights that it was made of.
        since: ISO 8601, UTC; from when on it serves.
        in_doubt: why it is not known which version is in production; empty where it is.
        refused: why the version in production is not the one that serves; empty where it is.

    """

    line: str
    ready: bool
    version: int
    weights_sha256: str
    since: str
    in_doubt: str
    refused: str

    @property
    def status(self) -> str:
        """In one word or two, for a person."""
        if not self.ready:
            return "starting"
        if self.in_doubt:
            return "production in doubt"
        return "new version refused" if self.refused else "ok"


class LineServer:
    """Serves the version in production, and moves to the next one without losing a request.

    Attributes:
        metrics: what is counted.
        settings: of the line.

    """

    def __init__(
        self,
        line: str,
        source: ProductionSource,
        settings: ServingSettings,
        metrics: ServingMetrics,
    ) -> None:
        self.line, self.settings, self.metrics = line, settings, metrics
        self._source = source
        self._rows = WaitingRows(settings.batch, settings.max_waiting_rows)
        self._now: ServedVersion | None = None
        self._since = ""
        self._in_doubt = self._refused = ""
        self._refused_version: Production | None = None
        self._refused_at = 0.0
        self._retiring: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Serve the version in production.

        Raises:
            AssaylineError: there is none, it is in doubt, or it is not what was proven.

        """
        await self._move_to(await asyncio.to_thread(self._source.find))

    @property
    def production(self) -> Production:
        """The version that serves."""
        return self._served.production

    @property
    def pids(self) -> list[int]:
        """Of the processes that answer."""
        return self._served.pids

    @property
    def health(self) -> Health:
        """What is known now."""
        served = self._served
        return Health(
            self.line, served.is_ready, served.production.version, served.production.weights_sha256,
            self._since, self._in_doubt, self._refused,
        )  # fmt: skip

    @property
    def waiting_rows(self) -> int:
        """Rows that wait for the model."""
        return len(self._rows)

    @property
    def _served(self) -> ServedVersion:
        if self._now is None:
            raise RuntimeError("nothing serves before start()")
        return self._now

    async def answer(self, rows: Sequence[dict[str, Any]]) -> list[Answered]:
        """Answers in the order of the rows, all of one version.

        Raises:
            AnswerFailedError: the model cannot answer one of them.
            QueueFullError: too many rows wait.
            UnansweredError: they were not answered, and may be sent again.

        """
        try:
            async with asyncio.timeout(self.settings.request_timeout_s):
                for _ in range(ONE_VERSION_TRIES):
                    answered = await self._ask(rows)
                    if len({one.production.version for one in answered}) <= 1:
                        return answered
        except TimeoutError as error:
            raise UnansweredError(
                f"not answered within {self.settings.request_timeout_s:g} s "
                "(setting serving.request_timeout_s)"
            ) from error
        raise UnansweredError("the version in production changed while it was asked")

    async def _ask(self, rows: Sequence[dict[str, Any]]) -> list[Answered]:
        waiting = self._rows.put(await self._counted(rows))
        try:
            return list(await asyncio.gather(*(row.answer for row in waiting)))
        finally:
            for row in waiting:
                row.answer.cancel()

    async def _counted(self, rows: Sequence[dict[str, Any]]) -> list[tuple[dict[str, Any], int]]:
        """Each row with its tokens; many rows are counted beside the event loop."""
        count = self._served.tokens.count
        if len(rows) <= ROWS_COUNTED_AT_ONCE:
            return [(row, count(row)) for row in rows]
        return await asyncio.to_thread(lambda: [(row, count(row)) for row in rows])

    async def watch(self) -> None:
        """Look which version is in production, again and again, and move to it."""
        while True:
            await asyncio.sleep(self.settings.poll_s)
            await self.look()

    async def look(self) -> None:
        """Look once which version is in production, and serve it if it is another one.

        Where that is in doubt, or the version is not what was proven, the one that serves stays.
        """
        try:
            production = await asyncio.to_thread(self._source.find)
        except Exception as error:  # noqa: BLE001 - whatever it is must not end what serves
            self._doubt(_said(error), error)
            return
        self._doubt("")
        if production == self._served.production:
            self._refused, self._refused_version = "", None
            return
        is_known = production == self._refused_version
        if is_known and time.monotonic() - self._refused_at < TRY_AGAIN_S:
            return
        try:
            await self._move_to(production)
        except Exception as error:  # noqa: BLE001 - a full disk, a defect: the old one stays
            self._refuse(production, error)

    async def close(self) -> None:
        """Answer what was taken, and end all processes."""
        if self._now:
            await self._now.retire()
        self._rows.refuse_all("the server is shutting down")
        for task in list(self._retiring):
            await task

    async def _move_to(self, production: Production) -> None:
        served = await self._proven(production)
        served.serve()
        before, self._now = self._now, served
        self._since = datetime.now(UTC).isoformat(timespec="seconds")
        self._refused, self._refused_version = "", None
        self.metrics.version.labels(ROLE).set(production.version)
        if before:
            self.metrics.reloads.labels("served").inc()
            logger.warning(
                "version %d of %s serves; version %d takes no more requests",
                production.version, self.line, before.production.version,
            )  # fmt: skip
            retiring = asyncio.create_task(before.retire())
            self._retiring.add(retiring)
            retiring.add_done_callback(self._retiring.discard)

    async def _proven(self, production: Production) -> ServedVersion:
        """A version that was fetched, started and tried, and takes no rows yet."""
        work = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="assayline-served-"))
        served: ServedVersion | None = None
        try:
            model = await asyncio.to_thread(self._source.fetch, production, work / "version")
            trial = await asyncio.to_thread(self._source.trial_of, production)
            served = ServedVersion(
                production, work, model, trial, self._rows, self.settings, self.metrics
            )
            await served.start()
        except BaseException:
            await (served.retire() if served else _remove(work))
            raise
        return served

    def _refuse(self, production: Production, error: Exception) -> None:
        self.metrics.reloads.labels("refused").inc()
        self._refused, self._refused_version = _explained(error), production
        self._refused_at = time.monotonic()
        logger.warning(
            "version %d of %s is not served, and version %d stays: %s",
            production.version, self.line, self._served.production.version, self._refused,
            exc_info=_defect(error),
        )  # fmt: skip

    def _doubt(self, why: str, error: Exception | None = None) -> None:
        if why and why != self._in_doubt:
            logger.warning(
                "%s; version %d stays", why, self._served.production.version,
                exc_info=_defect(error),
            )  # fmt: skip
        self._in_doubt = why
        self.metrics.in_doubt.set(bool(why))


def _said(error: Exception) -> str:
    if isinstance(error, StoreError | TrackingError):
        return f"ledger or registry cannot be asked: {error}"
    return _explained(error)


def _explained(error: Exception) -> str:
    return str(error) if isinstance(error, AssaylineError) else f"{type(error).__name__}: {error}"


def _defect(error: Exception | None) -> Exception | None:
    """What a person cannot mend by its message alone, and whose traceback is logged."""
    return None if isinstance(error, AssaylineError | OSError) else error


async def _remove(folder: Path) -> None:
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
