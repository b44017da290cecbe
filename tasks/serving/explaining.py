"""Why a served version answers as it does: told by a process of its own, so that no answer waits.

To explain a text asks a model as much as a hundred answers. The process that does it holds another
copy of the model, is started when the first request asks for it, and gives way to those that answer
(`tasks.explanation.explaining_process`). Whatever becomes of it, answers are given.
"""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from infra.errors import AssaylineError
from tasks.serving.messages import ModelSpec
from tasks.serving.model_worker import ModelProcess, ModelProcessGoneError, RowsRefusedError
from tasks.serving.settings import ExplainedServingSettings, ServingSettings
from tasks.serving.waiting_rows import AnswerFailedError, QueueFullError, UnansweredError

logger = logging.getLogger(__name__)


class ExplainedTexts:
    """How many texts wait for their explanations, or are explained, over all versions of a line.

    Args:
        settings: how many may.

    Attributes:
        most: as many may.
        waiting: as many do now.

    """

    def __init__(self, settings: ExplainedServingSettings) -> None:
        self.most = settings.max_waiting_texts
        self.waiting = 0

    @contextmanager
    def room_for(self, texts: int) -> Iterator[None]:
        """Count texts of a request for as long as the block runs.

        Raises:
            QueueFullError: there is no room for all of them.

        """
        if self.waiting + texts > self.most:
            raise QueueFullError
        self.waiting += texts
        try:
            yield
        finally:
            self.waiting -= texts


class VersionExplainer:
    """Explains what one version answers, a request at a time; of one event loop.

    Args:
        name: of the version, for messages.
        spec: its model, as the processes that answer have it.
        folder: in which the process works.
        module: that the process runs.
        settings: of the line, with `explanations`.

    """

    def __init__(
        self, name: str, spec: ModelSpec, folder: Path, module: str, settings: ServingSettings
    ) -> None:
        assert settings.explanations  # noqa: S101 - made of such settings alone
        self._name, self._folder, self._module = name, folder, module
        self._settings, self._start_timeout_s = settings.explanations, settings.start_timeout_s
        self._spec = replace(spec, method=self._settings.method)
        self._process: ModelProcess | None = None
        self._turn = asyncio.Lock()
        self._is_closed = False

    async def explain(self, rows: Sequence[dict[str, Any]]) -> list[Any]:
        """The explanation of the answer to each row, as JSON values.

        Raises:
            AnswerFailedError: it cannot be explained.
            UnansweredError: it was not explained in time, or the version serves no more.

        """
        timeout_s = self._settings.timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                await self._turn.acquire()
        except TimeoutError as error:
            raise UnansweredError(
                f"other texts were explained for {timeout_s:g} s "
                "(setting serving.explanations.timeout_s)"
            ) from error
        try:
            return await self._explained(rows)
        finally:
            self._turn.release()

    async def close(self, *, at_once: bool = False) -> None:
        """Explain what is being explained, nothing more, and end the process.

        Args:
            at_once: nobody waits for it.

        """
        self._is_closed = True
        if at_once and self._process:
            await self._process.kill()
        async with self._turn:
            process, self._process = self._process, None
            if process:
                await process.stop()

    async def _explained(self, rows: Sequence[dict[str, Any]]) -> list[Any]:
        if self._is_closed:
            raise UnansweredError(f"{self._name} serves no more")
        process = await self._running()
        try:
            return await process.answer(rows, self._settings.timeout_s)
        except RowsRefusedError as error:
            raise AnswerFailedError(str(error)) from error
        except ModelProcessGoneError as error:
            logger.warning("the process that explains %s %s", self._name, error)
            raise UnansweredError(
                f"the process that explains {error} (setting serving.explanations.timeout_s)"
            ) from error
        except asyncio.CancelledError:  # its answer would be taken for the next one's
            await process.kill()
            raise

    async def _running(self) -> ModelProcess:
        """The process; started where there is none, or where it has ended.

        Raises:
            AnswerFailedError: it does not start.

        """
        if self._process is None or not self._process.is_running:
            self._process = None
            try:
                self._folder.mkdir(exist_ok=True)
                self._process = await ModelProcess.start(
                    self._spec, self._folder, self._start_timeout_s, self._module
                )
            except (AssaylineError, OSError) as error:  # no memory, no room for its log
                logger.warning("answers of %s are not explained: %s", self._name, error)
                raise AnswerFailedError(str(error)) from error
        return self._process
