"""CoNLL: a token and its tag a line, an empty line between sentences."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from tasks.sources.blocks import LongLine, lines_of, read_blocks
from tasks.sources.columns import ReadColumn
from tasks.sources.pinned import PinnedFile
from tasks.sources.settings import AnnotatedSource
from tasks.sources.shards import (
    FIELD_TOO_LONG,
    MAX_ROW_BYTES,
    NUL_BYTE,
    WRONG_NUMBER_OF_FIELDS,
    Shard,
    broken_row,
    invalid_encoding,
)
from tasks.sources.typed_rows import ShardBuilder

# Tells documents apart in the files of CoNLL-2003; it is no sentence.
_DOCUMENT_START: Final = "-DOCSTART-"
_BLANKS: Final = re.compile(r"[ \t]+")
_MIN_FIELDS: Final = 2


@dataclass(slots=True)
class _Sentence:
    """The lines of a sentence so far.

    Attributes:
        row: number of its first line, or where it is broken, of the line that breaks it.
        reason: why it is broken; empty where it is not.

    """

    row: int
    tokens: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    raw: bytearray = field(default_factory=bytearray)
    reason: str = ""

    def add(self, row: int, line: bytes, encoding: str) -> None:
        """Add a line that is not empty."""
        if self.reason:
            return
        self.raw += line
        reason = self._read(line, encoding)
        if len(self.raw) > MAX_ROW_BYTES:
            reason = FIELD_TOO_LONG
        if reason:
            self.row, self.reason = row, reason

    def _read(self, line: bytes, encoding: str) -> str:
        if b"\0" in line:
            return NUL_BYTE
        try:
            text = line.decode().strip(" \t\r\n")
        except UnicodeDecodeError:
            return invalid_encoding(encoding)
        fields = [part for part in text.split("\t") if part]
        if len(fields) < _MIN_FIELDS:
            fields = _BLANKS.split(text)
        if len(fields) < _MIN_FIELDS:
            return WRONG_NUMBER_OF_FIELDS
        self.tokens.append(fields[0])
        self.tags.append(fields[-1])
        return ""


def read_conll(
    file: PinnedFile, settings: AnnotatedSource, columns: Sequence[ReadColumn]
) -> Iterator[Shard]:
    """Sentences of a CoNLL file, each numbered by its first line.

    The token is the first field of a line, and the tag the last; those between are passed over. A
    line that is broken breaks its sentence.
    """
    shard = ShardBuilder(file.uri, columns)
    for sentence in _sentences(file, settings):
        if sentence.reason:
            raw = bytes(sentence.raw)
            shard.put_aside(broken_row(file.uri, sentence.row, sentence.reason, raw))
        elif sentence.tokens[0] != _DOCUMENT_START:
            values = {"tokens": sentence.tokens, "tags": sentence.tags}
            row_values = [values[column.name] for column in columns]
            shard.add(sentence.row, row_values, len(sentence.raw))
        if shard.is_full:
            yield shard.take()
    yield shard.take()


def _sentences(file: PinnedFile, settings: AnnotatedSource) -> Iterator[_Sentence]:
    sentence = None
    for row, line in _lines(file, settings):
        is_long = isinstance(line, LongLine)
        data = line.start if isinstance(line, LongLine) else line
        if not is_long and not data.strip():
            if sentence:
                yield sentence
            sentence = None
            continue
        sentence = sentence or _Sentence(row)
        sentence.add(row, data, settings.encoding)
    if sentence:
        yield sentence


def _lines(file: PinnedFile, settings: AnnotatedSource) -> Iterator[tuple[int, bytes | LongLine]]:
    for block in read_blocks(file.uri, file.stream(), settings):
        if isinstance(block, LongLine):
            yield block.line, block
        else:
            yield from enumerate(lines_of(block.data), start=block.first_line)
