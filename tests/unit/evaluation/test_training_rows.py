"""Which test rows a version has learned: by identity, by text and by author."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.errors import DataError
from tasks.evaluation.training_rows import _judged, rows_seen
from tasks.task_types.row_shapes import shape_of

SHAPE = shape_of("classification")
Rows = list[tuple[str, str, str, str | None]]


def write(path: Path, rows: Rows, *, clusters: bool = True) -> pa.Table:
    """Rows of row_id, text, split and cluster."""
    columns = dict(
        zip(("row_id", "text", "split", "cluster"), zip(*rows, strict=True), strict=True)
    )
    table = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
    pq.write_table(table if clusters else table.drop_columns("cluster"), path)
    return table.filter(pc.equal(table["split"], "test"))


def seen(tmp_path: Path, now: Rows, before: Rows, *, clusters_then: bool = True) -> list[bool]:
    test = write(tmp_path / "now.parquet", now)
    write(tmp_path / "before.parquet", before, clusters=clusters_then)
    found = rows_seen(test, tmp_path / "now.parquet", tmp_path / "before.parquet", SHAPE)
    return list(found.tolist())


def test_rows_that_a_version_learned_or_was_chosen_by_are_seen(tmp_path: Path) -> None:
    now: Rows = [(str(k), f"text {k}", "test", None) for k in range(4)]
    before: Rows = [
        ("0", "text 0", "train", None), ("1", "text 1", "validation", None),
        ("2", "text 2", "test", None), ("9", "text 9", "train", None),
    ]  # fmt: skip
    assert seen(tmp_path, now, before) == [True, True, False, False]


def test_a_text_is_seen_whatever_its_case_and_punctuation(tmp_path: Path) -> None:
    now: Rows = [("a", "Shares fell.", "test", None), ("b", "", "test", None)]
    before: Rows = [("z", "shares  FELL!", "train", None), ("y", "", "train", None)]
    assert seen(tmp_path, now, before) == [True, False]


@pytest.mark.parametrize("clusters_then", [True, False])
def test_an_author_whom_a_version_knows_is_not_held_out_from_it(
    tmp_path: Path, *, clusters_then: bool
) -> None:
    now: Rows = [
        ("1", "one", "train", "Ada"), ("2", "two", "test", "Ada"),
        ("3", "three", "test", "Bob"), ("4", "four", "test", None),
    ]  # fmt: skip
    before: Rows = [("1", "one", "train", "Ada"), ("3", "three", "test", "Bob")]
    assert seen(tmp_path, now, before, clusters_then=clusters_then) == [True, False, False]


@pytest.mark.parametrize("lost", ["row_id", "split", "text"])
def test_rows_without_a_column_are_an_error(tmp_path: Path, lost: str) -> None:
    test = write(tmp_path / "now.parquet", [("1", "one", "test", None)])
    table = pq.read_table(tmp_path / "now.parquet").drop_columns(lost)
    pq.write_table(table, tmp_path / "before.parquet")
    with pytest.raises(DataError, match=f"no column \\['{lost}'\\]"):
        rows_seen(test, tmp_path / "now.parquet", tmp_path / "before.parquet", SHAPE)


@given(rows=st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["train", "test"])), min_size=1))
@settings(max_examples=25, deadline=None)
def test_what_is_seen_is_what_a_plain_search_finds(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, str]]
) -> None:
    now: Rows = [(str(k), f"t{k}", "test", None) for k in range(10)]
    before: Rows = [(str(k), f"t{k}", split, None) for k, split in rows]
    learnt = {k for k, split in rows if split == "train"}
    assert seen(tmp_path_factory.mktemp("rows"), now, before) == [k in learnt for k in range(10)]


def test_too_few_rows_left_are_said_with_the_numbers() -> None:
    few = np.arange(120) < 30
    kept = _judged("version 3 of films", few, 90)
    assert (kept.left_out, kept.reason) == (30, "")
    assert "30 of the 120 test rows are left out" in kept.note
    assert "90 are left, fewer than evaluation.comparison.min_rows (91)" in (
        _judged("version 3 of films", few, 91).reason
    )
    assert _judged("version 3 of films", np.zeros(5, dtype=np.bool_), 91).reason == ""
