"""The manifest of a folder: every file with its size and SHA-256, in one canonical form.

Two folders have the same manifest exactly if they hold the same files with the same bytes, so that
the SHA-256 of the manifest's own bytes stands for all of them. Nothing of this project is imported
here: the process that serves a version runs this file by its path.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, order=True)
class ListedFile:
    """A file of a folder.

    Attributes:
        path: from the folder on, with slashes.
        sha256: hex digest of its bytes.

    """

    path: str
    size_bytes: int
    sha256: str


def list_files(folder: Path) -> tuple[ListedFile, ...]:
    """Every file below a folder, sorted by its path.

    Raises:
        ValueError: a link, a device or a pipe lies there, which has no bytes of its own.

    """
    found = []
    for path in folder.rglob("*"):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise ValueError(f"{path} is neither a file nor a folder")
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            found.append(ListedFile(name, path.stat().st_size, _sha256_of(path)))
    return tuple(sorted(found))


def to_bytes(files: Sequence[ListedFile]) -> bytes:
    """The manifest: JSON, the same bytes for the same files."""
    listed = [asdict(file) for file in sorted(files)]
    return json.dumps({"files": listed}, sort_keys=True, indent=1).encode()


def from_bytes(manifest: bytes) -> tuple[ListedFile, ...]:
    """The files of a manifest.

    Raises:
        ValueError: it is none.

    """
    try:
        return tuple(ListedFile(**file) for file in json.loads(manifest)["files"])
    except (TypeError, KeyError) as error:
        raise ValueError(f"no manifest of files ({error})") from error


def differences(listed: Sequence[ListedFile], found: Sequence[ListedFile]) -> tuple[str, ...]:
    """Each file that was changed, is missing or was added; empty where all is as it was.

    Args:
        listed: as the manifest has them.
        found: as they are now.

    """
    before, now = ({file.path: file for file in files} for files in (listed, found))
    changed = [path for path in before.keys() & now.keys() if before[path] != now[path]]
    return (
        *(f"{path} was changed" for path in sorted(changed)),
        *(f"{path} is missing" for path in sorted(before.keys() - now.keys())),
        *(f"{path} was added" for path in sorted(now.keys() - before.keys())),
    )


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
