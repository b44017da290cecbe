"""Names that reach into a value, such as ``translation.en`` and ``answers.text.0``.

The latter is the first text of answers. A value that is named so itself goes first.
"""

from collections.abc import Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from tasks.sources.columns import ReadColumn
from tasks.sources.shards import NO_OBJECT
from tasks.sources.values import JsonObject, Value, WrongValueError, what_is

_IS_LIST: Final = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)


def object_of(value: Value) -> JsonObject:
    """The value, which must be an object.

    Raises:
        WrongValueError: it is none.

    """
    if not isinstance(value, JsonObject):
        raise WrongValueError(
            NO_OBJECT, f"{what_is(value)} stands where an object with named values should"
        )
    return value


def value_at(entry: JsonObject, name: str) -> Value:
    """The value of a name in an object of JSON; None where the way to it ends.

    Raises:
        WrongValueError: something on the way is no object, or has a name twice.

    """
    first, dot, rest = name.partition(".")
    if name in entry or not dot:
        return entry.value(name)
    return _within(entry.value(first), rest)


def _within(value: Value, path: str) -> Value:
    first, dot, rest = path.partition(".")
    if isinstance(value, list) and first.isdecimal():
        inner = value[int(first)] if int(first) < len(value) else None
        return _within(inner, rest) if dot else inner
    return None if value is None else value_at(object_of(value), path)


def names_of(schema: pa.Schema, columns: Sequence[ReadColumn]) -> list[str]:
    """The names of a schema, and those of the columns that reach into one of its values."""
    nested = [column.source for column in columns if column.source not in schema.names]
    return [*schema.names, *(name for name in nested if type_at(schema, name) is not None)]


def top_names(present: Sequence[str], columns: Sequence[ReadColumn]) -> list[str]:
    """The columns to read for these, each once."""
    sources = (column.source for column in columns)
    return list(
        dict.fromkeys(name if name in present else name.partition(".")[0] for name in sources)
    )


def type_at(schema: pa.Schema, name: str) -> pa.DataType | None:
    """The type of what a name leads to; None where it leads nowhere."""
    if name in schema.names:
        return schema.field(name).type
    first, dot, rest = name.partition(".")
    if not dot or schema.names.count(first) != 1:
        return None
    return _type_within(schema.field(first).type, rest)


def _type_within(kind: pa.DataType, path: str) -> pa.DataType | None:
    first, dot, rest = path.partition(".")
    if _is_list(kind) and first.isdecimal():
        inner = kind.value_type
    elif pa.types.is_struct(kind) and kind.get_field_index(path) >= 0:
        return kind.field(path).type
    elif pa.types.is_struct(kind) and kind.get_field_index(first) >= 0:
        inner = kind.field(first).type
    else:
        return None
    return _type_within(inner, rest) if dot else inner


def column_at(batch: pa.RecordBatch, name: str) -> pa.Array:
    """What a name leads to in each row; null in all where it leads nowhere."""
    if name in batch.schema.names:
        return batch.column(name)
    if type_at(batch.schema, name) is None:
        return pa.nulls(len(batch))
    first, _, rest = name.partition(".")
    return _array_within(batch.column(first), rest)


def _array_within(array: pa.Array, path: str) -> pa.Array:
    first, dot, rest = path.partition(".")
    if _is_list(array.type):
        at = int(first)
        items = [None if row is None or len(row) <= at else row[at] for row in array.to_pylist()]
        inner = pa.array(items, array.type.value_type)
    elif array.type.get_field_index(path) >= 0:
        return pc.struct_field(array, path)
    else:
        inner = pc.struct_field(array, first)
    return _array_within(inner, rest) if dot else inner


def _is_list(kind: pa.DataType) -> bool:
    return any(is_list(kind) for is_list in _IS_LIST)
