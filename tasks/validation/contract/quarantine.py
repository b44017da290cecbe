"""The form of the quarantine file: each row that was put aside, why, and what was seen."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from tasks.sources.source_names import SOURCE_NAME
from tasks.task_types.rows import RowShape, arrow_type

_MAX_VALUE_CHARACTERS: Final = 200
_STRINGS: Final = pa.list_(pa.string())


_ORIGINS: Final = frozenset({SOURCE_NAME, "file", "row"})


@dataclass(frozen=True)
class Fault:
    """One reason for which a row was put aside, and the value that gave it."""

    reason: str
    value: str


def quarantine_schema(
    shape: RowShape, group_columns: Sequence[str], *, has_sources: bool = False
) -> pa.Schema:
    """Columns of the quarantine file of a line; source_name where it has several sources."""
    return pa.schema(
        [
            ("row_id", pa.string()),
            *((column.name, arrow_type(column.kind)) for column in shape.columns),
            ("split", pa.string()),
            *((name, pa.string()) for name in group_columns),
            ("cluster", pa.string()),
            *([(SOURCE_NAME, pa.string())] if has_sources else []),
            ("file", pa.string()),
            ("row", pa.int64()),
            ("reasons", _STRINGS),
            ("values", _STRINGS),
            ("raw", pa.string()),
        ]
    )


def rows_put_aside(
    rows: pa.Table, origins: pa.Table, faults: Sequence[Sequence[Fault]], schema: pa.Schema
) -> pa.Table:
    """Rows of the snapshot with their places in the source and their faults."""
    columns = {name: rows[name] for name in schema.names if name in rows.column_names}
    columns |= {
        **{name: origins[name] for name in origins.column_names},
        "reasons": pa.array([[one.reason for one in found] for found in faults], _STRINGS),
        "values": pa.array([[one.value for one in found] for found in faults], _STRINGS),
        "raw": pa.nulls(rows.num_rows, pa.string()),
    }
    return pa.table([columns[name] for name in schema.names], names=schema.names).cast(schema)


def rows_not_read(broken: pa.Table, redact: Callable[[str], str], schema: pa.Schema) -> pa.Table:
    """The broken rows of a snapshot: all columns of the row shape are null."""
    found = broken.to_pylist()
    raw = [None if row["raw"] is None else redact(row["raw"]) for row in found]
    columns = {
        "row_id": broken["row_id"],
        **{name: broken[name] for name in broken.column_names if name in _ORIGINS},
        "reasons": pa.array(
            [[f"{row['reason']}: {_told_of(row)} (reading)"] for row in found],
            _STRINGS,
        ),
        "values": pa.array([[write_value(start)] for start in raw], _STRINGS),
        "raw": pa.array(raw, pa.string()),
    }
    filled = [columns.get(field.name, pa.nulls(broken.num_rows, field.type)) for field in schema]
    return pa.table(filled, names=schema.names).cast(schema)


def _told_of(row: dict[str, Any]) -> str:
    return row["told"] or f"row {row['row']:,} cannot be read"


def write_value(value: Any) -> str:
    """A value in at most 200 characters; nothing where it is missing."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    written = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    more = len(written) > _MAX_VALUE_CHARACTERS
    return f"{written[: _MAX_VALUE_CHARACTERS - 1]}…" if more else written
