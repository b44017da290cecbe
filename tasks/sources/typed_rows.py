"""Rows that Python has read, one by one, as the table of a shard."""

from collections.abc import Sequence
from typing import Final

import pyarrow as pa

from tasks.sources.columns import ReadColumn, shard_table
from tasks.sources.shards import BrokenRow, Shard
from tasks.task_types.rows import arrow_type

SHARD_ROWS: Final = 20_000
SHARD_CHARACTERS: Final = 4 << 20


class TypedRows:
    """Collects rows whose values are of their columns' kinds."""

    def __init__(self, file: str, columns: Sequence[ReadColumn]) -> None:
        self._file, self._columns = file, columns
        self._rows: list[int] = []
        self._values: list[list[object]] = [[] for _ in columns]

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, row: int, values: Sequence[object]) -> None:
        """Add a row by its number in the file and one value a column."""
        self._rows.append(row)
        for column, value in zip(self._values, values, strict=True):
            column.append(value)

    def table(self) -> pa.Table:
        """The rows so far."""
        arrays = [
            pa.array(values, arrow_type(column.kind))
            for column, values in zip(self._columns, self._values, strict=True)
        ]
        return shard_table(self._columns, arrays, self._file, self._rows)


class ShardBuilder:
    """Collects rows and broken rows up to the size of a shard."""

    def __init__(self, file: str, columns: Sequence[ReadColumn]) -> None:
        self._file, self._columns = file, columns
        self._rows, self._broken = TypedRows(file, columns), list[BrokenRow]()
        self._size = 0

    def add(self, row: int, values: Sequence[object], size: int) -> None:
        """Add a row by its number, its values and about how many characters they are."""
        self._rows.add(row, values)
        self._size += size

    def put_aside(self, row: BrokenRow) -> None:
        """Add a broken row."""
        self._broken.append(row)

    @property
    def is_full(self) -> bool:
        """Whether the rows make a shard."""
        held = len(self._rows) + len(self._broken)
        return self._size >= SHARD_CHARACTERS or held >= SHARD_ROWS

    def take(self) -> Shard:
        """The rows so far; none are left."""
        shard = Shard(self._rows.table(), tuple(self._broken))
        self._rows, self._broken = TypedRows(self._file, self._columns), []
        self._size = 0
        return shard


def no_rows(columns: Sequence[ReadColumn]) -> pa.Table:
    """The table of a shard that holds broken rows alone."""
    return TypedRows("", columns).table()


def join_shards(shards: Sequence[Shard]) -> Shard:
    """Shards in order as one."""
    if len(shards) == 1:
        return shards[0]
    broken = tuple(row for shard in shards for row in shard.broken)
    return Shard(pa.concat_tables([shard.rows for shard in shards]), broken)
