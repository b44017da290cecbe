"""What a served model is asked: rows of a task type, reduced to what the model reads."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from tasks.task_types.rows import READ_KINDS, Column, Kind, RowShape

# A row's input columns by name; the values are JSON.
Request = dict[str, object]

# What a consumer may send and a model must answer: short, empty, long, a number, another script.
_PROBES: Final = ("a few words", "", "a long text " * 500, "2024", "一个句子")
_FORMS: Final[Mapping[Kind, Callable[[str], object]]] = {
    "text": str,
    "texts": str.split,
    "turns": lambda text: [{"role": "user", "content": text}],
    "integer": int,
    "label": str,
}


def request_of(shape: RowShape, row: Mapping[str, object]) -> Request:
    """What is asked of a model for it to answer this row.

    A conversation is sent without the answer at its end: that is what the model shall give.

    Args:
        shape: of the row's task type.
        row: its input columns, and maybe more.

    """
    return {column.name: _without_answer(column.kind, row[column.name]) for column in shape.inputs}


def _without_answer(kind: Kind, value: Any) -> Any:
    if kind == "turns" and value and value[-1]["role"] == "assistant":
        return value[:-1]
    return value


def example_requests(shape: RowShape) -> list[Request]:
    """Two requests that show the form: several at once, in any script."""
    return [
        {column.name: _FORMS[column.kind](column.examples[number]) for column in shape.inputs}
        for number in (0, 1)
    ]


def probe_requests(shape: RowShape) -> list[Request]:
    """Requests that any model of the task type must answer, whatever it learnt.

    Entities are the halves of a text.
    """
    marks = {name: (number, part) for number, one in enumerate(shape.entities)
             for part, name in (("start", one.start), ("end", one.end))}  # fmt: skip

    def value(column: Column, text: str) -> object:
        if column.name in marks:
            number, part = marks[column.name]
            place = number + (part == "end")
            return len(text) * place // max(1, len(shape.entities))
        return _FORMS[column.kind](text if column.kind in READ_KINDS else "1")

    return [{column.name: value(column, text) for column in shape.inputs} for text in _PROBES]
