"""A pinned file on local disk, unpacked as it is read, and held against its fingerprint."""

import hashlib
import io
import lzma
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import pyarrow as pa

from infra.errors import DataError, StoreError
from infra.store import ObjectStore, sha256_of_file
from tasks.records.data import SourceFile
from tasks.sources.settings import S3_SCHEME

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_COPY_BYTES: Final = 1 << 20
# The first bytes of each kind of packed file, and how its name ends. bzip2's magic is three letters
# and a digit, which text may start with; so the first bytes of its first block count too.
_MAGIC: Final = {
    "gzip": (b"\x1f\x8b\x08",),
    "bz2": tuple(
        b"BZh%d" % level + block
        for level in range(1, 10)
        for block in (b"1AY&SY", b"\x17\x72\x45\x38\x50\x90")
    ),
    "xz": (b"\xfd7zXZ\x00",),
    "zstd": (b"\x28\xb5\x2f\xfd",),
}
ENDINGS: Final = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zst": "zstd"}


class ByteStream(Protocol):
    """Bytes that are read one after the other."""

    def read(self, size: int, /) -> bytes:
        """At most this many bytes; none at the end."""


class _HashedFile(io.RawIOBase):
    """A file that is read once, from start to end, and hashed on the way."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)
        self._digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer)
        size = self._file.readinto(view) or 0
        self._digest.update(view[:size])
        return size

    def close(self) -> None:
        self._file.close()
        super().close()

    def sha256(self) -> str:
        """Digest of the whole file; reads what was not read yet."""
        while self.read(_COPY_BYTES):
            pass
        return self._digest.hexdigest()


class _Unpacked:
    """A packed stream, unpacked; what is wrong with it is one message."""

    def __init__(self, uri: str, stream: ByteStream, codec: str) -> None:
        self._uri, self._stream, self._codec = uri, stream, codec

    def read(self, size: int, /) -> bytes:
        try:
            return self._stream.read(size)
        except (OSError, EOFError, lzma.LZMAError, pa.ArrowException) as error:
            raise DataError(
                f"{self._uri} cannot be unpacked: {error}; is it a whole {self._codec} file?"
            ) from error


class PinnedFile:
    """A file of a source, as it was when it was pinned."""

    def __init__(self, uri: str, path: Path) -> None:
        self.uri = uri
        self.path = path
        self._hashed: _HashedFile | None = None

    def stream(self) -> ByteStream:
        """The file's bytes, unpacked; each call starts anew.

        Raises:
            DataError: its name ends as that of a packed file, and it is none. TokenLimits raises it
                where the packed bytes are broken or cut short.

        """
        self.close()
        codec = self._codec()
        self._hashed = _HashedFile(self.path)
        packed = io.BufferedReader(self._hashed, _COPY_BYTES)
        if codec is None:
            return packed
        if codec == "xz":
            return _Unpacked(self.uri, lzma.LZMAFile(packed), codec)
        unpacked = pa.CompressedInputStream(pa.PythonFile(packed, "r"), codec)
        return _Unpacked(self.uri, unpacked, codec)

    def unpacked_file(self, folder: Path) -> Path:
        """The file for reading in any order; a packed one is unpacked to this folder."""
        if self._codec() is None:
            return self.path
        path = folder / "unpacked"
        stream = self.stream()
        with path.open("wb") as copy:
            while chunk := stream.read(_COPY_BYTES):
                copy.write(chunk)
        return path

    def sha256(self) -> str:
        """Digest of the file's bytes: of those that were read, if all of it was."""
        if self._hashed and not self._hashed.closed:
            return self._hashed.sha256()
        return sha256_of_file(self.path)

    def close(self) -> None:
        """Close what was opened."""
        if self._hashed:
            self._hashed.close()

    def _codec(self) -> str | None:
        with self.path.open("rb") as file:
            start = file.read(max(len(magic) for kind in _MAGIC.values() for magic in kind))
        codec = next((codec for codec, magic in _MAGIC.items() if start.startswith(magic)), None)
        named = ENDINGS.get(Path(self.uri).suffix)
        if codec is None and named:
            raise DataError(
                f"{self.uri} ends in {Path(self.uri).suffix} and is no {named} file; "
                "pack it, or name it as what it is"
            )
        return codec


@contextmanager
def open_pinned(file: SourceFile, store: ObjectStore) -> Iterator[PinnedFile]:
    """A pinned file on local disk; when all is read, it must still be what was pinned.

    Raises:
        DataError: it vanished, cannot be read, or changed since it was pinned.

    """
    with ExitStack() as stack:
        path = Path(file.uri)
        if file.uri.startswith(S3_SCHEME):
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            path = _fetch(file, Path(folder) / "object", store)
        pinned = PinnedFile(file.uri, path)
        try:
            yield pinned
            _check(file, pinned)
        except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
            raise DataError(f"{file.uri} cannot be read: {error.strerror}") from error
        except DataError:
            _check(file, pinned)  # what is wrong may be that the file changed
            raise
        finally:
            pinned.close()


def _fetch(file: SourceFile, path: Path, store: ObjectStore) -> Path:
    try:
        store.download(file.uri, path)
        # Asked after the download, so that a change meanwhile shows.
        fingerprint, size_bytes = store.fingerprint(file.uri)
    except StoreError as error:
        if store.exists(file.uri):
            raise
        raise DataError(
            f"{file.uri} vanished since the run found it; put it back, or run again without it"
        ) from error
    if (fingerprint, size_bytes) != (file.fingerprint, path.stat().st_size):
        raise _changed(file)
    return path


def _check(file: SourceFile, pinned: PinnedFile) -> None:
    if file.uri.startswith(S3_SCHEME):
        return  # the copy was held against the object when it was fetched
    if pinned.sha256() != file.fingerprint:
        raise _changed(file)


def _changed(file: SourceFile) -> DataError:
    return DataError(
        f"{file.uri} changed while the run was reading it; run again when nothing writes to it"
    )
