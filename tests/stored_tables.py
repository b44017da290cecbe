"""Tables of the store in a test: whole, as a stage put them there."""

import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from infra.parquet_tables import TableWriter
from infra.store import Artifact, ObjectStore


def put_table(kind: str, table: pa.Table, store: ObjectStore) -> Artifact:
    """Write a table as ``<kind>/<sha256>.parquet``."""
    with TableWriter(kind, table.schema, store) as writer:
        writer.write(table)
        return writer.close()


def get_table(artifact: Artifact, store: ObjectStore) -> pa.Table:
    """Read a table back; its digest is checked."""
    with tempfile.TemporaryDirectory() as folder:
        path = store.get_file(artifact, Path(folder) / "table.parquet")
        return pq.read_table(path, memory_map=False)
