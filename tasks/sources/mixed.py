"""Several sources read as one: the rows of each in turn, and every mistake with its source."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import pyarrow as pa

from infra.store import ObjectStore
from tasks.records.data import SourceChanges, SourceVersion
from tasks.sources.reading import read_shards
from tasks.sources.settings import MixedSource
from tasks.sources.shards import Shard
from tasks.sources.source_names import SOURCE_NAME, naming_source
from tasks.task_types.rows import RowShape

_TYPE_OF_TAG: Final = re.compile("^[BI]-")


def read_mixed(
    source: SourceVersion, settings: MixedSource, shape: RowShape, store: ObjectStore
) -> Iterator[Shard]:
    """All rows of several sources, by the names of these; each as `read_shards` gives it.

    Raises:
        DataError: as `read_shards`, with the name of the source.
        SettingsError: likewise.

    """
    given = {label for one in settings.sources.values() for label in one.label_map.values()}
    for part in source.parts:
        with naming_source(part.name):
            version = SourceVersion(part.files)
            for shard in read_shards(version, settings.sources[part.name], shape, store):
                yield replace(
                    shard,
                    rows=_completed(shard.rows, part.name, settings.group_columns),
                    broken=tuple(replace(row, source=part.name) for row in shard.broken),
                    changes=_of_source(shard.changes, part.name, given),
                    source=part.name,
                )


def _completed(rows: pa.Table, name: str, group_columns: tuple[str, ...]) -> pa.Table:
    """The rows with the name of their source and the group columns that only others have."""
    import pyarrow as pa

    for column in group_columns:
        if column not in rows.column_names:
            rows = rows.append_column(column, pa.nulls(rows.num_rows, pa.string()))
    return rows.append_column(SOURCE_NAME, pa.repeat(pa.scalar(name, pa.string()), rows.num_rows))


def _of_source(changes: SourceChanges, name: str, given: set[str | None]) -> SourceChanges:
    """The changes with the source's name before each key of its map.

    The sources have one set of labels, so what any map gives is mapped in all.
    """
    mapped = {f"{name}: {key}": number for key, number in changes.labels_mapped.items()}
    unmapped = tuple(
        label
        for label in changes.labels_unmapped
        if label not in given and _TYPE_OF_TAG.sub("", label) not in given
    )
    return replace(changes, labels_mapped=mapped, labels_unmapped=unmapped)
