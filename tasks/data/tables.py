"""CSV, JSON Lines and Parquet as tuples of text, label and groups."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches

import pyarrow as pa
import pyarrow.parquet as pq

from infra.errors import DataError
from tasks.data.source import TableSource

Values = tuple[str | None, ...]

# Python's csv module refuses a field over 128 KiB unless told otherwise; the contract's
# max_text_length is what bounds a text here.
_MAX_FIELD_CHARACTERS = 2**31 - 1
_BATCH_ROWS = 10_000


def read_csv(uri: str, content: str, settings: TableSource) -> Iterator[Values]:
    """Rows of a CSV file with a header (RFC 4180).

    Raises:
        DataError: no header, a missing column, a broken quote, or a row with the wrong number of
            fields.

    """
    csv.field_size_limit(_MAX_FIELD_CHARACTERS)
    lines = io.StringIO(content, newline="")
    reader = csv.reader(lines, delimiter=settings.delimiter, strict=True)
    try:
        header = next(reader, [])
        places = _places_of_columns(uri, header, settings)
        for fields in reader:
            if not fields:  # a blank line
                continue
            if len(fields) != len(header):
                raise DataError(
                    f"{uri}: line {reader.line_num} has {len(fields)} field(s), and the header "
                    f"has {len(header)}; quote a text that holds a {settings.delimiter!r}"
                )
            yield tuple(fields[place] for place in places)
    except csv.Error as error:
        raise DataError(
            f"{uri}: line {reader.line_num} is broken CSV: {error}; is a quote left open?"
        ) from error


def read_jsonl(uri: str, content: str, settings: TableSource) -> Iterator[Values]:
    """Rows of a JSON Lines file: one object a line; an absent key is a missing value.

    Raises:
        DataError: a line is no JSON object, a value has the wrong type, or no line has a column.

    """
    seen: dict[str, None] = {}
    text_column = settings.text_column
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{uri}: line {number}"
        entry = _parse_object(where, line)
        seen.update(dict.fromkeys(entry))
        if not isinstance(entry.get(text_column), str | None):
            raise DataError(f"{where}: {text_column!r} is {entry[text_column]!r}; it must be text")
        yield tuple(_as_string(where, name, entry.get(name)) for name in settings.columns)
    if seen:
        _places_of_columns(uri, list(seen), settings)


def read_parquet(uri: str, data: bytes, settings: TableSource) -> Iterator[Values]:
    """Rows of a Parquet file.

    Raises:
        DataError: not a Parquet file, a missing column, a text column that holds no text, or a
            column that cannot be written as text.

    """
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        schema = file.schema_arrow
        _places_of_columns(uri, schema.names, settings)
        _check_text_type(uri, schema.field(settings.text_column).type, settings)
        for batch in file.iter_batches(_BATCH_ROWS, columns=list(settings.columns)):
            columns = [_as_strings(uri, name, batch.column(name)) for name in settings.columns]
            yield from zip(*columns, strict=True)
    except pa.ArrowException as error:
        raise DataError(f"{uri} cannot be read as Parquet: {error}") from error


def _places_of_columns(uri: str, present: Sequence[str], settings: TableSource) -> list[int]:
    """Where the columns stand; each must stand there once."""
    if not present:
        raise DataError(f"{uri} is empty; it should have columns {', '.join(settings.columns)}")
    for name in settings.columns:
        if name not in present:
            near = get_close_matches(name, present, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            names = ", ".join(repr(column) for column in present)
            raise DataError(f"{uri} has no column {name!r}; it has {names}{hint}")
        if present.count(name) > 1:
            raise DataError(f"{uri} has the column {name!r} {present.count(name)} times; keep one")
    return [present.index(name) for name in settings.columns]


def _parse_object(where: str, line: str) -> Mapping[str, object]:
    try:
        entry = json.loads(line)
        if "\\u" in line:  # half of a surrogate pair is valid JSON and no character
            json.dumps(entry, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{where} holds half of a surrogate pair, which is no character") from error
    except ValueError as error:
        raise DataError(f"{where} is broken JSON: {error}") from error
    if not isinstance(entry, dict):
        raise DataError(f"{where} is no JSON object; write one object a line")
    return entry


def _as_string(where: str, name: str, value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    raise DataError(f"{where}: {name!r} is {value!r}; it must be text or a number")


def _check_text_type(uri: str, kind: pa.DataType, settings: TableSource) -> None:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not any(
        is_kind(kind)
        for is_kind in (pa.types.is_string, pa.types.is_large_string, pa.types.is_null)
    ):
        raise DataError(f"{uri}: column {settings.text_column!r} holds {kind}; it must be text")


def _as_strings(uri: str, name: str, column: pa.Array) -> list[str | None]:
    try:
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        strings = column.cast(pa.string())
        strings.validate(full=True)
    except pa.ArrowException as error:
        raise DataError(f"{uri}: column {name!r} cannot be written as text: {error}") from error
    values: list[str | None] = strings.to_pylist()
    return values
