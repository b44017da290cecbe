"""A model's process, seen from the server: started, asked, and ended."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, Self

from infra.errors import PromotionError
from infra.model_environment import model_environment
from tasks.serving.messages import LENGTH, ModelSpec, packed

COMMAND: Final = (sys.executable, "-P", "-m")
MODULE: Final = "tasks.serving.model_process"
STOP_S: Final = 10.0
LAST_OUTPUT_CHARS: Final = 1_500


class ModelProcessGoneError(Exception):
    """The process has ended, or works on one batch for too long; what it was asked stays open."""


class RowsRefusedError(Exception):
    """The model could not answer these rows; the message says why."""


class ModelProcess:
    """A process of our own code with a model in it, and without any login; see `start`.

    Attributes:
        pid: of the process.
        exited: is done once the process has ended.

    """

    def __init__(self, process: Process, log: Path) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("a model's process is asked through its standard streams")
        self._process, self._log = process, log
        self._rows, self._answers = process.stdin, process.stdout
        self.pid = process.pid
        # One for its whole life: asyncio never lets go of whoever waited for a process in vain.
        self.exited = asyncio.ensure_future(process.wait())

    @classmethod
    async def start(
        cls, spec: ModelSpec, folder: Path, timeout_s: float, module: str = MODULE
    ) -> Self:
        """Start a process with a model.

        Args:
            spec: the model.
            folder: its working directory, where its log is written.
            timeout_s: for the start.
            module: that the process runs.

        Raises:
            PromotionError: it ends, or does not answer in time; the message ends with what it
                wrote last.

        """
        log = folder / "model.log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *COMMAND, module, cwd=folder, env=model_environment(),
                stdin=PIPE, stdout=PIPE, stderr=output,
                # Ctrl-C is for the server, which ends the process when the last answer is given.
                start_new_session=True,
            )  # fmt: skip
        worker = cls(process, log)
        try:
            said = await worker._ask(asdict(spec), timeout_s)
        except ModelProcessGoneError as error:
            await worker.stop()
            raise PromotionError(
                f"the process of the model {error} (setting serving.start_timeout_s is "
                f"{timeout_s:g}). Its last output:\n{worker.last_output}"
            ) from error
        except asyncio.CancelledError:
            await worker.kill()
            raise
        if "error" in said:
            await worker.stop()
            raise PromotionError(str(said["error"]))
        return worker

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self._process.returncode is None

    @property
    def last_output(self) -> str:
        """The end of what it and its libraries have written."""
        text = self._log.read_text(encoding="utf-8", errors="replace")
        return text[-LAST_OUTPUT_CHARS:].strip() or "none"

    async def answer(self, rows: Sequence[dict[str, Any]], timeout_s: float) -> list[Any]:
        """One JSON value for each row.

        Raises:
            ModelProcessGoneError: the process ended, or did not answer in time and was ended.
            RowsRefusedError: the model cannot answer one of the rows, or gives not one answer each.

        """
        said = await self._ask(list(rows), timeout_s)
        if "error" in said:
            raise RowsRefusedError(str(said["error"]))
        answers: list[Any] = said["answers"]
        if len(answers) != len(rows):  # of a task type that somebody added
            raise RowsRefusedError(f"the model gives {len(answers)} answers to {len(rows)} rows")
        return answers

    async def stop(self) -> None:
        """End the process when it has answered what it was asked."""
        self._rows.close()
        try:
            await asyncio.wait_for(self._process.wait(), STOP_S)
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        """End the process at once."""
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    async def _ask(self, message: object, timeout_s: float) -> dict[str, Any]:
        try:
            async with asyncio.timeout(timeout_s):
                self._rows.write(packed(message))
                await self._rows.drain()
                (length,) = LENGTH.unpack(await self._answers.readexactly(LENGTH.size))
                said: dict[str, Any] = json.loads(await self._answers.readexactly(length))
        except TimeoutError as error:
            await self.kill()
            raise ModelProcessGoneError(f"did not answer within {timeout_s:g} s") from error
        except (asyncio.IncompleteReadError, OSError) as error:
            await self.kill()
            code = self._process.returncode
            raise ModelProcessGoneError(f"ended with exit code {code}") from error
        return said
