"""What a request of feedback holds."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from infra.errors import DataError
from tasks.serving.feedback import feedback_of
from tasks.task_types.row_shapes import shape_of

NOW = datetime(2026, 11, 28, tzinfo=UTC)


def read(content: Any, task_type: str = "classification") -> list[tuple[Any, Any]]:
    body = json.dumps(content).encode()
    return feedback_of(body, shape_of(task_type), ("film", "sport"), NOW)


def test_one_and_several() -> None:
    one = {"request_id": "r-1", "label": "film"}
    ((row, label),) = read(one)
    assert (row.request_id, row.row, row.by, row.received_at, label) == ("r-1", 0, "", NOW, "film")
    several = read({"feedback": [one, {**one, "row": 2, "by": "Ada"}]})
    assert [(row.row, row.by) for row, _ in several] == [(0, ""), (2, "Ada")]


@pytest.mark.parametrize(
    ("task_type", "label"),
    [("multi_label", ["film", "sport"]), ("regression", 3.5), ("translation", "guten Tag"),
     ("tagging", ["O", "B-PER"]), ("question_answering", "Ada")],
)  # fmt: skip
def test_labels_of_other_task_types(task_type: str, label: object) -> None:
    assert read({"request_id": "r", "label": label}, task_type)[0][1] == label


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"label": "weather"}, "'weather'; right would be of film, sport"),
        ({"label": 3}, "right would be one of the line's labels"),
        ({"request_id": "a b"}, "1 to 128 letters"),
        ({"row": -1}, "row is -1"),
        ({"row": True}, "row is True"),
        ({"by": "x" * 300}, "at most 200 characters"),
        ({"more": 1}, "right would be request_id and label"),
        ({"by": "\ud800"}, "half of a surrogate pair"),
        ({"label": "\ud800"}, "half of a surrogate pair"),
    ],
)
def test_what_is_wrong_is_said(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError) as error:
        read({"request_id": "r", "label": "film", **changed})
    assert said in str(error.value)


def test_nothing_is_no_feedback() -> None:
    with pytest.raises(DataError, match="a list of objects"):
        read({"feedback": []})
    with pytest.raises(DataError, match="right would be a number"):
        read({"request_id": "r", "label": "film"}, "regression")


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1" + "0" * 400])
def test_a_number_that_no_column_holds_is_refused(number: str) -> None:
    body = f'{{"request_id": "r", "label": {number}}}'.encode()
    with pytest.raises(DataError, match="right would be a number"):
        feedback_of(body, shape_of("regression"), (), NOW)
