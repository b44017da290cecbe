"""Snapshots of shards that are made here, in a real store."""

import hashlib
import io
import json
from collections import Counter
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.errors import DataError
from infra.parquet_tables import open_table
from infra.store import ObjectStore
from tasks.ingestion import row_groups
from tasks.ingestion.layout import Layout
from tasks.ingestion.snapshot import freeze
from tasks.ingestion.splits import SplitSettings
from tasks.records.data import Snapshot, SourceFile, SourceVersion
from tasks.sources.shards import BrokenRow, Shard
from tasks.task_types.row_shapes import ROW_SHAPES, shape_of
from tasks.task_types.rows import arrow_type
from tests.split_of_text import split_of
from tests.stored_tables import get_table

Rows = Sequence[dict[str, Any]]

TEXT = st.none() | st.sampled_from(["", "a", " a", "b\n", "的", "c", "d e"]) | st.text(max_size=3)
ROW = st.fixed_dictionaries(
    {
        "text": TEXT.filter(lambda text: text is None or text.isprintable() or "\n" in text),
        "label": st.sampled_from([None, "x", "y ", "y"]),
        "gender": st.sampled_from([None, "f", "m"]),
        "cluster": st.none() | st.sampled_from(["one", "two", "three"]),
    }
)
ROWS = st.lists(ROW, min_size=1, max_size=25)
_numbers = count()


def layout_of(task_type: str) -> Layout:
    return Layout(shape_of(task_type), ("gender",) if task_type == "classification" else ())


def shard_of(
    rows: Rows, layout: Layout, file: str = "a.jsonl", start: int = 1, broken: Sequence[str] = ()
) -> Shard:
    """Rows numbered from `start`, and a broken row for each text that cannot be read."""
    fields = [(column.name, arrow_type(column.kind)) for column in layout.shape.columns]
    fields += [(name, pa.string()) for name in (*layout.group_columns, "cluster", "file")]
    numbered = [{"file": file, "row": start + i, **row} for i, row in enumerate(rows)]
    marked = tuple(
        BrokenRow(file, i, "broken JSON", raw, hashlib.sha256(raw.encode()).hexdigest())
        for i, raw in enumerate(broken, start=1)
    )
    return Shard(pa.Table.from_pylist(numbered, pa.schema([*fields, ("row", pa.int64())])), marked)


def snapshot_of(
    store: ObjectStore,
    *shards: Shard,
    task_type: str = "classification",
    max_rows: int | None = None,
    readmitted: Sequence[Rows] = (),
) -> Snapshot:
    source = SourceVersion(
        (SourceFile("/data/a.jsonl", "", 1),), tuple(readmit(store, rows) for rows in readmitted)
    )
    layout = layout_of(task_type)
    return freeze(iter(shards), source, layout, SplitSettings(), max_rows, store)


def readmit(store: ObjectStore, rows: Rows) -> SourceFile:
    """A repaired quarantine file in the store."""
    sink = io.BytesIO()
    schema = pa.schema([(n, pa.string()) for n in ("row_id", "text", "label", "gender", "cluster")])
    pq.write_table(pa.Table.from_pylist(list(rows), schema), sink)
    name = f"{next(_numbers):04d}.parquet"
    uri = store.put_bytes(store.uri("repaired", "files", name), sink.getvalue()).uri
    return SourceFile(uri, *store.fingerprint(uri))


def sha256(text: str | None) -> str:
    return hashlib.sha256((text or "").encode()).hexdigest()


def rows_in(snapshot: Snapshot, store: ObjectStore) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = get_table(snapshot.artifact, store).to_pylist()
    return found


def cleaned(row: dict[str, Any]) -> tuple[str | None, ...]:
    """What a row says, by brute force."""
    return tuple(
        (row[name] or "").strip() or None for name in ("text", "label", "gender", "cluster")
    )


