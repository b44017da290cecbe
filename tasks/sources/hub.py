"""Data sets of the Hugging Face hub, and local folders, as `datasets` streams them.

No code of a data set is ever run: `datasets` takes none any more, and only its own readers of
tables and texts are let through. What it caches of a run lies in a temporary folder.
"""

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from infra.errors import AssaylineError, DataError, SettingsError
from infra.store import sha256_of_file
from tasks.records.data import SourceFile, SourceVersion
from tasks.sources.arrow_values import check_types, shard_of_batch
from tasks.sources.columns import ReadColumn, columns_to_read, did_you_mean, find_columns
from tasks.sources.file_kinds import check_no_pointers
from tasks.sources.folders import check_found
from tasks.sources.nested_names import names_of, top_names
from tasks.sources.settings import HubSource
from tasks.sources.shards import Shard
from tasks.sources.typed_rows import join_shards
from tasks.task_types.rows import RowShape

if TYPE_CHECKING:
    from datasets import Features, IterableDataset

_BATCH_ROWS: Final = 512
_SHARD_BYTES: Final = 8 << 20
_HUB: Final = "hf://datasets/"
_HUB_ID: Final = re.compile(r"(?!buckets/)[\w.-]+(/[\w.-]+)?")
# Readers of `datasets` for rows of named columns; others give images, sound or molecules.
_READERS: Final = ("csv", "json", "parquet", "arrow", "text")
_KNOWN_NAMES: Final = re.compile(r"(?:Available|available configs): \[(?P<names>.*?)\]", re.DOTALL)


def pin_hub(settings: HubSource) -> tuple[SourceFile, ...]:
    """Name the commit of a data set on the hub, or fingerprint every file of a local folder.

    The hub is not asked: a commit never changes.

    Raises:
        SettingsError: the revision is missing, or the name is no id of the hub.
        DataError: the folder does not exist, or holds no files, or pointers of Git LFS.

    """
    folder = _local_folder(settings)
    if folder is not None:
        files = _files_of(folder, follow_links=settings.follow_links)
        check_no_pointers(Path(file.uri) for file in files)
        return files
    if not _HUB_ID.fullmatch(settings.dataset):
        raise SettingsError(
            f"source.dataset: {settings.dataset!r} is no id on the hub such as ag_news or "
            "owner/name, and no local folder"
        )
    if settings.revision is None:
        raise SettingsError(
            f"source.revision: {settings.dataset} on the hub changes; set the commit to read, the "
            f"40 letters and digits under https://huggingface.co/datasets/{settings.dataset}"
            "/commits/main"
        )
    return (SourceFile(f"{_HUB}{settings.dataset}@{settings.revision}", settings.revision, 0),)


def read_hub(source: SourceVersion, settings: HubSource, shape: RowShape) -> Iterator[Shard]:
    """Read a split of a data set that was pinned; ``row`` is the number of a row in the split.

    Raises:
        DataError: the data set cannot be reached or read, lacks the configuration, the split or a
            column, or is not what was pinned.

    """
    columns = columns_to_read(settings, shape)
    folder = _local_folder(settings)
    where = f"{folder or source.files[0].uri}#{settings.name or 'default'}/{settings.split}"
    try:
        yield from _joined(_read_shards(where, settings, folder, columns))
    except DataError:
        _check_unchanged(source, folder, settings)  # what is wrong may be that a file changed
        raise
    _check_unchanged(source, folder, settings)


def _local_folder(settings: HubSource) -> Path | None:
    """The folder that is named; None where it is an id on the hub.

    Raises:
        DataError: a folder is named that is none.

    """
    path = Path(settings.dataset).expanduser().absolute()
    if path.is_dir():
        return path
    if settings.dataset.startswith((".", "/", "~")):
        hint = "; name the folder that it lies in" if path.is_file() else ""
        raise DataError(f"source.dataset: {path} is no folder{hint}")
    return None


