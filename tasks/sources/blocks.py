"""A file of text as blocks of whole lines in UTF-8."""

import codecs
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from infra.errors import DataError
from tasks.sources.pinned import ByteStream
from tasks.sources.settings import FilesSource, keeps_lines
from tasks.sources.shards import (
    FIELD_TOO_LONG,
    MAX_ROW_BYTES,
    BrokenRow,
    start_of,
)

BLOCK_BYTES: Final = 8 << 20
PIECE_BYTES: Final = 1 << 20
_READ_BYTES: Final = 4 << 20
_LINE_FEED: Final = ord("\n")
# UTF-32 first, since its mark in little-endian order starts as that of UTF-16.
_WIDE_MARKS: Final = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# Where NUL bytes stand in the first characters of a text of ASCII, and what it is written in then.
_WIDE_WITHOUT_MARK: Final[dict[tuple[bool, ...], str]] = {
    (False, True, False, True): "utf-16-le",
    (True, False, True, False): "utf-16-be",
    (False, True, True, True): "utf-32-le",
    (True, True, True, False): "utf-32-be",
}
_FIRST_BYTES: Final = 4
# In which a line feed must show, if lines end in them.
_BYTES_WITH_AN_END: Final = 8 << 20
_MARK_ERRORS: Final = "assayline-mark"


@dataclass(frozen=True)
class Block:
    """Whole lines of a file, each but maybe the file's last with its line feed.

    Attributes:
        data: UTF-8, but for lines that are not valid in the encoding of the file.
        first_line: number of the first of them in the file, from 1.
        is_last: whether the file ends with them.

    """

    data: bytes
    first_line: int
    is_last: bool

    @cached_property
    def line_ends(self) -> npt.NDArray[np.int64]:
        """Where the line feeds stand."""
        return line_ends(self.data)

    def is_utf8(self) -> bool:
        """Whether every line of it is valid."""
        return is_utf8(self.data)

    def pieces(self) -> Iterator["Block"]:
        """The same lines in blocks of about a megabyte."""
        start, line = 0, self.first_line
        while start < len(self.data):
            stop = self.data.find(b"\n", min(start + PIECE_BYTES, len(self.data)) - 1) + 1
            stop = stop or len(self.data)
            data = self.data[start:stop]
            yield Block(data, line, self.is_last and stop == len(self.data))
            start, line = stop, line + count_lines(data)


@dataclass(frozen=True, slots=True)
class LongLine:
    """A line that is too long to be held in memory."""

    line: int
    start: bytes
    sha256: str

    def broken(self, file: str) -> BrokenRow:
        """The line as a broken row."""
        return BrokenRow(file, self.line, FIELD_TOO_LONG, start_of(self.start), self.sha256)


def is_utf8(data: bytes) -> bool:
    """Whether bytes are valid UTF-8; many times faster than to decode them."""
    if not data:
        return True
    buffers = [None, pa.py_buffer(np.array([0, len(data)], np.int32)), pa.py_buffer(data)]
    try:
        pa.Array.from_buffers(pa.string(), 1, buffers).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def line_ends(data: bytes) -> npt.NDArray[np.int64]:
    """Where the line feeds stand."""
    return np.flatnonzero(np.frombuffer(data, np.uint8) == _LINE_FEED)


def count_lines(data: bytes) -> int:
    """How many line feeds there are."""
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == _LINE_FEED))


def lines_of(data: bytes) -> Iterator[bytes]:
    """The lines, each with its line feed."""
    start = 0
    while start < len(data):
        stop = data.find(b"\n", start) + 1 or len(data)
        yield data[start:stop]
        start = stop


def read_blocks(uri: str, stream: ByteStream, settings: FilesSource) -> Iterator[Block | LongLine]:
    """The lines of a file, in order, in blocks of some 8 MB, without a byte order mark.

    Where its start holds carriage returns and no line feed, they end its lines, as Excel writes
    them for a Macintosh.

    Raises:
        DataError: the file starts as UTF-16 or UTF-32, and the settings name another encoding.

    """
    if not keeps_lines(settings.encoding):
        stream = as_utf8(uri, stream, settings.encoding)
    for block in _cut_at_lines(_FedStream(stream)):
        if isinstance(block, LongLine):
            yield block
            continue
        data = block.data
        if block.first_line == 1:
            check_mark(uri, data, settings.encoding)
            while data.startswith(codecs.BOM_UTF8):  # two, where a tool put one before another
                data = data.removeprefix(codecs.BOM_UTF8)
        if keeps_lines(settings.encoding):
            data = _to_utf8(data, settings)
        same = data is block.data
        yield block if same else Block(data, block.first_line, block.is_last)


def decode(data: bytes, encoding: str, fallback: str | None) -> str:
    """Text of a line, or of a file that is one row.

    Raises:
        UnicodeDecodeError: it is valid in neither encoding.

    """
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        if fallback is None:
            raise
        return data.decode(fallback)


