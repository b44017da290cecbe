"""Rows of rare words, of tail labels and beyond the lengths of training, as slices."""

from collections import Counter

import pyarrow as pa
import pytest

from tasks.evaluation.rarity import asked_of_rarity, rare_share, tail_labels, with_rarity
from tasks.evaluation.settings import OF_RARITY, SliceSettings
from tasks.evaluation.slices import slices_of
from tasks.task_types.row_shapes import shape_of

TRAIN = pa.table(
    {
        "row_id": [f"t{number}" for number in range(100)],
        "text": [f"the match was {'late' if number % 2 else 'won'}" for number in range(98)]
        + ["a rare word", "x" * 200],
        "label": ["a"] * 60 + ["b"] * 25 + ["c"] * 10 + ["d"] * 5,
    }
)
ROWS = pa.table(
    {
        "row_id": ["1", "2", "3", "4"],
        "text": ["the match was late", "the rare zebra", "", "y" * 300],
        "label": ["a", "b", "c", "d"],
    }
)


def test_a_line_pays_for_what_it_names() -> None:
    assert asked_of_rarity(SliceSettings()) == frozenset()
    where = {"odd": "rare_words > 0.5 and length > 3"}
    asked = asked_of_rarity(SliceSettings(by=("beyond_length",), where=where))
    assert asked == {"beyond_length", "rare_words"}


def test_words_labels_and_lengths_are_held_against_the_training_rows() -> None:
    found = with_rarity(ROWS, TRAIN, shape_of("classification"), frozenset(OF_RARITY))
    # "rare" stands in one training row and "zebra" in none.
    assert found["rare_words"].to_pylist() == pytest.approx([0, 2 / 3, 0, 1])
    assert found["tail_label"].to_pylist() == [False, False, True, True]
    assert found["beyond_length"].to_pylist() == [False, False, False, True]
    some = with_rarity(ROWS, TRAIN, shape_of("classification"), frozenset({"tail_label"}))
    assert some.column_names == [*ROWS.column_names, "tail_label"]
    own = ROWS.append_column("tail_label", pa.array(["x"] * 4))
    kept = with_rarity(own, TRAIN, shape_of("classification"), frozenset(OF_RARITY))
    assert kept["tail_label"].to_pylist() == ["x"] * 4


def test_texts_without_spaces_are_read_by_pairs_of_signs() -> None:
    known = ["这个句子很好"] * 5
    assert rare_share(["这个句子", "今天下雨"], known) == [0.0, 1.0]


def test_the_tail_holds_at_most_a_fifth() -> None:
    assert tail_labels(Counter({"a": 60, "b": 25, "c": 10, "d": 5})) == {"c", "d"}
    assert tail_labels(Counter({"a": 50, "b": 50})) == frozenset()


def test_they_are_slices() -> None:
    rows = with_rarity(ROWS, TRAIN, shape_of("classification"), frozenset(OF_RARITY))
    many = pa.concat_tables([rows] * 40)
    found = slices_of(many, SliceSettings(by=("tail_label", "beyond_length"), search=False))
    assert {one.name: int(one.members.sum()) for one in found} == {
        "tail_label.false": 80, "tail_label.true": 80,
        "beyond_length.false": 120, "beyond_length.true": 40,
    }  # fmt: skip
