from itertools import groupby, pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.ingestion import row_groups
from tasks.ingestion.row_groups import RowGroups

SCHEMA = pa.schema(
    [
        ("digest", pa.binary(32)),
        ("text", pa.string()),
        ("messages", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))),
        ("file", pa.string()),
        ("row", pa.int64()),
    ]
)
RUNS = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 40)), max_size=25)


def rows_of(runs: list[tuple[int, int]]) -> pa.Table:
    """For each run so many rows of one digest, each with texts of this length."""
    rows: list[dict[str, Any]] = [
        {
            "digest": number.to_bytes(32, "big"), "text": "x" * length,
            "messages": [{"role": None, "content": "é" * length}] * (number % 3),
            "file": "f" * number, "row": row,
        }
        for number, (count, length) in enumerate(runs)
        for row in range(count)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, SCHEMA)


def cut(tables: list[pa.Table]) -> list[pa.Table]:
    groups = RowGroups()
    return [*(group for table in tables for group in groups.add(table)), *groups.flush()]


@settings(deadline=None)
@given(runs=RUNS, pieces=st.lists(st.integers(0, 25), max_size=6))
def test_borders_depend_on_the_rows_alone(runs: list[tuple[int, int]], pieces: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_groups, "MAX_ROW_GROUP_ROWS", 10)
        patch.setattr(row_groups, "MAX_ROW_GROUP_BYTES", 600)
        rows = rows_of(runs)
        at_once = cut([rows])
        assert pa.concat_tables([SCHEMA.empty_table(), *at_once]).equals(rows)
        places = sorted({0, len(runs), *(piece for piece in pieces if piece < len(runs))})
        starts = [sum(count for count, _ in runs[:place]) for place in places]
        parts = [rows.slice(a, z - a) for a, z in pairwise(starts)]
        in_pieces = cut(parts)
    assert [group.to_pylist() for group in in_pieces] == [group.to_pylist() for group in at_once]


@settings(deadline=None)
@given(RUNS)
def test_a_group_is_full_but_never_parts_a_run(runs: list[tuple[int, int]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_groups, "MAX_ROW_GROUP_ROWS", 6)
        groups = cut([rows_of(runs)])
    sizes = [[len(list(run)) for _, run in groupby(g["digest"].to_pylist())] for g in groups]
    assert [count for group in sizes for count in group] == [count for count, _ in runs]
    for group, following in pairwise(sizes):
        assert sum(group) <= 6 or len(group) == 1
        assert sum(group) + following[0] > 6


def test_long_texts_make_small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_groups, "MAX_ROW_GROUP_BYTES", 1_000)
    # 8 bytes of digest, 92 of text
    groups = cut([rows_of([(1, 92)] * 1)] * 1)
    assert [group.num_rows for group in groups] == [1]
    rows = rows_of([(1, 46)] * 30).set_column(2, "messages", pa.nulls(30, SCHEMA.types[2]))
    assert [group.num_rows for group in cut([rows])] == [18, 12]
