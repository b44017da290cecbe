"""The layout of SemEval-2010 Task 8: a sentence with two marked entities, then their relation.

::

    1<TAB>"The <e1>author</e1> of the <e2>book</e2> is known."
    Product-Producer(e2,e1)
    Comment: maybe one

An empty line stands between items (Hendrickx et al. 2010, aclanthology.org/S10-1006).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from tasks.sources.blocks import LongLine, lines_of, read_blocks
from tasks.sources.columns import ReadColumn
from tasks.sources.pinned import PinnedFile
from tasks.sources.settings import RelationsSource
from tasks.sources.shards import (
    FIELD_TOO_LONG,
    MAX_ROW_BYTES,
    NOT_MARKED,
    NUL_BYTE,
    WRONG_NUMBER_OF_FIELDS,
    Shard,
    broken_row,
    invalid_encoding,
)
from tasks.sources.typed_rows import ShardBuilder
from tasks.sources.values import Value, WrongValueError
from tasks.task_types.relations.relation_labels import NO_RELATION

_FIRST_LINE: Final = re.compile(r"\d+\t")
_TAG: Final = re.compile(r"<(/?)e([12])>")
_TAGS: Final = ("<e1>", "</e1>", "<e2>", "</e2>")
_COMMENT: Final = "Comment:"
# The sentence and the relation.
_MOST_LINES: Final = 2


@dataclass(slots=True)
class _Item:
    """The lines of an item so far; `row` is the number of its first one."""

    row: int
    lines: list[bytes] = field(default_factory=list)
    is_too_long: bool = False

    def add(self, line: bytes, *, is_long: bool) -> None:
        """Add a line that is not empty."""
        size = sum(map(len, self.lines)) + len(line)
        self.is_too_long |= is_long or size > MAX_ROW_BYTES
        if not self.is_too_long:
            self.lines.append(line)


def read_semeval(
    file: PinnedFile, settings: RelationsSource, columns: Sequence[ReadColumn]
) -> Iterator[Shard]:
    """Pairs of a file, each numbered by its first line; one without a relation lacks it."""
    shard = ShardBuilder(file.uri, columns)
    for item in _items(file, settings):
        raw = b"".join(item.lines)
        try:
            values = _values_of(item, settings)
            shard.add(item.row, [values[column.name] for column in columns], len(raw))
        except WrongValueError as error:
            shard.put_aside(broken_row(file.uri, item.row, str(error), raw, error.told))
        if shard.is_full:
            yield shard.take()
    yield shard.take()


def _items(file: PinnedFile, settings: RelationsSource) -> Iterator[_Item]:
    """An item ends at an empty line, or where the next one begins."""
    item = None
    for row, line in _lines(file, settings):
        data = line.start if isinstance(line, LongLine) else line
        begins = _FIRST_LINE.match(data[:32].decode(errors="replace"))
        if item and (begins or not data.strip()):
            yield item
            item = None
        if data.strip():
            item = item or _Item(row)
            item.add(data, is_long=isinstance(line, LongLine))
    if item:
        yield item


def _lines(file: PinnedFile, settings: RelationsSource) -> Iterator[tuple[int, bytes | LongLine]]:
    for block in read_blocks(file.uri, file.stream(), settings):
        if isinstance(block, LongLine):
            yield block.line, block
        else:
            yield from enumerate(lines_of(block.data), start=block.first_line)


def _values_of(item: _Item, settings: RelationsSource) -> dict[str, Value]:
    """The columns of a row of relation_extraction.

    Raises:
        WrongValueError: the item is broken.

    """
    if item.is_too_long:
        raise WrongValueError(FIELD_TOO_LONG)
    if any(b"\0" in line for line in item.lines):
        raise WrongValueError(NUL_BYTE)
    try:
        first, *rest = [line.decode().strip("\r\n\ufeff") for line in item.lines]
    except UnicodeDecodeError as error:
        raise WrongValueError(invalid_encoding(settings.encoding)) from error
    told = [line.strip() for line in rest if not line.startswith(_COMMENT)]
    number, tab, quoted = first.partition("\t")
    if not tab or not number.isdecimal() or len(told) >= _MOST_LINES:
        raise WrongValueError(
            WRONG_NUMBER_OF_FIELDS,
            "an item is a number, a tab and a sentence; a line with the relation; and a line that "
            f"begins with {_COMMENT!r}, or none; an empty line parts it from the next",
        )
    text, places = _without_tags(_unquoted(quoted))
    relation = told[0] if told else None
    return {
        "text": text,
        "subject_start": places[0],
        "subject_end": places[1],
        "subject_type": settings.entity_type,
        "object_start": places[2],
        "object_end": places[3],
        "object_type": settings.entity_type,
        "relation": NO_RELATION if relation == settings.negative else relation,
    }


def _unquoted(text: str) -> str:
    stripped = text.strip()
    is_quoted = len(stripped) > 1 and stripped[0] == stripped[-1] == '"'
    return stripped[1:-1] if is_quoted else stripped


def _without_tags(sentence: str) -> tuple[str, list[int]]:
    """The sentence, and where e1 and e2 begin and end in it.

    Raises:
        WrongValueError: one of the four tags is missing, stands twice or in the wrong order.

    """
    found = list(_TAG.finditer(sentence))
    counts = [sum(tag[0] == one for tag in found) for one in _TAGS]
    if counts != [1, 1, 1, 1]:
        seen = ", ".join(f"{tag} {count}" for tag, count in zip(_TAGS, counts, strict=True))
        raise WrongValueError(NOT_MARKED, f"each tag must stand once; seen {seen}")
    places: dict[str, int] = {}
    for tag in found:
        places[tag[0]] = tag.start() - sum(len(one) for one in places)
    ends = [places[tag] for tag in _TAGS]
    if ends[1] < ends[0] or ends[3] < ends[2]:
        raise WrongValueError(NOT_MARKED, "an entity ends before it begins; </e1> follows <e1>")
    return _TAG.sub("", sentence), ends
