"""CSV and TSV with a header (RFC 4180). Read by pyarrow where it can be, else by Python's csv.

Python's csv module is the judge of what a record is. A block goes to pyarrow only where both must
agree: every quote opens or closes a field or is doubled, and every record has as many fields as
the header. What that is worth, `benchmarks.data.ingest` measures.
"""

import codecs
import csv
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from infra.errors import DataError
from tasks.sources.blocks import (
    Block,
    LongLine,
    count_lines,
    is_utf8,
    line_ends,
    lines_of,
    read_blocks,
)
from tasks.sources.columns import ReadColumn, find_columns, shard_table
from tasks.sources.dialect import (
    Dialect,
    LongestRecord,
    quotes_are_characters,
    separator_line,
    where_columns_are,
)
from tasks.sources.pinned import PinnedFile
from tasks.sources.settings import TableSource
from tasks.sources.shards import (
    BROKEN_CSV,
    FIELD_TOO_LONG,
    HEADER_AGAIN,
    MAX_ROW_BYTES,
    NUL_BYTE,
    OPEN_QUOTE,
    WRONG_NUMBER_OF_FIELDS,
    Shard,
    broken_row,
    invalid_encoding,
)
from tasks.sources.typed_rows import no_rows
from tasks.sources.values import WrongValueError, convert_named_field, has_half_surrogate
from tasks.task_types.rows import arrow_type

logger = logging.getLogger(__name__)

# A row of more lines than this is told: an article has some dozen paragraphs.
MANY_LINES: Final = 100
Positions: TypeAlias = npt.NDArray[np.int64]
Fields: TypeAlias = "Sequence[str] | pa.ChunkedArray"

_ARROW_BLOCK_BYTES: Final = 2 << 20
_QUOTE, _LINE_FEED, _RETURN = b'"\n\r'
_DEFAULT_DELIMITER: Final = ","
_UNFINISHED: Final = "unexpected end of data"  # as Python's csv says it
_FIELD_LIMIT: Final = "field larger than field limit"


def read_delimited(
    file: PinnedFile, settings: TableSource, columns: Sequence[ReadColumn]
) -> Iterator[Shard]:
    """Rows of a CSV or TSV file; the number of a row is that of the line that it starts on.

    Raises:
        DataError: no header, or one that cannot be read, lacks a column or has it twice.

    """
    reader = _DelimitedReader(file.uri, settings, columns)
    for block in read_blocks(file.uri, file.stream(), settings):
        if isinstance(block, LongLine):
            yield from reader.pass_over(block)
        else:
            yield from reader.read(block)
    reader.tell_longest()


@dataclass(frozen=True, slots=True)
class _Records:
    """What was read of a block.

    Attributes:
        shard: the records.
        size: bytes that they took; what is left belongs to a record that the block cuts.

    """

    shard: Shard
    size: int


@dataclass(frozen=True, slots=True)
class _Record:
    """A record among the lines of a block: from one line up to another.

    Attributes:
        fields: none where the line is blank, or broken.
        reason: why it is broken; empty where it is not.
        told: what of it was found, and what would be right.

    """

    start: int
    stop: int
    fields: list[str]
    reason: str = ""
    told: str = ""

    def bytes_in(self, lines: list[bytes]) -> bytes:
        """The record as it stands in the file."""
        return b"".join(lines[self.start : self.stop])


