"""A source's rows, shard by shard."""

from collections.abc import Callable, Generator, Iterator
from typing import Final

from infra.catalogue import Catalogue
from infra.store import ObjectStore
from tasks.records.data import SourceVersion
from tasks.sources.columns import ReadColumn, columns_to_read
from tasks.sources.file_kinds import check_kind
from tasks.sources.pinned import open_pinned
from tasks.sources.preparation import prepare
from tasks.sources.read_ahead import read_ahead
from tasks.sources.settings import (
    FeedbackSource,
    FilesSource,
    HubSource,
    SingleSource,
    SqlSource,
)
from tasks.sources.shards import Shard
from tasks.sources.typed_rows import join_shards
from tasks.task_types.rows import RowShape

# Read a file: from it, the settings and the columns to its shards.
FILE_READERS: Final[Catalogue[Callable[..., Iterator[Shard]]]] = Catalogue(
    chosen_by="format",
    entries={
        "csv": "tasks.sources.delimited:read_delimited",
        "tsv": "tasks.sources.delimited:read_delimited",
        "json": "tasks.sources.json_documents:read_json",
        "jsonl": "tasks.sources.jsonl:read_jsonl",
        "parquet": "tasks.sources.columnar:read_parquet",
        "arrow": "tasks.sources.columnar:read_arrow",
        "text_files": "tasks.sources.text_files:read_text_file",
        "label_studio": "tasks.sources.annotation_exports:read_label_studio",
        "argilla": "tasks.sources.annotation_exports:read_argilla",
        "squad": "tasks.sources.json_documents:read_squad",
        "conll": "tasks.sources.conll:read_conll",
        "tacred": "tasks.sources.tacred:read_tacred",
        "semeval": "tasks.sources.semeval:read_semeval",
    },
)
# Read all that a query or a data set gives: from the pinned source, the settings and the shape.
QUERY_READERS: Final[Catalogue[Callable[..., Iterator[Shard]]]] = Catalogue(
    chosen_by="format",
    entries={"hub": "tasks.sources.hub:read_hub", "sql": "tasks.sources.sql:read_query"},
)
# Small files and pieces are joined up to one of these.
_SHARD_BYTES: Final = 8 << 20
_SHARD_BROKEN_ROWS: Final = 50_000


def read_shards(
    source: SourceVersion, settings: SingleSource, shape: RowShape, store: ObjectStore
) -> Iterator[Shard]:
    """All rows of a source in order, as its settings want them; the next shard is read ahead.

    What was taken back in (`source.readmitted`) is not among them.

    Raises:
        DataError: a file changed or vanished since it was pinned, cannot be read, or does not hold
            what the settings say.
        SettingsError: the settings name columns that the task type lacks, or a format that does not
            fit it.

    """
    return prepare(_read(source, settings, shape, store), settings, shape)


def _read(
    source: SourceVersion, settings: SingleSource, shape: RowShape, store: ObjectStore
) -> Iterator[Shard]:
    if isinstance(settings, HubSource | SqlSource):
        return QUERY_READERS.load(settings.format)(source, settings, shape)
    if isinstance(settings, FeedbackSource):
        from tasks.sources.feedback import read_feedback

        return _joined(read_feedback(source, settings, shape, store))
    columns = columns_to_read(settings, shape)
    return read_ahead(_joined(_read_files(source, settings, columns, store)), depth=1)


def _read_files(
    source: SourceVersion,
    settings: FilesSource,
    columns: tuple[ReadColumn, ...],
    store: ObjectStore,
) -> Iterator[Shard]:
    read = FILE_READERS.load(settings.format)
    for file in source.files:
        with open_pinned(file, store) as pinned:
            check_kind(pinned, settings.format)
            yield from read(pinned, settings, columns)


def _joined(shards: Iterator[Shard]) -> Generator[Shard, None, None]:
    """The same rows in shards of some MB; none of them is empty."""
    held: list[Shard] = []
    size = broken = 0
    for shard in shards:
        if not len(shard.rows) and not shard.broken:
            continue
        held.append(shard)
        size += shard.rows.nbytes
        broken += len(shard.broken)
        if size >= _SHARD_BYTES or broken >= _SHARD_BROKEN_ROWS:
            yield join_shards(held)
            held, size, broken = [], 0, 0
    if held:
        yield join_shards(held)
