"""One version that serves: its processes, which take rows, answer them, and are kept alive."""

import asyncio
import logging
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from infra.errors import AssaylineError, PromotionError
from tasks.records.recorded_requests import Role
from tasks.records.registry import Production
from tasks.serving.explaining import VersionExplainer
from tasks.serving.messages import ModelSpec
from tasks.serving.metrics import ServingMetrics
from tasks.serving.model_worker import ModelProcess, ModelProcessGoneError, RowsRefusedError
from tasks.serving.settings import ServingSettings
from tasks.serving.token_counts import TokenCounter
from tasks.serving.waiting_rows import Answered, AnswerFailedError, WaitingRow, WaitingRows
from tasks.task_types.limits import TokenLimits

logger = logging.getLogger(__name__)

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0


@dataclass(frozen=True)
class Trial:
    """What a model is asked before it serves.

    Attributes:
        requests: rows, the input columns of the task type.
        check: raises PromotionError where the answers are not those that were proven.

    """

    requests: tuple[dict[str, Any], ...]
    check: Callable[[Sequence[Any]], None]


class ServedVersion:
    """A version with its processes; of one event loop.

    Attributes:
        production: which version.
        role: what it is to the line.
        tokens: counts what a row costs it.

    """

    def __init__(
        self,
        production: Production,
        work: Path,
        model: Path,
        trial: Trial,
        settings: ServingSettings,
        metrics: ServingMetrics,
        explaining: str = "",
    ) -> None:
        self.production = production
        self.role: Role = "production"
        self.tokens = TokenCounter(model, production.max_length)
        self._work, self._trial = work, trial
        self._settings, self._metrics = settings, metrics
        limits = TokenLimits.of(production)
        self._spec = ModelSpec(str(model), production.task_type, production.labels, limits)
        self._explainer: VersionExplainer | None = None
        if settings.explanations and explaining:
            self._explainer = VersionExplainer(
                self._name, self._spec, work / "explaining", explaining, settings
            )
        self._rows: WaitingRows  # from `serve` on
        self._ready: list[ModelProcess] = []
        self._serving: list[asyncio.Task[None]] = []
        self._retiring, self._moved = asyncio.Event(), asyncio.Event()

    @property
    def is_ready(self) -> bool:
        """Whether a process of it answers."""
        return bool(self._ready)

    @property
    def _name(self) -> str:
        return f"version {self.production.version} of {self.production.line}"

    @property
    def pids(self) -> list[int]:
        """Of its processes that answer."""
        return [process.pid for process in self._ready]

    async def start(self) -> None:
        """Start all processes, and have each answer as the version was proven.

        Raises:
            PromotionError: one does not start, or answers otherwise.

        """
        for place in range(self._settings.processes):
            self._ready.append(await self._started(place))

    def serve(self, rows: WaitingRows, role: Role = "production") -> None:
        """Take rows of this queue from now on; what was taken of another one before is answered."""
        self.role, self._rows = role, rows
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()
        if not self._serving:
            self._serving = [
                asyncio.create_task(self._serve(place, process))
                for place, process in enumerate(list(self._ready))
            ]

    async def retire(self, *, at_once: bool = False) -> None:
        """Answer what was taken, take no more, and end the processes.

        Args:
            at_once: nobody waits for what was taken, so that it is not answered.

        """
        self._retiring.set()
        if at_once:
            for process in list(self._ready):
                await process.kill()
        await asyncio.gather(*self._serving)
        if self._explainer:
            await self._explainer.close(at_once=at_once)
        for process in self._ready:
            await process.stop()
        self._ready.clear()
        await asyncio.to_thread(shutil.rmtree, self._work, ignore_errors=True)

    async def explain(self, rows: Sequence[dict[str, Any]]) -> list[Any]:
        """Why it answers rows as it does; see `VersionExplainer.explain`.

        Raises:
            AnswerFailedError, UnansweredError: see there.

        """
        if self._explainer is None:
            raise AnswerFailedError("explanations are off (setting serving.explanations)")
        return await self._explainer.explain(rows)

    async def _started(self, place: int) -> ModelProcess:
        folder = self._work / f"process-{place}"
        folder.mkdir(exist_ok=True)
        timeout_s = self._settings.start_timeout_s
        process = await ModelProcess.start(self._spec, folder, timeout_s)
        try:
            answers = await process.answer(self._trial.requests, timeout_s)
            self._trial.check(answers)
        except RowsRefusedError as error:
            await process.kill()
            raise PromotionError(f"{self._name} is not served: {error}") from error
        except ModelProcessGoneError as error:
            raise PromotionError(
                f"{self._name} is not served: asked what it was proven by, its process {error}. "
                f"Its last output:\n{process.last_output}"
            ) from error
        except BaseException:
            await process.kill()
            raise
        return process

    async def _serve(self, place: int, process: ModelProcess) -> None:
        # One that retires takes nothing more, also where there always is a next batch.
        while not self._retiring.is_set():
            batch = await self._next_batch(process)
            if batch is None and self._retiring.is_set():
                return
            if batch is None and not process.exited.done():
                continue  # of another queue from now on
            if batch is None or not await self._answer(process, batch):
                self._ready.remove(process)
                again = await self._started_again(place)
                if again is None:
                    return
                process = again
                self._ready.append(process)

    async def _next_batch(self, process: ModelProcess) -> list[WaitingRow] | None:
        """What is answered next; None where the process has ended, or takes no more of these."""
        batch = asyncio.ensure_future(self._rows.next_batch())
        retiring = asyncio.ensure_future(self._retiring.wait())
        moved = asyncio.ensure_future(self._moved.wait())
        try:
            await asyncio.wait(
                (batch, retiring, moved, process.exited), return_when=asyncio.FIRST_COMPLETED
            )
            # A batch that was taken is answered, or put back, whatever else has happened.
            return batch.result() if batch.done() else None
        finally:
            batch.cancel()
            retiring.cancel()
            moved.cancel()
            await asyncio.wait((batch, retiring, moved))

    async def _answer(self, process: ModelProcess, batch: list[WaitingRow]) -> bool:
        """Answer a batch; whether the process is still there for the next one."""
        self._metrics.batch_rows.observe(len(batch))
        self._metrics.batch_tokens.observe(sum(row.tokens for row in batch))
        try:
            answers = await process.answer(
                [row.inputs for row in batch], self._settings.request_timeout_s
            )
        except RowsRefusedError as error:
            if len(batch) == 1 and not batch[0].answer.done():
                batch[0].answer.set_exception(AnswerFailedError(str(error)))
            else:
                self._rows.put_back(batch, str(error))
            return True
        except ModelProcessGoneError as error:
            logger.warning("a process of version %d %s", self.production.version, error)
            self._rows.lose(batch, f"the process of the model {error}")
            return False
        for row, answer in zip(batch, answers, strict=True):
            if not row.answer.done():
                row.answer.set_result(Answered(answer, self.production))
        return True

    async def _started_again(self, place: int) -> ModelProcess | None:
        """A process in place of one that ended; None where the version retires meanwhile."""
        pause_s = FIRST_PAUSE_S
        while not self._retiring.is_set():
            self._metrics.restarts.labels(self.role).inc()
            began = time.monotonic()
            try:
                process = await self._started(place)
            except (AssaylineError, OSError) as error:  # no memory, no room for its log
                logger.warning(
                    "version %d does not start again: %s", self.production.version, error
                )
            else:
                logger.warning(
                    "a process of version %d was started again in %.1f s",
                    self.production.version,
                    time.monotonic() - began,
                )
                return process
            try:
                async with asyncio.timeout(pause_s):
                    await self._retiring.wait()
            except TimeoutError:
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        return None
