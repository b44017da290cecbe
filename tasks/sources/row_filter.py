"""Rows that source.keep_rows keeps, by the values that stand in the source."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from tasks.records.data import SourceChanges
from tasks.row_expressions import Value, comparisons_of, holds_for
from tasks.sources.columns import FILTER_COLUMN, ReadColumn
from tasks.sources.shards import NOT_COMPARABLE, BrokenRow, Shard, broken_row
from tasks.sources.values import WrongValueError, convert_field

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_TRUTHS: Final = {"true": True, "1": True, "false": False, "0": False}


class RowFilter:
    """Judges rows by an expression.

    A column of texts is read as what the expression compares it with: a number where that is one.
    What cannot be read so leaves a row open, unless the rest of the expression decides on it; such
    rows break. A missing value compares with nothing, so its row is left out.
    """

    def __init__(self, keep_rows: str, columns: Sequence[ReadColumn]) -> None:
        self._text = keep_rows
        self._columns = columns
        self._name_of = {column.source: column.name for column in columns}
        self._values: dict[str, tuple[Value, ...]] = {}
        for one in comparisons_of(keep_rows):
            self._values[one.column] = (*self._values.get(one.column, ()), *one.values)

    def apply(self, shard: Shard) -> Shard:
        """The rows that are kept, without the columns that only the expression reads."""
        import numpy as np

        rows = shard.rows
        unread = np.zeros(rows.num_rows, np.bool_)
        compared = {}
        for source, values in self._values.items():
            column = rows[self._name_of[source]].combine_chunks()
            compared[source], wrong = _as_compared(column, values)
            unread |= wrong
        holds = holds_for(pa.table(compared), self._text)
        is_open = np.asarray(holds.is_null()) & unread
        kept = np.asarray(pc.fill_null(holds, False), np.bool_)  # noqa: FBT003 - Arrow's signature
        broken = [self._broken(rows, at) for at in np.flatnonzero(is_open).tolist()]
        left_out = rows.num_rows - int(kept.sum()) - len(broken)
        own = [name for name in rows.column_names if not name.startswith(FILTER_COLUMN)]
        return replace(
            shard,
            rows=rows.select(own).filter(pa.array(kept)),
            broken=(*shard.broken, *broken),
            changes=shard.changes.plus(SourceChanges(rows_left_out=left_out)),
        )

    def _broken(self, rows: pa.Table, at: int) -> BrokenRow:
        """A row by the JSON of its values, since the bytes that it stood in are gone."""
        row = rows.slice(at, 1).to_pylist()[0]
        values = {column.source: row[column.name] for column in self._columns}
        raw = json.dumps(values, ensure_ascii=False).encode()
        return broken_row(row["file"], row["row"], NOT_COMPARABLE, raw)


def _as_compared(
    column: pa.Array, values: Sequence[Value]
) -> tuple[pa.Array, "npt.NDArray[np.bool_]"]:
    """A column in the type of the values, and which of its own cannot be read so."""
    import numpy as np

    if not pa.types.is_string(column.type):
        return column, np.zeros(len(column), np.bool_)
    encoded = column.dictionary_encode()
    read: list[Value | None] = []
    wrong: list[bool] = []
    reading = _reading_for(values)
    for text in encoded.dictionary.to_pylist():
        stripped = text.strip()
        found = reading(stripped) if stripped else None
        read.append(found)
        wrong.append(bool(stripped) and found is None)
    places = pc.fill_null(encoded.indices, len(read)).to_numpy(zero_copy_only=False)
    return _array(read, values).take(encoded.indices), np.array([*wrong, False])[places]


def _array(read: list[Value | None], values: Sequence[Value]) -> pa.Array:
    if isinstance(values[0], str):
        return pa.array(read, pa.string())
    if isinstance(values[0], bool):
        return pa.array(read, pa.bool_())
    # As whole numbers where all are: a float holds no id of more than 15 digits.
    whole = all(
        isinstance(one, int) for one in (*values, *(one for one in read if one is not None))
    )
    return pa.array(read, pa.int64() if whole else pa.float64())


def _reading_for(values: Sequence[Value]) -> Callable[[str], Value | None]:
    """How a text is read to be compared with such values; None where it is none of their kind."""
    if isinstance(values[0], str):
        return lambda text: text
    if isinstance(values[0], bool):
        return lambda text: _TRUTHS.get(text.lower())
    return _number


def _number(text: str) -> Value | None:
    for kind in ("integer", "number"):
        try:
            found = convert_field(text, kind)
        except WrongValueError:
            continue
        return found if isinstance(found, int | float) else None
    return None
