"""Files that are not what their format says, told by their first bytes.

A pointer of Git LFS is two lines of good text, and a page that a server gave in place of the file
is text as well: read as rows they would be learnt from without a word.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from infra.errors import DataError
from tasks.sources.blocks import read_fully
from tasks.sources.pinned import PinnedFile

# How many bytes tell; a tar archive's name stands behind its first header.
_LOOKED_AT: Final = 512
_TAR_NAME: Final = slice(257, 262)
_POINTER: Final = b"version https://git-lfs.github.com/spec/"
# How files of data in a folder of a hub's data set end.
_DATA_ENDINGS: Final = frozenset({".csv", ".tsv", ".json", ".jsonl", ".parquet", ".arrow", ".txt"})
_BINARY: Final[tuple[tuple[bytes, str, str], ...]] = (
    (
        _POINTER,
        "a pointer of Git LFS and not the data",
        "fetch the data with `git lfs pull`",
    ),
    (
        b"PK\x03\x04",
        "a zip archive or an Excel workbook",
        "unpack it, or save the sheet as CSV in UTF-8",
    ),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel or Word file", "save it as CSV in UTF-8"),
    (b"\x00\x05\x16\x07", "what macOS writes beside a file (AppleDouble)", "remove it"),
    (b"%PDF-", "a PDF file", "extract its text first"),
    (b"{\\rtf", "a file of rich text (RTF)", "save it as plain text"),
    (b"SQLite format 3\0", "an SQLite database", "set source.format: sql"),
    (b"FEA1", "a Feather file of version 1", "write it anew with pyarrow.feather.write_feather"),
    (b"\x89HDF\r\n", "an HDF5 file", "write its rows as Parquet or JSON Lines"),
)  # fmt: skip
_TABLES: Final = {b"PAR1": "parquet", b"ARROW1": "arrow"}
_PAGE_STARTS: Final = (b"<!doctype html", b"<html")


def check_kind(file: PinnedFile, format_: str) -> None:
    """Make sure that a file's first bytes are not those of something else.

    Args:
        file: packed or not; what is packed counts unpacked.
        format_: the source's format. A web page may be a text of `text_files`.

    Raises:
        DataError: they are.

    """
    start = read_fully(file.stream(), _LOOKED_AT)
    for mark, what, mend in _BINARY:
        if start.startswith(mark):
            raise DataError(f"{file.uri} is {what}; {mend}")
    if start[_TAR_NAME] == b"ustar":
        raise DataError(f"{file.uri} is a tar archive; unpack it to a folder")
    for mark, table in _TABLES.items():
        if start.startswith(mark) and table != format_:
            raise DataError(f"{file.uri} is a {table} file; set source.format: {table}")
    begins = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if format_ != "text_files" and begins.startswith(_PAGE_STARTS):
        raise DataError(
            f"{file.uri} is a web page and no {format_} file, such as a server gives in place of "
            "a file that needs a login; fetch the file again"
        )


def check_no_pointers(paths: Iterable[Path]) -> None:
    """Make sure that no file of data is a pointer of Git LFS, as in a clone without `git lfs`.

    Raises:
        DataError: one is.

    """
    for path in paths:
        if path.suffix.lower() not in _DATA_ENDINGS:
            continue
        with path.open("rb") as file:
            if file.read(len(_POINTER)) == _POINTER:
                raise DataError(
                    f"{path} is a pointer of Git LFS and not the data; fetch the data with "
                    "`git lfs pull`"
                )
