"""Columns of Arrow data as the kinds of values that they hold."""

import json
from collections.abc import Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from infra.errors import DataError
from tasks.sources.columns import ReadColumn, shard_table
from tasks.sources.nested_names import column_at, type_at
from tasks.sources.shards import (
    FIELD_TOO_LONG,
    INEXACT_NUMBER,
    MAX_ROW_BYTES,
    WRONG_TYPE,
    BrokenRow,
    Shard,
    broken_row,
    invalid_encoding,
)
from tasks.sources.values import INEXACT_TOLD, MUST_BE, WrongValueError, convert_named
from tasks.task_types.rows import Kind, arrow_type

_LISTS: Final = frozenset({"labels", "texts", "tags"})
_NAMES: Final = frozenset({"label", "labels", "tags", "groups"})
_NARROW_FLOATS: Final = (pa.types.is_float16, pa.types.is_float32)
# Up to here such a float tells each whole number from the next (IEEE 754).
_EXACT_UP_TO: Final = {pa.float16(): 2**11, pa.float32(): 2**24}
_LIST_TYPES: Final = (
    pa.types.is_list,
    pa.types.is_large_list,
    pa.types.is_fixed_size_list,
    pa.types.is_list_view,
)
_TEXT_TYPES: Final = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
# What Arrow writes as text as Python does; a float, a decimal or a time it writes otherwise.
_PLAIN_TYPES: Final = (*_TEXT_TYPES, pa.types.is_integer, pa.types.is_boolean, pa.types.is_date32)
_NUMBER_TYPES: Final = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
_LABEL_TYPES: Final = (*_PLAIN_TYPES, *_NUMBER_TYPES, pa.types.is_date64, pa.types.is_timestamp)


def check_types(uri: str, schema: pa.Schema, columns: Sequence[ReadColumn]) -> None:
    """Raise DataError where a column of typed data cannot hold values of its kind."""
    for column in columns:
        kind = type_at(schema, column.source)
        if kind is not None and not _fits(kind, column.kind):
            raise DataError(
                f"{uri}: column {column.source!r} holds {kind}; it must be {MUST_BE[column.kind]}"
            )


def shard_of_batch(
    uri: str, batch: pa.RecordBatch, columns: Sequence[ReadColumn], first_row: int
) -> Shard:
    """The rows of a batch whose column types were checked, numbered from `first_row` on."""
    reasons: dict[int, WrongValueError] = {}
    values = [_typed(column_at(batch, column.source), column, reasons) for column in columns]
    table = shard_table(columns, values, uri, range(first_row, first_row + len(batch)))
    if not reasons:
        return Shard(table, ())
    broken = tuple(
        _broken(uri, batch, columns, at, first_row + at, reasons[at]) for at in sorted(reasons)
    )
    return Shard(table.filter(pa.array(at not in reasons for at in range(len(batch)))), broken)


def _fits(kind: pa.DataType, wanted: Kind) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_null(kind):
        return True
    if wanted == "prompt":
        return _fits(kind, "text") or _fits(kind, "turns")
    if wanted == "groups":
        return _fits(kind.value_type if _is_any(kind, _LIST_TYPES) else kind, "label")
    if wanted in _LISTS or wanted == "turns":
        item: Kind = "label" if wanted in {"labels", "tags"} else "text"
        return _is_any(kind, _LIST_TYPES) and (
            _is_turn(kind.value_type) if wanted == "turns" else _fits(kind.value_type, item)
        )
    types = {"text": _TEXT_TYPES, "label": _LABEL_TYPES}.get(wanted, _NUMBER_TYPES)
    return _is_any(kind, types)


def _is_turn(kind: pa.DataType) -> bool:
    if not pa.types.is_struct(kind):
        return False
    fields = [kind.field(place) for place in range(kind.num_fields)]
    texts = [field.name for field in fields if _fits(field.type, "text")]
    return any(
        texts.count(role) == texts.count(content) == 1
        for role, content in (("role", "content"), ("from", "value"))
    )


def _is_any(kind: pa.DataType, types: Sequence[object]) -> bool:
    return any(is_type(kind) for is_type in types if callable(is_type))


