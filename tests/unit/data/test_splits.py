import hashlib
from collections import Counter
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.data.ingestion import choose_rows, row_id_of, table_of
from tasks.data.reading import Row
from tasks.data.splits import SplitSettings, split_of

SETTINGS = SplitSettings()
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
ROWS = st.builds(
    Row,
    text=st.none() | TEXT,
    label=st.none() | st.sampled_from(["a", "b"]),
    groups=st.tuples(st.none() | st.sampled_from(["x", "y"])),
)


def digest(rows: list[Row]) -> str:
    table = table_of(choose_rows(rows, None), ("gender",), SETTINGS)
    return hashlib.sha256(repr(table.to_pydict()).encode()).hexdigest()


@given(rows=st.lists(ROWS, unique=True, max_size=30), added=st.lists(ROWS, max_size=10))
def test_rows_that_are_added_move_no_row(rows: list[Row], added: list[Row]) -> None:
    def splits(given_rows: list[Row]) -> dict[str, str]:
        table = table_of(choose_rows(given_rows, None), ("gender",), SETTINGS)
        return dict(zip(table["row_id"].to_pylist(), table["split"].to_pylist(), strict=True))

    before, after = splits(rows), splits([*rows, *added])
    assert before.items() <= after.items()


@given(rows=st.lists(ROWS, unique=True, max_size=30), data=st.data())
def test_order_of_the_source_does_not_count(rows: list[Row], data: st.DataObject) -> None:
    assert digest(data.draw(st.permutations(rows))) == digest(rows)


@given(TEXT)
def test_split_is_the_hash_read_as_a_fraction(text: str) -> None:
    number = int(hashlib.sha256(f"salt{text}".encode()).hexdigest()[:16], 16)
    share = number / 16**16
    expected = "train" if share < 0.5 else "validation" if share < 0.7 else "test"
    settings = SplitSettings(train=0.5, validation=0.2, test=0.3, salt="salt")
    assert split_of(text, settings) == expected


@pytest.mark.parametrize("label", ["rare", "common"])
@pytest.mark.parametrize("salt", ["", "other"])
def test_each_label_is_split_alike(label: str, salt: str) -> None:
    """Each share lies within 4 standard deviations of a binomial's mean."""
    n = 500 if label == "rare" else 20_000
    settings = SplitSettings(salt=salt)
    counts = Counter(split_of(f"{label} text {i}", settings) for i in range(n))
    for split, share in (("train", 0.6), ("validation", 0.1), ("test", 0.3)):
        assert abs(counts[split] - n * share) <= 4 * sqrt(n * share * (1 - share))


def test_another_salt_splits_otherwise() -> None:
    texts = [f"text {i}" for i in range(100)]
    other = SplitSettings(salt="1")
    assert [split_of(t, SETTINGS) for t in texts] != [split_of(t, other) for t in texts]


def test_sample_is_stable_and_has_the_shares_of_the_whole() -> None:
    rows = [Row(f"text {i}", "a", (None,)) for i in range(5_000)]
    sample = choose_rows(rows, 1_000)
    assert len(sample) == 1_000
    assert choose_rows(rows[::-1], 1_000) == sample
    counts = Counter(split_of(str(row.text), SETTINGS) for row in sample)
    assert abs(counts["train"] - 600) <= 4 * sqrt(1_000 * 0.6 * 0.4)
    assert abs(counts["test"] - 300) <= 4 * sqrt(1_000 * 0.3 * 0.7)


@given(rows=st.lists(ROWS, unique=True, max_size=20), added=ROWS)
def test_row_that_is_added_pushes_at_most_one_out_of_a_sample(rows: list[Row], added: Row) -> None:
    before = set(choose_rows(rows, 5))
    after = set(choose_rows(list({*rows, added}), 5))
    assert len(before - after) <= 1


def test_row_id_is_the_hash_of_the_text() -> None:
    assert row_id_of("a£") == hashlib.sha256("a£".encode()).hexdigest()
    assert row_id_of(None) == hashlib.sha256(b"").hexdigest()
