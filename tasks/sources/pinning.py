"""Which files a source is made of, and what is in them at this moment."""

import logging
from collections.abc import Iterable
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path
from typing import Final, TypeVar

from infra.errors import DataError
from infra.local_files import check_regular
from infra.store import ObjectStore, sha256_of_file
from tasks.records.data import SourceFile, SourcePart, SourceVersion
from tasks.sources.folders import check_found
from tasks.sources.pinned import ENDINGS
from tasks.sources.settings import (
    S3_SCHEME,
    FeedbackSource,
    FilesSource,
    HubSource,
    MixedSource,
    SingleSource,
    SourceSettings,
    SqlSource,
)
from tasks.sources.source_names import naming_source

T = TypeVar("T")
logger = logging.getLogger(__name__)

_NAMED: Final = 5
_WILDCARDS: Final = frozenset("*?[")
# How the files of a folder that is named as a whole end, where not as their format is called.
_ENDING_OF_FORMAT: Final = {
    "text_files": "txt", "squad": "json", "label_studio": "json", "argilla": "json",
}  # fmt: skip


class NoFilesError(DataError):
    """No file lies where a path leads."""


def pin(line: str, settings: SourceSettings, store: ObjectStore) -> SourceVersion:
    """Fingerprint all that a line reads: every file, and what was taken back in, in sorted order.

    Raises:
        DataError: a file or package is missing, or the path matches nothing.

    """
    readmitted = _pin_readmitted(line, store)
    if not isinstance(settings, MixedSource):
        return SourceVersion(pin_files(settings, store), readmitted)
    parts = []
    for name, one in settings.parts.items():
        with naming_source(name):
            parts.append(SourcePart(name, pin_files(one, store)))
    return SourceVersion(
        tuple(file for part in parts for file in part.files), readmitted, tuple(parts)
    )


def pin_files(settings: SingleSource, store: ObjectStore) -> tuple[SourceFile, ...]:
    """Fingerprint what one source is made of, in sorted order.

    Raises:
        DataError: a file or package is missing, or the path matches nothing.

    """
    if isinstance(settings, HubSource):
        from tasks.sources.hub import pin_hub

        return pin_hub(settings)
    if isinstance(settings, SqlSource):
        from tasks.sources.sql import pin_query

        return pin_query(settings)
    if isinstance(settings, FeedbackSource):
        from tasks.sources.feedback_objects import feedback_objects

        return tuple(_pin_object(uri, store) for uri in feedback_objects(settings, store))
    if settings.path.startswith(S3_SCHEME):
        return tuple(_pin_object(uri, store) for uri in _find_objects(settings, store))
    try:
        paths = _find_files(settings)
    except (OSError, ValueError) as error:  # a folder that is closed to us, or no pattern
        what = getattr(error, "strerror", None) or error
        raise DataError(f"source.path: {settings.path!r} cannot be looked up: {what}") from error
    return tuple(_pin_file(path) for path in paths)


def _pin_readmitted(line: str, store: ObjectStore) -> tuple[SourceFile, ...]:
    """The repaired files of a line; their names begin with the time when they were taken in."""
    found = store.list(store.uri("readmitted", line, ""))
    return tuple(_pin_object(uri, store) for uri in found if uri.endswith(".parquet"))


def _pin_object(uri: str, store: ObjectStore) -> SourceFile:
    etag, size_bytes = store.fingerprint(uri)
    return SourceFile(uri, etag, size_bytes)


def _pin_file(path: Path) -> SourceFile:
    try:
        return SourceFile(str(path), sha256_of_file(path), path.stat().st_size)
    except OSError as error:
        raise DataError(f"source.path: {path} cannot be read: {error.strerror}") from error


