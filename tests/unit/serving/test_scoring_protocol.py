"""What a request holds; tests/integration/test_serve.py holds it against MLflow's own server."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import DataError
from tasks.serving.scoring_protocol import rows_of
from tasks.task_types.row_shapes import shape_of

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def read(content: Any, task_type: str = "classification") -> list[dict[str, Any]]:
    return rows_of(json.dumps(content).encode(), shape_of(task_type))


@given(texts=st.lists(TEXTS, min_size=1, max_size=5))
def test_all_forms_give_the_same_rows(texts: list[str]) -> None:
    rows = [{"text": text} for text in texts]
    split = {"columns": ["text"], "data": [[text] for text in texts]}
    assert read({"dataframe_split": split}) == rows
    assert read({"dataframe_records": rows}) == rows
    assert read({"instances": rows}) == read({"instances": texts}) == rows
    assert read({"inputs": {"text": texts}}) == read({"inputs": texts}) == rows


def test_rows_of_several_columns() -> None:
    rows = [{"question": "who?", "context": "Ada was."}]
    columns = {"question": ["who?"], "context": ["Ada was."]}
    assert read({"inputs": columns}, "question_answering") == rows
    assert read({"inputs": rows}, "question_answering") == rows
    assert read({"inputs": rows[0]}, "question_answering") == rows
    turns = [{"role": "user", "content": "hello"}]
    assert read({"instances": [{"messages": turns}]}, "chat") == [{"messages": turns}]
    assert read({"inputs": {"tokens": [["a", "b"]]}}, "tagging") == [{"tokens": ["a", "b"]}]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"text": ["a"]}, "one of dataframe_split, dataframe_records, instances, inputs"),
        ({"inputs": ["a"], "instances": ["a"]}, "'inputs', 'instances'"),
        ({"inputs": ["a"], "params": {"top_k": 2}}, "takes no params"),
        ({"inputs": [3]}, "text of row 0 is 3; right would be a text"),
        ({"inputs": [None]}, "text of row 0 is null"),
        ({"inputs": ["\ud800"]}, "text of row 0"),
        ({"dataframe_records": [{"words": "a"}]}, "row 0 has the column(s) 'words'"),
        ({"dataframe_records": {"text": "a"}}, "right would be a list"),
        ({"dataframe_split": {"columns": ["text"], "data": [["a", "b"]]}}, "a list of 1 value(s)"),
        ({"dataframe_split": [["a"]]}, '{"columns": ["text"]'),
        ({"inputs": {"words": ["a"]}}, "a list for each of 'text'"),
        ({"inputs": {"text": []}, "params": None}, None),
        ([1], "right would be a JSON object"),
    ],
)
def test_what_is_wrong_is_said(content: Any, said: str | None) -> None:
    if said is None:
        assert read(content) == []
        return
    with pytest.raises(DataError) as error:
        read(content)
    assert said in str(error.value)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"inputs": [NaN]}', b"[" * 100_000])
def test_what_is_no_json_is_said(body: bytes) -> None:
    with pytest.raises(DataError, match="no JSON in UTF-8"):
        rows_of(body, shape_of("classification"))


PAIR: dict[str, Any] = {
    "text": "Ada left Bonn", "subject_start": 0, "subject_end": 3, "subject_type": "person",
    "object_start": 9, "object_end": 13, "object_type": "city",
}  # fmt: skip


def test_a_text_with_two_entities_is_a_row() -> None:
    task = "relation_extraction"
    assert read({"inputs": PAIR}, task) == read({"instances": [PAIR]}, task) == [PAIR]
    assert read({"inputs": {name: [value] for name, value in PAIR.items()}}, task) == [PAIR]
    empty = dict.fromkeys(PAIR, 0) | {"text": "", "subject_type": "", "object_type": ""}
    assert read({"dataframe_records": [empty]}, task) == [empty]
    marked = PAIR | {"text": "Ada in <e2>B</e2>"}
    assert read({"dataframe_records": [marked]}, task) == [marked]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"subject_start": 1.5}, "subject_start of row 0 is 1.5; right would be a whole number"),
        ({"subject_start": True}, "subject_start of row 0 is true"),
        ({"subject_type": None}, "subject_type of row 0 is null; right would be a text"),
        ({"object_end": 2**63}, "object_end of row 0 is 9223372036854775808"),
        ({"object_end": 14}, "row 0: object_start is 9 and object_end 14, and the text has 13"),
        ({"object_end": 9}, "row 0: object_start is 9 and object_end 9, between which nothing"),
        ({"object_start": 2}, "object_start is 2 and object_end 13: they share characters"),
    ],
)
def test_entities_that_cannot_be_meant_are_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError) as error:
        read({"inputs": [PAIR | change]}, "relation_extraction")
    assert said in str(error.value)