def _typed(array: pa.Array, column: ReadColumn, reasons: dict[int, WrongValueError]) -> pa.Array:
    """Values of one kind, and by their place the reasons of those that are none."""
    kind = column.kind
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), arrow_type(kind))
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if kind in _NAMES:
        _note_inexact(array, column, reasons)
        array = _as_written(array)
    typed = _cast(array, kind)
    if typed is None:
        typed = _converted(array, column, reasons)
    if typed.nbytes > MAX_ROW_BYTES:
        for at in range(len(typed)):
            if typed.slice(at, 1).nbytes > MAX_ROW_BYTES:
                reasons.setdefault(at, WrongValueError(FIELD_TOO_LONG))
    return typed


def _note_inexact(array: pa.Array, column: ReadColumn, reasons: dict[int, WrongValueError]) -> None:
    """Note where a narrow float stands for several whole numbers; of a wide one `convert` tells."""
    limit = _EXACT_UP_TO.get(array.type)
    if limit is None:
        return
    sizes = pc.abs(array.cast(pa.float64()))
    found = pc.and_(pc.greater(sizes, limit), pc.is_finite(sizes))
    told = f"column {column.source!r} {INEXACT_TOLD}"
    for at in pc.indices_nonzero(found).to_pylist():
        reasons.setdefault(at, WrongValueError(INEXACT_NUMBER, told))


def _as_written(array: pa.Array) -> pa.Array:
    """Narrow floats as the shortest numbers that they stand for: 0.1, not 0.10000000149011612."""
    nested = _is_any(array.type, _LIST_TYPES)
    if not _is_any(array.type.value_type if nested else array.type, _NARROW_FLOATS):
        return array
    text, number = (pa.list_(one) if nested else one for one in (pa.string(), pa.float64()))
    return array.cast(text).cast(number)


def _cast(array: pa.Array, kind: Kind) -> pa.Array | None:
    """The values as Arrow casts them; None where Python must judge them one by one."""
    values = array.flatten() if kind in _LISTS else array
    plain = {"number": _NUMBER_TYPES, "integer": (pa.types.is_integer,)}.get(kind, _PLAIN_TYPES)
    if (
        kind in {"turns", "prompt"}
        or not _is_any(values.type, plain)
        or (kind in _LISTS and values.null_count)
    ):
        return None
    try:
        typed = array.cast(arrow_type(kind), safe=kind != "number")
        typed.validate(full=True)
    except pa.ArrowException:
        return None
    # NaN is a number that is missing, and an infinite one is none.
    finite = kind != "number" or pc.all(pc.is_finite(typed)).as_py() in {True, None}
    return typed if finite else None


def _converted(
    array: pa.Array, column: ReadColumn, reasons: dict[int, WrongValueError]
) -> pa.Array:
    values: list[object] = []
    for at, scalar in enumerate(array):
        try:
            values.append(convert_named(scalar.as_py(), column.source, column.kind))
            continue
        except WrongValueError as error:
            reasons.setdefault(at, error)
        except UnicodeDecodeError:
            reasons.setdefault(at, WrongValueError(invalid_encoding("utf-8")))
        except (ValueError, OverflowError, pa.ArrowException):  # a time beyond Python's years
            reasons.setdefault(at, WrongValueError(WRONG_TYPE))
        values.append(None)
    return pa.array(values, arrow_type(column.kind))


def _broken(
    uri: str,
    batch: pa.RecordBatch,
    columns: Sequence[ReadColumn],
    at: int,
    row: int,
    error: WrongValueError,
) -> BrokenRow:
    """A row by the JSON of its values, since it has no bytes of its own."""
    values = {column.source: _shown(column_at(batch, column.source)[at]) for column in columns}
    text = json.dumps(values, ensure_ascii=False, default=str)
    return broken_row(uri, row, str(error), text.encode(errors="replace"), error.told)


def _shown(scalar: pa.Scalar) -> object:
    try:
        return scalar.as_py()
    except UnicodeDecodeError:
        return str(scalar.cast(pa.binary()).as_py())
    except (ValueError, OverflowError, pa.ArrowException):
        return "?"
