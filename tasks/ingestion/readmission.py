"""A repaired quarantine file taken back in: from the next run on its rows are read as well."""

import hashlib
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from infra.errors import DataError
from infra.store import ObjectStore
from tasks.ingestion.row_ids import as_binary, as_hex, digests_of, trim
from tasks.records.data import Readmission
from tasks.sources.settings import S3_SCHEME, SourceSettings
from tasks.sources.visible import are_visible
from tasks.task_types.row_identities import identities_of
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import Column, Kind, RowShape, arrow_type

_ROW_ID: Final = re.compile(r"[0-9a-f]{64}")
_CLUSTER: Final = "cluster"
_SPLIT: Final = Column("split", "label", may_be_missing=True)
_DIGEST_CHARACTERS: Final = 16
_WORDS: Final[dict[Kind, str]] = {
    "text": "text",
    "label": "text",
    "labels": "lists of text",
    "tags": "lists of text",
    "texts": "lists of text",
    "number": "numbers",
    "integer": "whole numbers",
    "turns": "lists of turns with role and content",
}


def readmit_file(
    line: str, path: str, settings: SourceSettings, task_type: str, store: ObjectStore
) -> Readmission:
    """Check a repaired quarantine file and keep it with the line.

    The file is read whole: it holds a few percent of the rows at most. Its row_ids say which rows
    of the source its rows stand for; what it says of reasons, values, file, row and raw is dropped,
    since the next run finds these anew, and so it does the split, but where a column or the source
    says it (settings splits). The path is local, or ``s3://bucket/key``.

    Raises:
        DataError: the file is none of that kind, lacks a column or a value, names a row twice, or
            was taken back in before.

    """
    table = _read(path, store)
    shape = shape_of(task_type)
    rows = _check_rows(path, table, settings, shape)
    data = _write(rows)
    digest = hashlib.sha256(data).hexdigest()[:_DIGEST_CHARACTERS]
    earlier = store.list(store.uri("readmitted", line, ""))
    for uri in earlier:
        if uri.endswith(f"-{digest}.parquet"):
            raise DataError(f"{path}: these rows were taken back in before, as {uri}; nothing done")
    replaced = _count_replaced(rows, shape, earlier, store)
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{digest}.parquet"
    file = store.put_bytes(store.uri("readmitted", line, name), data)
    return Readmission(line, file, rows.num_rows, replaced)


def _read(path: str, store: ObjectStore) -> pa.Table:
    if path.startswith(S3_SCHEME):
        data = store.get_bytes(path)
    elif Path(path).is_file():
        data = Path(path).read_bytes()
    else:
        raise DataError(f"{path} is no file; name the repaired quarantine file (Parquet)")
    try:
        return pq.ParquetFile(io.BytesIO(data)).read()
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{path} is no Parquet file that can be read ({error}); save the repaired rows as "
            "Parquet, with the columns of the quarantine file"
        ) from error


def _check_rows(path: str, table: pa.Table, settings: SourceSettings, shape: RowShape) -> pa.Table:
    """The rows with the columns that a line reads, in the order of their row_ids."""
    groups = [Column(name, "label", may_be_missing=True) for name in settings.group_columns]
    clusters = [Column(_CLUSTER, "label", may_be_missing=True)] if settings.cluster_column else []
    columns = [Column("row_id", "label"), *shape.columns, *groups, *clusters]
    columns += [_SPLIT] if _SPLIT.name in table.column_names else []
    _check_names(path, table, columns)
    if not table.num_rows:
        raise DataError(f"{path} holds no rows; there is nothing to take back in")
    rows = pa.table({column.name: _cast(path, table, column) for column in columns})
    _check_row_ids(path, rows["row_id"].to_pylist())
    for column in columns:
        if not column.may_be_missing:
            _check_present(path, rows[column.name], column)
    return rows.sort_by("row_id")


def _check_names(path: str, table: pa.Table, columns: Sequence[Column]) -> None:
    counts = Counter(table.column_names)
    needed = [column.name for column in columns]
    if missing := [name for name in needed if not counts[name]]:
        raise DataError(
            f"{path} lacks column(s) {', '.join(missing)}; it needs {', '.join(needed)}"
        )
    if twice := [name for name in needed if counts[name] > 1]:
        raise DataError(f"{path} has two columns named {twice[0]!r}; remove one")


