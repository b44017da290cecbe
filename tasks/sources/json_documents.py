"""JSON files that hold their rows in lists: one list of objects, or the tree of SQuAD."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from infra.errors import DataError
from tasks.sources.columns import ReadColumn, find_columns
from tasks.sources.json_cursor import JsonCursor
from tasks.sources.nested_names import object_of, value_at
from tasks.sources.pinned import PinnedFile
from tasks.sources.settings import AnnotatedSource, FilesSource, TableSource
from tasks.sources.shards import WRONG_TYPE, BrokenRow, Shard, broken_row
from tasks.sources.typed_rows import ShardBuilder
from tasks.sources.values import JsonObject, Value, WrongValueError, convert, convert_named, what_is

_NO_LIST: Final = (
    "for one object a line, set source.format: jsonl; of a list within an object, save the list "
    "alone"
)
_NO_SQUAD: Final = "for one list of objects, set source.format: json"


def read_json(
    file: PinnedFile, settings: TableSource, columns: Sequence[ReadColumn]
) -> Iterator[Shard]:
    """Rows of a file that is one list of objects, numbered by their place in it.

    Raises:
        DataError: the file is no such list, or no object has a column.

    """
    return read_list(file, settings, columns, object_of)


def read_list(
    file: PinnedFile,
    settings: FilesSource,
    columns: Sequence[ReadColumn],
    fields_of: Callable[[Value], JsonObject],
) -> Iterator[Shard]:
    """As `read_json`, where an entry of the list is an object from which fields are taken.

    Args:
        file: one list.
        settings: of its bytes.
        columns: to read.
        fields_of: from an entry to its fields by name; raises WrongValueError.

    """
    cursor, shard = JsonCursor(file, settings), ShardBuilder(file.uri, columns)
    _enter(cursor, file.uri, "[", "one list of objects", _NO_LIST)
    names: dict[str, None] = {}
    row = 0
    while cursor.has_next("]", is_first=not row):
        row += 1
        try:
            entry = fields_of(cursor.value())
            names.update(dict.fromkeys(entry))
            found = [value_at(entry, column.source) for column in columns]
            names.update(
                (column.source, None)
                for column, value in zip(columns, found, strict=True)
                if value is not None
            )
            values = [
                convert_named(value, column.source, column.kind)
                for column, value in zip(columns, found, strict=True)
            ]
            shard.add(row, values, cursor.size)
        except WrongValueError as error:
            shard.put_aside(cursor.broken_row(row, error))
        if shard.is_full:
            yield shard.take()
    _check_end(cursor, file.uri)
    if names:
        find_columns(file.uri, list(names), columns)
    yield shard.take()


def read_squad(
    file: PinnedFile, settings: AnnotatedSource, columns: Sequence[ReadColumn]
) -> Iterator[Shard]:
    """Questions of a SQuAD 1.1 or 2.0 file, numbered in their order; of several answers the first.

    An article or paragraph that is broken counts as one row.

    Raises:
        DataError: the file is no object with a list `data`.

    """
    cursor, shard = JsonCursor(file, settings), ShardBuilder(file.uri, columns)
    row = 0
    for _ in _articles(cursor, file.uri):
        try:
            article = object_of(cursor.value())
            questions = list(_questions(article))
        except WrongValueError as error:
            row += 1
            shard.put_aside(cursor.broken_row(row, error))
            continue
        for raw, values in questions:
            row += 1
            if isinstance(values, WrongValueError):
                shard.put_aside(_broken(file.uri, row, values, raw))
            else:
                shard.add(row, [values[column.name] for column in columns], cursor.size)
            if shard.is_full:
                yield shard.take()
    yield shard.take()


def _enter(cursor: JsonCursor, uri: str, bracket: str, what: str, hint: str) -> None:
    seen = cursor.peek()
    if not seen:
        raise DataError(f"{uri} is empty; it should hold {what}")
    if seen != bracket:
        raise DataError(f"{uri} starts with {seen!r}; it should hold {what} ({hint})")
    cursor.take(bracket)


def _check_end(cursor: JsonCursor, uri: str) -> None:
    if seen := cursor.peek():
        raise DataError(
            f"{uri}: line {cursor.line} is broken JSON: {seen!r} stands behind the end of the list"
        )


def _articles(cursor: JsonCursor, uri: str) -> Iterator[None]:
    """Stop before each article of the list `data` of the outermost object."""
    _enter(
        cursor,
        uri,
        "{",
        "an object with a list 'data'",
        "for one list of objects, set source.format: json",
    )
    is_first, found = True, False
    while cursor.has_next("}", is_first=is_first):
        is_first = False
        name = _name(cursor, uri)
        cursor.take(":")
        if name == "data" and cursor.peek() == "[":
            found = True
            cursor.take("[")
            yield from _members(cursor)
        else:
            _pass_over(cursor, uri)
    _check_end(cursor, uri)
    if not found:
        raise DataError(f"{uri} has no list 'data'; a SQuAD file is an object with one")


def _members(cursor: JsonCursor) -> Iterator[None]:
    is_first = True
    while cursor.has_next("]", is_first=is_first):
        is_first = False
        yield


def _name(cursor: JsonCursor, uri: str) -> Value:
    line = cursor.line
    try:
        return cursor.value()
    except WrongValueError as error:
        raise DataError(f"{uri}: line {line}: the name of a value has {error}") from error


def _pass_over(cursor: JsonCursor, uri: str) -> None:
    line = cursor.line
    try:
        cursor.value()
    except WrongValueError as error:
        raise DataError(f"{uri}: line {line}, outside of 'data': {error}") from error


Question = dict[str, Value]


def _questions(article: JsonObject) -> Iterator[tuple[Value, Question | WrongValueError]]:
    """Each question as it stands in an article, with its columns or why it is broken."""
    title = convert(article.value("title"), "label")
    for paragraph in _list(article, "paragraphs"):
        try:
            context = convert(object_of(paragraph).value("context"), "text")
            entries = _list(object_of(paragraph), "qas")
        except WrongValueError as error:
            yield paragraph, error
            continue
        for entry in entries:
            try:
                yield entry, {"context": context, "cluster": title, **_question(object_of(entry))}
            except WrongValueError as error:
                yield entry, error


def _question(entry: JsonObject) -> Question:
    answer = JsonObject([])
    # A question without the list is one of a test set, and not one that has no answer.
    if entry.value("is_impossible") is not True and (given := _list(entry, "answers")):
        answer = object_of(given[0])
    return {
        "question": convert_named(entry.value("question"), "question", "text"),
        "answer": convert_named(answer.value("text"), "text", "text"),
        "answer_start": convert_named(answer.value("answer_start"), "answer_start", "integer"),
    }


def _list(entry: JsonObject, name: str) -> list[Value]:
    value = entry.value(name)
    if not isinstance(value, list):
        raise WrongValueError(WRONG_TYPE, f"{name!r} is {what_is(value)}; a SQuAD file has a list")
    return value


def _broken(uri: str, row: int, error: WrongValueError, value: Value) -> BrokenRow:
    text = json.dumps(value, ensure_ascii=False)
    return broken_row(uri, row, str(error), text.encode(errors="replace"), error.told)
