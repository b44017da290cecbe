import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.ingestion import spilling
from tasks.ingestion.deduplication import distinct_rows, drop_duplicates
from tasks.ingestion.spilling import Spill

TOLD_BY = ("label", "tags", "number")
SCHEMA = pa.schema(
    [
        ("digest", pa.binary(32)),
        ("label", pa.string()),
        ("tags", pa.list_(pa.string())),
        ("number", pa.float64()),
        ("row", pa.int64()),
    ]
)
# Digests that share their first bytes as well as such that don't.
DIGESTS = [bytes([first, second]) + bytes(30) for first in (0, 1, 255) for second in (0, 7, 255)]
ROW = st.fixed_dictionaries(
    {
        "digest": st.sampled_from([*DIGESTS, bytes(31) + b"\1"]),
        "label": st.sampled_from([None, "", "a", "b", "run"]),
        "tags": st.sampled_from([None, [], ["a"], [None], ["a", "b"], ['a", "b']]),
        "number": st.sampled_from([None, 0.0, 1.5, math.nan, 0.1]),
    }
)
ROWS = st.lists(ROW, max_size=40)


def table_of(rows: list[dict[str, Any]]) -> pa.Table:
    numbered = [{**row, "row": number} for number, row in enumerate(rows)]
    return pa.Table.from_pylist(numbered, SCHEMA)


def first_of_each(rows: list[dict[str, Any]]) -> dict[str, int]:
    """By brute force: what a row says, and the first row that says it."""
    found: dict[str, int] = {}
    for number, row in enumerate(rows):
        found.setdefault(repr(sorted(row.items())), number)
    return found


@settings(deadline=None)
@given(ROWS)
def test_the_first_of_equal_rows_stays(rows: list[dict[str, Any]]) -> None:
    distinct = drop_duplicates(table_of(rows), TOLD_BY)
    expected = first_of_each(rows)
    assert sorted(distinct.rows["row"].to_pylist()) == sorted(expected.values())
    assert distinct.duplicates == len(rows) - len(expected)
    digests = distinct.rows["digest"].to_pylist()
    assert digests == sorted(digests)


@settings(deadline=None)
@given(rows=ROWS, data=st.data())
def test_order_of_the_rows_does_not_count(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    def values(given_rows: list[dict[str, Any]]) -> str:
        distinct = drop_duplicates(table_of(given_rows), TOLD_BY)
        return repr(distinct.rows.drop_columns(["row"]).to_pylist())

    assert values(data.draw(st.permutations(rows))) == values(rows)


@pytest.mark.parametrize("bucket_bytes", [3_000, 10_000, 1 << 20])
@pytest.mark.parametrize("size_bytes", [0, 1 << 20])
def test_a_spill_of_any_size_gives_the_rows_of_one_sort(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bucket_bytes: int, size_bytes: int
) -> None:
    monkeypatch.setattr(spilling, "BUCKET_BYTES", bucket_bytes)
    monkeypatch.setattr(spilling, "_AIM_BYTES", bucket_bytes // 4)
    rows = [
        {
            "digest": DIGESTS[(i * i) % 9], "label": "abc"[i % 3], "tags": ["x"] * (i % 2),
            "number": float(i % 5),
        }
        for i in range(500)
    ]  # fmt: skip
    table = table_of(rows)
    with Spill(tmp_path / "spill", SCHEMA, size_bytes) as spill:
        for start in range(0, 500, 70):
            spill.add(table.slice(start, 70))
    assert spill.rows == 500
    expected = drop_duplicates(table, TOLD_BY)
    for _ in range(2):  # a spill can be read again
        found = list(distinct_rows(spill, TOLD_BY))
        assert pa.concat_tables(part.rows for part in found).equals(expected.rows)
        assert sum(part.duplicates for part in found) == expected.duplicates > 0


def test_no_rows_are_no_rows(tmp_path: Path) -> None:
    with Spill(tmp_path / "spill", SCHEMA, 0) as spill:
        pass
    assert [part.rows.num_rows for part in distinct_rows(spill, TOLD_BY)] == [0]
