"""A process that is told to end (spot loss, a cancelled run) writes a checkpoint first."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from infra.errors import TrainingError


class StoppedError(Exception):
    """Training ends here, and its checkpoint is written."""


class TerminatedError(TrainingError):
    """Training ended because its process was told to."""


class StopSignal:
    """Remembers SIGTERM until training can heed it.

    Attributes:
        requested: whether the process was told to end.

    """

    def __init__(self) -> None:
        self.requested = False

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Let a SIGTERM wait for the end of the step, or of the validation, that is under way.

        The block raises `StoppedError` when its checkpoint is written; then whoever handled the
        signal before is given it. Prefect makes a cancelled or a crashed run of it.

        Raises:
            TerminatedError: training was stopped, and nobody else handles the signal.

        """
        if not _can_handle_signals():
            yield
            return
        before = signal.signal(signal.SIGTERM, self._remember)
        try:
            yield
        except StoppedError:
            self.requested = True
        finally:
            signal.signal(signal.SIGTERM, before)
        if self.requested:
            _hand_on(before)

    def _remember(self, _signal: int, _frame: FrameType | None) -> None:
        self.requested = True


def _can_handle_signals() -> bool:
    if threading.current_thread() is not threading.main_thread():
        return False
    # None: a handler that C code installed, which could not be put back.
    return signal.getsignal(signal.SIGTERM) not in {None, signal.SIG_IGN}


def _hand_on(before: Callable[..., Any] | int | None) -> None:
    """Tell the handler from before; the system's own would end the process without clean-up."""
    if callable(before):
        signal.raise_signal(signal.SIGTERM)
    raise TerminatedError(
        "training was told to end (SIGTERM), and its checkpoint is written; run again, and it "
        "goes on from there"
    )
