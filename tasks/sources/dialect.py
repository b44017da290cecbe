"""How a CSV or TSV file writes its fields, and what its lines show of that.

RFC 4180 encloses fields in quotes; the registration of TSV (text/tab-separated-values at IANA)
knows no quotes, but pandas and spreadsheets write them there too.
"""

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import numpy as np
import numpy.typing as npt

from tasks.sources.settings import TableSource

if TYPE_CHECKING:
    from _csv import Reader

# Excel's own first line, which names the delimiter.
_SEPARATOR_LINE: Final = re.compile(rb"(?i)sep=([^\r\n\"])\r?\n")
_DELIMITERS: Final = (",", ";", "\t", "|")
_LINES_LOOKED_AT: Final = 20


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a file writes its fields.

    Attributes:
        quotes: whether a quote encloses a field.
        escape: the character before one that is meant as itself.

    """

    delimiter: str
    quotes: bool = True
    escape: str | None = None

    @classmethod
    def of(cls, settings: TableSource) -> Self:
        """What the settings say."""
        delimiter = "\t" if settings.format == "tsv" else settings.delimiter
        return cls(delimiter, settings.quoting != "none", settings.escape)

    def reader(self, lines: Iterable[str]) -> "Reader":
        """Python's reader of such lines."""
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            quoting=csv.QUOTE_MINIMAL if self.quotes else csv.QUOTE_NONE,
            doublequote=self.escape is None,
            escapechar=self.escape,
            strict=True,
        )


@dataclass
class LongestRecord:
    """The record that takes the most lines of a file.

    Attributes:
        row: number of its first line.
        lines: how many it takes.

    """

    row: int = 0
    lines: int = 0

    def note(self, rows: npt.NDArray[np.int64], lines: npt.NDArray[np.int64]) -> None:
        """Look at records by the numbers of their first lines, and how many each takes."""
        at = int(lines.argmax()) if len(lines) else 0
        if len(lines) and lines[at] > self.lines:
            self.row, self.lines = int(rows[at]), int(lines[at])


def quotes_are_characters(data: bytes, delimiter: str) -> bool:
    """Whether the first lines of a file show that its quotes enclose no fields.

    They show it where every line has as many fields as the header if quotes are characters, and no
    quote can be told to enclose a field: one that does makes a line end within it, or is not at
    both ends of its field with those between doubled. What can be read either way, such as names
    that all stand in quotes, encloses fields, as in a CSV file.

    Args:
        data: the first lines, of which the last may be cut.
        delimiter: that parts fields.

    """
    mark = delimiter.encode()
    lines = [line.rstrip(b"\r") for line in data.split(b"\n")]
    lines = [line for line in lines[: -1 if len(lines) > 1 else None] if line]
    if not lines or b'"' in lines[0]:
        return False
    width = lines[0].count(mark)
    if any(line.count(mark) != width for line in lines):
        return False
    quoted = [field for line in lines for field in line.split(mark) if field.startswith(b'"')]
    return not quoted or not all(map(_is_enclosed, quoted))


def _is_enclosed(field: bytes) -> bool:
    inner = field[1:-1].replace(b'""', b"")
    return len(field) > 1 and field.endswith(b'"') and b'"' not in inner


def separator_line(data: bytes) -> tuple[str, int]:
    """The delimiter that a first line ``sep=;`` names, and how many bytes it takes; else 0."""
    found = _SEPARATOR_LINE.match(data)
    return (found[1].decode(errors="replace"), found.end()) if found else ("", 0)


def where_columns_are(data: bytes, dialect: Dialect, wanted: Sequence[str]) -> str:
    """What would be right of a file whose header lacks columns: another delimiter or first line.

    Args:
        data: the file from its header on.
        dialect: that the header was read in.
        wanted: names of the columns.

    """
    lines = [line.rstrip(b"\r").decode(errors="replace") for line in data.split(b"\n")]
    lines = lines[:_LINES_LOOKED_AT]
    others = [mark for mark in _DELIMITERS if mark != dialect.delimiter]
    for number, line in enumerate(lines):
        for mark in (dialect.delimiter, *others):
            fields = [field.strip().strip('"') for field in line.split(mark)]
            if len(fields) > 1 and set(wanted) <= set(fields):
                return _said_of(mark, dialect, number)
    alone = dialect.delimiter not in lines[0]
    mark = next((mark for mark in others if alone and mark in lines[0]), "")
    return _said_of(mark, dialect, 0) if mark else ""


def _said_of(mark: str, dialect: Dialect, lines_before: int) -> str:
    setting = "source.format: tsv" if mark == "\t" else f"source.format: csv, delimiter: {mark!r}"
    parted = f"; fields are parted by {mark!r}: set {setting}" if mark != dialect.delimiter else ""
    more = f"; remove {lines_before:,} line(s) before the header" if lines_before else ""
    return parted + more
