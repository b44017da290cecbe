"""What a path that a user names leads to on this machine.

Reading a pipe waits for somebody to write, reading a device may never end, and a link can lead out
of the folder that was named, to files that nobody meant to read (CWE-59).
"""

import errno
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

_SPECIAL_KINDS: Final[dict[Callable[[int], bool], str]] = {
    stat.S_ISFIFO: "a named pipe",
    stat.S_ISSOCK: "a socket",
    stat.S_ISCHR: "a character device",
    stat.S_ISBLK: "a block device",
}


def special_kind(path: Path) -> str | None:
    """What a path leads to, where it is neither a regular file nor a folder; None where it is.

    None, too, where there is nothing, which opening it tells.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # the latter of a path with a NUL
        return None
    return next((kind for is_kind, kind in _SPECIAL_KINDS.items() if is_kind(mode)), None)


def check_regular(path: Path) -> None:
    """Make sure that opening a path does not wait, and that reading it ends.

    Raises:
        OSError: it leads to a pipe, a socket or a device.

    """
    if kind := special_kind(path):
        raise OSError(errno.EINVAL, f"it is {kind}; right is a regular file", str(path))


def target_outside(path: Path, folder: Path) -> Path | None:
    """Where a path below a folder leads, if links lead it out of there; None if they do not.

    Raises:
        OSError: links lead round in a circle.

    """
    try:
        target = path.resolve()
    except RuntimeError as error:
        raise OSError(errno.ELOOP, "its links lead round in a circle", str(path)) from error
    return None if target.is_relative_to(folder.resolve()) else target
