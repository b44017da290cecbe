"""Repaired rows that were taken back in, and the rows of the source that they stand for."""

import io
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from infra.errors import DataError
from infra.store import ObjectStore
from tasks.records.data import SourceFile
from tasks.task_types.rows import SPLIT_WORD, RowShape, arrow_type


@dataclass(frozen=True)
class RepairedFile:
    """A repaired quarantine file.

    Attributes:
        rows: as in a shard of the source; their split as the file says it is their split_word.
        stand_for: for each of them the row_id of the row that it stands for.

    """

    rows: pa.Table
    stand_for: pa.Array

    @property
    def keys(self) -> pa.Array:
        """What each of them stands for where a text may stand in two splits: row_id and split."""
        return keys_of(self.stand_for, self.rows[SPLIT_WORD].combine_chunks())


def keys_of(row_ids: pa.Array, splits: pa.Array) -> pa.Array:
    """A row_id with its split as one text."""
    return pc.binary_join_element_wise(row_ids, pc.coalesce(splits, ""), "/")


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
        SPLIT_WORD: _string_column(table, "split"),
        "file": pa.array([uri] * table.num_rows, pa.string()),
        "row": pa.array(range(1, table.num_rows + 1), pa.int64()),
    }
    return pa.table(columns)


def _string_column(table: pa.Table, name: str) -> pa.ChunkedArray | pa.Array:
    if name not in table.column_names:
        return pa.nulls(table.num_rows, pa.string())
    return table[name].cast(pa.string())


def superseded_by(files: list[RepairedFile], *, by_split: bool = False) -> Iterator[pa.Array]:
    """For the source, and then for each repaired file, the row_ids that later files stand for.

    Args:
        files: oldest first.
        by_split: give row_id and split in place of row_id, as `keys_of` has them.

    """
    for start in range(len(files) + 1):
        later = [file.keys if by_split else file.stand_for for file in files[start:]]
        yield pa.concat_arrays([pa.array([], pa.string()), *later])
