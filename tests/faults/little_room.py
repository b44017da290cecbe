"""Work in a process whose files may not grow: what a full disk does to it, on any machine."""

import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any

from infra.errors import AssaylineError
from infra.full_disk import explain_full_disk


def limit_files(most_bytes: int) -> None:
    """From now on no file of this process grows beyond so many bytes."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the write fails, and the process lives
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, hard))


def without_room(work: Callable[[], Any], most_bytes: int) -> str:
    """What work comes to in a process of its own without room for its files, as stages tell it.

    Returns:
        Kind and message of the error; empty where there was none.

    """
    told, tell = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if not child:
        try:
            limit_files(most_bytes)
            said = _outcome(work)
        except BaseException as error:  # noqa: BLE001 - the process must end here, whatever happens
            said = f"{type(error).__name__}: {error}"
        os.write(tell, said.encode())
        os._exit(0)
    os.close(tell)
    with os.fdopen(told) as answer:
        said = answer.read()
    os.waitpid(child, 0)
    return said


def _outcome(work: Callable[[], Any]) -> str:
    try:
        with explain_full_disk():
            work()
    except AssaylineError as error:
        return f"{type(error).__name__}: {error}"
    return ""
