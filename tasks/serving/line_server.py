"""A line behind HTTP: which version serves it, how requests reach it, and what is known of it."""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from tasks.records.recorded_requests import Role
from tasks.records.registry import Production
from tasks.serving.asking import Asked, Failure, ServedRequest, Tell, ask, of_one_version
from tasks.serving.canary import Canary, CanaryHealth
from tasks.serving.explaining import ExplainedTexts
from tasks.serving.loading import Refusal, VersionLoader, VersionSource, defect, said
from tasks.serving.metrics import ServingMetrics
from tasks.serving.served_version import ServedVersion
from tasks.serving.settings import ServingSettings
from tasks.serving.shadow import Load
from tasks.serving.waiting_rows import (
    Answered,
    AnswerFailedError,
    NotAskedError,
    UnansweredError,
    WaitingRows,
)

logger = logging.getLogger(__name__)

ROLE: Final[Role] = "production"
# Times that a request is asked anew, where a reload answered some of its rows by each version.
ONE_VERSION_TRIES: Final = 3


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
        canary: the candidate that is asked beside it; None where no canary goes on.

    """

    line: str
    ready: bool
    version: int
    weights_sha256: str
    since: str
    in_doubt: str
    refused: str
    canary: CanaryHealth | None

    @property
    def status(self) -> str:
        """In one word or two, for a person."""
        if not self.ready:
            return "starting"
        if self.in_doubt:
            return "production in doubt"
        if self.refused:
            return "new version refused"
        return "candidate refused" if self.canary and self.canary.refused else "ok"


class LineServer:
    """Serves the version in production, and moves to the next one without losing a request.

    Attributes:
        metrics: what is counted.
        settings: of the line.
        explained_texts: that wait for their explanations; None where none are given.

    """

    def __init__(
        self,
        line: str,
        source: VersionSource,
        settings: ServingSettings,
        metrics: ServingMetrics,
    ) -> None:
        self.line, self.settings, self.metrics = line, settings, metrics
        self._loader = VersionLoader(source, settings, metrics)
        self._load = Load()
        self._canary = Canary(line, self._loader, self._load)
        self._rows = WaitingRows(settings.batch, settings.max_waiting_rows)
        explained = settings.explanations
        self.explained_texts = ExplainedTexts(explained) if explained else None
        self._now: ServedVersion | None = None
        self._since = ""
        self._in_doubt = ""
        self._refusal = Refusal()
        self._retiring: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Serve the version in production.

        Raises:
            AssaylineError: there is none, it is in doubt, or it is not what was proven.

        """
        production = await asyncio.to_thread(self._loader.source.production)
        self._serve(await self._loader.load(production))

    @property
    def production(self) -> Production:
        """The version that serves."""
        return self._served.production

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the version that serves, and of a candidate that is asked as well."""
        return tuple(dict.fromkeys((*self.production.labels, *self._canary.labels)))

    @property
    def pids(self) -> list[int]:
        """Of the processes of the version that serves that answer."""
        return self._served.pids

    @property
    def health(self) -> Health:
        """What is known now."""
        served = self._served
        return Health(
            self.line, served.is_ready, served.production.version, served.production.weights_sha256,
            self._since, self._in_doubt, self._refusal.why, self._canary.health,
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

    async def answer(self, request: ServedRequest, tell: Tell) -> list[Answered]:
        """Answers in the order of the rows, all of one version.

        A request that a canary draws is put to the candidate first, and to the version in
        production where the candidate does not answer.

        Args:
            request: that was read.
            tell: is told what each version made of it; of a candidate in shadow later on.

        Raises:
            AnswerFailedError: the model cannot answer one of them.
            QueueFullError: too many rows wait.
            UnansweredError: they were not answered, and may be sent again.

        """
        since, began = time.perf_counter(), request.began
        if candidate := self._canary.drawn(request):
            if answered := await candidate.answer(request, tell):
                return answered
            began = time.perf_counter()
        left_s = self.settings.request_timeout_s - (time.perf_counter() - since)
        try:
            with self._load:
                answered = await self._ask(request.rows, left_s)
        except NotAskedError:
            raise
        except (UnansweredError, AnswerFailedError) as error:
            how: Failure = "failed" if isinstance(error, AnswerFailedError) else "unanswered"
            self._tell(request, tell, Asked(ROLE, self.production, (), how, _since(began)))
            raise
        if answered:
            version, answers = answered[0].production, tuple(one.answer for one in answered)
            self._tell(request, tell, Asked(ROLE, version, answers, "", _since(began)))
        return answered

    async def explain(self, version: Production, rows: Sequence[dict[str, Any]]) -> list[Any]:
        """Why a version answered rows as it did; see `VersionExplainer.explain`.

        Args:
            version: that answered them: the one in production, or a candidate.
            rows: of a request.

        Raises:
            AnswerFailedError, UnansweredError: see there.

        """
        served = self._served if version == self.production else self._canary.served(version)
        if served is None:
            raise UnansweredError(f"version {version.version} serves no more")
        return await served.explain(rows)

    def _tell(self, request: ServedRequest, tell: Tell, asked: Asked) -> None:
        """Say what production made of a request, and have a candidate in shadow asked as well."""
        tell(asked)
        self._canary.ask_in_shadow(request, tell)

    async def _ask(self, rows: Sequence[dict[str, Any]], timeout_s: float) -> list[Answered]:
        try:
            async with asyncio.timeout(timeout_s):
                for _ in range(ONE_VERSION_TRIES):
                    answered = await ask(self._rows, self._served.tokens, rows)
                    if of_one_version(answered):
                        return answered
        except TimeoutError as error:
            raise UnansweredError(
                f"not answered within {self.settings.request_timeout_s:g} s "
                "(setting serving.request_timeout_s)"
            ) from error
        raise NotAskedError("the version in production changed while it was asked")

    async def watch(self) -> None:
        """Look which version is in production, again and again, and move to it."""
        while True:
            await asyncio.sleep(self.settings.poll_s)
            await self.look()

    async def look(self) -> None:
        """Look once which version is in production, and which canary goes on, and do so.

        Where production is in doubt, or the version is not what was proven, the one that serves
        stays; where the canary is, no candidate is asked.
        """
        # The canary first: what promotes its candidate ends it, and both are seen in one look.
        step, unknown = await self._canary.look()
        if unknown:  # at once: to look for the version in production may take long as well
            await self._canary.follow(None, unknown)
        try:
            production = await asyncio.to_thread(self._loader.source.production)
        except Exception as error:  # noqa: BLE001 - whatever it is must not end what serves
            self._doubt(said(error), error)
            await self._canary.follow(None, self._in_doubt)
            return
        self._doubt("")
        if production == self.production:
            self._refusal.clear()
        elif not self._refusal.holds(production):
            if self._canary.health and (step is None or step.production != production.version):
                # It ends, unless its candidate takes over; to load another version takes long.
                await self._canary.follow(None, f"production moves to version {production.version}")
            await self._move_to(production)
        if step and step.production != self.production.version:
            step = None  # it compares with another version than the one that serves
        await self._canary.follow(step, unknown)

    async def close(self) -> None:
        """Answer what was taken, and end all processes."""
        await self._canary.close()
        if self._now:
            await self._now.retire()
        self._rows.refuse_all("the server is shutting down")
        for task in list(self._retiring):
            await task

    async def _move_to(self, production: Production) -> None:
        """Serve another version, where it is what was proven; else the one that serves stays."""
        try:
            served = await self._canary.taken_over(production)
            if served is None:
                served = await self._loader.load(production)
        except Exception as error:  # noqa: BLE001 - a full disk, a defect: the old one stays
            self._refuse(production, error)
            return
        before = self._served
        self._serve(served)
        self.metrics.reloads.labels("served").inc()
        logger.warning(
            "version %d of %s serves; version %d takes no more requests",
            production.version, self.line, before.production.version,
        )  # fmt: skip
        retiring = asyncio.create_task(before.retire())
        self._retiring.add(retiring)
        retiring.add_done_callback(self._retiring.discard)

    def _serve(self, served: ServedVersion) -> None:
        served.serve(self._rows)
        self._now = served
        self._since = datetime.now(UTC).isoformat(timespec="seconds")
        self._refusal.clear()
        self.metrics.version.labels(ROLE).set(served.production.version)

    def _refuse(self, production: Production, error: Exception) -> None:
        self.metrics.reloads.labels("refused").inc()
        self._refusal.note(production, error)
        logger.warning(
            "version %d of %s is not served, and version %d stays: %s",
            production.version, self.line, self.production.version, self._refusal.why,
            exc_info=defect(error),
        )  # fmt: skip

    def _doubt(self, why: str, error: Exception | None = None) -> None:
        if why and why != self._in_doubt:
            logger.warning(
                "%s; version %d stays", why, self.production.version, exc_info=defect(error)
            )
        self._in_doubt = why
        self.metrics.in_doubt.set(bool(why))


def _since(began: float) -> float:
    return time.perf_counter() - began