class _DelimitedReader:
    """Turns blocks of one file into shards; holds what a block leaves of an unfinished record.

    Blocks end with a line, so that a record is unfinished only where a quote is open.
    """

    def __init__(self, uri: str, settings: TableSource, columns: Sequence[ReadColumn]) -> None:
        csv.field_size_limit(2 * MAX_ROW_BYTES)
        self._uri, self._columns = uri, columns
        self._dialect = Dialect.of(settings)
        self._is_sniffed = settings.format != "tsv" or settings.quoting != "auto"
        self._longest = LongestRecord()
        self._encoding = settings.encoding
        self._held, self._line = b"", 1
        self._header: list[str] = []
        self._places: list[int] = []

    def read(self, block: Block) -> Iterator[Shard]:
        """Records of a block: all at once, else by the megabyte, and the odd ones one by one."""
        if self._goes_on_in(block):
            self._held += block.data
            return
        data = self._held + block.data
        if not self._is_sniffed:
            self._sniff(data)
        if not self._places:
            data = self._read_header(data)
        whole = Block(data, self._line, block.is_last)
        self._held = b""
        records = self._read_fast(whole)
        if records is not None:
            yield self._take(records, whole)
            return
        for piece in whole.pieces():
            if self._goes_on_in(piece):
                self._held += piece.data
                continue
            rest = Block(self._held + piece.data, self._line, piece.is_last)
            yield self._take(self._read_fast(rest) or self._read_slowly(rest), rest)

    def _sniff(self, data: bytes) -> None:
        """Tell from the first lines whether anybody meant the quotes of a TSV file as such."""
        self._is_sniffed = True
        if b'"' in data and quotes_are_characters(data, self._dialect.delimiter):
            self._dialect = replace(self._dialect, quotes=False)
            logger.info(
                "%s: quotes are read as characters (source.quoting: none), since no line fits "
                "worse so; set source.quoting: double if they enclose fields",
                self._uri,
            )

    def _goes_on_in(self, block: Block) -> bool:
        """Whether a field that is open when the block begins is open still when it ends."""
        is_short = len(self._held) + len(block.data) <= MAX_ROW_BYTES
        return bool(self._held) and is_short and not block.is_last and b'"' not in block.data

    def pass_over(self, line: LongLine) -> Iterator[Shard]:
        """Put a line aside that is too long, and what it would have continued."""
        if not self._places:
            raise DataError(f"{self._uri}: line 1, the header, is longer than a row may be")
        if self._held:
            rest = Block(self._held, self._line, is_last=True)
            yield self._take(self._read_slowly(rest), rest)
        yield Shard(no_rows(self._columns), (line.broken(self._uri),))
        self._line = line.line + 1

    def tell_longest(self) -> None:
        """Name the row that takes more lines than a row should: a quote may be left open there."""
        longest = self._longest
        if longest.lines > MANY_LINES:
            logger.warning(
                "%s: the row at line %s takes %s lines; if a quote was left open there, mend it, "
                "or set source.quoting: none where quotes are characters like any other",
                self._uri, f"{longest.row:,}", f"{longest.lines:,}",
            )  # fmt: skip

    def _take(self, records: _Records, block: Block) -> Shard:
        """Hold what the records leave of a block."""
        self._held = block.data[records.size :]
        self._line = block.first_line + count_lines(block.data[: records.size])
        return records.shard

    def _read_header(self, data: bytes) -> bytes:
        """Find the columns in the first record that is not blank; what stands behind it."""
        data = self._pass_separator(data)
        lines = (line.decode(errors="surrogateescape") for line in lines_of(data))
        reader = self._dialect.reader(lines)
        try:
            header = next((fields for fields in reader if fields), [])
        except csv.Error as error:
            where = f"{self._uri}: line 1, the header, is broken CSV: {error}"
            raise DataError(f"{where}; is a quote left open, or a line feed missing?") from error
        self._check_header(header)
        try:
            self._places = find_columns(self._uri, header, self._columns)
        except DataError as error:
            names = [column.source for column in self._columns]
            hint = where_columns_are(data, self._dialect, names) if header else ""
            raise DataError(f"{error}{hint}") from None
        self._header = header
        self._line += reader.line_num
        return data[sum(map(len, islice(lines_of(data), reader.line_num))) :]

    def _pass_separator(self, data: bytes) -> bytes:
        """What stands behind Excel's line ``sep=;``, whose delimiter counts if none is set."""
        mark, size = separator_line(data)
        if size:
            self._line += 1
            if self._dialect.delimiter == _DEFAULT_DELIMITER:
                self._dialect = replace(self._dialect, delimiter=mark)
            logger.info(
                "%s: fields are parted by %r, as its first line says", self._uri,
                self._dialect.delimiter,
            )  # fmt: skip
        return data[size:]

    def _check_header(self, header: list[str]) -> None:
        text = "".join(header)
        if "\0" in text:
            raise DataError(
                f"{self._uri}: line 1, the header, holds NUL bytes; if the file is UTF-16, set "
                "source.encoding to utf-16-le or utf-16-be"
            )
        if has_half_surrogate(text):
            raise DataError(
                f"{self._uri}: line 1, the header, is not valid {self._encoding}; save the file as "
                f"{self._encoding}, or set source.encoding or source.fallback_encoding"
            )

    def _read_fast(self, block: Block) -> _Records | None:
        """Records as pyarrow reads them; None where one may be one that Python must judge."""
        data = block.data
        if not _suits_arrow(data, self._dialect):
            return None
        ends = _ends_of_records(data, self._dialect, is_last=block.is_last)
        if ends is None:
            return None
        starts, size = np.concatenate(([0], ends[:-1])), int(ends[-1])
        full = ~_are_blank(data, starts, ends)
        starts, ends = starts[full], ends[full]
        if not len(starts) or (ends - starts).max() > MAX_ROW_BYTES:
            return None
        table = self._parse_by_arrow(data[:size])
        if table is None or table.num_rows != len(starts):
            return None
        rows = block.first_line + np.searchsorted(line_ends(data[:size]), starts)
        behind = block.first_line + count_lines(data[:size])
        self._longest.note(rows, np.diff(np.append(rows, behind)))
        return _Records(self._typed(table.columns, rows, lambda i: data[starts[i] : ends[i]]), size)

    def _parse_by_arrow(self, data: bytes) -> pa.Table | None:
        names = [str(place) for place in range(len(self._header))]
        wanted = [names[place] for place in self._places]
        once = list(dict.fromkeys(wanted))
        try:
            table = pa_csv.read_csv(
                pa.BufferReader(data),
                pa_csv.ReadOptions(column_names=names, block_size=_ARROW_BLOCK_BYTES),
                pa_csv.ParseOptions(
                    delimiter=self._dialect.delimiter,
                    quote_char='"' if self._dialect.quotes else False,
                    newlines_in_values=self._dialect.quotes and b'"' in data,
                ),
                pa_csv.ConvertOptions(
                    column_types=dict.fromkeys(once, pa.string()),
                    include_columns=once,
                    strings_can_be_null=False,
                ),
            )
        except pa.ArrowException:
            return None
        return table.select(wanted)

    def _read_slowly(self, block: Block) -> _Records:
        lines = list(lines_of(block.data))
        records = list(self._records(lines, is_last=block.is_last))
        good = [record for record in records if record.fields and not record.reason]
        fields = [[record.fields[place] for record in good] for place in self._places]
        rows = np.array([block.first_line + record.start for record in good], np.int64)
        lengths = np.array([record.stop - record.start for record in good], np.int64)
        self._longest.note(rows, lengths)
        shard = self._typed(fields, rows, lambda i: good[i].bytes_in(lines))
        broken = [
            broken_row(
                self._uri,
                block.first_line + record.start,
                record.reason,
                record.bytes_in(lines).rstrip(b"\r\n"),
                record.told,
            )
            for record in records
            if record.reason
        ]
        in_order = tuple(sorted((*broken, *shard.broken), key=lambda row: row.row))
        size = sum(len(record.bytes_in(lines)) for record in records)
        return _Records(Shard(shard.rows, in_order), size)

    def _records(self, lines: list[bytes], *, is_last: bool) -> Iterator[_Record]:
        """Records that these lines make up; the last may be unfinished, and is left out then.

        Behind a record that is broken, reading goes on with its second line: a quote that was left
        open costs one line, and not the rest of the file.
        """
        text = [line.decode(errors="surrogateescape") for line in lines]
        start = 0
        while start < len(lines):
            first = start
            rest = map(text.__getitem__, range(first, len(text)))
            reader = self._dialect.reader(rest)
            try:
                for fields in reader:
                    record = _Record(start, first + reader.line_num, fields)
                    start = record.stop
                    yield self._judge(record, lines)
            except csv.Error as error:
                reason = _reason_of(error, sum(map(len, lines[start:])))
                if reason == OPEN_QUOTE and not is_last:
                    return
                start += 1
                yield _Record(start - 1, start, [], reason)

    def _judge(self, record: _Record, lines: list[bytes]) -> _Record:
        """The record with the reason why it is broken, if it is."""
        data = record.bytes_in(lines)
        reason = told = ""
        if len(data) > MAX_ROW_BYTES:
            reason = FIELD_TOO_LONG
        elif b"\0" in data:
            reason = NUL_BYTE
        elif not (data.isascii() or is_utf8(data)):
            reason = invalid_encoding(self._encoding)
        elif record.fields and len(record.fields) != len(self._header):
            reason = WRONG_NUMBER_OF_FIELDS
            told = f"{len(record.fields):,} fields, where the header has {len(self._header):,}"
        return replace(record, reason=reason, told=told) if reason else record

    def _typed(
        self, fields: Sequence[Fields], rows: Positions, bytes_of: Callable[[int], bytes]
    ) -> Shard:
        """Fields of each column as values of its kind; rows where one has another are broken."""
        reasons: dict[int, WrongValueError] = {}
        for at in self._repeats_of_header(fields, bytes_of):
            reasons[at] = WrongValueError(
                HEADER_AGAIN, "the header stands among the rows; remove it"
            )
        values = [
            _convert_fields(column, of_column, reasons)
            for column, of_column in zip(self._columns, fields, strict=True)
        ]
        table = shard_table(self._columns, values, self._uri, rows)
        if reasons:
            table = table.filter(pa.array(at not in reasons for at in range(len(rows))))
        broken = (
            broken_row(
                self._uri, int(rows[at]), str(reasons[at]), bytes_of(at).rstrip(b"\r\n"),
                reasons[at].told,
            )
            for at in sorted(reasons)
        )  # fmt: skip
        return Shard(table, tuple(broken))

    def _repeats_of_header(
        self, fields: Sequence[Fields], bytes_of: Callable[[int], bytes]
    ) -> list[int]:
        """Which records are the header once more, as in files that were put one behind another."""
        names = [self._header[place] for place in self._places]
        column = fields[-1]  # the first may begin with a byte order mark
        if isinstance(column, pa.ChunkedArray):
            found = pc.indices_nonzero(pc.equal(column, names[-1])).to_pylist()
        else:
            found = [at for at, text in enumerate(column) if text == names[-1]]
        return [at for at in found if self._is_header(bytes_of(at))]

    def _is_header(self, data: bytes) -> bool:
        text = data.removeprefix(codecs.BOM_UTF8).decode(errors="replace")
        return next(self._dialect.reader(text.splitlines(keepends=True)), []) == self._header


