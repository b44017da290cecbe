"""What a reader hands on: some MB of rows as they stand in the source, and those that broke."""

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tasks.records.data import SourceChanges

if TYPE_CHECKING:
    import pyarrow as pa

# A row, or a file that is one row, with more bytes than this is put aside unread, so that one bad
# row does not take the memory of the whole run. The contract admits texts of a million characters.
MAX_ROW_BYTES: Final = 16 << 20
RAW_CHARACTERS: Final = 500
# What no text in UTF-8 exceeds a character.
_BYTES_PER_CHARACTER: Final = 4

ANNOTATORS_DIFFER: Final = "annotators differ"
BROKEN_CSV: Final = "broken CSV"
BROKEN_JSON: Final = "broken JSON"
ENTITY_OUTSIDE_TOKENS: Final = "entity outside the tokens"
FIELD_TOO_LONG: Final = "field too long"
HALF_SURROGATE: Final = "half of a surrogate pair"
HEADER_AGAIN: Final = "header repeated"
INEXACT_NUMBER: Final = "inexact number"
NAMED_TWICE: Final = "a column given twice"
NESTED_TOO_DEEP: Final = "nested too deep"
NO_OBJECT: Final = "no JSON object"
NOT_ANNOTATED: Final = "not annotated"
NOT_COMPARABLE: Final = "not comparable in keep_rows"
NOT_MARKED: Final = "entities not marked"
NOT_RECORDED: Final = "request not recorded"
NUL_BYTE: Final = "NUL byte"
OPEN_QUOTE: Final = "quote left open"
STRAY_RETURN: Final = "carriage return within a line"
TOOL_CALL: Final = "tool call in a turn"
WRONG_NUMBER_OF_FIELDS: Final = "wrong number of fields"
WRONG_TYPE: Final = "wrong type"


def invalid_encoding(encoding: str) -> str:
    """The reason of a row whose bytes are not valid in the encoding of its file."""
    return f"invalid {encoding}"


@dataclass(frozen=True, slots=True)
class BrokenRow:
    """A row that cannot be read.

    Attributes:
        file: address of its file.
        row: its number in the file, from 1: of the line that it starts on; of the row in a Parquet
            or Arrow file; of the object in a JSON list; of the question in a SQuAD file.
        reason: for example ``broken JSON``.
        raw: its start, at most 500 characters.
        sha256: of its bytes.
        told: what was found where, and what would be right, in words that quote no value; empty
            where the reason says it all.
        source: name of its source where there are several, else empty.

    """

    file: str
    row: int
    reason: str
    raw: str
    sha256: str
    told: str = ""
    source: str = ""


def broken_row(file: str, row: int, reason: str, data: bytes, told: str = "") -> BrokenRow:
    """A broken row by its bytes."""
    digest = hashlib.sha256(data).hexdigest()
    return BrokenRow(file, row, reason, start_of(data), digest, told)


def start_of(data: bytes) -> str:
    """The first characters of a row, those that cannot be decoded replaced."""
    start = data[: RAW_CHARACTERS * _BYTES_PER_CHARACTER]
    return start.decode("utf-8", errors="replace")[:RAW_CHARACTERS]


@dataclass(frozen=True, slots=True)
class Shard:
    """Some MB of a source's rows, in the source's order.

    Attributes:
        rows: the columns of the row shape, each group column, cluster (null where the source has
            none), file and row.
        changes: what the settings of the source made of the rows.
        source: name of its source where there are several, else empty; then the rows have a
            column source_name.

    """

    rows: "pa.Table"
    broken: tuple[BrokenRow, ...]
    changes: SourceChanges = field(default_factory=SourceChanges)
    source: str = ""
