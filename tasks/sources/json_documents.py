"""JSON files that hold their rows in lists: one list of objects, or the tree of SQuAD."""

import json
from collections.abc import Iterator, Sequence

from infra.errors import DataError
from tasks.sources.columns import ReadColumn, find_columns
from tasks.sources.json_cursor import JsonCursor
from tasks.sources.pinned import PinnedFile
from tasks.sources.settings import AnnotatedSource, TableSource
from tasks.sources.shards import NO_OBJECT, WRONG_TYPE, BrokenRow, Shard, broken_row
from tasks.sources.typed_rows import ShardBuilder
from tasks.sources.values import JsonObject, Value, WrongValueError, convert


def read_json(
    file: PinnedFile, settings: TableSource, columns: Sequence[ReadColumn]
) -> Iterator[Shard]:
    """Rows of a file that is one list of objects, numbered by their place in it.

    Raises:
        DataError: the file is no such list, or no object has a column.

    """
    cursor, shard = JsonCursor(file, settings), ShardBuilder(file.uri, columns)
    _enter(cursor, file.uri, "[", "one list of objects", "for one object a line, set jsonl")
    names: dict[str, None] = {}
    kinds = [column.kind for column in columns]
    row = 0
    while cursor.has_next("]", is_first=not row):
        row += 1
        try:
            entry = _object(cursor.value())
            names.update(dict.fromkeys(entry))
            found = [_value_at(entry, column.source) for column in columns]
            names.update(
                (column.source, None)
                for column, value in zip(columns, found, strict=True)
                if value is not None
            )
            values = [convert(*pair) for pair in zip(found, kinds, strict=True)]
            shard.add(row, values, cursor.size)
        except WrongValueError as error:
            shard.put_aside(cursor.broken_row(row, str(error)))
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
            article = _object(cursor.value())
            questions = list(_questions(article))
        except WrongValueError as error:
            row += 1
            shard.put_aside(cursor.broken_row(row, str(error)))
            continue
        for raw, values in questions:
            row += 1
            if isinstance(values, str):
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


def _object(value: Value) -> JsonObject:
    if not isinstance(value, JsonObject):
        raise WrongValueError(NO_OBJECT)
    return value


def _value_at(entry: JsonObject, name: str) -> Value:
    """The value of a name; ``a.b`` is that of b in the object a, unless one is named so itself."""
    first, dot, rest = name.partition(".")
    if name in entry or not dot:
        return entry.value(name)
    inner = entry.value(first)
    return None if inner is None else _value_at(_object(inner), rest)


def _articles(cursor: JsonCursor, uri: str) -> Iterator[None]:
    """Stop before each article of the list `data` of the outermost object."""
    _enter(cursor, uri, "{", "an object with a list 'data'", "for one list of objects, set json")
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


def _questions(article: JsonObject) -> Iterator[tuple[Value, Question | str]]:
    """Each question as it stands in an article, with its columns or why it is broken."""
    title = convert(article.value("title"), "label")
    for paragraph in _list(article.value("paragraphs")):
        try:
            context = convert(_object(paragraph).value("context"), "text")
            entries = _list(_object(paragraph).value("qas"))
        except WrongValueError as error:
            yield paragraph, str(error)
            continue
        for entry in entries:
            try:
                yield entry, {"context": context, "cluster": title, **_question(_object(entry))}
            except WrongValueError as error:
                yield entry, str(error)


def _question(entry: JsonObject) -> Question:
    answers = entry.value("answers")
    is_impossible = entry.value("is_impossible") is True
    answer = JsonObject([])
    if answers is not None and not is_impossible and (given := _list(answers)):
        answer = _object(given[0])
    return {
        "question": convert(entry.value("question"), "text"),
        "answer": convert(answer.value("text"), "text"),
        "answer_start": convert(answer.value("answer_start"), "integer"),
    }


def _list(value: Value) -> list[Value]:
    if not isinstance(value, list):
        raise WrongValueError(WRONG_TYPE)
    return value


def _broken(uri: str, row: int, reason: str, value: Value) -> BrokenRow:
    text = json.dumps(value, ensure_ascii=False)
    return broken_row(uri, row, reason, text.encode(errors="replace"))