def _convert_fields(
    column: ReadColumn, fields: Fields, reasons: dict[int, WrongValueError]
) -> pa.Array | pa.ChunkedArray:
    if column.kind in {"text", "label", "groups"}:
        return fields if isinstance(fields, pa.ChunkedArray) else pa.array(fields, pa.string())
    texts = fields.to_pylist() if isinstance(fields, pa.ChunkedArray) else fields
    values: list[object] = []
    for at, text in enumerate(texts):
        try:
            values.append(convert_named_field(text, column.source, column.kind))
        except WrongValueError as error:
            reasons.setdefault(at, error)
            values.append(None)
    return pa.array(values, arrow_type(column.kind))


def _reason_of(error: csv.Error, size: int) -> str:
    if str(error) != _UNFINISHED:
        return FIELD_TOO_LONG if str(error).startswith(_FIELD_LIMIT) else BROKEN_CSV
    return OPEN_QUOTE if size <= MAX_ROW_BYTES else FIELD_TOO_LONG


def _suits_arrow(data: bytes, dialect: Dialect) -> bool:
    """Whether pyarrow splits these bytes into lines and characters as Python does."""
    return (
        bool(data)
        and dialect.delimiter.isascii()
        and dialect.escape is None
        and b"\0" not in data
        and data.count(b"\r") == data.count(b"\r\n")
        and not data.startswith(codecs.BOM_UTF8)
        and is_utf8(data)
    )


