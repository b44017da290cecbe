"""Parquet and Arrow files, batch by batch."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from infra.errors import DataError
from tasks.sources.arrow_values import check_types, shard_of_batch
from tasks.sources.columns import ReadColumn, find_columns
from tasks.sources.nested_names import names_of, top_names
from tasks.sources.pinned import PinnedFile
from tasks.sources.settings import TableSource
from tasks.sources.shards import Shard

_BATCH_BYTES: Final = 8 << 20
_BUFFER_BYTES: Final = 1 << 20
_MAX_BATCH_ROWS: Final = 32_768
_ARROW_MAGIC: Final = b"ARROW1"
_ReadBatches = Callable[[str, Path, Sequence[ReadColumn]], Iterator[pa.RecordBatch]]


def read_parquet(
    file: PinnedFile, _: TableSource, columns: Sequence[ReadColumn]
) -> Iterator[Shard]:
    """Rows of a Parquet file.

    Raises:
        DataError: no Parquet file, a missing or double column, or one of the wrong type.

    """
    yield from _read_batches(file, columns, _parquet_batches, "Parquet")


def read_arrow(file: PinnedFile, _: TableSource, columns: Sequence[ReadColumn]) -> Iterator[Shard]:
    """Rows of an Arrow file, in the IPC file or stream format. A batch is held whole.

    Raises:
        DataError: no Arrow file, a missing or double column, or one of the wrong type.

    """
    yield from _read_batches(file, columns, _arrow_batches, "Arrow")


def _parquet_batches(
    uri: str, path: Path, columns: Sequence[ReadColumn]
) -> Iterator[pa.RecordBatch]:
    # Opened as a file and not mapped: a mapped file that is cut short would kill the process. Read
    # by small buffers: otherwise a column of a row group would be held whole.
    options = {"pre_buffer": False, "buffer_size": _BUFFER_BYTES}
    with pa.OSFile(str(path)) as source, pq.ParquetFile(source, **options) as file:
        _check(uri, file.schema_arrow, columns)
        rows = file.metadata.num_rows
        groups = range(file.metadata.num_row_groups)
        size = sum(file.metadata.row_group(group).total_byte_size for group in groups)
        names = top_names(file.schema_arrow.names, columns)
        yield from file.iter_batches(_batch_rows(rows, size), columns=names)


def _arrow_batches(uri: str, path: Path, columns: Sequence[ReadColumn]) -> Iterator[pa.RecordBatch]:
    with pa.OSFile(str(path)) as source:
        is_file = source.read(len(_ARROW_MAGIC)) == _ARROW_MAGIC
        source.seek(0)
        reader = pa.ipc.open_file(source) if is_file else pa.ipc.open_stream(source)
        _check(uri, reader.schema, columns)
        names = top_names(reader.schema.names, columns)
        places = sorted(reader.schema.get_field_index(name) for name in names)
        options = pa.ipc.IpcReadOptions(included_fields=places)
        source.seek(0)
        if is_file:
            chosen = pa.ipc.open_file(source, options=options)
            batches = (chosen.get_batch(at) for at in range(chosen.num_record_batches))
        else:
            batches = iter(pa.ipc.open_stream(source, options=options))
        for batch in batches:
            _validate(batch)
            rows = _batch_rows(len(batch), batch.nbytes)
            yield from (batch.slice(at, rows) for at in range(0, len(batch), rows))


def _check(uri: str, schema: pa.Schema, columns: Sequence[ReadColumn]) -> None:
    find_columns(uri, names_of(schema, columns), columns)
    check_types(uri, schema, columns)


def _batch_rows(rows: int, size_bytes: int) -> int:
    """How many rows make some MB."""
    wanted = _BATCH_BYTES * max(rows, 1) // max(size_bytes, 1)
    return max(1, min(wanted, _MAX_BATCH_ROWS))


def _validate(batch: pa.RecordBatch) -> None:
    """Raise ArrowInvalid where a column is broken as a whole; texts are judged row by row."""
    for column in batch.columns:
        try:
            column.validate(full=True)
        except pa.ArrowInvalid as error:
            if "UTF8" not in str(error):
                raise


def _read_batches(
    file: PinnedFile, columns: Sequence[ReadColumn], read: _ReadBatches, name: str
) -> Iterator[Shard]:
    with tempfile.TemporaryDirectory() as folder:
        path = file.unpacked_file(Path(folder))
        path.open("rb").close()  # a file that is not there is told as such
        if not path.stat().st_size:
            raise DataError(f"{file.uri} is empty; it should be a file of {name}")
        row = 1
        batches = read(file.uri, path, columns)
        while (batch := _next(file.uri, batches, name)) is not None:
            yield shard_of_batch(file.uri, batch, columns, row)
            row += len(batch)


def _next(uri: str, batches: Iterator[pa.RecordBatch], name: str) -> pa.RecordBatch | None:
    try:
        return next(batches, None)
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        start = str(error).partition("\n")[0]
        raise DataError(f"{uri} cannot be read as {name}: {start}; is it a whole file?") from error
