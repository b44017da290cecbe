"""CoNLL: a token and its tag a line, an empty line between sentences.

Lines before a sentence that begin with # are comments, as in CoNLL-U
(https://universaldependencies.org/format.html) and many sets of tags, unless they are a token of
their own with its tag.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from infra.errors import DataError
from tasks.sources.blocks import LongLine, lines_of, read_blocks
from tasks.sources.columns import ReadColumn
from tasks.sources.pinned import PinnedFile
from tasks.sources.settings import AnnotatedSource
from tasks.sources.shards import (
    FIELD_TOO_LONG,
    MAX_ROW_BYTES,
    NUL_BYTE,
    STRAY_RETURN,
    WRONG_NUMBER_OF_FIELDS,
    Shard,
    broken_row,
    invalid_encoding,
)
from tasks.sources.tag_schemes import as_bio
from tasks.sources.typed_rows import ShardBuilder

# Tells documents apart in the files of CoNLL-2003; it is no token, though in the Dutch ones a
# sentence follows at once.
_DOCUMENT_START: Final = "-DOCSTART-"
_BLANKS: Final = re.compile(r"[ \t]+")
_MIN_FIELDS: Final = 2
_DEFAULTS: Final[Mapping[Literal["tokens", "tags"], int]] = {"tokens": 0, "tags": -1}
_TAG: Final = re.compile(r"O|[BIESLU]-\S+")
# A word of CoNLL-U; 1-2 stands for two words in one token, and 1.1 for a word that is not written.
_CONLL_U_FIELDS: Final = 10
_CONLL_U_ID: Final = re.compile(r"\d+([-.]\d+)?")


@dataclass(slots=True)
class _Sentence:
    """The lines of a sentence so far.

    Attributes:
        row: number of its first line, or where it is broken, of the line that breaks it.
        reason: why it is broken; empty where it is not.

    """

    row: int
    columns: Mapping[Literal["tokens", "tags"], int]
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
        if "\r" in text:
            return STRAY_RETURN
        is_comment = not self.tokens and _is_comment(text, by_name=bool(self.columns))
        if is_comment or _BLANKS.split(text, maxsplit=1)[0] == _DOCUMENT_START:
            return ""
        fields = _fields_of(text, keep_empty=bool(self.columns))
        if _is_conll_u(fields) and not self.columns:
            raise _NotNamedError
        if _is_conll_u(fields) and not fields[0].isdecimal():
            return ""
        return self._take(fields)

    def _take(self, fields: Sequence[str]) -> str:
        try:
            token, tag = (fields[self.columns.get(name, at)] for name, at in _DEFAULTS.items())
        except IndexError:
            return WRONG_NUMBER_OF_FIELDS
        if len(fields) < _MIN_FIELDS or not token or not tag:
            return WRONG_NUMBER_OF_FIELDS
        if token == _DOCUMENT_START:
            return ""
        self.tokens.append(token)
        self.tags.append(tag)
        return ""


class _NotNamedError(Exception):
    """A line is one of CoNLL-U, and nothing says which of its fields are meant."""


def _fields_of(text: str, *, keep_empty: bool) -> list[str]:
    fields = [part.strip(" ") for part in text.split("\t")]
    fields = [part for part in fields if part or keep_empty]
    return fields if len(fields) >= _MIN_FIELDS else _BLANKS.split(text)


def _is_comment(text: str, *, by_name: bool) -> bool:
    """Whether a line before a sentence is no token: # is one where a tag follows, or two fields."""
    fields = _BLANKS.split(text)
    is_token = "\t" in text or _TAG.fullmatch(fields[-1])
    is_pair = len(fields) == _MIN_FIELDS and not by_name
    return text.startswith("#") and not is_token and not is_pair


def _is_conll_u(fields: Sequence[str]) -> bool:
    return len(fields) == _CONLL_U_FIELDS and _CONLL_U_ID.fullmatch(fields[0]) is not None


def read_conll(
    file: PinnedFile, settings: AnnotatedSource, columns: Sequence[ReadColumn]
) -> Iterator[Shard]:
    """Sentences of a CoNLL file, each numbered by its first line.

    The token is the first field of a line, and the tag the last, unless the settings name others;
    the rest is passed over. A line that is broken breaks its sentence.

    Raises:
        DataError: the file is CoNLL-U, and the settings name no fields.

    """
    shard = ShardBuilder(file.uri, columns)
    for sentence in _sentences(file, settings):
        if sentence.reason:
            raw = bytes(sentence.raw)
            shard.put_aside(broken_row(file.uri, sentence.row, sentence.reason, raw))
        elif sentence.tokens:
            tags = as_bio(sentence.tags, settings.tag_scheme)
            values = {"tokens": sentence.tokens, "tags": tags}
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
        sentence = sentence or _Sentence(row, settings.columns)
        try:
            sentence.add(row, data, settings.encoding)
        except _NotNamedError:
            raise DataError(
                f"{file.uri}, line {row}, is a word of CoNLL-U, whose 10 fields begin with its "
                "number; set source.columns to the fields that are meant, counted from 0, such as "
                "{tokens: 1, tags: 3}"
            ) from None
    if sentence:
        yield sentence


def _lines(file: PinnedFile, settings: AnnotatedSource) -> Iterator[tuple[int, bytes | LongLine]]:
    for block in read_blocks(file.uri, file.stream(), settings):
        if isinstance(block, LongLine):
            yield block.line, block
        else:
            yield from enumerate(lines_of(block.data), start=block.first_line)
