"""Snapshots of a few rows, as the search reads them."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import RowShape, arrow_type

Write = Callable[..., Path]


def row_id_of(shape: RowShape, row: dict[str, Any]) -> str:
    values = [row.get(column.name) for column in shape.inputs]
    if all(value is None for value in values):
        return ""
    single = len(values) == 1 and isinstance(values[0], str)
    identity = values[0] if single else json.dumps(values, ensure_ascii=False)
    return hashlib.sha256(identity.encode()).hexdigest()


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes rows as a snapshot: sorted by row_id, which is taken from the inputs if not given."""

    def write_rows(
        rows: Sequence[dict[str, Any]],
        task_type: str = "classification",
        row_group_size: int = 65536,
    ) -> Path:
        shape = shape_of(task_type)
        full = sorted(
            (
                {"row_id": row_id_of(shape, row), "split": "train", "cluster": None, **row}
                for row in rows
            ),
            key=lambda row: row["row_id"],
        )
        names = [("row_id", pa.string())]
        names += [(column.name, arrow_type(column.kind)) for column in shape.columns]
        names += [("split", pa.string()), ("cluster", pa.string())]
        path = tmp_path / f"rows-{len(list(tmp_path.iterdir()))}.parquet"
        table = pa.Table.from_pylist(full, pa.schema(names))
        pq.write_table(table, path, row_group_size=row_group_size)
        return path

    return write_rows
