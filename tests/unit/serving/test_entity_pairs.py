"""Words of a text, entities among them, and the pairs whose relation is asked."""

import json
import tracemalloc
from itertools import pairwise, permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.config import RetrainConfig
from infra.errors import DataError
from tasks.serving.entity_pairs import FoundEntity, entities_in, pairs_of
from tasks.serving.scoring_protocol import named_columns
from tasks.task_types.entity_faults import fault_of_asked
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.words_in_text import words_in

SHAPE = shape_of("relation_extraction")


def entity(start: int, end: int, kind: str = "PER") -> FoundEntity:
    return FoundEntity(kind, start, end, "x" * (end - start))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Ada O'Neil, aged 3.5, lives in Aix-en-Provence.",
         ["Ada", "O'Neil", ",", "aged", "3.5", ",", "lives", "in", "Aix-en-Provence", "."]),
        ("阿达住在Bonn市。", ["阿", "达", "住", "在", "Bonn", "市", "。"]),
        ("  ", []),
    ],
)  # fmt: skip
def test_the_words_of_a_text(text: str, words: list[str]) -> None:
    assert [one.word for one in words_in(text)] == words


@given(st.text(max_size=60))
@settings(max_examples=60, deadline=None)
def test_words_stand_at_their_places_and_leave_nothing_but_white_space(text: str) -> None:
    found = words_in(text)
    assert all(text[one.start : one.end] == one.word for one in found)
    rest = list(text)
    for one in found:
        rest[one.start : one.end] = [""] * (one.end - one.start)
    assert not "".join(rest).strip()
    assert all(one.end <= other.start for one, other in pairwise(found))


def test_entities_are_at_their_characters() -> None:
    text = "Ada  Lovelace lives in Bonn."
    answer = {
        "entities": [
            {"type": "LOC", "start": 4, "end": 5, "text": "Bonn"},
            {"type": "PER", "start": 0, "end": 2, "text": "Ada Lovelace"},
        ]
    }
    assert entities_in(text, words_in(text), answer) == [
        FoundEntity("PER", 0, 13, "Ada  Lovelace"), FoundEntity("LOC", 23, 27, "Bonn"),
    ]  # fmt: skip


def test_every_ordered_pair_is_asked_with_the_types_of_the_relation_line() -> None:
    found = [entity(0, 3), entity(5, 8, "LOC"), entity(20, 24)]
    asked = pairs_of("t" * 24, found, SHAPE, {"PER": "person"}, 6)
    assert asked.places == ((0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1))
    assert asked.left_out == 0
    assert asked.rows[2] == {
        "text": "t" * 24, "subject_start": 5, "subject_end": 8, "subject_type": "LOC",
        "object_start": 0, "object_end": 3, "object_type": "person",
    }  # fmt: skip


def test_of_too_many_pairs_the_closest_are_asked_and_the_others_counted() -> None:
    found = [entity(0, 3), entity(5, 8), entity(20, 24)]
    asked = pairs_of("t" * 24, found, SHAPE, {}, 2)
    assert (asked.places, asked.left_out) == (((0, 1), (1, 0)), 4)


@given(st.lists(st.integers(1, 5), max_size=12), st.integers(2, 40))
@settings(max_examples=40, deadline=None)
def test_pairs_are_bounded_sorted_and_such_as_a_model_can_be_asked(
    lengths: list[int], most: int
) -> None:
    found, place = [], 0
    for length in lengths:
        found.append(entity(place, place + length))
        place += length + length % 3  # some stand next to each other
    asked = pairs_of("t" * place, found, SHAPE, {}, most)
    every = list(permutations(range(len(found)), 2))
    assert len(asked.rows) == len(asked.places) == min(most, len(every))
    assert asked.left_out == len(every) - len(asked.rows)
    apart = {
        (one, other): max(found[one].start, found[other].start)
        - min(found[one].end, found[other].end)
        for one, other in every
    }
    assert list(asked.places) == sorted(sorted(every, key=lambda one: (apart[one], one))[:most])
    assert not any(fault_of_asked(row, SHAPE) for row in asked.rows)
    assert pairs_of("t" * place, [], SHAPE, {}, most).rows == ()


def test_of_thousands_of_entities_only_near_pairs_are_looked_at() -> None:
    found = [entity(3 * place, 3 * place + 2) for place in range(3_000)]
    tracemalloc.start()
    try:
        asked = pairs_of("t" * 9_000, found, SHAPE, {}, 110)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (len(asked.rows), asked.left_out) == (110, 3_000 * 2_999 - 110)
    assert most < 5e6  # all pairs of places take over 500 MB


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({"inputs": ["a text"]}, set()),
        ({"inputs": {"text": ["a"], "subject_start": [0]}}, {"text", "subject_start"}),
        ({"instances": [{"text": "a"}, {"text": "b", "subject_end": 1}]}, {"text", "subject_end"}),
        ({"dataframe_records": [{"text": "a"}]}, {"text"}),
        ({"dataframe_split": {"columns": ["text", "object_end"], "data": []}},
         {"text", "object_end"}),
        ({"dataframe_split": 3}, set()),
    ],
)  # fmt: skip
def test_which_columns_a_request_names(content: Any, named: set[str]) -> None:
    assert named_columns(json.dumps(content).encode()) == named


def test_what_is_no_request_is_said() -> None:
    with pytest.raises(DataError, match="no JSON"):
        named_columns(b"{")


def config(**settings: Any) -> RetrainConfig:
    source = {"format": "csv", "path": "rows.csv"}
    return RetrainConfig.model_validate({"line": "pairs", "source": source, **settings})


@pytest.mark.parametrize(
    ("task_type", "line", "said"),
    [
        ("classification", "names", "marks no pair of them"),
        ("relation_extraction", "pairs", "this line itself"),
    ],
)
def test_a_line_that_has_no_use_for_entities_is_refused(
    task_type: str, line: str, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        config(task_type=task_type, serving={"entities": {"line": line}})
    assert config(task_type="relation_extraction", serving={"entities": {"line": "names"}})
