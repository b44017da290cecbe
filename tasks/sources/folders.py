"""The files that a folder or pattern stands for: no link leads out of it, and each one ends."""

from pathlib import Path

from infra.errors import DataError
from infra.local_files import check_regular, target_outside


def check_found(path: Path, folder: Path, setting: str, *, follow_links: bool) -> None:
    """Make sure that a file that was found, and not named, is one that the user means.

    Args:
        path: that was found below the folder.
        folder: that the user named.
        setting: that names the folder, for the message.
        follow_links: whether links may lead out of the folder.

    Raises:
        DataError: a link leads out of the folder or nowhere, or it is a pipe, socket or device.

    """
    try:
        outside = None if follow_links else target_outside(path, folder)
        if outside:
            raise DataError(
                f"{setting}: {path} is a link that leads out of {folder}, to {outside}; put the "
                "file itself there, or set source.follow_links: true if it is to be read"
            )
        path.stat()
        check_regular(path)
    except OSError as error:
        raise DataError(f"{setting}: {path} cannot be read: {error.strerror}") from error
