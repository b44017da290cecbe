"""Which files a source is made of, and what is in them at this moment."""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

from infra.errors import DataError
from infra.store import ObjectStore, sha256_of_file
from tasks.data.source import S3_SCHEME, SourceSettings
from tasks.records import SourceFile, SourceVersion

T = TypeVar("T")

_WILDCARDS = frozenset("*?[")


def pin(settings: SourceSettings, store: ObjectStore) -> SourceVersion:
    """Fingerprint every file of a source, in sorted order.

    Raises:
        DataError: a file or package is missing, or the glob matches nothing.

    """
    if settings.path.startswith(S3_SCHEME):
        uris = _find_objects(settings, store)
        return SourceVersion(tuple(_pin_object(uri, store) for uri in uris))
    return SourceVersion(tuple(_pin_file(path) for path in _find_files(settings)))


def _pin_object(uri: str, store: ObjectStore) -> SourceFile:
    etag, size_bytes = store.fingerprint(uri)
    return SourceFile(uri, etag, size_bytes)


def _pin_file(path: Path) -> SourceFile:
    try:
        return SourceFile(str(path), sha256_of_file(path), path.stat().st_size)
    except OSError as error:
        raise DataError(f"source.path: {path} cannot be read: {error.strerror}") from error


def _find_objects(settings: SourceSettings, store: ObjectStore) -> list[str]:
    pattern = settings.path.rstrip("/")
    if not _has_wildcard(pattern):
        if store.exists(pattern):
            return [pattern]
        pattern = f"{pattern}/{_default_name(settings)}"
    fixed = pattern[: min(pattern.index(mark) for mark in _WILDCARDS if mark in pattern)]
    depth = pattern.count("/")
    found = [
        uri
        for uri in store.list(fixed)
        if uri.count("/") == depth and fnmatchcase(uri, pattern)  # a * stays within its folder
    ]
    return _not_empty(found, settings)


def _find_files(settings: SourceSettings) -> list[Path]:
    path = _folder_of_package(settings.package) / settings.path if settings.package else None
    path = (path or Path(settings.path)).absolute()
    if path.is_file():
        return [path]
    if path.is_dir():
        path /= _default_name(settings)
    parts = path.parts
    fixed = next((i for i, part in enumerate(parts) if _has_wildcard(part)), None)
    if fixed is None:
        raise DataError(f"source.path: {path} does not exist; correct the path")
    found = Path(*parts[:fixed]).glob("/".join(parts[fixed:]))
    return _not_empty(sorted(match for match in found if match.is_file()), settings)


def _has_wildcard(text: str) -> bool:
    return not _WILDCARDS.isdisjoint(text)


def _default_name(settings: SourceSettings) -> str:
    """The files of a folder that is named as a whole."""
    return "*.txt" if settings.format == "text_files" else f"*.{settings.format}"


def _not_empty(found: Iterable[T], settings: SourceSettings) -> list[T]:
    files = list(found)
    if not files:
        inside = f" in package {settings.package}" if settings.package else ""
        raise DataError(
            f"source.path: no file matches {settings.path!r}{inside}; correct the path or put "
            f"{settings.format} files there"
        )
    return files


def _folder_of_package(package: str) -> Path:
    spec = find_spec(package)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    if not folders:
        raise DataError(
            f"source.package: no package {package!r} is installed; install it or correct its name"
        )
    return Path(folders[0])