def check_mark(uri: str, start: bytes, encoding: str) -> None:
    """Raise DataError where a file starts as UTF-16 or UTF-32 and another encoding is set."""
    if not keeps_lines(encoding):
        return
    first = start[:_FIRST_BYTES]
    if wide := _WIDE_WITHOUT_MARK.get(tuple(not byte for byte in first)):
        raise DataError(
            f"{uri} starts with NUL bytes as {wide} does; set source.encoding to {wide}, or save "
            f"the file as {encoding}"
        )
    for mark, wide in _WIDE_MARKS.items():
        if start.startswith(mark):
            raise DataError(
                f"{uri} starts with the byte order mark of {wide}; set source.encoding to {wide}, "
                f"or save the file as {encoding}"
            )


class _Utf8Stream:
    """A stream in another encoding as UTF-8; what is not valid in it becomes no valid UTF-8."""

    def __init__(self, uri: str, stream: ByteStream, encoding: str) -> None:
        codecs.register_error(_MARK_ERRORS, _mark_invalid)
        self._decoder = codecs.getincrementaldecoder(encoding)(_MARK_ERRORS)
        self._uri, self._stream, self._encoding = uri, stream, encoding
        self._held = b""

    def read(self, size: int, /) -> bytes:
        """At most this many bytes; none at the end."""
        while not self._held:
            chunk = self._stream.read(_READ_BYTES)
            self._held = self._decode(chunk).encode(errors="surrogatepass")
            if not chunk:
                break
        data, self._held = self._held[:size], self._held[size:]
        return data

    def _decode(self, chunk: bytes) -> str:
        try:
            return self._decoder.decode(chunk, final=not chunk)
        except UnicodeError as error:
            raise DataError(
                f"{self._uri} is not valid {self._encoding} (source.encoding): {error}; if it has "
                "no byte order mark, name the order too: utf-16-le or utf-16-be"
            ) from error


class _FedStream:
    """A stream whose lines end in line feeds: its carriage returns become such, if it has no other.

    It has no other where there is none in what is read first.
    """

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._start = read_fully(stream, _BYTES_WITH_AN_END)
        self._is_fed = b"\n" in self._start or b"\r" not in self._start

    def read(self, size: int, /) -> bytes:
        """At most this many bytes; none at the end."""
        data, self._start = self._start[:size], self._start[size:]
        data = data or self._stream.read(size)
        return data if self._is_fed else data.replace(b"\r", b"\n")


def _mark_invalid(error: UnicodeError) -> tuple[str, int]:
    """Each invalid byte as a half surrogate, so that the line that it stands in shows."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


def as_utf8(uri: str, stream: ByteStream, encoding: str) -> ByteStream:
    """The stream with its text in UTF-8."""
    return stream if encoding == "utf-8" else _Utf8Stream(uri, stream, encoding)


def read_fully(stream: ByteStream, size: int) -> bytes:
    """As many bytes as are asked for, or all that are left."""
    parts = []
    while size and (part := stream.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _cut_at_lines(stream: ByteStream) -> Iterator[Block | LongLine]:
    """Blocks of whole lines; a line is held only up to the length that a row may have."""
    line, held = 1, b""
    while True:
        wanted = min(BLOCK_BYTES, MAX_ROW_BYTES + 1 - len(held))
        chunk = read_fully(stream, wanted)
        if len(chunk) < wanted:
            yield Block(held + chunk, line, is_last=True)
            return
        if cut := chunk.rfind(b"\n") + 1:
            block = Block(b"".join((held, memoryview(chunk)[:cut])), line, is_last=False)
            held = chunk[cut:]
            yield block
            line += len(block.line_ends)
        elif len(held) + len(chunk) <= MAX_ROW_BYTES:
            held += chunk
        else:
            long, held = _skip_line(held + chunk, line, stream)
            yield long
            line += 1


def _skip_line(start: bytes, line: int, stream: ByteStream) -> tuple[LongLine, bytes]:
    """The line that starts like this, and what was read behind it."""
    digest, chunk = hashlib.sha256(), start
    while chunk and b"\n" not in chunk:
        digest.update(chunk)
        chunk = stream.read(_READ_BYTES)
    end, _, rest = chunk.partition(b"\n")
    digest.update(end)
    return LongLine(line, start, digest.hexdigest()), rest


def _to_utf8(data: bytes, settings: FilesSource) -> bytes:
    """Lines in UTF-8; a line that is not valid in its encoding stays invalid."""
    encoding, fallback = settings.encoding, settings.fallback_encoding
    if encoding == "utf-8" and (fallback is None or is_utf8(data)):
        return data
    try:
        return data.decode(encoding).encode()
    except UnicodeDecodeError:
        lines = (_line_to_utf8(line, encoding, fallback) for line in data.split(b"\n"))
        return b"\n".join(lines)


def _line_to_utf8(line: bytes, encoding: str, fallback: str | None) -> bytes:
    try:
        return decode(line, encoding, fallback).encode()
    except UnicodeDecodeError:
        return line if not is_utf8(line) else line + b"\xff"
