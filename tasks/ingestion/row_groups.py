"""Where the row groups of a snapshot end: a rule over the rows alone.

How the rows came (files, shards, buckets) must not show in the bytes of the snapshot.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from infra.parquet_tables import MAX_ROW_GROUP_ROWS

# What a reader of one row group has to hold; a single row_id may take it beyond.
MAX_ROW_GROUP_BYTES: Final = 32 << 20
# Where a row came from must not show in the borders.
_ORIGIN: Final = ("file", "row")
_NUMBER_BYTES: Final = 8


class RowGroups:
    """Gathers sorted rows until a row group is full.

    A row group ends before the row_id that would take it over the bound in rows or in bytes.
    """

    def __init__(self) -> None:
        self._held: list[pa.Table] = []
        self._rows = self._bytes = 0

    def add(self, rows: pa.Table) -> Iterator[pa.Table]:
        """Take rows that begin with a new row_id; give back the row groups that are full."""
        borders = _borders(rows["digest"])
        sizes = np.concatenate([[0], np.cumsum(_sizes_of(rows))])[borders]
        at, last = 0, len(borders) - 1
        while at < last:
            end = min(
                np.searchsorted(borders, borders[at] + MAX_ROW_GROUP_ROWS - self._rows, "right"),
                np.searchsorted(sizes, sizes[at] + MAX_ROW_GROUP_BYTES - self._bytes, "right"),
            ) - 1  # fmt: skip
            if not self._rows:
                end = max(end, at + 1)
            if end > at:
                self._hold(rows.slice(borders[at], borders[end] - borders[at]))
                self._bytes += int(sizes[end] - sizes[at])
            at = max(at, int(end))
            if at < last:
                yield from self.flush()

    def flush(self) -> Iterator[pa.Table]:
        """Give back the rows that are held, if any."""
        if self._rows:
            yield pa.concat_tables(self._held)
        self._held, self._rows, self._bytes = [], 0, 0

    def _hold(self, rows: pa.Table) -> None:
        self._held.append(rows)
        self._rows += rows.num_rows


def _borders(digests: pa.ChunkedArray) -> NDArray[np.int64]:
    """Where each digest begins, and the number of rows."""
    values = digests.combine_chunks()
    if not len(values):
        return np.zeros(1, np.int64)
    starts = pc.not_equal(values[1:], values[:-1]).to_numpy(zero_copy_only=False)
    return np.concatenate([[0], np.flatnonzero(starts) + 1, [len(values)]])


def _sizes_of(rows: pa.Table) -> NDArray[np.int64]:
    """About how many bytes each row takes."""
    sizes = np.zeros(rows.num_rows, np.int64)
    for column in rows.drop_columns(list(_ORIGIN)).columns:
        sizes += _value_sizes(column.combine_chunks())
    return sizes


def _value_sizes(values: pa.Array) -> NDArray[np.int64]:
    if pa.types.is_string(values.type):
        return _filled(pc.binary_length(values))
    if pa.types.is_list(values.type):
        ends = np.cumsum(_filled(pc.list_value_length(values)))
        inner = np.concatenate([[0], np.cumsum(_value_sizes(pc.list_flatten(values)))])
        sizes: NDArray[np.int64] = np.diff(inner[np.concatenate([[0], ends])])
        return sizes
    if pa.types.is_struct(values.type):
        return sum(
            (_value_sizes(part) for part in values.flatten()), np.zeros(len(values), np.int64)
        )
    return np.full(len(values), _NUMBER_BYTES, np.int64)


def _filled(lengths: pa.Array) -> NDArray[np.int64]:
    filled: NDArray[np.int64] = pc.fill_null(lengths, 0).to_numpy().astype(np.int64)
    return filled
