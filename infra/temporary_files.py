"""A folder for all temporary files of some work, which is removed however its process ends.

A process that is killed removes nothing, and what it has downloaded may be gigabytes. So the folder
holds a lock that ends with the process, and who makes the next folder removes those whose lock is
free.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

PREFIX: Final = "assayline-work-"
_LOCK: Final = ".in-use"


@contextmanager
def own_temporary_folder() -> Iterator[Path]:
    """Have `tempfile` put its files into a folder of this work's own until the block ends.

    It is a setting of the whole process: one block at a time.

    Raises:
        OSError: there is no room for it.

    """
    before = tempfile.tempdir
    parent = Path(tempfile.gettempdir())
    _remove_abandoned(parent)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    try:
        lock = _lock(folder)
        tempfile.tempdir = str(folder)
        try:
            yield folder
        finally:
            tempfile.tempdir = before
            os.close(lock)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _lock(folder: Path) -> int:
    """Lock a folder; its lock has the name that others look for once it is held."""
    unready = folder / f"{_LOCK}.new"
    lock = os.open(unready, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    unready.rename(folder / _LOCK)
    return lock


def _remove_abandoned(parent: Path) -> None:
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):  # it is another user's, or somebody else removes it
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)