def check_accounts(snapshot: Snapshot) -> None:
    """Every row that came in is somewhere."""
    assert snapshot.rows_read == (
        sum(snapshot.rows_by_split.values()) + snapshot.duplicates_dropped + snapshot.rows_broken
        + snapshot.rows_superseded + snapshot.rows_sampled_out
    )  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(rows=ROWS)
def test_distinct_rows_are_kept_as_brute_force_says(store: ObjectStore, rows: Rows) -> None:
    layout = layout_of("classification")
    snapshot = snapshot_of(store, shard_of(rows, layout))
    found = rows_in(snapshot, store)
    expected = Counter({cleaned(row) for row in rows})
    assert Counter(cleaned(row) for row in found) == expected
    assert snapshot.duplicates_dropped == len(rows) - len(expected)
    check_accounts(snapshot)
    assert [row["row_id"] for row in found] == sorted(row["row_id"] for row in found)
    for row in found:
        assert row["row_id"] == sha256(row["text"])
        assert row["split"] == split_of(row["cluster"] or row["text"] or "", SplitSettings())
    origins = get_table(snapshot.origins, store).to_pylist()
    firsts = {cleaned(row): number for number, row in reversed(list(enumerate(rows, start=1)))}
    assert [origin["row"] for origin in origins] == [firsts[cleaned(row)] for row in found]


@settings(max_examples=25, deadline=None)
@given(rows=ROWS, data=st.data())
def test_order_files_and_shards_never_change_the_bytes(
    store: ObjectStore, rows: Rows, data: st.DataObject
) -> None:
    layout = layout_of("classification")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_groups, "MAX_ROW_GROUP_ROWS", 4)
        whole = snapshot_of(store, shard_of(rows, layout))
        shuffled = data.draw(st.permutations([*rows, rows[0]]))
        cut = data.draw(st.integers(0, len(shuffled)))
        shards = [
            shard_of(shuffled[:cut], layout, "other/path.csv"),
            shard_of([], layout),
            shard_of(shuffled[cut:], layout, "z" * 99, start=10**12),
        ]
        parted = snapshot_of(store, *shards)
    assert parted.artifact == whole.artifact
    assert parted.duplicates_dropped == whole.duplicates_dropped + 1


@settings(max_examples=15, deadline=None)
@given(rows=ROWS)
def test_a_cluster_never_spans_splits(store: ObjectStore, rows: Rows) -> None:
    found = rows_in(snapshot_of(store, shard_of(rows, layout_of("classification"))), store)
    of_cluster = {(row["cluster"], row["split"]) for row in found if row["cluster"]}
    assert len(of_cluster) == len({cluster for cluster, _ in of_cluster})
    of_text = {(row["text"], row["split"]) for row in found if not row["cluster"]}
    assert len(of_text) == len({text for text, _ in of_text})


@settings(max_examples=20, deadline=None)
@given(rows=ROWS, max_rows=st.integers(1, 12))
def test_a_sample_is_of_the_distinct_rows(store: ObjectStore, rows: Rows, max_rows: int) -> None:
    shards = [shard_of([row], layout_of("classification"), start=i) for i, row in enumerate(rows)]
    whole = rows_in(snapshot_of(store, *shards), store)
    sampled = snapshot_of(store, *shards, max_rows=max_rows)
    smallest = sorted(whole, key=lambda row: row["row_id"][32:])[:max_rows]
    expected = [row for row in whole if row in smallest]
    assert rows_in(sampled, store) == expected
    assert sampled.rows_sampled_out == len(whole) - len(expected)
    check_accounts(sampled)


