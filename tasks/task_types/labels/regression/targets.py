"""The numbers that rows hold."""

import math
from typing import TYPE_CHECKING

from infra.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa


def targets_of(rows: "pa.Table") -> list[float]:
    """The target of each row.

    Raises:
        DataError: one is missing, or no finite number.

    """
    targets: list[float | None] = rows.column("target").to_pylist()
    for row_id, target in zip(rows.column("row_id").to_pylist(), targets, strict=True):
        if target is None or not math.isfinite(target):
            raise DataError(f"row {row_id} has the target {target}; right would be a finite number")
    return [float(target) for target in targets if target is not None]
