"""JSON Lines: one object a line. Read by pyarrow where it can be, else line by line."""

import codecs
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from infra.errors import DataError
from tasks.sources.blocks import Block, LongLine, lines_of, read_blocks
from tasks.sources.columns import ReadColumn, find_columns, shard_table
from tasks.sources.nested_names import object_of, value_at
from tasks.sources.pinned import PinnedFile
from tasks.sources.settings import TableSource
from tasks.sources.shards import (
    NUL_BYTE,
    Shard,
    broken_row,
    invalid_encoding,
)
from tasks.sources.typed_rows import TypedRows, no_rows
from tasks.sources.values import (
    TOOL_KEYS,
    JsonObject,
    WrongValueError,
    convert_named,
    parse_json,
)
from tasks.task_types.rows import arrow_type

_SAMPLE_LINES: Final = 20
_ARROW_BLOCK_BYTES: Final = 1 << 20
_OPEN, _CLOSE, _RETURN = b"{}\r"
_SURE_DEPTH: Final = 100  # to which Python parses a nested value wherever it is called from
_WHITE_SPACE: Final = b" \t\r\n"
_TOOL_NAMES: Final = tuple(f'"{key}"'.encode() for key in TOOL_KEYS)


def read_jsonl(
    file: PinnedFile, settings: TableSource, columns: Sequence[ReadColumn]
) -> Iterator[Shard]:
    """Rows of a JSON Lines file; a name that an object lacks is a missing value.

    Raises:
        DataError: no object has a column, or the first line is a bracket alone.

    """
    reader = _JsonlReader(file.uri, settings.encoding, columns)
    for block in read_blocks(file.uri, file.stream(), settings):
        if isinstance(block, LongLine):
            yield Shard(no_rows(columns), (block.broken(file.uri),))
        else:
            yield from reader.read(block)
    reader.check_columns()


class _JsonlReader:
    """Turns blocks of one file into shards, and notes which columns it has seen."""

    def __init__(self, uri: str, encoding: str, columns: Sequence[ReadColumn]) -> None:
        self._uri, self._encoding, self._columns = uri, encoding, columns
        self._unseen = {column.source for column in columns}
        self._names: dict[str, None] = {}

    def read(self, block: Block) -> Iterator[Shard]:
        """Rows of a block: all at once, else by the megabyte, and the odd ones line by line."""
        if block.first_line == 1:
            self._check_start(block.data)
        table = self._read_fast(block)
        if table is not None:
            yield Shard(table, ())
            return
        for piece in block.pieces():
            table = self._read_fast(piece)
            yield self._read_lines(piece) if table is None else Shard(table, ())

    def check_columns(self) -> None:
        """Raise DataError where no object of the file has one of the columns."""
        if self._names and self._unseen:
            find_columns(self._uri, list(self._names), self._columns)

    def _check_start(self, data: bytes) -> None:
        """Refuse a file whose objects take several lines each, or stand in one list."""
        first = data.lstrip().partition(b"\n")[0].strip()
        if first in {b"[", b"{"}:
            raise DataError(
                f"{self._uri} begins with {first.decode()!r} alone on its line; it should hold "
                "one object a line; if it is one list of objects, set source.format: json"
            )

    def _read_fast(self, block: Block) -> pa.Table | None:
        """Rows as pyarrow reads them; None where a line may be one that Python must judge."""
        ends = _ends_of_objects(block)
        if ends is None or not _is_clean(block) or self._may_call_tools(block.data):
            return None
        schema = self._schema_of(block.data)
        if schema is None:
            return None
        table = parse_by_arrow(block.data, schema)
        if table is None or table.num_rows != len(ends):
            return None
        values = [_plain(table[column.source], column) for column in self._columns]
        if any(value is None for value in values):
            return None
        self._note_columns(block.data, table)
        rows = np.arange(block.first_line, block.first_line + len(ends))
        return shard_table(self._columns, values, self._uri, rows)

    def _may_call_tools(self, data: bytes) -> bool:
        """Whether a turn may hold what pyarrow would pass over, and Python judges."""
        has_turns = any(column.kind in {"turns", "prompt"} for column in self._columns)
        return has_turns and any(name in data for name in _TOOL_NAMES)

    def _read_lines(self, block: Block) -> Shard:
        rows, broken = TypedRows(self._uri, self._columns), []
        for number, line in enumerate(block.data.split(b"\n"), start=block.first_line):
            if not line.strip(_WHITE_SPACE):
                continue
            try:
                rows.add(number, self._values_of(line))
            except WrongValueError as error:
                data = line.rstrip(b"\r")
                broken.append(broken_row(self._uri, number, str(error), data, error.told))
        return Shard(rows.table(), tuple(broken))

    def _values_of(self, line: bytes) -> list[object]:
        try:
            entry = _object_of(line, self._encoding)
        except WrongValueError:
            read_by_arrow = self._parse_by_arrow(line)
            if read_by_arrow is None:
                raise
            entry = read_by_arrow
        if self._unseen:
            self._names.update(dict.fromkeys(entry))
            self._unseen -= entry.keys()
        found = [value_at(entry, column.source) for column in self._columns]
        pairs = list(zip(self._columns, found, strict=True))
        self._unseen -= {column.source for column, value in pairs if value is not None}
        return [convert_named(value, column.source, column.kind) for column, value in pairs]

    def _parse_by_arrow(self, line: bytes) -> JsonObject | None:
        """The columns of an object that Python refuses for a value of another column.

        pyarrow passes over values that are nested too deep for Python, or the number Inf. A row
        must not depend on who reads its block, so here they are passed over too.
        """
        if any(_reaches_in(column, line) for column in self._columns):
            return None
        is_odd = line.count(b"[") + line.count(b"{") > _SURE_DEPTH or b"Inf" in line
        block = Block(line, 1, is_last=True)
        if not is_odd or _ends_of_objects(block) is None or not _is_clean(block):
            return None
        fields = {column.source: _type_of(column, []) for column in self._columns}
        table = parse_by_arrow(line, pa.schema(list(fields.items())))
        if table is None or len(table) != 1:
            return None
        return JsonObject(list(table.to_pylist()[0].items()))

    def _schema_of(self, data: bytes) -> pa.Schema | None:
        """Types to read the columns as, by the first lines; None where pyarrow has none."""
        sample = []
        for line in islice(lines_of(data), _SAMPLE_LINES):
            try:
                sample.append(_object_of(line, self._encoding))
            except WrongValueError:
                return None
        self._names.update(dict.fromkeys(name for entry in sample for name in entry))
        if any(_reaches_in(column, data) for column in self._columns):
            return None
        fields = {}
        for column in self._columns:
            values = [entry.get(column.source) for entry in sample]
            fields[column.source] = _type_of(column, values)
        if any(kind is None for kind in fields.values()):
            return None
        return pa.schema(list(fields.items()))

    def _note_columns(self, data: bytes, table: pa.Table) -> None:
        """Strike off what is seen: a column with values, or one that is null in every row."""
        self._unseen -= {name for name in self._unseen if table[name].null_count < len(table)}
        if not self._unseen or not _may_name(data, self._unseen):
            return
        for line in lines_of(data):
            with suppress(WrongValueError):  # a line nested so deep that Python gives up
                self._unseen -= _object_of(line, self._encoding).keys()