@pytest.mark.parametrize("task_type", ROW_SHAPES.names)
def test_rows_of_every_task_type_are_frozen(store: ObjectStore, task_type: str) -> None:
    values: dict[str, list[Any]] = {
        "text": ["a ", "b", None], "label": ["x"], "number": [0.5, -1.0], "integer": [3, None],
        "labels": [["x", "y"], []], "texts": [["a", "b"], ["c"]], "tags": [["O", "B-x"], ["O"]],
        "turns": [[{"role": "user", "content": "hi"}], [{"role": "system", "content": None}]],
    }  # fmt: skip
    layout = layout_of(task_type)
    rows = [
        {c.name: values[c.kind][i % len(values[c.kind])] for c in layout.shape.columns}
        for i in range(6)
    ]
    snapshot = snapshot_of(store, shard_of(rows, layout), task_type=task_type)
    table = get_table(snapshot.artifact, store)
    assert table.schema.equals(layout.snapshot)
    told = {json.dumps(row).replace('"a "', '"a"') for row in rows}
    kept = table.select(layout.shape.names).to_pylist()
    assert sorted(json.dumps(row) for row in kept) == sorted(told)
    assert snapshot.duplicates_dropped == 6 - len(told)
    assert snapshot.task_type == task_type
    backwards = snapshot_of(store, shard_of(rows[::-1], layout), task_type=task_type)
    assert backwards.artifact == snapshot.artifact


def test_rows_that_are_added_leave_the_others_in_their_split(store: ObjectStore) -> None:
    layout = layout_of("classification")
    rows = [{"text": f"text {i}", "label": "x"} for i in range(50)]
    more = [{"text": f"new {i}", "label": "y"} for i in range(50)]
    before = rows_in(snapshot_of(store, shard_of(rows, layout)), store)
    after = rows_in(snapshot_of(store, shard_of([*more, *rows], layout)), store)
    assert all(row in after for row in before)


def test_rows_of_one_row_id_share_a_row_group(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_groups, "MAX_ROW_GROUP_ROWS", 5)
    rows = [{"text": f"t{i % 7}", "label": f"l{i}"} for i in range(30)]
    snapshot = snapshot_of(store, shard_of(rows, layout_of("classification")))
    with open_table(snapshot.artifact, store, tmp_path) as file:
        groups = [
            set(file.read_row_group(i)["row_id"].to_pylist()) for i in range(file.num_row_groups)
        ]
    assert len(groups) == 7
    assert len(set.union(*groups)) == 7
    with open_table(snapshot.origins, store, tmp_path) as origins:
        assert origins.num_row_groups == 7


def test_broken_rows_stand_beside_the_snapshot(store: ObjectStore) -> None:
    layout = layout_of("classification")
    good = shard_of([{"text": "a", "label": "x"}], layout, broken=['{"text": "cut', "[1]"])
    snapshot = snapshot_of(store, good, shard_of([], layout, "b.jsonl", broken=["{"]))
    assert snapshot.broken_by_reason == {"broken JSON": 3}
    check_accounts(snapshot)
    broken = get_table(snapshot.broken, store).to_pylist()
    assert [(row["file"], row["row"], row["raw"]) for row in broken] == [
        ("a.jsonl", 1, '{"text": "cut'), ("a.jsonl", 2, "[1]"), ("b.jsonl", 1, "{"),
    ]  # fmt: skip
    assert broken[2] | {"row_id": sha256("{"), "reason": "broken JSON"} == broken[2]


def test_a_source_of_broken_rows_alone_names_the_first(store: ObjectStore) -> None:
    shard = shard_of([], layout_of("classification"), broken=[f"{i}" for i in range(5_000)])
    with pytest.raises(DataError) as refusal:
        snapshot_of(store, shard)
    message = str(refusal.value)
    assert "5,000" in message
    assert "a.jsonl: row 1: broken JSON; a.jsonl: row 2: broken JSON;" in message
    assert len(message) < 500


def test_an_empty_source_is_refused(store: ObjectStore) -> None:
    for shards in ([], [shard_of([], layout_of("classification"))]):
        with pytest.raises(DataError, match=r"^/data/a.jsonl hold\(s\) no rows"):
            snapshot_of(store, *shards)


