"""TACRED's layout: the tokens of a sentence, and which of them are subject and object.

Zhang et al. 2017, doi:10.18653/v1/D17-1004; its files are one list of objects each, those of many
other sets in its layout one object a line.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final

from tasks.sources.blocks import LongLine, lines_of, read_blocks, read_fully
from tasks.sources.columns import ReadColumn
from tasks.sources.json_documents import read_list
from tasks.sources.nested_names import object_of, value_at
from tasks.sources.pinned import PinnedFile
from tasks.sources.settings import RelationsSource
from tasks.sources.shards import (
    ENTITY_OUTSIDE_TOKENS,
    NUL_BYTE,
    Shard,
    broken_row,
    invalid_encoding,
)
from tasks.sources.typed_rows import ShardBuilder
from tasks.sources.values import JsonObject, Value, WrongValueError, convert_named, parse_json
from tasks.task_types.relations.relation_labels import NO_RELATION
from tasks.task_types.rows import Kind
from tasks.task_types.unspaced import joined_with_places

_FIELDS: Final[Mapping[str, tuple[str, Kind]]] = {
    "tokens": ("token", "texts"),
    "subject_start": ("subj_start", "integer"),
    "subject_end": ("subj_end", "integer"),
    "subject_type": ("subj_type", "label"),
    "object_start": ("obj_start", "integer"),
    "object_end": ("obj_end", "integer"),
    "object_type": ("obj_type", "label"),
    "relation": ("relation", "label"),
}
_LOOKED_AT: Final = 1024


def read_tacred(
    file: PinnedFile, settings: RelationsSource, columns: Sequence[ReadColumn]
) -> Iterator[Shard]:
    """Pairs of a file, numbered by their place in its list, or by their line.

    The tokens become a text, parted by spaces where the script has them, and places of tokens
    become those of characters.

    Raises:
        DataError: the file is neither, or no object has a field.

    """
    start = read_fully(file.stream(), _LOOKED_AT).removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"{"):
        yield from _read_lines(file, settings, columns)
    else:
        yield from read_list(file, settings, columns, partial(_pair_of, settings=settings))


def _read_lines(
    file: PinnedFile, settings: RelationsSource, columns: Sequence[ReadColumn]
) -> Iterator[Shard]:
    shard = ShardBuilder(file.uri, columns)
    for block in read_blocks(file.uri, file.stream(), settings):
        if isinstance(block, LongLine):
            shard.put_aside(block.broken(file.uri))
            continue
        for number, line in enumerate(lines_of(block.data), start=block.first_line):
            if not line.strip():
                continue
            try:
                pair = _pair_of(_parsed(line, settings.encoding), settings)
                shard.add(number, [pair[column.source] for column in columns], len(line))
            except WrongValueError as error:
                data = line.rstrip(b"\r\n")
                shard.put_aside(broken_row(file.uri, number, str(error), data, error.told))
            if shard.is_full:
                yield shard.take()
    yield shard.take()


def _parsed(line: bytes, encoding: str) -> Value:
    if b"\0" in line:
        raise WrongValueError(NUL_BYTE)
    try:
        return parse_json(line.removeprefix(b"\xef\xbb\xbf").decode())
    except UnicodeDecodeError as error:
        raise WrongValueError(invalid_encoding(encoding)) from error


def _pair_of(value: Value, settings: RelationsSource) -> JsonObject:
    """The columns of a row of relation_extraction.

    Raises:
        WrongValueError: a field is of another kind, or an entity has tokens that are not there.

    """
    entry = object_of(value)
    found: dict[str, Value] = {}
    for name, (default, kind) in _FIELDS.items():
        field = settings.columns.get(name, default)  # type: ignore[call-overload]
        found[name] = convert_named(value_at(entry, field), field, kind)
    tokens = found.pop("tokens")
    words = [str(token) for token in tokens] if isinstance(tokens, list) else []
    text, places = joined_with_places(words)
    for part in ("subject", "object"):
        ends = _characters(found, part, words, places, settings)
        found[f"{part}_start"], found[f"{part}_end"] = ends
    if found["relation"] == settings.negative:
        found["relation"] = NO_RELATION
    return JsonObject([("text", text or None), *found.items()])


def _characters(
    found: Mapping[str, Value],
    part: str,
    words: Sequence[str],
    places: Sequence[int],
    settings: RelationsSource,
) -> tuple[int | None, int | None]:
    """First character of an entity, and the one behind its last; of one without tokens the same."""
    first, last = found[f"{part}_start"], found[f"{part}_end"]
    if not isinstance(first, int) or not isinstance(last, int):
        return None, None
    behind = last + (settings.end == "last")
    if first < 0 or behind > len(words) or first >= len(words):
        raise WrongValueError(
            ENTITY_OUTSIDE_TOKENS,
            f"{part}: tokens {first} to {last}, counted from 0, and there are {len(words)}",
        )
    if behind <= first:
        return places[first], places[first]
    return places[first], places[behind - 1] + len(words[behind - 1])
