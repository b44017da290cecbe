"""Repaired rows that were taken back in, and the rows of the source that they stand for."""

import io
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from infra.errors import DataError
from infra.store import ObjectStore
from tasks.records.data import SourceFile
from tasks.task_types.rows import RowShape, arrow_type


@dataclass(frozen=True)
class RepairedFile:
    """A repaired quarantine file.

    Attributes:
        rows: as in a shard of the source.
        stand_for: for each of them the row_id of the row that it stands for.

    """

    rows: pa.Table
    stand_for: pa.Array


def read_readmitted(
    files: tuple[SourceFile, ...],
    shape: RowShape,
    group_columns: tuple[str, ...],
    store: ObjectStore,
) -> list[RepairedFile]:
    """All of a line's repaired files, oldest first; they hold a small share of its rows.

    Raises:
        DataError: a file changed since it was pinned, or lacks a column.

    """
    return [_read(file, shape, group_columns, store) for file in files]


def _read(
    file: SourceFile, shape: RowShape, group_columns: tuple[str, ...], store: ObjectStore
) -> RepairedFile:
    data = store.get_bytes(file.uri)
    if store.fingerprint(file.uri)[0] != file.fingerprint:  # asked after the read: a change shows
        raise DataError(f"{file.uri} changed while the run was reading it; run again")
    try:
        table = pq.read_table(io.BytesIO(data))
        rows = _as_shard(table, file.uri, shape, group_columns)
        return RepairedFile(rows, table["row_id"].cast(pa.string()).combine_chunks())
    except (pa.ArrowException, KeyError) as error:
        raise DataError(
            f"{file.uri}, a repaired quarantine file, cannot be read as rows for {shape.task_type}:"
            f" {error}; delete the file and take a corrected one in with assayline readmit"
        ) from error


def _as_shard(
    table: pa.Table, uri: str, shape: RowShape, group_columns: tuple[str, ...]
) -> pa.Table:
    # Groups and clusters may have come into the settings after the file was written.
    strings = (*group_columns, "cluster")
    columns = {
        **{c.name: table[c.name].cast(arrow_type(c.kind)) for c in shape.columns},
        **{name: _string_column(table, name) for name in strings},
        "file": pa.array([uri] * table.num_rows, pa.string()),
        "row": pa.array(range(1, table.num_rows + 1), pa.int64()),
    }
    return pa.table(columns)


def _string_column(table: pa.Table, name: str) -> pa.ChunkedArray | pa.Array:
    if name not in table.column_names:
        return pa.nulls(table.num_rows, pa.string())
    return table[name].cast(pa.string())


def superseded_by(files: list[RepairedFile]) -> Iterator[pa.Array]:
    """For the source, and then for each repaired file, the row_ids that later files stand for."""
    for start in range(len(files) + 1):
        later = [file.stand_for for file in files[start:]]
        yield pa.concat_arrays([pa.array([], pa.string()), *later])
