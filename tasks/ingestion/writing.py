"""The distinct rows of a spill as Parquet in the store, sorted, with where each came from."""

from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import dataclass

import pyarrow as pa

from infra.parquet_tables import TableWriter
from infra.store import Artifact, ObjectStore
from tasks.ingestion.deduplication import distinct_rows
from tasks.ingestion.layout import ORIGINS, Layout
from tasks.ingestion.row_groups import RowGroups
from tasks.ingestion.sampling import choose_sample
from tasks.ingestion.spilling import Spill
from tasks.sources.read_ahead import read_ahead


@dataclass
class Dropped:
    """What became of the rows that aren't kept."""

    duplicates: int = 0
    sampled_out: int = 0


@dataclass(frozen=True)
class Kept:
    """The rows of a snapshot.

    Attributes:
        origins: file and row of each of them, in the same row groups.

    """

    rows: Artifact
    origins: Artifact
    by_split: Counter[str]
    dropped: Dropped


def keep_rows(spill: Spill, layout: Layout, max_rows: int | None, store: ObjectStore) -> Kept:
    """Sort the rows, drop the equal ones, and write all or a sample of them."""
    dropped = Dropped()
    by_split: Counter[str] = Counter()
    with (
        TableWriter("snapshots", layout.snapshot, store) as rows,
        TableWriter("origins", ORIGINS, store) as origins,
    ):
        for group in read_ahead(_row_groups(_chosen_rows(spill, layout, max_rows, dropped))):
            rows.write(layout.as_snapshot(group))
            origins.write(group.select(ORIGINS.names))
            for entry in group["split"].value_counts().to_pylist():
                by_split[entry["values"]] += entry["counts"]
        return Kept(rows.close(), origins.close(), by_split, dropped)


def _chosen_rows(
    spill: Spill, layout: Layout, max_rows: int | None, dropped: Dropped
) -> Iterator[pa.Table]:
    sample = None
    if max_rows is not None and spill.rows > max_rows:
        distinct = distinct_rows(spill, layout.told_by)
        sample = choose_sample((found.rows for found in distinct), max_rows)
    for found in distinct_rows(spill, layout.told_by):
        chosen = sample.take(found.rows) if sample else found.rows
        dropped.duplicates += found.duplicates
        dropped.sampled_out += found.rows.num_rows - chosen.num_rows
        yield chosen


def _row_groups(tables: Iterator[pa.Table]) -> Generator[pa.Table, None, None]:
    groups = RowGroups()
    for table in tables:
        yield from groups.add(table)
    yield from groups.flush()
