"""Which training rows of several sources stay."""

import hashlib
import random
from collections import Counter
from collections.abc import Sequence

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.errors import DataError
from tasks.ingestion.mixing import Mix, choose, rows_by_weight

WEIGHTS = st.dictionaries(
    st.sampled_from(["a", "b", "c"]), st.floats(0.01, 100), min_size=1, max_size=3
)


def table_of(rows: Sequence[tuple[str, str, int]]) -> pa.Table:
    """Rows of source, split and number, by digest as a spill gives them."""
    found = sorted(
        (hashlib.sha256(f"{name} {number}".encode()).digest(), name, split)
        for name, split, number in rows
    )
    digests, names, splits = zip(*found, strict=True) if found else ((), (), ())
    return pa.table(
        {
            "digest": pa.array(digests, pa.binary(32)),
            "split": pa.array(splits, pa.string()),
            "source_name": pa.array(names, pa.string()),
        }
    )


def mixed(
    tables: Sequence[pa.Table], mix: Mix
) -> tuple[list[tuple[bytes, str, str]], Counter[str]]:
    chosen = choose(iter(tables), mix)
    kept = [tuple(row.values()) for table in tables for row in chosen.take(table).to_pylist()]
    return [(row[0], row[2], row[1]) for row in kept], chosen.outweighed


def rows_of(**counts: int) -> list[tuple[str, str, int]]:
    return [
        (name, ("train", "train", "train", "test")[number % 4], number)
        for name, count in counts.items()
        for number in range(count)
    ]


@given(
    st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(1, 10_000), min_size=3), WEIGHTS
)
def test_shares_are_the_weights_and_no_more_rows_could_be_kept(
    rows: dict[str, int], weights: dict[str, float]
) -> None:
    kept = rows_by_weight(rows, weights)
    total, whole = sum(kept.values()), sum(weights.values())
    assert all(0 <= kept[name] <= rows[name] for name in weights)
    assert any(kept[name] == rows[name] for name in weights)
    for name, number in kept.items():
        # Each is rounded down by less than one row.
        assert abs(number - total * weights[name] / whole) <= len(weights)


@pytest.mark.parametrize(
    ("rows", "weights", "kept"),
    [
        ({"a": 100, "b": 100}, {"a": 1, "b": 1}, {"a": 100, "b": 100}),
        ({"a": 1_000, "b": 30}, {"a": 0.7, "b": 0.3}, {"a": 70, "b": 30}),
        ({"a": 10, "b": 10, "c": 10}, {"a": 5, "b": 3, "c": 2}, {"a": 10, "b": 6, "c": 4}),
        ({"a": 3, "b": 10}, {"a": 0.3, "b": 1}, {"a": 3, "b": 10}),
        ({"a": 5}, {}, {}),
    ],
)
def test_examples(rows: dict[str, int], weights: dict[str, float], kept: dict[str, int]) -> None:
    assert rows_by_weight(rows, weights) == kept


def test_held_out_rows_all_stay_and_training_rows_in_proportion() -> None:
    table = table_of(rows_of(a=4_000, b=400, c=40))
    kept, outweighed = mixed([table], Mix({"a": 0.5, "b": 0.5}, {}))
    counts = Counter((name, split) for _, name, split in kept)
    assert counts == {
        ("a", "train"): 300, ("b", "train"): 300, ("c", "train"): 30,
        ("a", "test"): 1_000, ("b", "test"): 100, ("c", "test"): 10,
    }  # fmt: skip
    assert outweighed == {"a": 2_700, "b": 0, "c": 0}


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32), st.integers(1, 60))
def test_no_order_and_no_cut_of_the_rows_changes_which_stay(seed: int, size: int) -> None:
    table = table_of(rows_of(a=150, b=60))
    mix = Mix({"a": 0.4, "b": 0.6}, {"a": 120})
    whole, _ = mixed([table], mix)
    places = list(range(table.num_rows))
    random.Random(seed).shuffle(places)
    shuffled = table.take(pa.array(places))
    pieces = [shuffled.slice(at, size) for at in range(0, shuffled.num_rows, size)]
    found, _ = mixed(pieces, mix)
    assert sorted(found) == sorted(whole)


def test_a_row_that_is_added_moves_few_others() -> None:
    mix = Mix({"a": 0.5, "b": 0.5}, {})
    before, _ = mixed([table_of(rows_of(a=1_000, b=200))], mix)
    after, _ = mixed([table_of(rows_of(a=1_001, b=200))], mix)
    assert len(set(before) ^ set(after)) <= 2


def test_a_limit_of_one_source_touches_no_other() -> None:
    table = table_of(rows_of(a=1_000, b=200))
    kept, outweighed = mixed([table], Mix({}, {"a": 100}))
    assert Counter(name for _, name, _ in kept) == {"a": 100, "b": 200}
    assert outweighed.total() == 0


def test_a_source_with_a_weight_and_no_training_row_is_refused() -> None:
    table = table_of([("a", "train", 1), ("b", "test", 1)])
    with pytest.raises(DataError, match=r"sources\.b has the weight 0\.5 and no training row"):
        choose([table], Mix({"a": 0.5, "b": 0.5}, {}))
