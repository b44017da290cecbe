"""Samples that do not depend on the order of the rows, and hold no more than they must."""

import json
from datetime import UTC, datetime, timedelta
from itertools import permutations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tasks.drift.row_samples import _drawn_row
from tasks.monitoring.answers import AnswerCounts, labels_of, read_answer
from tasks.monitoring.feedback import class_of
from tasks.monitoring.inputs import inputs_table, read_inputs
from tasks.monitoring.recorded_rows import RecordedInputs
from tasks.monitoring.samples import LeastKeys, keys_of, row_name
from tasks.records.recorded_requests import SaidLabel, keep_newest
from tasks.task_types.requests import example_requests
from tasks.task_types.row_shapes import shape_of

TEXTS = shape_of("classification")


@given(keys=st.lists(st.integers(0, 2**64 - 1), max_size=200), most=st.integers(1, 20))
def test_the_least_keys_are_kept_in_whatever_order_they_come(keys: list[int], most: int) -> None:
    for order in (keys, sorted(keys), sorted(keys, reverse=True)):
        held: LeastKeys[int] = LeastKeys(most)
        for start in range(0, len(order), 7):
            batch = np.array(order[start : start + 7], np.uint64)
            for at in held.wanted(batch).tolist():
                held.add(int(batch[at]), int(batch[at]))
            assert len(held._held) < 2 * most
        assert [key for key, _ in held.drawn()] == sorted(set(keys))[:most]


def test_a_row_has_the_hash_that_the_checks_of_drift_give_it() -> None:
    keys = keys_of(["a", "请求"], [0, 3], 5)
    drawn = [_drawn_row(name, "", (), "", 5).key for name in (row_name("a", 0), "请求 3")]
    assert keys.tolist() == drawn


def test_answers_are_counted_by_what_they_say() -> None:
    counts = AnswerCounts(5)
    for text in ('{"label": "a", "score": 0.5}', '{"labels": ["a", "b"]}', '{"labels": []}', "[1]"):
        answer = read_answer(text)
        if answer is not None:
            counts.count(answer, len(text), "", drawn=True)
    assert dict(counts.labels) == {"a": 2, "b": 1, "(none)": 1}
    assert (counts.rows, counts.label_rows, counts.confident_rows) == (3, 3, 1)
    assert not counts.has_one_label
    assert counts.mean_confidence == 0.5
    # One logit among them, and none of their scores is a confidence.
    counts.count({"answer": "in May", "score": 3.4}, 99, "", drawn=True)
    assert (counts.confident_rows, counts.mean_confidence) == (0, None)
    assert labels_of({"answer": "in May"}) is None


def test_only_what_the_task_type_reads_is_read() -> None:
    assert read_inputs('{"text": "so", "more": 1}', TEXTS) == {"text": "so"}
    for wrong in ('{"text": 3}', '{"txt": "so"}', "[]", "{", '{"text": null}', ""):
        assert read_inputs(wrong, TEXTS) is None
    chat = shape_of("chat")
    (turns,) = (column.name for column in chat.inputs if column.kind == "turns")
    assert read_inputs(f'{{"{turns}": [{{"role": "user", "content": "so"}}]}}', chat)
    assert read_inputs(f'{{"{turns}": [{{"role": "user"}}]}}', chat) is None
    pairs = shape_of("relation_extraction")
    (pair, _) = example_requests(pairs)
    assert read_inputs(json.dumps(pair), pairs) == pair
    for wrong in (
        pair | {"object_end": "9"},
        pair | {"object_end": True},
        pair | {"object_type": 3},
    ):
        assert read_inputs(json.dumps(wrong), pairs) is None


def test_requests_of_several_rows_are_clusters_and_others_are_not() -> None:
    rows = [RecordedInputs(f"{r} {n}", r, {"text": "so"}) for r in "abc" for n in range(2)]
    assert inputs_table(rows, TEXTS)["cluster"].to_pylist() == ["a", "a", "b", "b", "c", "c"]
    assert "cluster" not in inputs_table(rows[::2], TEXTS).column_names


def test_labels_are_read_as_people_send_them() -> None:
    assert class_of('{"relation": "a"}', "relation") == "a"
    texts = ('"a"', '{"label": "a"}', "3", "a", "", "null")
    assert [class_of(text, "label") for text in texts] == ["a", "a", None, None, None, None]


def test_the_newest_label_counts_in_whatever_order_they_are_read() -> None:
    noon = datetime(2026, 11, 28, 12, tzinfo=UTC)
    said = [
        SaidLabel.read(noon, '"b"', "f1", 1), SaidLabel.read(noon, '"a"', "f2", 9),
        SaidLabel.read(noon - timedelta(hours=1), '"z"', "f3", 1),
        SaidLabel.read(None, None, "f4", 1),
    ]  # fmt: skip
    for order in permutations(said):
        newest: dict[str, SaidLabel] = {}
        for one in order:
            keep_newest(newest, "row", one)
        assert newest == {"row": said[0]}