def _reaches_in(column: ReadColumn, data: bytes) -> bool:
    """Whether the name of a column leads into a value, and is none itself."""
    return "." in column.source and f'"{column.source}"'.encode() not in data


def _may_name(data: bytes, names: Iterable[str]) -> bool:
    return b"\\" in data or any(f'"{name}"'.encode() in data for name in names)


def _object_of(line: bytes, encoding: str) -> JsonObject:
    """The object on a line.

    Raises:
        WrongValueError: there is none, for the reason that it says.

    """
    if b"\0" in line:
        raise WrongValueError(NUL_BYTE)
    try:
        # A mark may stand here where files were put one behind another.
        text = line.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        raise WrongValueError(invalid_encoding(encoding)) from error
    return object_of(parse_json(text))


def parse_by_arrow(data: bytes, schema: pa.Schema) -> pa.Table | None:
    """Objects as pyarrow reads them, None where it finds something wrong."""
    try:
        return pj.read_json(
            pa.BufferReader(data),
            read_options=pj.ReadOptions(block_size=_ARROW_BLOCK_BYTES),
            parse_options=pj.ParseOptions(
                explicit_schema=schema, unexpected_field_behavior="ignore"
            ),
        )
    except pa.ArrowException:
        return None


def _is_clean(block: Block) -> bool:
    return b"\0" not in block.data and block.is_utf8()


def _ends_of_objects(block: Block) -> npt.NDArray[np.int64] | None:
    """Where the lines end; None unless each starts and ends as an object does.

    What starts and ends so cannot be continued on the next line, since no comma stands between:
    as many objects as lines are then one a line.
    """
    data, ends = block.data, block.line_ends
    if not data:
        return None
    if not data.endswith(b"\n"):
        ends = np.append(ends, len(data))
    characters = np.frombuffer(data, np.uint8)
    starts = np.concatenate(([0], ends[:-1] + 1))
    last = ends - 1
    last = last - (characters[last] == _RETURN)
    if (characters[starts] != _OPEN).any() or (characters[last] != _CLOSE).any():
        return None
    return ends


def _type_of(column: ReadColumn, values: Iterable[object]) -> pa.DataType | None:
    """The type that pyarrow shall read a column as; None where only Python reads it right."""
    if column.kind not in {"label", "labels", "tags", "groups"}:
        return arrow_type(column.kind)
    is_list = column.kind in {"labels", "tags"}
    if is_list:
        values = [item for value in values if isinstance(value, list) for item in value]
    first = next((value for value in values if value is not None), None)
    if isinstance(first, float | list):  # 1.0 and 1e0 are the same label; Python joins groups
        return None
    if isinstance(first, bool):
        kind = pa.bool_()
    else:
        kind = pa.int64() if isinstance(first, int) else pa.string()
    return pa.list_(kind) if is_list else kind


def _plain(values: pa.ChunkedArray, column: ReadColumn) -> pa.ChunkedArray | None:
    """Values in the type of their kind; None where a row among them holds a wrong one."""
    if column.kind == "number":
        return values if pc.all(pc.is_finite(values)).as_py() in {True, None} else None
    if pa.types.is_list(values.type) and any(_lacks_some(chunk) for chunk in values.chunks):
        return None
    return values.cast(arrow_type(column.kind))


def _lacks_some(lists: pa.ListArray) -> bool:
    """Whether an item of these lists is missing, or a value of a turn, which may be named other."""
    items = lists.flatten()
    fields = items.flatten() if pa.types.is_struct(items.type) else []
    return bool(items.null_count or any(field.null_count for field in fields))
