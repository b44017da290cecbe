"""A JSON text read value by value, without ever holding the whole of it."""

import codecs
import hashlib
import json
import re
from typing import Final

from infra.errors import DataError
from tasks.sources.blocks import as_utf8, check_mark
from tasks.sources.pinned import PinnedFile
from tasks.sources.settings import FilesSource
from tasks.sources.shards import (
    FIELD_TOO_LONG,
    MAX_ROW_BYTES,
    NUL_BYTE,
    BrokenRow,
    broken_row,
    invalid_encoding,
    start_of,
)
from tasks.sources.values import (
    JsonObject,
    Value,
    WrongValueError,
    has_half_surrogate,
    parse_json,
)

_READ_BYTES: Final = 1 << 20
_BYTE_ORDER_MARK: Final = "\ufeff"
_SPACE: Final = re.compile(r"[ \t\r\n]*")
_IN_STRING: Final = re.compile(r'["\\]')
_IN_VALUE: Final = re.compile(r'["\[\]{}]')
_SHOWN: Final = 60
_BEHIND_SCALAR: Final = re.compile(r"[,:\]} \t\r\n]")


class JsonCursor:
    """A place in the JSON text of a file."""

    def __init__(self, file: PinnedFile, settings: FilesSource) -> None:
        self._uri = file.uri
        self._encoding = _encoding_of(file, settings)
        self._stream = as_utf8(file.uri, file.stream(), self._encoding)
        self._to_text = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._decoder = json.JSONDecoder(object_pairs_hook=JsonObject)
        self._text, self._at, self._line = "", 0, 1
        self._raw, self._too_long = b"", ""  # the latter is the digest of what was not kept
        self._read_more()
        self._text = self._text.removeprefix(_BYTE_ORDER_MARK)

    @property
    def line(self) -> int:
        """Number of the line, from 1."""
        return self._line + self._text.count("\n", 0, self._at)

    def peek(self) -> str:
        """The next character that is no white space; empty at the end."""
        while True:
            space = _SPACE.match(self._text, self._at)
            self._at = space.end() if space else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._read_more():
                return ""

    def take(self, character: str) -> None:
        """Pass over a character that must stand next.

        Raises:
            DataError: another stands there, or the text ends.

        """
        if (seen := self.peek()) != character:
            found = f"{seen!r} stands" if seen else "the file ends"
            raise DataError(
                f"{self._uri}: line {self.line} is broken JSON: {found} where {character!r} should "
                "stand; is the file whole?"
            )
        self._at += 1

    def has_next(self, end: str, *, is_first: bool) -> bool:
        """Pass over the comma before a member of a list or object, or over the bracket behind it.

        Raises:
            DataError: neither stands there.

        """
        if self.peek() == end:
            self._at += 1
            return False
        if not is_first:
            self.take(",")
        return True

    def value(self) -> Value:
        """The next value.

        Raises:
            WrongValueError: it is broken, for the reason that it says; reading goes on behind it.
            DataError: the text ends within it.

        """
        is_scalar = self.peek() not in {"{", "[", '"'}
        try:
            value, end = self._decoder.raw_decode(self._text, self._at)
        except (ValueError, RecursionError):
            return self._value_up_to_its_end()
        if is_scalar and end == len(self._text):  # a number may go on
            return self._value_up_to_its_end()
        text, self._at = self._text[self._at : end], end
        self._check(text)
        return value

    @property
    def size(self) -> int:
        """Bytes of the value that was read last."""
        return len(self._raw)

    def broken_row(self, row: int, error: WrongValueError) -> BrokenRow:
        """The value that was read last, as a broken row."""
        if self._too_long:
            return BrokenRow(self._uri, row, str(error), start_of(self._raw), self._too_long)
        return broken_row(self._uri, row, str(error), self._raw, error.told)

    def _value_up_to_its_end(self) -> Value:
        text = self._take_text()
        self._check(text)
        return parse_json(text)

    def _check(self, text: str) -> None:
        """Remember the text of a value; raise WrongValueError where it is not valid."""
        self._raw, self._too_long = text.encode(errors="surrogateescape"), ""
        if "\0" in text:
            raise WrongValueError(NUL_BYTE)
        if has_half_surrogate(text):
            raise WrongValueError(invalid_encoding(self._encoding))

    def _take_text(self) -> str:
        """The text of the next value, which ends where its brackets and quotes do."""
        finder, digest, held = _EndFinder(), hashlib.sha256(), ""
        size = 0
        while True:
            chunk = self._text[self._at :]
            end = finder.feed(chunk)
            part = chunk[:end]
            self._at += len(part)
            size += len(part)
            digest.update(part.encode(errors="surrogateescape"))
            held += part if size <= MAX_ROW_BYTES else ""
            if end is not None or not self._read_more():
                break
        if end is None and not finder.is_scalar:
            raise DataError(
                f"{self._uri} ends within the value that starts {held[:_SHOWN]!r}; is it whole?"
            )
        if size > MAX_ROW_BYTES:
            self._raw, self._too_long = held.encode(errors="surrogateescape"), digest.hexdigest()
            raise WrongValueError(FIELD_TOO_LONG)
        return held

    def _read_more(self) -> bool:
        """Read on, and drop what was passed; False at the end."""
        self._line = self.line
        self._text, self._at = self._text[self._at :], 0
        more = ""
        while not more:
            chunk = self._stream.read(_READ_BYTES)
            more = self._to_text.decode(chunk, final=not chunk)
            if not chunk:
                break
        self._text += more
        return bool(more)


class _EndFinder:
    """Finds where a JSON value ends, by its brackets and quotes alone, chunk by chunk."""

    def __init__(self) -> None:
        self.is_scalar = False
        self._depth = 0
        self._is_new, self._in_string, self._is_escaped = True, False, False

    def feed(self, chunk: str) -> int | None:
        """Where the value ends in this chunk; None where it goes on."""
        if self._is_new and chunk:
            self._is_new, self.is_scalar = False, chunk[0] not in '{["'
        if self.is_scalar:
            behind = _BEHIND_SCALAR.search(chunk)
            return behind.start() if behind else None
        at = 0
        while at < len(chunk):
            found = self._find(chunk, at)
            if found is None:
                return None
            at = found
            if self._depth <= 0 and not self._in_string and not self._is_escaped:
                return at
        return None

    def _find(self, chunk: str, at: int) -> int | None:
        """Behind the next character that changes the state."""
        if self._is_escaped:
            self._is_escaped = False
            return at + 1
        found = (_IN_STRING if self._in_string else _IN_VALUE).search(chunk, at)
        if found is None:
            return None
        character = found.group()
        self._is_escaped = character == "\\"
        if character == '"':
            self._in_string = not self._in_string
        elif not self._is_escaped:
            self._depth += 1 if character in "[{" else -1
        return found.end()


def _encoding_of(file: PinnedFile, settings: FilesSource) -> str:
    """The encoding of a whole file: the fallback where it is not valid in the first."""
    stream = file.stream()
    chunk = stream.read(_READ_BYTES)
    check_mark(file.uri, chunk, settings.encoding)
    if settings.fallback_encoding is None:
        return settings.encoding
    decoder = codecs.getincrementaldecoder(settings.encoding)()
    try:
        while chunk:
            decoder.decode(chunk)
            chunk = stream.read(_READ_BYTES)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return settings.fallback_encoding
    return settings.encoding
