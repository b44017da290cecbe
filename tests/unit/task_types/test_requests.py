"""What is asked of a served model, for every task type."""

import pyarrow as pa
import pytest

from tasks.task_types.entity_faults import fault_of_asked
from tasks.task_types.requests import example_requests, probe_requests, request_of
from tasks.task_types.row_shapes import ROW_SHAPES, shape_of
from tasks.task_types.rows import arrow_type

QUESTION = {"role": "user", "content": "你好吗"}
ANSWER = {"role": "assistant", "content": "很好"}


@pytest.mark.parametrize("name", sorted(ROW_SHAPES.names))
def test_examples_and_probes_have_the_input_columns_and_their_kinds(name: str) -> None:
    shape = shape_of(name)
    requests = [*example_requests(shape), *probe_requests(shape)]
    assert len(example_requests(shape)) == 2
    assert len(probe_requests(shape)) == 5
    for request in requests:
        assert list(request) == [column.name for column in shape.inputs]
        for column in shape.inputs:
            (back,) = pa.array([request[column.name]], arrow_type(column.kind)).to_pylist()
            assert back == request[column.name]
    assert len({str(request) for request in requests}) == 7


def test_only_the_inputs_of_a_row_are_sent() -> None:
    row = {"row_id": "1", "question": "q", "context": "c", "answer": "a", "answer_start": 3}
    assert request_of(shape_of("question_answering"), row) == {"question": "q", "context": "c"}
    tagged = {"tokens": ["a", "b"], "tags": ["O", "O"]}
    assert request_of(shape_of("tagging"), tagged) == {"tokens": ["a", "b"]}


@pytest.mark.parametrize(
    ("turns", "sent"),
    [
        ([QUESTION, ANSWER], [QUESTION]),
        ([QUESTION, ANSWER, QUESTION, ANSWER], [QUESTION, ANSWER, QUESTION]),
        ([QUESTION, ANSWER, QUESTION], [QUESTION, ANSWER, QUESTION]),
        ([QUESTION], [QUESTION]),
        ([], []),
    ],
)
def test_a_conversation_is_sent_without_the_answer_at_its_end(
    turns: list[dict[str, str]], sent: list[dict[str, str]]
) -> None:
    row = {"messages": list(turns)}
    assert request_of(shape_of("chat"), row) == {"messages": sent}
    assert row == {"messages": turns}


@pytest.mark.parametrize("name", sorted(ROW_SHAPES.names))
def test_entities_of_examples_and_probes_stand_in_their_texts(name: str) -> None:
    shape = shape_of(name)
    for request in [*example_requests(shape), *probe_requests(shape)]:
        assert fault_of_asked(request, shape) == ""


def test_examples_of_relations_are_meant() -> None:
    first, second = example_requests(shape_of("relation_extraction"))
    for request, subject, object_ in ((first, "Ada", "Bonn"), (second, "阿达", "波恩")):
        text = str(request["text"])
        assert text[request["subject_start"] : request["subject_end"]] == subject  # type: ignore[misc]
        assert text[request["object_start"] : request["object_end"]] == object_  # type: ignore[misc]
