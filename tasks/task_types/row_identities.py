"""What a row is told by: what the model reads of it, and what it compares; the digest of that."""

import hashlib
import json

import pyarrow as pa
import pyarrow.compute as pc

from tasks.task_types.rows import RowShape


def identities_of(rows: pa.Table, shape: RowShape) -> pa.Array:
    """What tells each row from others, as one text; empty where there is nothing."""
    first, *others = shape.told_by
    if first.kind == "text" and not others:
        texts = rows[first.name].combine_chunks()
        return pc.fill_null(texts, "") if texts.null_count else texts
    inputs = rows.select([column.name for column in shape.told_by]).to_pylist()
    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    return pa.array([encode(list(row.values())) for row in inputs], pa.string())


def row_ids_of(rows: pa.Table, shape: RowShape) -> list[str]:
    """The SHA-256 of what tells each row from others, as 64 hexadecimal digits.

    Args:
        rows: (N,) with the columns `RowShape.told_by`; few enough to hold them as Python strings.
        shape: of the task type.

    """
    identities = identities_of(rows, shape).to_pylist()
    return [hashlib.sha256(one.encode()).hexdigest() for one in identities]
