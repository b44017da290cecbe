"""The rows that a model is trained or tested on, as the evaluation reads them."""

import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from infra.errors import DataError
from infra.row_hashes import hashes_of, to_bytes
from infra.store import ObjectStore, keep_by_digest
from tasks.records.data import DataReport
from tasks.records.looks import HeldOut
from tasks.task_types.rows import CLUSTER, RowShape


def name_held_out(data: DataReport, *, store: ObjectStore) -> HeldOut:
    """Which rows the test split holds; the same rows have the same record.

    Raises:
        StoreError: the clean rows are missing, or the store does not answer.

    """
    with tempfile.TemporaryDirectory(prefix="held-out-") as folder:
        clean = store.get_file(data.clean, Path(folder) / "clean.parquet")
        test = pq.read_table(clean, columns=["row_id"], filters=[("split", "=", "test")])
    content = to_bytes(hashes_of(test["row_id"].to_pylist()))
    return HeldOut(keep_by_digest(store, "held-out", content, "u64"), len(content) // 8)


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