def _cast(path: str, table: pa.Table, column: Column) -> pa.ChunkedArray:
    """The column as snapshots keep it; numbers never become text, nor the other way round."""
    values, wanted = table[column.name], arrow_type(column.kind)
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if _fits(values.type, wanted):
        try:
            return values.cast(wanted)
        except pa.ArrowInvalid:
            place = _first_refused(values, wanted)
            raise DataError(
                f"{path}: row {place + 1}, column {column.name!r}: {values[place].as_py()!r} is "
                f"no {wanted} ({_WORDS[column.kind]} are needed)"
            ) from None
    raise DataError(
        f"{path}: column {column.name!r} holds {values.type}, from row 1 on; it must hold "
        f"{_WORDS[column.kind]} ({wanted})"
    )


def _fits(held: pa.DataType, wanted: pa.DataType) -> bool:
    if pa.types.is_null(held):
        return True
    if pa.types.is_string(wanted):
        return _is_text(held)
    if pa.types.is_list(wanted):
        return _is_list(held) and _fits(held.value_type, wanted.value_type)
    if pa.types.is_struct(wanted):
        return pa.types.is_struct(held) and all(
            held.get_field_index(field.name) >= 0 and _fits(held.field(field.name).type, field.type)
            for field in wanted
        )
    return bool(pa.types.is_integer(held) or pa.types.is_floating(held))


def _is_text(held: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_string(held) or types.is_large_string(held) or types.is_string_view(held))


def _is_list(held: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_list(held) or types.is_large_list(held) or types.is_list_view(held))


def _first_refused(values: pa.ChunkedArray, wanted: pa.DataType) -> int:
    for place in range(len(values)):
        try:
            values.slice(place, 1).cast(wanted)
        except pa.ArrowInvalid:
            return place
    return 0


def _check_row_ids(path: str, row_ids: Sequence[str | None]) -> None:
    seen: dict[str, int] = {}
    for number, row_id in enumerate(row_ids, start=1):
        if row_id is None or not _ROW_ID.fullmatch(row_id):
            raise DataError(
                f"{path}: row {number}, column 'row_id': {row_id!r} is no SHA-256 (64 digits 0-9 "
                "and a-f); keep the row_id of the quarantine file, it says which row this one is"
            )
        if row_id in seen:
            raise DataError(
                f"{path}: row {number}, column 'row_id': {row_id} stands in row {seen[row_id]} "
                "already; keep one row for each row_id"
            )
        seen[row_id] = number


def _check_present(path: str, values: pa.ChunkedArray, column: Column) -> None:
    missing = np.flatnonzero(~_are_present(values, column.kind))
    if len(missing):
        raise DataError(
            f"{path}: row {missing[0] + 1}, column {column.name!r}: no value (nor in "
            f"{len(missing) - 1:,} more rows); fill it in, or remove the rows that cannot be "
            "repaired"
        )


def _are_present(values: pa.ChunkedArray, kind: Kind) -> npt.NDArray[np.bool_]:
    """Which values are there.

    A text of which nothing can be seen is none, nor is an empty list, but of labels.
    """
    present = values.is_valid()
    if pa.types.is_string(values.type):
        filled = are_visible(values)
        present = pc.and_(present, pc.fill_null(filled, False))  # noqa: FBT003 - Arrow's signature
    elif pa.types.is_list(values.type) and kind != "labels":
        longer = pc.greater(pc.list_value_length(values), 0)
        present = pc.and_(present, pc.fill_null(longer, False))  # noqa: FBT003 - Arrow's signature
    return np.asarray(present, np.bool_)


def _write(rows: pa.Table) -> bytes:
    """The same rows give the same bytes, whatever wrote them before and in which order."""
    sink = io.BytesIO()
    plain = rows.replace_schema_metadata(None).combine_chunks()
    pq.write_table(plain, sink, compression="zstd")
    return sink.getvalue()


def _count_replaced(
    rows: pa.Table, shape: RowShape, earlier: Sequence[str], store: ObjectStore
) -> int:
    """How many rows repair one of an earlier file once more."""
    known = {row_id for uri in earlier for row_id in _row_ids_in(store.get_bytes(uri), shape)}
    return sum(row_id in known for row_id in rows["row_id"].to_pylist())


def _row_ids_in(data: bytes, shape: RowShape) -> Iterator[str]:
    """Both the row_ids that a file's rows stand for and those that they have themselves."""
    rows = pq.ParquetFile(io.BytesIO(data)).read()
    yield from rows["row_id"].to_pylist()
    if _CLUSTER not in rows.column_names:
        rows = rows.append_column(_CLUSTER, pa.nulls(rows.num_rows, pa.string()))
    identities = identities_of(trim(rows, shape, ()), shape)
    yield from as_hex(as_binary(digests_of(identities))).to_pylist()
