"""Rows of an input object in pieces, as workers are given them, and those that cannot be scored."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from tasks.sources.shards import RAW_CHARACTERS, BrokenRow
from tasks.task_types.entity_faults import fault_of_asked
from tasks.task_types.rows import Column, RowShape

if TYPE_CHECKING:
    from tasks.sources.shards import Shard

MISSING: Final = "missing input"
NOT_IN_PLACE: Final = "entity not in its text"
# Pieces that a shard is cut into for workers to share, where each has so many rows.
_ENOUGH_PIECES: Final = 16
_WORTH_A_PIECE: Final = 128
ASIDE_SCHEMA: Final = pa.schema(
    [
        ("file", pa.string()),
        ("row", pa.int64()),
        ("reason", pa.string()),
        ("told", pa.string()),
        ("raw", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class PutAside:
    """A row that cannot be scored; as `BrokenRow`."""

    file: str
    row: int
    reason: str
    told: str
    raw: str

    @classmethod
    def broken(cls, row: BrokenRow) -> "PutAside":
        """Of a row that cannot be read."""
        return cls(row.file, row.row, row.reason, row.told, row.raw)

    @classmethod
    def of(
        cls, row: Mapping[str, Any], inputs: Sequence[str], reason: str, told: str
    ) -> "PutAside":
        """Of a row that was read: its inputs, the file and the number in it."""
        raw = str({name: row[name] for name in inputs})
        return cls(row["file"], row["row"], reason, told, raw[:RAW_CHARACTERS])


def rows_to_score(shard: "Shard", shape: RowShape) -> tuple[pa.Table, list[PutAside]]:
    """The rows of a shard whose inputs are all there, and the others."""
    rows = shard.rows.select([*shape.names, "file", "row"])
    aside = [PutAside.broken(row) for row in shard.broken]
    whole = pa.array([True] * rows.num_rows, pa.bool_())
    for column in shape.inputs:
        whole = pc.and_(whole, _is_whole(rows[column.name], column))
    if not pc.all(whole).as_py():
        names = [column.name for column in shape.inputs]
        told = f"each of {', '.join(names)} must have a value"
        lacking = rows.filter(pc.invert(whole)).to_pylist()
        aside += [PutAside.of(row, names, MISSING, told) for row in lacking]
        rows = rows.filter(whole)
    return _with_entities_in_place(rows, shape, aside), aside


def _with_entities_in_place(rows: pa.Table, shape: RowShape, aside: list[PutAside]) -> pa.Table:
    """The rows whose entities stand in their texts; the others are put aside."""
    if not shape.entities:
        return rows
    names = [column.name for column in shape.inputs]
    told = [(row, fault_of_asked(row, shape)) for row in rows.to_pylist()]
    aside += [PutAside.of(row, names, NOT_IN_PLACE, fault) for row, fault in told if fault]
    return rows.filter(pa.array([not fault for _, fault in told], pa.bool_()))


def cut(rows: pa.Table, at_most: int) -> Iterator[pa.Table]:
    """Rows in pieces of like size, none of which is empty.

    There are enough for workers to share even a small file, whose rows are cut smaller than
    `at_most`. How many there are depends on the rows alone and not on the workers, since a run that
    goes on after another must find the same pieces.
    """
    enough = min(_ENOUGH_PIECES, rows.num_rows // _WORTH_A_PIECE)
    count = max(enough, -(-rows.num_rows // at_most))
    for number in range(count):
        start, end = (rows.num_rows * one // count for one in (number, number + 1))
        yield rows.slice(start, end - start)


def _is_whole(values: "pa.ChunkedArray", column: Column) -> "pa.Array":
    """Whether each value of an input column is there, and all of its parts."""
    if column.kind == "text":
        return pc.is_valid(values).combine_chunks()
    return pa.array([_has_all(value) for value in values.to_pylist()], pa.bool_())


def _has_all(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_has_all, value))
    if isinstance(value, dict):
        return all(map(_has_all, value.values()))
    return value is not None
