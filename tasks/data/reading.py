"""A source's files as rows of text, label and groups."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from infra.errors import DataError
from infra.store import ObjectStore
from tasks.data.source import S3_SCHEME, SourceSettings, TableSource, TextFilesSource
from tasks.data.tables import read_csv, read_jsonl, read_parquet
from tasks.records import SourceFile, SourceVersion

_BYTE_ORDER_MARK = "\ufeff"
_READERS: dict[str, Callable[[str, str, TableSource], Iterator[tuple[str | None, ...]]]] = {
    "csv": read_csv,
    "jsonl": read_jsonl,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a source; what is empty there is None here."""

    text: str | None
    label: str | None
    groups: tuple[str | None, ...] = ()


def read_rows(source: SourceVersion, settings: SourceSettings, store: ObjectStore) -> Iterator[Row]:
    """All rows of all files, in order, each value without surrounding white space.

    Raises:
        DataError: a file changed since it was pinned, or does not hold what the settings say.

    """
    for file in source.files:
        data = _read_pinned(file, store)
        for text, label, *groups in _read_file(file.uri, data, settings):
            yield Row(_clean(text), _clean(label), tuple(_clean(group) for group in groups))


def _clean(value: str | None) -> str | None:
    return (value.strip() or None) if value is not None else None


def _read_file(uri: str, data: bytes, settings: SourceSettings) -> Iterator[tuple[str | None, ...]]:
    if isinstance(settings, TextFilesSource):
        return _read_text_file(uri, _decode(uri, data, settings), settings)
    if settings.format == "parquet":
        return read_parquet(uri, data, settings)
    return _READERS[settings.format](uri, _decode(uri, data, settings), settings)


def _read_text_file(
    uri: str, content: str, settings: TextFilesSource
) -> Iterator[tuple[str | None, ...]]:
    path = PurePosixPath(uri)
    label = path.parent.name if settings.label_from == "folder" else path.stem
    if settings.unit == "file":
        yield content, label
        return
    for line in content.split("\n"):
        if line.strip():
            yield line, label


def _read_pinned(file: SourceFile, store: ObjectStore) -> bytes:
    try:
        data, fingerprint = _read_with_fingerprint(file.uri, store)
    except OSError as error:
        raise DataError(f"{file.uri} cannot be read: {error.strerror}") from error
    if fingerprint != file.fingerprint:
        raise DataError(
            f"{file.uri} changed while the run was reading it; run again when nothing writes to it"
        )
    return data


def _read_with_fingerprint(uri: str, store: ObjectStore) -> tuple[bytes, str]:
    if uri.startswith(S3_SCHEME):
        data = store.get_bytes(uri)
        return data, store.fingerprint(uri)[0]  # asked after the read, so that a change shows
    data = Path(uri).read_bytes()
    return data, hashlib.sha256(data).hexdigest()


def _decode(uri: str, data: bytes, settings: SourceSettings) -> str:
    try:
        return data.decode(settings.encoding).removeprefix(_BYTE_ORDER_MARK)
    except UnicodeDecodeError as error:
        if settings.fallback_encoding:
            return _decode_by_fallback(uri, data, settings.fallback_encoding)
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{uri}: byte {error.start} (line {line}, 0x{data[error.start]:02x}) is not valid "
            f"{settings.encoding}; save the file as {settings.encoding}, or set source.encoding or "
            "source.fallback_encoding (cp1252 for many Western files)"
        ) from error


def _decode_by_fallback(uri: str, data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{uri}: byte {error.start} is not valid {encoding} (source.fallback_encoding) either; "
            "correct the encoding or the file"
        ) from error
