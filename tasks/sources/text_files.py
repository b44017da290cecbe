"""Plain text: a row for each file, or for each line that is not blank."""

import codecs
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Final

from tasks.sources.blocks import (
    LongLine,
    as_utf8,
    check_mark,
    decode,
    lines_of,
    read_blocks,
    read_fully,
)
from tasks.sources.columns import ReadColumn
from tasks.sources.pinned import ENDINGS, PinnedFile
from tasks.sources.settings import TextFilesSource, keeps_lines
from tasks.sources.shards import (
    FIELD_TOO_LONG,
    MAX_ROW_BYTES,
    NUL_BYTE,
    BrokenRow,
    Shard,
    broken_row,
    invalid_encoding,
    start_of,
)
from tasks.sources.typed_rows import ShardBuilder

_READ_BYTES: Final = 1 << 20


def read_text_file(
    file: PinnedFile, settings: TextFilesSource, columns: Sequence[ReadColumn]
) -> Iterator[Shard]:
    """The rows of a text file; its label, where there is one, stands in its address."""
    values = {"label": _label_of(file.uri, settings)}
    shard = ShardBuilder(file.uri, columns)
    found = _whole(file, settings) if settings.unit == "file" else _lines(file, settings)
    for row, text in found:
        if isinstance(text, BrokenRow):
            shard.put_aside(text)
        else:
            values["text"] = text
            shard.add(row, [values[column.name] for column in columns], len(text))
        if shard.is_full:
            yield shard.take()
    yield shard.take()


def _label_of(uri: str, settings: TextFilesSource) -> str:
    path = PurePosixPath(uri)
    if settings.label_from == "folder":
        return path.parent.name
    return PurePosixPath(path.stem).stem if path.suffix in ENDINGS else path.stem


def _whole(file: PinnedFile, settings: TextFilesSource) -> Iterator[tuple[int, str | BrokenRow]]:
    encoding, stream = settings.encoding, file.stream()
    if not keeps_lines(encoding):
        stream, encoding = as_utf8(file.uri, stream, encoding), "utf-8"
    data = read_fully(stream, MAX_ROW_BYTES + 1)
    check_mark(file.uri, data, encoding)
    if len(data) > MAX_ROW_BYTES:
        digest = hashlib.sha256(data)
        while chunk := stream.read(_READ_BYTES):
            digest.update(chunk)
        yield 1, BrokenRow(file.uri, 1, FIELD_TOO_LONG, start_of(data), digest.hexdigest())
        return
    try:
        text = decode(data.removeprefix(codecs.BOM_UTF8), encoding, settings.fallback_encoding)
    except UnicodeDecodeError:
        yield 1, broken_row(file.uri, 1, invalid_encoding(settings.encoding), data)
        return
    yield 1, broken_row(file.uri, 1, NUL_BYTE, data) if "\0" in text else text


def _lines(file: PinnedFile, settings: TextFilesSource) -> Iterator[tuple[int, str | BrokenRow]]:
    for block in read_blocks(file.uri, file.stream(), settings):
        if isinstance(block, LongLine):
            yield block.line, block.broken(file.uri)
            continue
        for row, line in enumerate(lines_of(block.data), start=block.first_line):
            data = line.removesuffix(b"\n").removesuffix(b"\r")
            if data.strip():
                yield row, _text_of(file.uri, row, data, settings.encoding)


def _text_of(uri: str, row: int, data: bytes, encoding: str) -> str | BrokenRow:
    if b"\0" in data:
        return broken_row(uri, row, NUL_BYTE, data)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return broken_row(uri, row, invalid_encoding(encoding), data)
