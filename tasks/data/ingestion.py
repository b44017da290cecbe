"""From a source to an immutable snapshot."""

import hashlib
from collections import Counter
from collections.abc import Iterable

import pyarrow as pa

from infra.errors import DataError
from infra.store import ObjectStore
from tasks.data.frozen_parquet import put_table
from tasks.data.reading import Row, read_rows
from tasks.data.source import SourceSettings
from tasks.data.splits import SplitSettings, split_of
from tasks.records import SPLITS, Snapshot, SourceVersion


def write_snapshot(
    source: SourceVersion, settings: SourceSettings, splits: SplitSettings, store: ObjectStore
) -> Snapshot:
    """Copy a source's distinct rows to the store, each in its split.

    The same rows give the same bytes, whatever their order in the source.

    Raises:
        DataError: the source is empty, changed, or not what the settings say.

    """
    seen = Counter(read_rows(source, settings, store))
    rows_read = seen.total()
    if not rows_read:
        raise DataError(f"{_name_files(source)} hold(s) no rows; put labelled texts there")
    table = table_of(choose_rows(seen, settings.max_rows), settings.group_columns, splits)
    counts = Counter(table["split"].to_pylist())
    return Snapshot(
        artifact=put_table("snapshots", table, store),
        rows_read=rows_read,
        duplicates_dropped=rows_read - len(seen),
        rows_by_split={split: counts[split] for split in SPLITS},
        group_columns=settings.group_columns,
    )


def row_id_of(text: str | None) -> str:
    """SHA-256 of a text; that of the empty text where there is none."""
    return hashlib.sha256((text or "").encode()).hexdigest()


def choose_rows(rows: Iterable[Row], max_rows: int | None) -> list[Row]:
    """The rows in the snapshot's order, all or a stable sample of them."""
    ordered = sorted(rows, key=_order)
    if max_rows is None or len(ordered) <= max_rows:
        return ordered
    # By the second half of the hash, since the first may already decide the split.
    sample = sorted(ordered, key=lambda row: row_id_of(row.text)[32:])[:max_rows]
    return sorted(sample, key=_order)


def _order(row: Row) -> tuple[object, ...]:
    # None does not compare with text; it sorts before any.
    rest = [(value is not None, value or "") for value in (row.label, *row.groups)]
    return row_id_of(row.text), row.text is not None, rest


def table_of(rows: list[Row], group_columns: tuple[str, ...], splits: SplitSettings) -> pa.Table:
    """Rows as a snapshot's table: row_id, text, label, split, and each group column."""
    columns: dict[str, list[str | None]] = {
        "row_id": [row_id_of(row.text) for row in rows],
        "text": [row.text for row in rows],
        "label": [row.label for row in rows],
        "split": [split_of(row.text or "", splits) for row in rows],
    }
    for place, name in enumerate(group_columns):
        columns[name] = [row.groups[place] for row in rows]
    return pa.table(columns, schema=pa.schema([(name, pa.string()) for name in columns]))


def _name_files(source: SourceVersion) -> str:
    first = source.files[0].uri
    return first if len(source.files) == 1 else f"{first} and {len(source.files) - 1} more file(s)"
