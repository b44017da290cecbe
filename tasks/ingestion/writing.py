"""The distinct rows of a spill as Parquet in the store, sorted, with where each came from."""

from collections import Counter
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field

import pyarrow as pa

from infra.parquet_tables import TableWriter
from infra.store import Artifact, ObjectStore
from tasks.ingestion.deduplication import distinct_rows
from tasks.ingestion.layout import Layout
from tasks.ingestion.mixing import Chosen, Mix, choose
from tasks.ingestion.row_groups import RowGroups
from tasks.ingestion.sampling import Sample, choose_sample
from tasks.ingestion.spilling import Spill
from tasks.sources.read_ahead import read_ahead
from tasks.sources.source_names import SOURCE_NAME


@dataclass
class Dropped:
    """What became of the rows that aren't kept."""

    duplicates: int = 0
    sampled_out: int = 0
    outweighed: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Kept:
    """The rows of a snapshot.

    Attributes:
        origins: file and row of each of them, in the same row groups.
        by_source: of several sources, rows by source and split.

    """

    rows: Artifact
    origins: Artifact
    by_split: Counter[str]
    dropped: Dropped
    by_source: Counter[tuple[str, str]]


def keep_rows(
    spill: Spill,
    layout: Layout,
    chosen: int | Mix | None,
    store: ObjectStore,
    complete: Callable[[pa.Table], pa.Table] | None = None,
) -> Kept:
    """Sort the rows, drop the equal ones, and write all, a sample or a mix of them.

    Args:
        spill: the rows, closed.
        layout: their columns.
        chosen: the size of a sample, or a mix; None to write all.
        store: that they are written to.
        complete: what is made of the rows that are written, once each.

    """
    dropped = Dropped()
    by_source: Counter[tuple[str, str]] = Counter()
    by_split: Counter[str] = Counter()
    with (
        TableWriter("snapshots", layout.snapshot, store) as rows,
        TableWriter("origins", layout.origins, store) as origins,
    ):
        for group in read_ahead(
            _row_groups(_chosen_rows(spill, layout, chosen, dropped, complete))
        ):
            rows.write(layout.as_snapshot(group))
            origins.write(group.select(layout.origins.names))
            for entry in group["split"].value_counts().to_pylist():
                by_split[entry["values"]] += entry["counts"]
            if layout.has_sources:
                by_source.update(_rows_of_sources(group))
        return Kept(rows.close(), origins.close(), by_split, dropped, by_source)


def _rows_of_sources(rows: pa.Table) -> dict[tuple[str, str], int]:
    counted = rows.group_by([SOURCE_NAME, "split"]).aggregate([([], "count_all")])
    return {(one[SOURCE_NAME], one["split"]): one["count_all"] for one in counted.to_pylist()}


def _chosen_rows(
    spill: Spill,
    layout: Layout,
    chosen: int | Mix | None,
    dropped: Dropped,
    complete: Callable[[pa.Table], pa.Table] | None,
) -> Iterator[pa.Table]:
    sample: Sample | Chosen | None = None
    distinct = (found.rows for found in distinct_rows(spill, layout.told_by))
    if isinstance(chosen, Mix) and chosen.leaves_out:
        sample = choose(map(complete, distinct) if complete else distinct, chosen)
    elif isinstance(chosen, int) and spill.rows > chosen:
        sample = choose_sample(distinct, chosen)
    for found in distinct_rows(spill, layout.told_by):
        rows = complete(found.rows) if complete else found.rows
        kept = sample.take(rows) if sample else rows
        dropped.duplicates += found.duplicates
        dropped.sampled_out += rows.num_rows - kept.num_rows
        yield kept
    if isinstance(sample, Chosen):
        dropped.outweighed = sample.outweighed
        dropped.sampled_out -= sample.outweighed.total()


def _row_groups(tables: Iterator[pa.Table]) -> Generator[pa.Table, None, None]:
    groups = RowGroups()
    for table in tables:
        yield from groups.add(table)
    yield from groups.flush()
