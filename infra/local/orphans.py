"""Processes that a crash left over, told from all others by the mark in their environment.

A supervisord that was killed leaves its children running, and a killed worker its flow runs.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from infra.running_stacks import MARK


def sweep(home: Path, patience_s: float = 10.0) -> int:
    """End every process of this home's stack; returns how many there were."""
    left = list(processes_of(home))
    for process in left:
        _send(process.terminate)
    _, stubborn = psutil.wait_procs(left, timeout=patience_s)
    for process in stubborn:
        _send(process.kill)
    psutil.wait_procs(stubborn, timeout=patience_s)
    return len(left)


def wait_for_end(pid: int, timeout_s: float) -> None:
    """Wait until a process has ended, or until the time is over."""
    with suppress(psutil.NoSuchProcess):
        psutil.wait_procs([psutil.Process(pid)], timeout=timeout_s)


def processes_of(home: Path) -> Iterator[Any]:
    """All processes of this home's stack but this one."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # another user's, or gone by now
            marked = process.environ().get(MARK) == str(home)
            if marked and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                yield process


def _send(signal: Callable[[], None]) -> None:
    with suppress(psutil.NoSuchProcess):
        signal()
