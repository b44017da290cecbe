"""Which columns of a source are read, and as what."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from infra.errors import DataError, SettingsError
from tasks.row_expressions import comparisons_of
from tasks.sources.known_forms import mend_of_form
from tasks.sources.settings import (
    AnnotationsSource,
    HubSource,
    SingleSource,
    SqlSource,
    TableSource,
)
from tasks.task_types.rows import CLUSTER, FILE_FORMATS, SPLIT_WORD, Kind, RowShape

# How the name of a column begins that only source.keep_rows reads.
FILTER_COLUMN: Final = "keep_rows: "
COMPARABLE_KINDS: Final[frozenset[Kind]] = frozenset(
    {"text", "label", "groups", "number", "integer"}
)


@dataclass(frozen=True, slots=True)
class ReadColumn:
    """A column of a shard.

    Attributes:
        name: in the shard.
        source: its name in the source.
        kind: what its values are.

    """

    name: str
    source: str
    kind: Kind


def columns_to_read(settings: SingleSource, shape: RowShape) -> tuple[ReadColumn, ...]:
    """The columns of the shape, then the groups, then cluster and split if the source has them.

    Raises:
        SettingsError: the settings name a column that the task type lacks, or one twice, or the
            format holds no rows of the task type.

    """
    check_format(settings, shape)
    if both := sorted(set(settings.group_columns) & set(shape.names)):
        raise SettingsError(
            f"source.group_columns names {both}, which {shape.task_type} has as columns of its own"
        )
    kinds = _kinds_of(shape)
    named = {name: name for name in kinds}
    if isinstance(settings, TableSource | AnnotationsSource | HubSource | SqlSource):
        named = settings.source_columns(shape)
        _check_names(settings.columns, shape)
        _check_distinct(named, {*settings.columns, *settings.group_columns})
    columns = [
        ReadColumn(name, source, kinds.get(name, "groups")) for name, source in named.items()
    ]
    if settings.cluster_column:
        columns.append(ReadColumn(CLUSTER, settings.cluster_column, "label"))
    if shape.split_column:
        _check_names_columns(settings, shape.split_column)
        columns.append(ReadColumn(SPLIT_WORD, shape.split_column, "label"))
    if settings.keep_rows:
        columns += _columns_of_filter(settings, settings.keep_rows, columns)
    return tuple(columns)


def _kinds_of(shape: RowShape) -> dict[str, Kind]:
    """As what each column is read; a prompt may be a text, a conversation is none."""
    kinds: dict[str, Kind] = {column.name: column.kind for column in shape.columns}
    if shape.preference:
        kinds |= {one.name: "prompt" for one in shape.inputs if one.kind == "turns"}
    return kinds


def _check_names_columns(settings: SingleSource, column: str) -> None:
    if settings.format in FILE_FORMATS:
        raise SettingsError(
            f"splits.column is {column!r}, and {settings.format} files name no columns of their "
            "own; name a source for each split under sources, and their splits in splits.by_source"
        )


def _columns_of_filter(
    settings: SingleSource, keep_rows: str, columns: Sequence[ReadColumn]
) -> Iterator[ReadColumn]:
    """Columns that the filter reads beside those of the row, as the text that a label would be.

    Raises:
        SettingsError: it names one that there cannot be, or compares one otherwise than it can be.

    """
    read = {column.source: column for column in columns}
    for name in dict.fromkeys(one.column for one in comparisons_of(keep_rows)):
        if name in read:
            _check_comparable(read[name], keep_rows)
        elif settings.format in FILE_FORMATS:
            raise SettingsError(
                f"source.keep_rows: rows of {settings.format} files have no column {name!r}; they "
                f"have {', '.join(read)}{did_you_mean(name, list(read))}"
            )
        else:
            yield ReadColumn(f"{FILTER_COLUMN}{name}", name, "label")


def _check_comparable(column: ReadColumn, keep_rows: str) -> None:
    if column.kind not in COMPARABLE_KINDS:
        raise SettingsError(
            f"source.keep_rows: the column {column.source!r} holds {column.kind}, and only single "
            "values are compared; name another column"
        )
    values = [value for one in comparisons_of(keep_rows) if one.column == column.source
              for value in one.values]  # fmt: skip
    if column.kind in {"number", "integer"} and any(isinstance(one, str) for one in values):
        raise SettingsError(
            f"source.keep_rows: the column {column.source!r} holds numbers; compare it with a "
            "number, without quotes"
        )


def check_format(settings: SingleSource, shape: RowShape) -> None:
    """Raise SettingsError where files of this format hold no rows of this task type."""
    if settings.format in FILE_FORMATS and settings.format not in shape.file_formats:
        held = ", ".join(sorted(shape.file_formats))
        own = f"; of these formats {held} does" if held else ""
        raise SettingsError(
            f"source.format: {settings.format} files hold no rows of task type {shape.task_type}"
            f"{own}; choose a format with named columns, such as csv or jsonl, or another task type"
        )


def _check_names(columns: dict[str, str], shape: RowShape) -> None:
    for name in columns:
        if name not in shape.names:
            raise SettingsError(
                f"source.columns: {shape.task_type} has no column {name!r}; it has "
                f"{', '.join(shape.names)}{did_you_mean(name, shape.names)}"
            )


def _check_distinct(named: dict[str, str], given: set[str]) -> None:
    """That one column is given twice is refused by the settings; here it meets a default name."""
    sources = list(named.values())
    for name, source in named.items():
        if sources.count(source) > 1 and any(
            other == source and meets not in given for meets, other in named.items()
        ):
            raise SettingsError(
                f"source.columns: the source's column {source!r} would be {name!r} and another "
                "column as well; name one column for each"
            )


def did_you_mean(name: str, present: Sequence[str]) -> str:
    """A hint at the nearest name, empty where none is near."""
    near = get_close_matches(name, present, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def find_columns(uri: str, present: Sequence[str], columns: Sequence[ReadColumn]) -> list[int]:
    """Where the columns stand in a file; each must stand there once.

    Raises:
        DataError: the file has no columns, lacks one, or has one twice.

    """
    wanted = list(dict.fromkeys(column.source for column in columns))
    if not present:
        raise DataError(f"{uri} is empty; it should have columns {', '.join(wanted)}")
    for name in wanted:
        if name not in present:
            names = ", ".join(repr(column) for column in present)
            lacking = next(column.name for column in columns if column.source == name)
            hint = mend_of_form(lacking, present) or did_you_mean(name, present)
            if f"/{name}=" in uri:
                hint = "; its folder holds it, as a partition; write the column into the files"
            raise DataError(f"{uri} has no column {name!r}; it has {names}{hint}")
        if (times := list(present).count(name)) > 1:
            raise DataError(f"{uri} has the column {name!r} {times} times; keep one")
    return [present.index(column.source) for column in columns]


def shard_table(
    columns: Sequence[ReadColumn],
    values: Sequence[pa.Array | pa.ChunkedArray],
    file: str,
    rows: Sequence[int] | npt.NDArray[np.int64],
) -> pa.Table:
    """Values of each column, in order, as a shard's table; `rows` are numbers in the file."""
    names = [column.name for column in columns]
    arrays = list(values)
    if CLUSTER not in names:
        names.append(CLUSTER)
        arrays.append(pa.nulls(len(rows), pa.string()))
    arrays += [pa.repeat(pa.scalar(file, pa.string()), len(rows)), pa.array(rows, pa.int64())]
    return pa.table(arrays, names=[*names, "file", "row"])
