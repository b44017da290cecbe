from collections import Counter
from math import sqrt

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.ingestion.row_ids import assign_splits, digests_of
from tasks.ingestion.splits import SplitSettings, splits_of
from tests.split_of_text import split_of

SETTINGS = SplitSettings()
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)


def assign(texts: list[str], clusters: list[str | None], settings: SplitSettings) -> list[str]:
    """The splits of many rows at once."""
    identities, own = pa.array(texts, pa.string()), pa.chunked_array([clusters], pa.string())
    splits = assign_splits(own, identities, digests_of(identities), settings)
    found: list[str] = splits.to_pylist()
    return found


@settings(deadline=None)
@given(
    rows=st.lists(st.tuples(TEXT, st.none() | TEXT), max_size=30),
    salt=st.sampled_from(["", "pepper", "é"]),
)
def test_many_rows_are_split_as_one_by_one(rows: list[tuple[str, str | None]], salt: str) -> None:
    settings = SplitSettings(train=0.4, validation=0.3, test=0.3, salt=salt)
    texts, clusters = [text for text, _ in rows], [cluster for _, cluster in rows]
    expected = [split_of(text if own is None else own, settings) for text, own in rows]
    assert assign(texts, clusters, settings) == expected
    unclustered = [split_of(text, settings) for text in texts]
    assert assign(texts, [None] * len(rows), settings) == unclustered


def test_a_fraction_on_a_border_belongs_to_the_later_split() -> None:
    settings = SplitSettings(train=0.5, validation=0.25, test=0.25)
    firsts = [0, 2**63 - 2**11, 2**63, 3 * 2**62 - 2**11, 3 * 2**62, 2**64 - 1]
    digests = np.array([list(first.to_bytes(8, "big")) + [255] * 24 for first in firsts], np.uint8)
    assert splits_of(digests, settings).to_pylist() == [
        "train", "train", "validation", "validation", "test", "test",
    ]  # fmt: skip


@pytest.mark.parametrize("label", ["rare", "common"])
@pytest.mark.parametrize("salt", ["", "other"])
def test_each_label_is_split_alike(label: str, salt: str) -> None:
    """Each share lies within 4 standard deviations of a binomial's mean."""
    n = 500 if label == "rare" else 20_000
    texts = [f"{label} text {i}" for i in range(n)]
    counts = Counter(assign(texts, [None] * n, SplitSettings(salt=salt)))
    for split, share in (("train", 0.6), ("validation", 0.1), ("test", 0.3)):
        assert abs(counts[split] - n * share) <= 4 * sqrt(n * share * (1 - share))


def test_another_salt_splits_otherwise() -> None:
    texts = [f"text {i}" for i in range(100)]
    other = SplitSettings(salt="1")
    assert [split_of(t, SETTINGS) for t in texts] != [split_of(t, other) for t in texts]
