"""MLflow's scoring protocol: what a request holds, as rows of a task type.

A request is JSON with one of four keys, as MLflow's own scoring server takes them:
``dataframe_split`` (columns and data), ``dataframe_records`` (a list of objects), ``instances`` (a
list of rows) and ``inputs`` (a list of rows, or an object of columns). A row is an object of input
columns; where the task type has one input column, a bare value stands for it. Columns that the
model does not read are left out. Of its ``params`` one is taken: ``explain``, true or false. See
https://mlflow.org/docs/latest/ml/deployment/.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from infra.errors import DataError
from tasks.task_types.entity_faults import fault_of_asked
from tasks.task_types.rows import Kind, RowShape

FORMATS: Final = ("dataframe_split", "dataframe_records", "instances", "inputs")
NO_PARAMS: Final = "this model takes no params; leave them out"
_SHOWN_CHARS: Final = 80
_INT64: Final = 2**63

Row = dict[str, Any]


@dataclass(frozen=True)
class ReadRequest:
    """What a request holds.

    Attributes:
        rows: their input columns alone.
        explain: whether their answers are to be explained.

    """

    rows: list[Row]
    explain: bool


def rows_of(body: bytes, shape: RowShape) -> list[Row]:
    """The rows of a request to a model that takes no params; see `read_request`."""
    return read_request(body, shape, NO_PARAMS).rows


def read_request(body: bytes, shape: RowShape, why_unexplained: str) -> ReadRequest:
    """The rows of a request, and whether it asks for explanations.

    Args:
        body: JSON in UTF-8.
        shape: of the rows of the model's task type.
        why_unexplained: why no answer is explained; empty where answers are.

    Raises:
        DataError: it is no such request, or asks for explanations that are not given; the message
            says what would be right.

    """
    content = parsed(body)
    given = [name for name in FORMATS if name in content]
    if len(given) != 1:
        raise DataError(
            f"the request holds {_names(content)}; right would be one of {', '.join(FORMATS)}"
        )
    explain = _asks_to_explain(content.get("params") or {}, why_unexplained)
    name = given[0]
    rows = _READERS[name](content[name], shape)
    return ReadRequest([_checked(number, row, shape) for number, row in enumerate(rows)], explain)


def _asks_to_explain(params: Any, why_unexplained: str) -> bool:
    """Whether the params of a request ask for explanations."""
    match params:
        case {"explain": bool(asked), **others} if not others:
            if asked and why_unexplained:
                raise DataError(why_unexplained)
            return asked
        case {**others} if not others:
            return False
    if why_unexplained:
        raise DataError(NO_PARAMS)
    raise DataError(f'params is {_shown(params)}; right would be {{"explain": true}}, or none')


def named_columns(body: bytes) -> set[str]:
    """The columns that the rows of a request name, whatever else is wrong with it.

    Raises:
        DataError: it is no JSON object.

    """
    content = parsed(body)
    named: set[str] = set()
    for form in FORMATS:
        match content.get(form):
            case {"columns": [*columns]} if form == "dataframe_split":
                named.update(map(str, columns))
            case dict() as columns:
                named.update(columns)
            case [*rows]:
                named.update(*(row for row in rows if isinstance(row, dict)))
    return named


def parsed(body: bytes) -> Mapping[str, Any]:
    """The JSON object of a request.

    Raises:
        DataError: it is none.

    """
    try:
        content = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise DataError(f"the request is no JSON in UTF-8: {error}") from error
    if not isinstance(content, dict):
        raise DataError(f"the request is {_shown(content)}; right would be a JSON object")
    return content


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")


def _split(data: Any, _shape: RowShape) -> list[Any]:
    match data:
        case {"columns": [*columns], "data": [*rows]}:
            pass
        case _:
            raise DataError(
                f"dataframe_split is {_shown(data)}; right would be "
                '{"columns": ["text"], "data": [["a text"]]}'
            )
    for number, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(columns):
            raise DataError(
                f"row {number} of dataframe_split is {_shown(row)}; right would be a list of "
                f"{len(columns)} value(s), one for each of its columns"
            )
    return [dict(zip(map(str, columns), row, strict=True)) for row in rows]


def _records(data: Any, _shape: RowShape) -> list[Any]:
    if not isinstance(data, list):
        raise DataError(
            f'dataframe_records is {_shown(data)}; right would be a list such as [{{"text": "a"}}]'
        )
    return data


def _instances(data: Any, shape: RowShape) -> list[Any]:
    if not isinstance(data, list):
        raise DataError(f"instances is {_shown(data)}; right would be a list of rows")
    return [_whole(row, shape) for row in data]


def _inputs(data: Any, shape: RowShape) -> list[Any]:
    if isinstance(data, list):
        return [_whole(row, shape) for row in data]
    if not isinstance(data, dict):
        return [_whole(data, shape)]
    columns = {column.name: data.get(column.name) for column in shape.inputs}
    lengths = {len(values) for values in columns.values() if isinstance(values, list)}
    if not all(isinstance(values, list) for values in columns.values()) or len(lengths) != 1:
        if not any(isinstance(values, list | None) for values in columns.values()):
            return [columns]  # one row
        raise DataError(
            f"inputs is {_shown(data)}; right would be a list for each of "
            f"{_names(columns)}, all of the same length"
        )
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


_READERS: Final[Mapping[str, Callable[[Any, RowShape], list[Any]]]] = {
    "dataframe_split": _split,
    "dataframe_records": _records,
    "instances": _instances,
    "inputs": _inputs,
}


def _whole(row: Any, shape: RowShape) -> Any:
    """A bare value stands for the one input column."""
    if isinstance(row, dict) or len(shape.inputs) > 1:
        return row
    return {shape.inputs[0].name: row}


def _checked(number: int, row: Any, shape: RowShape) -> Row:
    if not isinstance(row, dict):
        raise DataError(
            f"row {number} is {_shown(row)}; right would be an object with "
            f"{_names(dict.fromkeys(column.name for column in shape.inputs))}"
        )
    for column in shape.inputs:
        if column.name not in row:
            raise DataError(
                f"row {number} has the column(s) {_names(row)}; the model reads {column.name!r}"
            )
        is_right, right = _KINDS[column.kind]
        if not is_right(row[column.name]):
            raise DataError(
                f"{column.name} of row {number} is {_shown(row[column.name])}; right would be "
                f"{right}"
            )
    if fault := fault_of_asked(row, shape):
        raise DataError(f"row {number}: {fault}")
    return {column.name: row[column.name] for column in shape.inputs}


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and is_unicode(value)


def is_unicode(text: str) -> bool:
    """Whether it holds no half of a surrogate pair, which JSON can spell and nothing can write."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_whole_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < _INT64


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _are_turns(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(turn, dict)
        and turn.keys() == {"role", "content"}
        and all(map(_is_text, turn.values()))
        for turn in value
    )


_KINDS: Final[Mapping[Kind, tuple[Callable[[Any], bool], str]]] = {
    "text": (_is_text, "a text"),
    "texts": (_are_texts, "a list of texts"),
    "turns": (_are_turns, 'a list of turns such as {"role": "user", "content": "a text"}'),
    "integer": (_is_whole_number, "a whole number"),
    "label": (_is_text, "a text"),
}


def _names(content: Mapping[str, Any]) -> str:
    return ", ".join(map(repr, content)) or "nothing"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]} ..."