def test_a_repaired_row_takes_the_place_of_the_one_that_it_stands_for(store: ObjectStore) -> None:
    layout = layout_of("classification")
    source = shard_of(
        [{"text": "a", "label": "wrong"}, {"text": "a", "label": "x"}, {"text": "b", "label": "x"}],
        layout, broken=["{a", "{b"],
    )  # fmt: skip
    repaired = [
        {"row_id": sha256("a"), "text": "a", "label": "right"},
        {"row_id": sha256("{b"), "text": " b", "label": "x"},  # equal to a row of the source
        {"row_id": sha256("unknown"), "text": "new", "label": "x"},
    ]
    snapshot = snapshot_of(store, source, readmitted=[repaired])
    kept = {(row["text"], row["label"]) for row in rows_in(snapshot, store)}
    assert kept == {("a", "right"), ("b", "x"), ("new", "x")}
    assert (snapshot.rows_read, snapshot.rows_readmitted, snapshot.rows_superseded) == (8, 3, 3)
    assert (snapshot.duplicates_dropped, snapshot.rows_broken) == (1, 1)
    check_accounts(snapshot)
    assert snapshot.artifact != snapshot_of(store, source).artifact
    origins = get_table(snapshot.origins, store)["file"].to_pylist()
    assert sum(file.startswith("s3://") for file in origins) == 2


def test_the_newest_repair_of_a_row_wins(store: ObjectStore) -> None:
    source = shard_of([{"text": "a", "label": "x"}], layout_of("classification"))
    first = [{"row_id": sha256("a"), "text": "a1", "label": "x"}]
    again = [{"row_id": sha256("a"), "text": "a2", "label": "x"}]
    # Put aside once more, now under the row_id of the repaired row.
    further = [{"row_id": sha256("a2"), "text": "a3", "label": "x"}]
    for files, text, superseded in (
        ([first], "a1", 1), ([first, again], "a2", 2), ([again, first], "a1", 2),
        ([first, again, further], "a3", 3), ([first, further], "a1", 1),
    ):  # fmt: skip
        snapshot = snapshot_of(store, source, readmitted=files)
        expected = {text, "a3"} if files == [first, further] else {text}
        assert {row["text"] for row in rows_in(snapshot, store)} == expected
        assert snapshot.rows_superseded == superseded
        check_accounts(snapshot)


def test_repaired_rows_alone_make_a_snapshot(store: ObjectStore) -> None:
    source = shard_of([], layout_of("classification"), broken=["{"])
    repaired = [{"row_id": sha256("{"), "text": "a", "label": "x"}]
    snapshot = snapshot_of(store, source, readmitted=[repaired])
    assert [row["text"] for row in rows_in(snapshot, store)] == ["a"]
    assert (snapshot.rows_superseded, snapshot.broken_by_reason) == (1, {})


def test_a_repaired_file_that_changed_or_lacks_a_column_is_refused(store: ObjectStore) -> None:
    source = shard_of([{"text": "a", "label": "x"}], layout_of("classification"))
    file = readmit(store, [{"row_id": sha256("a"), "text": "b", "label": "x"}])
    layout = layout_of("classification")

    def refusal(readmitted: SourceFile) -> str:
        version = SourceVersion((SourceFile("/data/a.jsonl", "", 1),), (readmitted,))
        with pytest.raises(DataError) as found:
            freeze(iter([source]), version, layout, SplitSettings(), None, store)
        return str(found.value)

    assert "changed while the run was reading it" in refusal(SourceFile(file.uri, "other", 1))
    sink = io.BytesIO()
    pq.write_table(pa.table({"row_id": ["0"], "text": ["b"]}), sink)
    uri = store.put_bytes(store.uri("repaired", "files", "narrow.parquet"), sink.getvalue()).uri
    message = refusal(SourceFile(uri, *store.fingerprint(uri)))
    assert uri in message
    assert "label" in message
