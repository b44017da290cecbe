"""Columns of a pandas frame as Arrow arrays, whatever pandas keeps them in.

A list column of a frame holds NumPy arrays, lists or Arrow lists, as it was made.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.task_types.rows import arrow_type

if TYPE_CHECKING:
    import pandas as pd

STRINGS = pa.list_(pa.string())
TURNS = arrow_type("turns")


def to_arrow(column: "pd.Series[Any]", kind: pa.DataType) -> pa.Array:
    """One array of this type; nulls of pandas are nulls."""
    values = pa.array(column, from_pandas=True)
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if values.type == kind:
        return values
    if pa.types.is_nested(kind) and not pa.types.is_nested(values.type):
        # All of it is null, so that pandas could not tell what it holds.
        return pa.array(column, kind, from_pandas=True)
    return values.cast(kind)


def strings_of(column: "pd.Series[Any]") -> pa.Array:
    """One string a row: a text, tokens parted by blanks, or the contents of turns by lines."""
    values = pa.array(column, from_pandas=True)
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if not pa.types.is_nested(values.type):
        return values.cast(pa.string())
    if not pa.types.is_struct(values.type.value_type):
        return pc.binary_join(_without_nulls(values.cast(STRINGS)), " ")
    return pc.binary_join(_without_nulls(contents_of(values)), "\n")


def contents_of(turns: pa.Array) -> pa.Array:
    """What is said in each turn: one list of strings a row."""
    lengths = lengths_of(turns)
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    said = pc.struct_field(turns.flatten(), "content").cast(pa.string())
    mask = turns.is_null() if turns.null_count else None
    return pa.ListArray.from_arrays(offsets, said, mask=mask)


def _without_nulls(lists: pa.Array) -> pa.Array:
    """The same lists with empty strings for missing ones, since a join would lose the whole row."""
    values = pc.fill_null(lists.flatten(), "")
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths_of(lists))]), pa.int32())
    mask = lists.is_null() if lists.null_count else None
    return pa.ListArray.from_arrays(offsets, values, mask=mask)


def lengths_of(lists: pa.Array) -> NDArray[np.int64]:
    """How many values each list holds; 0 where it is null."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0)
    return np.asarray(lengths.to_numpy(zero_copy_only=False), dtype=np.int64)


def rows_with(lengths: NDArray[np.int64], marked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether any value of a row's list is marked.

    Args:
        lengths: values of each row's list.
        marked: one a value, over the values of all lists.

    """
    rows = np.repeat(np.arange(len(lengths)), lengths)
    found = np.zeros(len(lengths), dtype=np.bool_)
    found[rows[marked]] = True
    return found


def to_mask(keeps: "NDArray[np.bool_] | pa.Array", column: "pd.Series[Any] | pd.DataFrame") -> Any:
    """Whether each row keeps its rule, as a pandas series over the frame's index."""
    import pandas as pd

    if isinstance(keeps, pa.Array):
        keeps = pc.fill_null(keeps, True).to_numpy(zero_copy_only=False)  # noqa: FBT003
    return pd.Series(np.asarray(keeps, dtype=np.bool_), index=column.index)
