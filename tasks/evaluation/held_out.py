"""The rows that a model is trained or tested on, as the evaluation reads them."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from infra.errors import DataError
from tasks.task_types.rows import CLUSTER, RowShape


def read_rows(clean: Path, split: str, shape: RowShape, *, extra: bool = False) -> pa.Table:
    """One split of the clean rows, in the order of the file.

    Args:
        clean: Parquet file.
        split: train, validation or test.
        shape: of the task type, whose columns are read beside row_id and, where there is one,
            cluster.
        extra: whether to read all other columns too.

    Raises:
        DataError: the split has no rows, or a column is missing.

    """
    found = pq.read_schema(clean).names
    if missing := [name for name in ("row_id", *shape.names) if name not in found]:
        raise DataError(f"the clean data has no column {missing}; it has {found}")
    columns = [
        name for name in found if extra or name in {"row_id", CLUSTER, "split", *shape.names}
    ]
    table = pq.read_table(clean, columns=columns, filters=[("split", "=", split)])
    if table.num_rows == 0:
        raise DataError(
            f"the {split} split has no rows; give it a larger share in splits, or add rows"
        )
    return table.drop_columns(["split"])
