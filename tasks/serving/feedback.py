"""What a request of feedback holds: which row of which request, and its true label."""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from infra.errors import DataError
from tasks.records.recorded_requests import FeedbackRow
from tasks.serving.scoring_protocol import is_unicode, parsed
from tasks.task_types.rows import Kind, RowShape

REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")
REQUEST_ID_FORM: Final = "1 to 128 letters, digits, dots, dashes or underscores"
MAX_BY_CHARS: Final = 200
MAX_ROW: Final = 2**31 - 1
_KEYS: Final = frozenset({"request_id", "row", "label", "by"})
_SHOWN_CHARS: Final = 80


def feedback_of(
    body: bytes, shape: RowShape, labels: Sequence[str], received_at: datetime
) -> list[tuple[FeedbackRow, Any]]:
    """The feedback of a request, each with its label as it came.

    Args:
        body: a JSON object of one feedback, or ``{"feedback": [...]}`` of several.
        shape: of the rows of the line's task type.
        labels: of the line's models.
        received_at: when it came.

    Raises:
        DataError: it is no feedback, or a label that no row of the line can have.

    """
    content = parsed(body)
    several = content.get("feedback", [content])
    if not isinstance(several, list) or not several:
        raise DataError("feedback must be a list of objects with request_id and label")
    return [_read(one, shape, labels, received_at) for one in several]


def _read(
    given: Any, shape: RowShape, labels: Sequence[str], received_at: datetime
) -> tuple[FeedbackRow, Any]:
    if not isinstance(given, dict) or not {"request_id", "label"} <= given.keys() <= _KEYS:
        seen = sorted(given) if isinstance(given, dict) else type(given).__name__
        raise DataError(
            f"feedback holds {seen}; right would be request_id and label, and maybe row and by"
        )
    if not is_unicode(json.dumps(given, ensure_ascii=False)):
        raise DataError("feedback holds half of a surrogate pair; right would be text in Unicode")
    request_id, row, by = given["request_id"], given.get("row", 0), given.get("by", "")
    if not isinstance(request_id, str) or not REQUEST_ID.fullmatch(request_id):
        raise DataError(f"request_id is {str(request_id)[:80]!r}; right would be {REQUEST_ID_FORM}")
    if type(row) is not int or not 0 <= row <= MAX_ROW:
        raise DataError(f"row is {row!r}; right would be the row's place in the request, from 0")
    if not isinstance(by, str) or len(by) > MAX_BY_CHARS:
        raise DataError(f"by is no text of at most {MAX_BY_CHARS} characters")
    _check_label(given["label"], shape, labels)
    return FeedbackRow(request_id, row, "", received_at, by), given["label"]


def _check_label(label: Any, shape: RowShape, labels: Sequence[str]) -> None:
    column = shape.answered.kind if shape.answered else None
    is_right, right = _FORMS.get(column, (lambda value: value is not None, "a value"))
    if not is_right(label):
        raise DataError(f"label is {str(label)[:_SHOWN_CHARS]!r}; right would be {right}")
    if column not in _OF_LABELS or not labels:
        return
    said = label if isinstance(label, list) else [label]
    if unknown := [one for one in said if one not in labels]:
        raise DataError(
            f"label is {unknown[0][:_SHOWN_CHARS]!r}; right would be of {', '.join(labels)}"
        )


def _is_number(value: Any) -> bool:
    """Whether it is a number that a column of numbers holds; JSON can spell larger ones."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return abs(value) <= sys.float_info.max


def _are_strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


_OF_LABELS: Final = frozenset({"label", "labels"})
_FORMS: Final[Mapping[Kind | None, Any]] = {
    "text": (lambda value: isinstance(value, str), "a text"),
    "label": (lambda value: isinstance(value, str), "one of the line's labels"),
    "labels": (_are_strings, "a list of the line's labels"),
    "tags": (_are_strings, "a list of tags, one a token"),
    "number": (_is_number, "a number"),
}