def _ends_of_records(data: bytes, dialect: Dialect, *, is_last: bool) -> Positions | None:
    """Behind which bytes records end; None where that is in doubt, or none ends."""
    characters = np.frombuffer(data, np.uint8)
    feeds = line_ends(data)
    quotes = np.flatnonzero(characters == _QUOTE) if dialect.quotes else feeds[:0]
    # A line feed with an odd number of quotes before it stands in a field.
    ends: Positions = feeds[np.searchsorted(quotes, feeds) % 2 == 0] + 1
    if is_last and (not len(ends) or ends[-1] < len(data)):
        ends = np.append(ends, len(data))
    if not len(ends):
        return None
    quotes = quotes[: np.searchsorted(quotes, ends[-1])]
    if len(quotes) % 2 or not _are_paired(characters, quotes, ord(dialect.delimiter)):
        return None
    return ends


def _are_paired(characters: npt.NDArray[np.uint8], quotes: Positions, delimiter: int) -> bool:
    """Whether each quote opens a field, closes one, or is one half of a doubled quote."""
    opening, closing = quotes[0::2], quotes[1::2]
    doubled = opening[1:] == closing[:-1] + 1
    before = characters[opening - 1]  # of a quote at the very start: any, since it may stand there
    opens = (before == delimiter) | (before == _LINE_FEED) | (opening == 0)
    opens[1:] |= doubled
    after = characters[np.minimum(closing + 1, len(characters) - 1)]
    closes = (after == delimiter) | (after == _LINE_FEED) | (after == _RETURN)
    closes |= closing == len(characters) - 1
    closes[:-1] |= doubled
    return bool(opens.all() and closes.all())


def _are_blank(data: bytes, starts: Positions, ends: Positions) -> npt.NDArray[np.bool_]:
    """Which records are blank lines, which both readers pass over."""
    first = np.frombuffer(data, np.uint8)[starts]
    blank: npt.NDArray[np.bool_] = (ends - starts == 1) & (first == _LINE_FEED)
    blank |= (ends - starts == len(b"\r\n")) & (first == _RETURN)
    return blank
