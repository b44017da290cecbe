"""From a source to an immutable snapshot, by way of the disk: no row is held for long."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from infra.errors import DataError
from infra.parquet_tables import TableWriter
from infra.store import ObjectStore
from tasks.ingestion.broken_rows import BROKEN_SCHEMA, BrokenRows
from tasks.ingestion.layout import Layout
from tasks.ingestion.reading import Intake
from tasks.ingestion.readmitted import read_readmitted, superseded_by
from tasks.ingestion.spilling import Spill
from tasks.ingestion.splits import SplitSettings
from tasks.ingestion.writing import keep_rows
from tasks.records.data import SPLITS, Snapshot, SourceVersion
from tasks.sources.reading import read_shards
from tasks.sources.settings import SourceSettings
from tasks.sources.shards import BrokenRow, Shard
from tasks.task_types.row_shapes import shape_of


def write_snapshot(
    source: SourceVersion,
    settings: SourceSettings,
    splits: SplitSettings,
    task_type: str,
    store: ObjectStore,
) -> Snapshot:
    """Copy a source's distinct rows to the store, each in its split.

    The same rows give the same bytes, whatever their order in the source.

    Raises:
        DataError: the source is empty, changed, or not what the settings say.

    """
    layout = Layout(shape_of(task_type), settings.group_columns)
    shards = read_shards(source, settings, layout.shape, store)
    return freeze(shards, source, layout, splits, settings.max_rows, store)


def freeze(
    shards: Iterator[Shard],
    source: SourceVersion,
    layout: Layout,
    splits: SplitSettings,
    max_rows: int | None,
    store: ObjectStore,
) -> Snapshot:
    """Write the rows of some shards, and the repaired rows of their source, as a snapshot."""
    repaired = read_readmitted(source.readmitted, layout.shape, layout.group_columns, store)
    replaced, *replaced_later = superseded_by(repaired)
    with ExitStack() as files:
        folder = Path(files.enter_context(tempfile.TemporaryDirectory(prefix="assayline-")))
        broken = BrokenRows(
            files.enter_context(TableWriter("broken", BROKEN_SCHEMA, store)), replaced
        )
        with Spill(folder / "rows", layout.spill, sum(f.size_bytes for f in source.files)) as spill:
            intake = Intake(layout, splits, spill, broken)
            intake.take_source(shards, replaced)
            for file, later in zip(repaired, replaced_later, strict=True):
                intake.take_repaired(file, later)
        _check_not_empty(source, intake)
        kept = keep_rows(spill, layout, max_rows, store)
        return Snapshot(
            artifact=kept.rows,
            origins=kept.origins,
            broken=broken.close(),
            task_type=layout.shape.task_type,
            rows_read=intake.rows_read,
            broken_by_reason=dict(sorted(broken.by_reason.items())),
            rows_readmitted=sum(file.rows.num_rows for file in repaired),
            rows_superseded=intake.superseded + broken.superseded,
            duplicates_dropped=kept.dropped.duplicates,
            rows_sampled_out=kept.dropped.sampled_out,
            rows_by_split={split: kept.by_split[split] for split in SPLITS},
            group_columns=layout.group_columns,
            changes=intake.changes,
        )


def _check_not_empty(source: SourceVersion, intake: Intake) -> None:
    if not intake.rows_read:
        raise DataError(f"{_name_files(source)} hold(s) no rows; put rows of text there")
    if not intake.spill.rows and not intake.broken.first:
        raise DataError(
            f"source.keep_rows keeps none of the {intake.rows_read:,} rows of "
            f"{_name_files(source)}; correct the expression"
        )
    if not intake.spill.rows:
        first = "; ".join(_tell(row) for row in intake.broken.first)
        raise DataError(
            f"{_name_files(source)} hold(s) no row that can be read, and {intake.rows_read:,} that "
            f"cannot. The first: {first}. Mend them, or what source says of them (format, encoding)"
        )


def _tell(row: BrokenRow) -> str:
    more = f" ({row.told})" if row.told else ""
    return f"{row.file}: row {row.row}: {row.reason}{more}"


def _name_files(source: SourceVersion) -> str:
    first = source.files[0].uri
    return first if len(source.files) == 1 else f"{first} and {len(source.files) - 1} more file(s)"
