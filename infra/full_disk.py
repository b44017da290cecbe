"""A local disk without room for temporary files, told in one message wherever it is met."""

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from infra.errors import StoreError

# The last one is that of a process whose files may not grow any more (RLIMIT_FSIZE).
NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def lacks_room(error: OSError) -> bool:
    """Whether it says that a disk is full, and nothing of what was read."""
    return error.errno in NO_ROOM


@contextmanager
def explain_full_disk() -> Iterator[None]:
    """Turn a temporary file that finds no room into one message.

    Raises:
        StoreError: there was no room.

    """
    try:
        yield
    except OSError as error:
        if not lacks_room(error):
            raise
        raise StoreError(
            f"no room on the local disk for temporary files in {tempfile.gettempdir()} ({error}); "
            "make room there, or set TMPDIR to a folder on a larger disk, and run again"
        ) from error
