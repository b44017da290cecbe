"""Which objects are to be scored, and how their rows are read."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Final, get_args

from infra.errors import AssaylineError, DataError, SettingsError
from infra.store import ObjectStore
from tasks.records.data import SourceFile, SourceVersion
from tasks.serving.scoring.settings import Format, ScoringSettings
from tasks.sources.pinned import ENDINGS
from tasks.sources.pinning import NoFilesError, has_wildcard, pin_files
from tasks.sources.reading import read_shards
from tasks.sources.settings import S3_SCHEME, TableSource
from tasks.task_types.rows import OWN_COLUMNS, Column, RowShape

if TYPE_CHECKING:
    from tasks.sources.shards import Shard

FORMATS: Final[tuple[Format, ...]] = get_args(Format)
_RIGHT: Final = ", ".join(f".{name}" for name in FORMATS)
# A setting in a message of the readers, and no file that is called source.csv.
_SETTING: Final = re.compile(rf"(?<![\w./-])source\.({'|'.join(TableSource.model_fields)})\b")
_NAMES: Final = {"source.path": "input"}


@dataclass(frozen=True)
class InputObject:
    """A file, or an object of a store, whose rows are to be scored."""

    file: SourceFile
    format: Format


def find_inputs(
    named: Sequence[str], settings: ScoringSettings, store: ObjectStore
) -> tuple[InputObject, ...]:
    """The objects that are named, each once, with the fingerprint of what they hold now.

    Args:
        named: files, folders and globs, on this machine or as ``s3://bucket/key``.
        settings: their format, where the names do not tell it.
        store: of the latter.

    Raises:
        DataError: one does not exist, is empty, or its format cannot be told.
        StoreError: the store cannot be asked.

    """
    if not named:
        raise DataError("no input is named; name a file, a folder, a glob or s3://bucket/key")
    found: dict[str, InputObject] = {}
    with _told_as_scoring():
        for name in named:
            for one in _objects_of(name, settings, store):
                found.setdefault(one.file.uri, one)
    return tuple(found.values())


def _objects_of(name: str, settings: ScoringSettings, store: ObjectStore) -> Iterator[InputObject]:
    format_ = settings.format or _format_of(name)
    if format_:
        yield from _of_format(name, format_, settings, store)
        return
    is_remote = name.startswith(S3_SCHEME)
    if store.exists(name) if is_remote else Path(name).is_file():
        raise _untold(name)
    is_glob = has_wildcard(name) and (is_remote or not Path(name).is_dir())
    some: list[InputObject] = []
    refused: list[NoFilesError] = []
    for one in FORMATS[:1] if is_glob else FORMATS:  # a glob finds files of any format
        try:
            some += _of_format(name, one, settings, store)
        except NoFilesError as error:
            refused.append(error)
    if not some:
        raise DataError(
            f"{refused[0]}. Files that can be scored end in one of {_RIGHT}, packed or not"
        )
    yield from map(_of_its_format, some)


def _of_format(
    name: str, format_: Format, settings: ScoringSettings, store: ObjectStore
) -> list[InputObject]:
    source = TableSource(format=format_, path=name, follow_links=settings.follow_links)
    return [InputObject(file, format_) for file in pin_files(source, store)]


def _of_its_format(one: InputObject) -> InputObject:
    """A file that was found, by the format that its name tells."""
    format_ = _format_of(one.file.uri)
    if format_ is None:
        raise _untold(one.file.uri)
    return InputObject(one.file, format_)


def _untold(name: str) -> DataError:
    return DataError(
        f"the format of {name} cannot be told by its name, which should end in one of {_RIGHT} "
        "(packed or not); or say which it is (scoring.format, --format)"
    )


def _format_of(name: str) -> Format | None:
    """By the ending of a name, that of a packed file left out."""
    path = PurePath(name)
    if path.suffix.lower() in ENDINGS:
        path = path.with_suffix("")
    ending = path.suffix.lower().removeprefix(".")
    return next((one for one in FORMATS if one == ending), None)


def input_shape(shape: RowShape, settings: ScoringSettings) -> RowShape:
    """The shape of rows of which the inputs alone are known, with the columns that are kept.

    Raises:
        SettingsError: a kept column has a name that is taken.

    """
    taken = OWN_COLUMNS | {column.name for column in shape.inputs}
    if both := sorted(taken & settings.keep_columns.keys()):
        raise SettingsError(
            f"scoring.keep_columns names {both}, which are columns of scored rows; give other names"
        )
    kept = (Column(name, "label", may_be_missing=True) for name in settings.keep_columns)
    return replace(
        shape,
        columns=(*shape.inputs, *kept),
        label_column=None,
        tagged_column=None,
        target_column=None,
        passage=None,
        pair=None,
        preference=None,
        split_column=None,
        file_formats=frozenset(),
    )


def read_input(
    one: InputObject, settings: ScoringSettings, shape: RowShape, store: ObjectStore
) -> "Iterator[Shard]":
    """The rows of an object in order, some MB at a time, with those that broke.

    Args:
        one: the object.
        settings: of the columns and the characters.
        shape: as `input_shape` gives it.
        store: where it may lie.

    Raises:
        DataError: it changed or vanished since it was found, cannot be read, or lacks a column.
        SettingsError: the settings name columns that the task type lacks.

    """
    with _told_as_scoring():
        source = TableSource(
            format=one.format,
            path=one.file.uri,
            columns={**settings.columns, **settings.keep_columns},
            encoding=settings.encoding,
            fallback_encoding=settings.fallback_encoding,
            delimiter=settings.delimiter,
        )
        yield from read_shards(SourceVersion((one.file,), ()), source, shape, store)


@contextmanager
def _told_as_scoring() -> Iterator[None]:
    """Name the settings in the messages of the readers as they are called here."""
    try:
        yield
    except AssaylineError as error:
        told = _SETTING.sub(lambda found: _NAMES.get(found[0], f"scoring.{found[1]}"), str(error))
        raise type(error)(told) from error