def _files_of(folder: Path, *, follow_links: bool) -> tuple[SourceFile, ...]:
    """All files that `datasets` may look at, in order: it passes over hidden ones."""
    seen = sorted(path for path in folder.rglob("*") if not _is_hidden(path.relative_to(folder)))
    for path in seen:
        check_found(path, folder, "source.dataset", follow_links=follow_links)
    found = [path for path in seen if path.is_file()]
    if not found:
        raise DataError(f"source.dataset: {folder} holds no files; put data there")
    try:
        return tuple(
            SourceFile(str(path), sha256_of_file(path), path.stat().st_size) for path in found
        )
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}") from error


def _is_hidden(path: Path) -> bool:
    return any(part.startswith((".", "__")) for part in path.parts)


def _check_unchanged(source: SourceVersion, folder: Path | None, settings: HubSource) -> None:
    if folder is None:
        return
    now = {file.uri: file for file in _files_of(folder, follow_links=settings.follow_links)}
    pinned = {file.uri: file for file in source.files}
    changed = [uri for uri in sorted({*now, *pinned}) if now.get(uri) != pinned.get(uri)]
    if changed:
        raise DataError(
            f"{changed[0]} changed while the run was reading it; run again when nothing writes to "
            "the folder"
        )


def _joined(shards: Iterator[Shard]) -> Iterator[Shard]:
    """Shards of some MB; `datasets` gives rows by number and not by size."""
    waiting: list[Shard] = []
    for shard in shards:
        waiting.append(shard)
        if sum(one.rows.nbytes for one in waiting) >= _SHARD_BYTES:
            yield join_shards(waiting)
            waiting = []
    if waiting:
        yield join_shards(waiting)


def _read_shards(
    where: str, settings: HubSource, folder: Path | None, columns: Sequence[ReadColumn]
) -> Iterator[Shard]:
    row = 1
    with tempfile.TemporaryDirectory(prefix="hub-") as cache, _quiet():
        for table, features in _tables(settings, folder, cache):
            if row == 1:
                find_columns(where, names_of(table.schema, columns), columns)
            batch = _batch_of(table, features or {}, columns)
            check_types(where, batch.schema, columns)
            yield shard_of_batch(where, batch, columns, row)
            row += len(batch)


def _tables(
    settings: HubSource, folder: Path | None, cache: str
) -> Iterator[tuple[pa.Table, "Features | None"]]:
    """Some rows of the split at a time, with what `datasets` knows of their columns."""
    row = 1
    try:
        rows = _open_split(settings, folder, cache)
        for table in rows.with_format("arrow").iter(batch_size=_BATCH_ROWS):
            row += table.num_rows
            yield table, rows.features
    except _errors() as error:
        raise _explained(error, settings, folder, row) from error


def _open_split(settings: HubSource, folder: Path | None, cache: str) -> "IterableDataset":
    """The split, of which nothing is read yet.

    Raises:
        DataError: there is no such split, or it holds no rows of named columns.

    """
    from datasets import load_dataset_builder

    builder = load_dataset_builder(
        str(folder or settings.dataset),
        settings.name,
        revision=None if folder else settings.revision,
        cache_dir=cache,
    )
    reader = type(builder).__module__.split(".")[-1]
    if reader not in _READERS:
        raise DataError(
            f"source.dataset: {settings.dataset} holds files that datasets reads as {reader}; "
            f"rows are read from {', '.join(_READERS)}"
        )
    splits = builder.as_streaming_dataset()
    if settings.split not in splits:
        known = list(splits)
        raise DataError(
            f"source.split: {settings.dataset} has no split {settings.split!r}; it has "
            f"{', '.join(known)}{did_you_mean(settings.split, known)}"
        )
    return splits[settings.split]


