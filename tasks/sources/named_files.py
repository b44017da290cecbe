"""Files that settings name beside the source: benchmarks, rationales, published questions.

Each is local or an object of the store. It is fingerprinted as a run begins, so that a stage runs
anew where the content is another.
"""

import hashlib
import io
from pathlib import Path
from typing import BinaryIO, Final

from infra.errors import DataError
from infra.local_files import check_regular
from infra.store import HASH_CHUNK_BYTES, ObjectStore
from tasks.records.data import SourceFile

_S3: Final = "s3://"
# Of a file that is read whole; ten times the largest that is meant.
LARGEST_BYTES: Final = 64 << 20


def open_named(setting: str, path: str, store: ObjectStore) -> BinaryIO:
    """A file for reading.

    Args:
        setting: that names it, as messages begin.
        path: a local one, or ``s3://bucket/key``.
        store: holds the objects.

    Raises:
        DataError: it is not there, or cannot be read.
        StoreError: the store cannot be reached.

    """
    if path.startswith(_S3):
        if not store.exists(path):
            raise DataError(f"{setting}: {path} does not exist in the object store")
        return io.BytesIO(store.get_bytes(path))
    try:
        check_regular(Path(path))
        return Path(path).open("rb")
    except (OSError, ValueError) as error:
        told = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{setting}: {path} cannot be read: {told}") from error


def pin_named(setting: str, path: str, store: ObjectStore) -> SourceFile:
    """The fingerprint of a file as it is now; arguments and errors as of `open_named`."""
    with open_named(setting, path, store) as file:
        digest = hashlib.sha256()
        while chunk := file.read(HASH_CHUNK_BYTES):
            digest.update(chunk)
        return SourceFile(path, digest.hexdigest(), file.tell())


def read_pinned(setting: str, pinned: SourceFile, store: ObjectStore) -> bytes:
    """The content of a file, which is still what was fingerprinted.

    Args:
        setting: as of `open_named`.
        pinned: the file.
        store: likewise.

    Raises:
        DataError: as `open_named`; or it changed, or has more than `LARGEST_BYTES`.
        StoreError: the store cannot be reached.

    """
    if pinned.size_bytes > LARGEST_BYTES:
        raise DataError(
            f"{setting}: {pinned.uri} has {pinned.size_bytes >> 20:,} MB, where at most "
            f"{LARGEST_BYTES >> 20} are read; name the file itself, or a part of it"
        )
    with open_named(setting, pinned.uri, store) as file:
        content = file.read(LARGEST_BYTES + 1)
    if hashlib.sha256(content).hexdigest() != pinned.fingerprint:
        raise DataError(f"{setting}: {pinned.uri} changed while the run was going on; run again")
    return content


def read_lines(setting: str, pinned: SourceFile, store: ObjectStore) -> list[str]:
    """The lines of a file of UTF-8, parted at line feeds alone.

    Not by `str.splitlines`, which parts a JSON string, or a text, at U+2028 and U+0085.

    Raises:
        DataError, StoreError: as `read_pinned`; or the file is no UTF-8.

    """
    content = read_pinned(setting, pinned, store)
    try:
        return content.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{setting}: {pinned.uri} is not UTF-8: {error}") from error
