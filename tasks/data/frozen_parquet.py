"""Tables in the store: the same rows give the same bytes, and so the same address."""

import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from infra.store import Artifact, ObjectStore, sha256_of_file

_ROW_GROUP_ROWS = 65_536


def put_table(kind: str, table: pa.Table, store: ObjectStore) -> Artifact:
    """Write a table as ``<kind>/<sha256>.parquet``."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.parquet"
        pq.write_table(table, path, row_group_size=_ROW_GROUP_ROWS, compression="zstd")
        return store.put_file(store.uri(kind, f"{sha256_of_file(path)}.parquet"), path)


def get_table(artifact: Artifact, store: ObjectStore) -> pa.Table:
    """Read a table back; its digest is checked."""
    with tempfile.TemporaryDirectory() as folder:
        path = store.get_file(artifact, Path(folder) / "table.parquet")
        return pq.read_table(path, memory_map=False)
