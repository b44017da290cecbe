"""From a source to an immutable snapshot, by way of the disk: no row is held for long."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from infra.errors import DataError
from infra.parquet_tables import TableWriter
from infra.store import ObjectStore
from tasks.ingestion.broken_rows import BROKEN_OF_SOURCES, BROKEN_SCHEMA, BrokenRows
from tasks.ingestion.given_splits import (
    GivenSplits,
    Splitter,
    ValidationFromTrain,
    splitter_of,
)
from tasks.ingestion.layout import Layout
from tasks.ingestion.mixing import Mix
from tasks.ingestion.reading import Intake
from tasks.ingestion.readmitted import read_readmitted, superseded_by
from tasks.ingestion.spilling import Spill
from tasks.ingestion.splits import SplitSettings
from tasks.ingestion.writing import Kept, keep_rows
from tasks.records.data import SPLITS, Snapshot, SourceChanges, SourceRows, SourceVersion
from tasks.sources.mixed import read_mixed
from tasks.sources.reading import read_shards
from tasks.sources.settings import READMITTED, MixedSource, SourceSettings
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
    shape = replace(shape_of(task_type), split_column=splits.column)
    mixed = isinstance(settings, MixedSource)
    layout = Layout(shape, settings.group_columns, has_sources=mixed, splits_given=splits.are_given)
    if isinstance(settings, MixedSource):
        rows = read_mixed(source, settings, shape, store)
        return freeze(rows, source, layout, splits, _mix_of(settings), store)
    shards = read_shards(source, settings, shape, store)
    return freeze(shards, source, layout, splits, settings.max_rows, store)


def _mix_of(settings: MixedSource) -> Mix:
    parts = settings.parts.items()
    return Mix(
        {name: one.weight for name, one in parts if one.weight is not None},
        {name: one.max_rows for name, one in parts if one.max_rows is not None},
    )


def freeze(
    shards: Iterator[Shard],
    source: SourceVersion,
    layout: Layout,
    splits: SplitSettings | Splitter,
    chosen: int | Mix | None,
    store: ObjectStore,
) -> Snapshot:
    """Write the rows of some shards, and the repaired rows of their source, as a snapshot."""
    splitter = splitter_of(splits) if isinstance(splits, SplitSettings) else splits
    repaired = read_readmitted(source.readmitted, layout.shape, layout.group_columns, store)
    replaced, *replaced_later = superseded_by(repaired, by_split=layout.splits_given)
    replaced_ids = next(superseded_by(repaired))
    with ExitStack() as files:
        broken_schema = BROKEN_OF_SOURCES if layout.has_sources else BROKEN_SCHEMA
        folder = Path(files.enter_context(tempfile.TemporaryDirectory(prefix="assayline-")))
        broken = BrokenRows(
            files.enter_context(TableWriter("broken", broken_schema, store)),
            replaced_ids,
            broken_schema,
        )
        with Spill(folder / "rows", layout.spill, sum(f.size_bytes for f in source.files)) as spill:
            intake = Intake(layout, splitter, spill, broken)
            intake.take_source(shards, replaced)
            for file, later in zip(repaired, replaced_later, strict=True):
                intake.take_repaired(file, later)
        _check_not_empty(source, intake)
        splitter.check()
        complete = _completion(splitter)
        kept = keep_rows(spill, layout, chosen, store, complete)
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
            changes=_with_given_splits(intake.changes, splitter, kept),
            by_source=_by_source(source, chosen, intake, kept),
        )


def _completion(splitter: Splitter) -> ValidationFromTrain | None:
    if isinstance(splitter, GivenSplits) and splitter.lacks_validation:
        return ValidationFromTrain(splitter.settings)
    return None


def _with_given_splits(changes: SourceChanges, splitter: Splitter, kept: Kept) -> SourceChanges:
    if not isinstance(splitter, GivenSplits):
        return changes
    given = {split: splitter.rows[split] for split in SPLITS}
    taken = kept.by_split["validation"] if splitter.lacks_validation else 0
    return replace(changes, rows_by_given_split=given, validation_by_hash=taken)


def _by_source(
    source: SourceVersion, chosen: int | Mix | None, intake: Intake, kept: Kept
) -> tuple[SourceRows, ...]:
    """What each of several sources gave; none where there is one."""
    weights = chosen.weights if isinstance(chosen, Mix) else {}
    names = [part.name for part in source.parts]
    if names and intake.read_of_source[READMITTED]:
        names.append(READMITTED)
    return tuple(
        SourceRows(
            name=name,
            weight=weights.get(name),
            rows_read=intake.read_of_source[name],
            rows_broken=intake.broken.by_source[name],
            rows_left_out=intake.left_out_of_source[name],
            rows_outweighed=kept.dropped.outweighed[name],
            rows_by_split={split: kept.by_source[name, split] for split in SPLITS},
        )
        for name in names
    )


def _check_not_empty(source: SourceVersion, intake: Intake) -> None:
    for part in source.parts:
        if not intake.read_of_source[part.name]:
            raise DataError(f"sources.{part.name} holds no rows; put rows of text there")
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
