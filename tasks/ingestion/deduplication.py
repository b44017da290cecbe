"""Distinct rows in the snapshot's order, one bucket of a spill after the other."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from shutil import rmtree
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.ingestion.spilling import Bucket, Spill

_RUN: Final = "run"


@dataclass(frozen=True)
class Distinct:
    """Rows by digest, no two of them equal, and how many were dropped for that."""

    rows: pa.Table
    duplicates: int


def distinct_rows(spill: Spill, told_by: tuple[str, ...]) -> Iterator[Distinct]:
    """The distinct rows of a closed spill, by digest and then by the columns `told_by`.

    Of equal rows the one that came first stays. All rows of one digest come together.
    """
    for bucket in spill.buckets():
        if bucket.is_too_large:
            yield from _part_further(bucket, told_by)
        else:
            yield drop_duplicates(bucket.read(), told_by)


def _part_further(bucket: Bucket, told_by: tuple[str, ...]) -> Iterator[Distinct]:
    folder = bucket.path.with_suffix("")
    duplicates = 0
    with Spill(folder, bucket.schema, bucket.size_bytes, bucket.bits) as finer:
        for piece in bucket.pieces():
            # Also the copies of one row, which no number of bits would part, shrink by this.
            found = drop_duplicates(piece, told_by)
            duplicates += found.duplicates
            finer.add(found.rows)
    yield Distinct(bucket.schema.empty_table(), duplicates)
    yield from distinct_rows(finer, told_by)
    rmtree(folder)


def drop_duplicates(rows: pa.Table, told_by: tuple[str, ...]) -> Distinct:
    """Sort rows by digest and the columns `told_by`, and keep the first of those that are equal.

    Missing values are equal to each other and come first.
    """
    order = _order_of(rows.select(["digest"])).copy()
    runs = _runs_of(rows["digest"].take(pa.array(order)))
    tied = np.flatnonzero(_in_long_runs(runs))
    if not len(tied):
        return Distinct(rows.take(pa.array(order)), 0)
    keys = pa.table({_RUN: runs[tied]} | _as_strings(rows, told_by, order[tied]))
    by_all = _order_of(keys)
    order[tied] = order[tied][by_all]
    repeated = tied[1:][_equals_previous(keys.take(pa.array(by_all)))]
    return Distinct(rows.take(pa.array(np.delete(order, repeated))), len(repeated))


def _order_of(keys: pa.Table) -> NDArray[np.int64]:
    """Places of the rows in the order of all columns; those that are equal stay as they stand."""
    by = [(name, "ascending", "at_start") for name in keys.column_names]
    order: NDArray[np.int64] = pc.sort_indices(keys, sort_keys=by).to_numpy()
    return order


def _runs_of(digests: pa.ChunkedArray) -> NDArray[np.int64]:
    """For each of some sorted digests, the number of the run of equal ones that it stands in."""
    values = digests.combine_chunks()
    if not len(values):
        return np.empty(0, np.int64)
    starts = pc.not_equal(values[1:], values[:-1]).to_numpy(zero_copy_only=False)
    return np.concatenate([[0], np.cumsum(starts)]).astype(np.int64)


def _in_long_runs(runs: NDArray[np.int64]) -> NDArray[np.bool_]:
    return (np.bincount(runs) > 1)[runs] if len(runs) else np.empty(0, np.bool_)


def _as_strings(
    rows: pa.Table, names: tuple[str, ...], places: NDArray[np.int64]
) -> dict[str, pa.ChunkedArray]:
    """Columns as strings that are equal where the values are; so numbers and lists sort too."""
    chosen = rows.select(list(names)).take(pa.array(places))
    return {name: _as_string(chosen[name]) for name in names}


def _as_string(values: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pa.types.is_nested(values.type):
        return values.cast(pa.string())
    texts = [None if value is None else json.dumps(value) for value in values.to_pylist()]
    return pa.chunked_array([pa.array(texts, pa.string())])


def _equals_previous(keys: pa.Table) -> NDArray[np.bool_]:
    """Whether a row has the values of the one before it, from the second row on."""
    equal = np.ones(keys.num_rows - 1, np.bool_)
    for column in keys.columns:
        values = column.combine_chunks()
        same = pc.fill_null(pc.equal(values[1:], values[:-1]), False)  # noqa: FBT003
        both_null = pc.and_(pc.is_null(values[1:]), pc.is_null(values[:-1]))
        equal &= pc.or_(same, both_null).to_numpy(zero_copy_only=False)
    return equal