def _find_objects(settings: FilesSource, store: ObjectStore) -> list[str]:
    pattern = settings.path.rstrip("/")
    if store.exists(pattern):  # whatever its name holds, as with a local file
        return [pattern]
    if not has_wildcard(pattern):
        listed = list(store.list(f"{pattern}/"))
        below = [uri for uri in listed if _stands_in(uri, pattern, settings)]
        return _not_empty(below, settings, (uri.removeprefix(f"{pattern}/") for uri in listed))
    fixed = pattern[: min(pattern.index(mark) for mark in _WILDCARDS if mark in pattern)]
    depth = pattern.count("/")
    found = [
        uri
        for uri in store.list(fixed)
        if uri.count("/") == depth and fnmatchcase(uri, pattern)  # a * stays within its folder
    ]
    folder = fixed[: fixed.rindex("/") + 1]  # of `b*`, whose ".csv" of b.csv is no hidden name
    return _not_empty(_without_hidden(found, folder, pattern.removeprefix(folder)), settings)


def _stands_in(uri: str, folder: str, settings: FilesSource) -> bool:
    name = uri.removeprefix(f"{folder}/")
    return "/" not in name and _is_of_format(name, settings)


def _find_files(settings: FilesSource) -> list[Path]:
    path = _folder_of_package(settings.package) / settings.path if settings.package else None
    path = (path or Path(settings.path)).absolute()
    if path.is_file():
        return [path]
    check_regular(path)
    if path.is_dir():
        folder = path
        listed = list(path.iterdir())
        found = [file for file in listed if _is_of_format(file.name, settings)]
    else:
        parts = path.parts
        fixed = next((i for i, part in enumerate(parts) if has_wildcard(part)), None)
        if fixed is None:
            raise DataError(f"source.path: {path} does not exist; correct the path")
        folder, pattern, listed = Path(*parts[:fixed]), "/".join(parts[fixed:]), []
        found = _without_hidden(list(folder.glob(pattern)), f"{folder}/", pattern)
    files = sorted(file for file in found if not file.is_dir())
    for file in files:
        # What installs packages may link their files from a store of its own.
        follow_links = settings.follow_links or settings.package is not None
        check_found(file, folder, "source.path", follow_links=follow_links)
    return _not_empty(files, settings, (str(file.relative_to(folder)) for file in listed))


def has_wildcard(text: str) -> bool:
    """Whether a path is a glob."""
    return not _WILDCARDS.isdisjoint(text)


def _is_of_format(name: str, settings: FilesSource) -> bool:
    """Whether a file of a folder that is named as a whole is one to read, packed or not."""
    ending = f".{_ENDING_OF_FORMAT.get(settings.format, settings.format)}"
    endings = (ending, *(ending + packed for packed in ENDINGS))
    return name.lower().endswith(endings) and not _is_hidden(name)


def _is_hidden(name: str) -> bool:
    """Whether a file or folder is none that a user sees or meant.

    Such are copies of a notebook's files (.ipynb_checkpoints), what macOS puts beside a file
    (._NAME) and into a zip archive (__MACOSX), and the unfinished output of Spark (_temporary).
    """
    return name.startswith(".") or name in {"__MACOSX", "_temporary"}


def _without_hidden(found: list[T], folder: str, pattern: str) -> list[T]:
    """What a glob found below a folder, less what is hidden, unless the glob spells such names."""
    if any(_is_hidden(part) for part in pattern.split("/")):
        return found
    parts = [str(one).removeprefix(folder).split("/") for one in found]
    are_hidden = [any(map(_is_hidden, of_one)) for of_one in parts]
    if any(are_hidden):
        first = found[are_hidden.index(True)]
        logger.info("source.path: %s hidden file(s) not read, as %s", sum(are_hidden), first)
    return [one for one, is_hidden in zip(found, are_hidden, strict=True) if not is_hidden]


def _not_empty(found: Iterable[T], settings: FilesSource, seen: Iterable[str] = ()) -> list[T]:
    files = list(found)
    if not files:
        inside = f" in package {settings.package}" if settings.package else ""
        names = sorted(seen)
        there = f"; it holds {', '.join(map(repr, names[:_NAMED]))}" if names else ""
        raise NoFilesError(
            f"source.path: no file matches {settings.path!r}{inside}{there}; correct the path (a "
            f"glob such as FOLDER/*/* reaches below) or put {settings.format} files there"
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
