"""Recorded inputs as rows of the task type: what the checks of drift read."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.monitoring.answers import shared
from tasks.task_types.rows import CLUSTER, Column, RowShape, arrow_type

if TYPE_CHECKING:
    from tasks.monitoring.recorded_rows import RecordedInputs

# All rows of a window are of one split, which nothing reads.
_SPLIT = "recorded"


def read_inputs(text: str, shape: RowShape) -> dict[str, Any] | None:
    """The inputs of a row, by column; None where they are not what the task type reads.

    Args:
        text: JSON object, column to value.
        shape: the columns of the task type.

    """
    try:
        found = json.loads(text)
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    if not all(_is_readable(found.get(column.name), column) for column in shape.inputs):
        return None
    return {column.name: found[column.name] for column in shape.inputs}


def _is_readable(value: object, column: Column) -> bool:
    if column.kind in {"text", "label"}:
        return isinstance(value, str)
    if column.kind == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if not isinstance(value, list):
        return False
    if column.kind == "texts":
        return all(isinstance(one, str) for one in value)
    return all(_is_turn(one) for one in value)


def _is_turn(value: object) -> bool:
    return isinstance(value, Mapping) and {type(value.get(key)) for key in ("role", "content")} == {
        str
    }


def inputs_table(rows: "Iterable[RecordedInputs]", shape: RowShape) -> pa.Table:
    """Rows as the clean rows have them: row_id, inputs, split, and the request as cluster.

    Rows of one request resemble each other, so where some share one, requests are drawn.
    """
    held = sorted(rows, key=lambda row: row.row_id)
    several = shared(row.request_id for row in held)
    columns = {
        "row_id": pa.array([row.row_id for row in held], pa.string()),
        **{
            column.name: pa.array(
                [row.inputs[column.name] for row in held], arrow_type(column.kind)
            )
            for column in shape.inputs
        },
        "split": pa.array([_SPLIT] * len(held), pa.string()),
    }
    if several:
        named = [row.request_id if row.request_id in several else None for row in held]
        columns[CLUSTER] = pa.array(named, pa.string())
    return pa.table(columns)


def write_inputs(rows: "Iterable[RecordedInputs]", shape: RowShape, path: Path) -> Path:
    """Write `inputs_table` as Parquet, for `tasks.drift.row_samples`."""
    pq.write_table(inputs_table(rows, shape), path)
    return path
