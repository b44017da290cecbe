import hashlib
from collections import Counter
from math import sqrt

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.ingestion.row_ids import as_binary, digests_of
from tasks.ingestion.sampling import choose_sample
from tasks.ingestion.splits import SplitSettings
from tests.split_of_text import split_of

NUMBERS = st.lists(st.integers(0, 60), max_size=40)


def tables_of(numbers: list[int], pieces: int) -> list[pa.Table]:
    """Rows in the snapshot's order; rows of one text stand together."""
    texts = sorted(
        (f"text {n}" for n in numbers), key=lambda t: hashlib.sha256(t.encode()).digest()
    )
    rows = pa.table(
        {"digest": as_binary(digests_of(pa.array(texts, pa.string()))), "text": texts},
        schema=pa.schema([("digest", pa.binary(32)), ("text", pa.string())]),
    )
    step = max(1, -(-len(texts) // pieces))
    return [rows.slice(start, step) for start in range(0, len(texts), step)]


def sample_of(numbers: list[int], max_rows: int, pieces: int = 1) -> list[str]:
    tables = tables_of(numbers, pieces)
    sample = choose_sample(tables, max_rows)
    return [
        text
        for table in tables
        for text in (sample.take(table) if sample else table)["text"].to_pylist()
    ]


@settings(deadline=None)
@given(numbers=NUMBERS, max_rows=st.integers(1, 45), pieces=st.integers(1, 5))
def test_sample_is_of_the_smallest_second_halves(
    numbers: list[int], max_rows: int, pieces: int
) -> None:
    hashes = sorted(hashlib.sha256(f"text {n}".encode()).hexdigest() for n in numbers)
    expected = sorted(sorted(hashes, key=lambda row_id: row_id[32:])[:max_rows])
    found = sample_of(numbers, max_rows, pieces)
    assert [hashlib.sha256(text.encode()).hexdigest() for text in found] == expected


@settings(deadline=None)
@given(numbers=st.sets(st.integers(0, 60), max_size=40), added=st.integers(61, 90))
def test_row_that_is_added_pushes_at_most_one_out_of_a_sample(
    numbers: set[int], added: int
) -> None:
    before = set(sample_of(list(numbers), 5))
    after = set(sample_of([*numbers, added], 5))
    assert len(before - after) <= 1


def test_sample_has_the_shares_of_the_whole() -> None:
    sample = sample_of(list(range(5_000)), 1_000, pieces=7)
    assert len(sample) == 1_000
    counts = Counter(split_of(text, SplitSettings()) for text in sample)
    assert abs(counts["train"] - 600) <= 4 * sqrt(1_000 * 0.6 * 0.4)
    assert abs(counts["test"] - 300) <= 4 * sqrt(1_000 * 0.3 * 0.7)
