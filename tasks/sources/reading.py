"""A source's rows, shard by shard."""

from collections.abc import Generator, Iterator
from typing import Final

from infra.store import ObjectStore
from tasks.records.data import SourceVersion
from tasks.sources.columnar import read_arrow, read_parquet
from tasks.sources.columns import ReadColumn, columns_to_read
from tasks.sources.conll import read_conll
from tasks.sources.delimited import read_delimited
from tasks.sources.json_documents import read_json, read_squad
from tasks.sources.jsonl import read_jsonl
from tasks.sources.pinned import PinnedFile, open_pinned
from tasks.sources.read_ahead import read_ahead
from tasks.sources.settings import (
    AnnotatedSource,
    FilesSource,
    HubSource,
    SourceSettings,
    SqlSource,
    TextFilesSource,
)
from tasks.sources.shards import Shard
from tasks.sources.text_files import read_text_file
from tasks.sources.typed_rows import join_shards
from tasks.task_types.rows import RowShape

# Small files and pieces are joined up to one of these.
_SHARD_BYTES: Final = 8 << 20
_SHARD_BROKEN_ROWS: Final = 50_000


def read_shards(
    source: SourceVersion, settings: SourceSettings, shape: RowShape, store: ObjectStore
) -> Iterator[Shard]:
    """All rows of a source in order, each value as it stands there; the next shard is read ahead.

    What was taken back in (`source.readmitted`) is not among them.

    Raises:
        DataError: a file changed or vanished since it was pinned, cannot be read, or does not hold
            what the settings say.
        SettingsError: the settings name columns that the task type lacks, or a format that does not
            fit it.

    """
    if isinstance(settings, HubSource):
        from tasks.sources.hub import read_hub

        return read_hub(source, settings, shape)
    if isinstance(settings, SqlSource):
        from tasks.sources.sql import read_query

        return read_query(source, settings, shape)
    columns = columns_to_read(settings, shape)
    return read_ahead(_joined(_read_files(source, settings, columns, store)), depth=1)


def _read_files(
    source: SourceVersion,
    settings: FilesSource,
    columns: tuple[ReadColumn, ...],
    store: ObjectStore,
) -> Iterator[Shard]:
    for file in source.files:
        with open_pinned(file, store) as pinned:
            yield from _read_file(pinned, settings, columns)


def _read_file(
    file: PinnedFile, settings: FilesSource, columns: tuple[ReadColumn, ...]
) -> Iterator[Shard]:
    if isinstance(settings, TextFilesSource):
        return read_text_file(file, settings, columns)
    if isinstance(settings, AnnotatedSource):
        annotated = {"squad": read_squad, "conll": read_conll}
        return annotated[settings.format](file, settings, columns)
    tables = {
        "csv": read_delimited,
        "tsv": read_delimited,
        "json": read_json,
        "jsonl": read_jsonl,
        "parquet": read_parquet,
        "arrow": read_arrow,
    }
    return tables[settings.format](file, settings, columns)


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
