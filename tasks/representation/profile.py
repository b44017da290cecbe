"""A first look through the clean rows: what there is to count."""

import bisect
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from infra.errors import DataError
from tasks.protected_groups.memberships import groups_by_row
from tasks.protected_groups.mentions import Term, read_terms
from tasks.protected_groups.term_lists import TERMS_FOLDER
from tasks.records.data import DataReport
from tasks.representation.settings import RepresentationSettings
from tasks.resampling import Floats
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import CLUSTER, Column, RowShape, texts_of

BATCH_ROWS: Final = 4_096
# Beyond these a column holds names or numbers of its own, not groups, and a page no one reads.
MAX_GROUPS: Final = 200
MAX_LABELS: Final = 200
TEXT_LENGTH: Final = "quartile of text length"
_QUARTILES: Final = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class DataProfile:
    """What is counted over the clean rows.

    Attributes:
        labels: that rows are told apart by; empty where the task type has none.
        exclusive: whether each row has exactly one label.
        median: of a numeric target; NaN where there is none.
        columns: groups by group column; a row may be in several of them, or in none.
        terms: by identity attribute.
        edges: a text of at most edges[i] characters lies in quartile i, a longer one in the last.
        strata: values of ``conditional_on``; empty where quartiles of length stand for them.
        conditional_on: what the strata are, in words.
        clustered: whether the clean rows have a column of clusters.

    """

    shape: RowShape
    labels: tuple[str, ...]
    exclusive: bool
    median: float
    columns: dict[str, tuple[str, ...]]
    terms: dict[str, tuple[Term, ...]]
    edges: tuple[int, ...]
    strata: tuple[str, ...]
    conditional_on: str
    notes: tuple[str, ...]
    clustered: bool = False

    @property
    def names(self) -> list[str]:
        """Columns of the clean rows that are read."""
        return names_of(self.shape, [*self.columns, *([CLUSTER] if self.clustered else [])])


def names_of(shape: RowShape, extra: Iterable[str]) -> list[str]:
    """The columns that texts and labels are told from, and others, each once."""
    own = [column.name for column in shape.inputs]
    labelled = label_column(shape)
    return list(dict.fromkeys([*own, *([labelled.name] if labelled else []), *extra]))


def label_column(shape: RowShape) -> Column | None:
    """The column that labels are told from: of classes, of tags, or of a number."""
    wanted = shape.label_column or shape.target_column
    return next((column for column in shape.columns if column.name == wanted), None)


def batches_of(clean: Path, names: list[str]) -> Iterator[pa.Table]:
    """Some rows at a time, with these columns."""
    # Buffered ahead, as is the default, the packed columns of the whole file would be held.
    with pq.ParquetFile(clean, pre_buffer=False) as file:
        for batch in file.iter_batches(BATCH_ROWS, columns=names):
            yield pa.Table.from_batches([batch])


def survey_rows(clean: Path, data: DataReport, settings: RepresentationSettings) -> DataProfile:
    """Look through the rows for groups, strata and the median of a target.

    Raises:
        DataError: ``conditional_on`` is no group column, or the clean rows lack a group column.

    """
    shape = shape_of(data.task_type)
    _check_columns(clean, data, settings)
    seen = _Seen(shape, data.group_columns)
    for rows in batches_of(clean, names_of(shape, data.group_columns)):
        seen.add(rows)
    labels, notes = _labels_of(shape, data, seen)
    columns, more = _columns_of(seen, settings)
    condition = settings.conditional_on
    return DataProfile(
        shape=shape,
        labels=labels,
        exclusive=shape.has_one_class or shape.target_column is not None,
        median=seen.median,
        columns=columns,
        terms={
            attribute: read_terms(TERMS_FOLDER / f"{attribute}.csv")
            for attribute in settings.identity_attributes
        },
        edges=seen.quartiles(),
        strata=() if condition is None else tuple(sorted(seen.groups[condition])),
        conditional_on=condition or TEXT_LENGTH,
        notes=(*notes, *more),
        clustered=CLUSTER in pq.read_schema(clean).names,
    )


class _Seen:
    """What has been seen so far: a few numbers, and the targets that are numbers."""

    def __init__(self, shape: RowShape, group_columns: tuple[str, ...]) -> None:
        self.groups: dict[str, set[str]] = {name: set() for name in group_columns}
        self._shape = shape
        self._lengths: Counter[int] = Counter()
        self._targets: list[Floats] = []

    def add(self, rows: pa.Table) -> None:
        for name, groups in self.groups.items():
            if len(groups) <= MAX_GROUPS:
                groups.update(groups_by_row(rows[name])[1].unique().to_pylist())
        lengths = pc.utf8_length(texts_of(self._shape, rows)).to_numpy()
        values, counts = np.unique(lengths, return_counts=True)
        self._lengths.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
        if self._shape.target_column:
            self._targets.append(rows[self._shape.target_column].to_numpy())

    @property
    def median(self) -> float:
        return float(np.median(np.concatenate(self._targets))) if self._targets else float("nan")

    def quartiles(self) -> tuple[int, ...]:
        """The least length that so large a share of the texts does not exceed, each once."""
        lengths = sorted(self._lengths)
        reached = np.cumsum([self._lengths[length] for length in lengths])
        total = self._lengths.total()
        places = {bisect.bisect_left(reached, share * total) for share in _QUARTILES}
        return tuple(lengths[place] for place in sorted(places)) if total else ()


def _check_columns(clean: Path, data: DataReport, settings: RepresentationSettings) -> None:
    condition = settings.conditional_on
    if condition is not None and condition not in data.group_columns:
        known = ", ".join(data.group_columns) or "none"
        raise DataError(
            f"representation.conditional_on names {condition!r}, which is no group column of the "
            f"source (source.group_columns: {known}); add it there or leave it out here"
        )
    found = pq.read_schema(clean).names
    if missing := [name for name in data.group_columns if name not in found]:
        raise DataError(f"the clean data has no group column {missing}; it has {found}")


def _labels_of(shape: RowShape, data: DataReport, seen: _Seen) -> tuple[tuple[str, ...], list[str]]:
    if shape.target_column:
        note = f"the target is told apart at its median, {seen.median:g}: up to it, and above it"
        return (f"up to {seen.median:g}", f"above {seen.median:g}"), [note]
    if shape.has_tags:
        types = sorted({tag.partition("-")[2] for tag in data.labels} - {""})
        return tuple(types), ["a row's labels are the types of the entities in it"]
    if not shape.label_column:
        told = "only the number of rows of each group is told"
        return (), [f"rows of task type {shape.task_type} bear no labels: {told}"]
    if len(data.labels) <= MAX_LABELS:
        return data.labels, []
    most = sorted(data.labels, key=lambda label: -data.rows_by_label.get(label, 0))[:MAX_LABELS]
    return tuple(sorted(most)), [
        f"of {len(data.labels):,} labels only the {MAX_LABELS} most frequent are told"
    ]


def _columns_of(
    seen: _Seen, settings: RepresentationSettings
) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    columns, notes = {}, []
    for name, groups in seen.groups.items():
        if len(groups) <= MAX_GROUPS:
            columns[name] = tuple(sorted(groups))
            continue
        notes.append(f"column {name!r} has more than {MAX_GROUPS} values, too many for groups")
        if name == settings.conditional_on:
            raise DataError(
                f"representation.conditional_on names {name!r}, which has more than {MAX_GROUPS} "
                "values; name a column with a few"
            )
    if not columns and not settings.identity_attributes:
        notes.append("no groups: source.group_columns and identity_attributes are both empty")
    return columns, notes