def _batch_of(
    table: pa.Table, features: Mapping[str, object], columns: Sequence[ReadColumn]
) -> pa.RecordBatch:
    """The columns that are read, labels by their names; null where JSON has none of them."""
    names = top_names(table.column_names, columns)
    arrays = [
        _named(table[name].combine_chunks(), features.get(name))
        if name in table.column_names
        else pa.nulls(table.num_rows)
        for name in names
    ]
    return pa.record_batch(arrays, names=names)


def _named(values: pa.Array, feature: object) -> pa.Array:
    """Class ids as the names of their classes; -1 is a label that is missing."""
    from datasets import ClassLabel, LargeList, List

    if isinstance(feature, ClassLabel):
        ids = values.cast(pa.int64())
        present = pc.if_else(pc.less(ids, 0), None, ids)
        return pa.array(feature.names, pa.string()).take(present)
    if isinstance(feature, List | LargeList) and isinstance(feature.feature, ClassLabel):
        lists = values.cast(pa.list_(pa.int64()))
        names = _named(lists.values, feature.feature)
        return pa.ListArray.from_arrays(lists.offsets, names, mask=lists.is_null())
    return values


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars of `datasets`."""
    import datasets

    if datasets.are_progress_bars_disabled():
        yield
        return
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.enable_progress_bars()


def _errors() -> tuple[type[Exception], ...]:
    """What `datasets` raises for what is wrong with a data set, the hub or the way to it."""
    import httpx
    from datasets.exceptions import DatasetsError

    return (
        DatasetsError,
        httpx.HTTPError,
        OSError,
        RuntimeError,
        ValueError,
        TypeError,
        KeyError,
        pa.ArrowException,
    )


def _explained(
    error: Exception, settings: HubSource, folder: Path | None, row: int
) -> AssaylineError:
    """One message for an error of `datasets`."""
    from datasets.exceptions import DatasetNotFoundError

    named = settings.dataset
    said = _first_line(error)
    if isinstance(error, DatasetNotFoundError):
        return DataError(_not_found(said, settings))
    if folder is None and _is_unreachable(error):
        return DataError(_unreachable(settings.dataset))
    if "scripts are no longer supported" in said:
        return DataError(f"source.dataset: {named} is a program, and no code of a data set is run")
    if known := _KNOWN_NAMES.search(str(error)):
        names = re.findall(r"'([^']*)'", known["names"])
        lacks = f"no configuration {settings.name!r}" if settings.name else "several configurations"
        hint = did_you_mean(settings.name or "", names)
        return DataError(f"source.name: {named} has {lacks}; it has {', '.join(names)}{hint}")
    near = f" near row {row:,}" if row > 1 else ""
    return DataError(f"source.dataset: {named} cannot be read{near}: {said}")


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _not_found(said: str, settings: HubSource) -> str:
    named = settings.dataset
    if "gated" in said:
        return (
            f"source.dataset: {named} is gated; accept its terms at https://huggingface.co/datasets/"
            f"{named} and set HF_TOKEN to a token of that account"
        )
    if said.startswith("Revision"):
        return f"source.revision: {named} has no commit {settings.revision}; correct it"
    return (
        f"source.dataset: the hub has no data set {named!r}, or it is private; correct the id, or "
        "set HF_TOKEN to a token that may read it"
    )


def _is_unreachable(error: Exception) -> bool:
    import httpx

    kinds = (ConnectionError, TimeoutError, httpx.TransportError)
    return any(isinstance(one, kinds) for one in (error, error.__cause__, error.__context__))


def _unreachable(named: str) -> str:
    from huggingface_hub.constants import ENDPOINT, is_offline_mode

    if is_offline_mode():
        return (
            f"source.dataset: {named} is on the Hugging Face hub, and HF_HUB_OFFLINE is set; unset "
            "it, or name a local folder that holds a copy"
        )
    return (
        f"source.dataset: the Hugging Face hub at {ENDPOINT} cannot be reached for {named}; try "
        "again, or name a local folder that holds a copy"
    )
