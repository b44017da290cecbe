"""Snapshot rows as the pandas frame that Great Expectations judges."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tasks.records.data import SPLITS
from tasks.task_types.rows import Column, RowShape, texts_of

# By kind: values that a message may name. Texts and targets are left out of it.
_NAMED_KINDS: Final = frozenset({"label", "labels", "number", "integer"})
# A message names at most this many values.
_NAMED_VALUES: Final = 12
_MAX_NAME_CHARACTERS: Final = 60


@dataclass(frozen=True)
class FrameMaker:
    """Adds to a snapshot's columns those that only a check reads.

    Attributes:
        labels: the label set; empty where the shape has none.
        count_tokens: numbers of tokens of texts; None where no rule asks for them.
        tell_languages: their languages; None where no rule asks for them.

    """

    shape: RowShape
    labels: Sequence[str]
    group_columns: Sequence[str]
    count_tokens: Callable[[list[str]], list[int]] | None = None
    tell_languages: Callable[[list[str | None]], list[str | None]] | None = None

    def frame(
        self, rows: pa.Table, start: int, marks: Mapping[str, Sequence[str | None]]
    ) -> pd.DataFrame:
        """Rows from a position of the snapshot on, indexed from 0.

        Added are ``position`` (in the snapshot), ``text_length`` (characters of what a person
        would read, so that no message and no page has to show a text), ``token_length`` and
        ``language`` where they are asked for, ``splits_of_text`` and ``conflict`` (null for a row
        that could not be used), and the marks, a column of strings each.
        """
        texts = texts_of(self.shape, rows)
        columns: dict[str, Any] = {
            "position": pa.array(np.arange(start, start + rows.num_rows)),
            "text_length": pc.utf8_length(texts),
            **self._repetitions(rows),
            **{name: pa.array(values, pa.string()) for name, values in marks.items()},
        }
        if self.count_tokens:
            columns["token_length"] = self.tokens_in(texts)
        if self.tell_languages:
            columns["language"] = pa.array(self.tell_languages(texts.to_pylist()), pa.string())
        for name, values in columns.items():
            rows = rows.append_column(name, values)
        # Lists stay in Arrow: as Python objects they would be pickled whole for a fingerprint.
        frame: pd.DataFrame = rows.to_pandas(
            types_mapper=lambda kind: pd.ArrowDtype(kind) if pa.types.is_nested(kind) else None
        )
        return frame

    def tokens_in(self, texts: pa.ChunkedArray) -> pa.Array:
        """Number of tokens of each text; null where there is none."""
        present = texts.drop_null().to_pylist()
        counts = self.count_tokens(present) if self.count_tokens else []
        found = iter(counts)
        return pa.array(
            [next(found) if valid else None for valid in texts.is_valid().to_pylist()], pa.int64()
        )

    def _repetitions(self, rows: pa.Table) -> dict[str, pa.Array]:
        """splits_of_text and conflict: what rows of one row_id say of each other.

        Of a text in several splits, splits_of_text is 1 for the rows of that which is held out from
        the others, and for these how many they are.
        """
        usable = usable_rows(self.shape, self.labels, rows)
        splits: list[int | None] = [1 if use else None for use in usable]
        conflicts: list[str | None] = [None] * rows.num_rows
        for first, last in runs_of_equals(rows["row_id"]):
            group = [place for place in range(first, last) if usable[place]]
            if len(group) > 1:
                twins = rows.take(group)
                found = _describe(twins, self._compared())
                held_out = [SPLITS.index(split) for split in twins["split"].to_pylist()]
                for place, own in zip(group, held_out, strict=True):
                    # The row that is held out most stays: what was published is tested on.
                    leaks = own < max(held_out)
                    splits[place] = len(set(held_out)) if leaks else 1
                    conflicts[place] = found or None
        return {
            "splits_of_text": pa.array(splits, pa.int64()),
            "conflict": pa.array(conflicts, pa.string()),
        }

    def _compared(self) -> list[Column]:
        """All that may differ between rows with the same inputs, the split left out."""
        answers = [column for column in self.shape.columns if not column.is_input]
        groups = [Column(name, "label") for name in self.group_columns]
        return [*answers, *groups, Column("cluster", "label")]


def usable_rows(shape: RowShape, labels: Sequence[str], rows: pa.Table) -> npt.NDArray[np.bool_]:
    """Which rows lack nothing and bear known labels alone."""
    usable = np.ones(rows.num_rows, np.bool_)
    for column in shape.columns:
        if not column.may_be_missing:
            usable &= rows[column.name].is_valid().to_numpy()
        if column.name == shape.label_column:
            usable &= _are_known(rows[column.name], labels)
    return usable


def _are_known(values: pa.ChunkedArray, labels: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Whether all labels of a row are of the set; a row without any is."""
    known = pa.array(labels, pa.string())
    if not pa.types.is_list(values.type):
        return np.asarray(pc.is_in(values, known))
    strangers = pc.invert(pc.is_in(pc.list_flatten(values), known))
    places = pc.filter(pc.list_parent_indices(values), strangers).to_numpy()
    all_known = np.ones(len(values), np.bool_)
    all_known[places] = False
    return all_known


def runs_of_equals(values: pa.ChunkedArray) -> Iterator[tuple[int, int]]:
    """Start and end of each run of two or more equal neighbours."""
    if len(values) <= 1:
        return
    same = np.asarray(pc.equal(values[1:], values[:-1]))
    edges = np.flatnonzero(np.diff(np.concatenate([[False], same, [False]]).astype(np.int8)))
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        yield int(first), int(last) + 1


def _describe(twins: pa.Table, columns: Sequence[Column]) -> str:
    """In which columns rows differ; which values these hold, if they are names or numbers.

    Empty where they differ in their split alone, as they do where a column says it.
    """
    parts = []
    for column in columns:
        values = {str(value): value for value in twins[column.name].to_pylist()}
        if len(values) > 1:
            named = column.kind in _NAMED_KINDS
            parts.append(f"{column.name} ({_name(values.values())})" if named else column.name)
    return " and ".join(parts)


def _name(values: Any) -> str:
    found = sorted(_word(value) for value in values)
    more = len(found) - _NAMED_VALUES
    return ", ".join(found[:_NAMED_VALUES]) + (f" and {more} more" if more > 0 else "")


def _word(value: Any) -> str:
    if value is None or value == []:
        return "none"
    word = "+".join(value) if isinstance(value, list) else str(value)
    return word if len(word) <= _MAX_NAME_CHARACTERS else f"{word[: _MAX_NAME_CHARACTERS - 3]}..."
