"""Tables in the store: the same rows give the same bytes, and so the same address."""

import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from infra.store import Artifact, ObjectStore, sha256_of_file

MAX_ROW_GROUP_ROWS = 65_536


class TableWriter:
    """Writes a table piece by piece and puts it as ``<kind>/<sha256>.parquet``.

    As a context manager it removes its temporary file, whether it was closed or not.
    """

    def __init__(self, kind: str, schema: pa.Schema, store: ObjectStore) -> None:
        self._kind, self._schema, self._store = kind, schema, store
        self._folder = tempfile.TemporaryDirectory(prefix="assayline-")
        self._path = Path(self._folder.name) / "table.parquet"
        self._writer = pq.ParquetWriter(self._path, schema, compression="zstd")

    def write(self, table: pa.Table) -> None:
        """Append these rows as one row group; no rows leave no trace."""
        if table.num_rows:
            # How a column is cut in chunks would show in the borders of its pages.
            whole = table.cast(self._schema).combine_chunks()
            self._writer.write_table(whole, row_group_size=whole.num_rows)

    def close(self) -> Artifact:
        """Put what was written into the store."""
        self._writer.close()
        uri = self._store.uri(self._kind, f"{sha256_of_file(self._path)}.parquet")
        return self._store.put_file(uri, self._path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._writer.close()
        except OSError:
            # A full disk has been said already; the footer that finds no room adds nothing.
            if error is None:
                raise
        finally:
            self._folder.cleanup()


def open_table(artifact: Artifact, store: ObjectStore, folder: Path) -> pq.ParquetFile:
    """Fetch a table into a folder and open it, to be read row group by row group."""
    path = store.get_file(artifact, folder / f"{artifact.sha256}.parquet")
    return pq.ParquetFile(path, pre_buffer=False)
