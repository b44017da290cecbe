"""Golden sets held against the line: each row has what is asked for, and bears a known label.

A golden set is never changed, so a row that cannot be judged ends the run before anything is
trained, where a row of the source would be put aside.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from infra.errors import DataError
from infra.store import ObjectStore
from tasks.records.golden import GoldenSet, GoldenSets
from tasks.task_types.rows import RowShape

_NAMED: Final = 8


def read_golden_sets(golden: GoldenSets, store: ObjectStore, folder: Path) -> dict[str, Path]:
    """The snapshots of the golden sets as files, by their settings."""
    return {
        one.setting: store.get_file(one.snapshot.artifact, folder / f"{one.family}.parquet")
        for one in golden.sets
    }


def check_golden_sets(
    golden: GoldenSets,
    shape: RowShape,
    labels: Sequence[str],
    paths: dict[str, Path],
    store: ObjectStore,
) -> None:
    """Refuse golden sets with rows that lack a value, or bear a label that the line has not.

    Args:
        golden: of the line.
        shape: of its task type.
        labels: its label set.
        paths: of the snapshots, by setting.
        store: that says where rows came from.

    Raises:
        DataError: with all that is wrong.

    """
    wrong = [
        fault
        for one in golden.sets
        for fault in _faults(one, pq.read_table(paths[one.setting]), shape, labels, store)
    ]
    if wrong:
        raise DataError("\n".join(wrong))


def _faults(
    one: GoldenSet, rows: pa.Table, shape: RowShape, labels: Sequence[str], store: ObjectStore
) -> Iterator[str]:
    for column in shape.columns:
        empty = np.flatnonzero(rows[column.name].is_null().to_numpy())
        if len(empty) and not column.may_be_missing:
            yield (
                f"{one.setting}: {len(empty):,} row(s) hold no {column.name}; the first is "
                f"{_place(one, int(empty[0]), store)}. Fill it in: a golden set is scored whole"
            )
    if shape.label_column:
        yield from _unknown_labels(one, rows[shape.label_column], labels, store)


def _unknown_labels(
    one: GoldenSet, values: pa.ChunkedArray, labels: Sequence[str], store: ObjectStore
) -> Iterator[str]:
    """What is said of labels outside the set; those of lists are counted one by one."""
    known = set(labels)
    strange: Counter[str] = Counter()
    first: int | None = None
    for place, value in enumerate(values.to_pylist()):
        own = value if isinstance(value, list) else [value]
        found = [str(label) for label in own if label is not None and label not in known]
        first = place if found and first is None else first
        strange.update(found)
    if first is None:
        return
    seen = ", ".join(f"{name!r} ({n:,})" for name, n in strange.most_common(_NAMED))
    more = f" and {len(strange) - _NAMED:,} more" if len(strange) > _NAMED else ""
    yield (
        f"{one.setting}: {strange.total():,} label(s) are none of the line's: {seen}{more}; the "
        f"first is in {_place(one, first, store)}. The line's labels are "
        f"{', '.join(labels[:_NAMED])}{', …' if len(labels) > _NAMED else ''}: say which stands "
        "for which in label_map of this source, or leave such rows out by keep_rows"
    )


def _place(one: GoldenSet, position: int, store: ObjectStore) -> str:
    """File and row of a row of the snapshot."""
    origins = pq.read_table(pa.BufferReader(store.get_bytes(one.snapshot.origins.uri)))
    origin = origins.slice(position, 1).to_pylist()[0]
    return f"{origin['file']}: row {origin['row']}"
