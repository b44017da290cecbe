"""Files of a source in a test: written, pinned and read as a run does it."""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter

from infra.settings import load_settings
from infra.store import ObjectStore, sha256_of_file
from tasks.records.data import SourceChanges, SourceFile, SourceVersion
from tasks.sources.reading import read_shards
from tasks.sources.settings import SourceSettings
from tasks.sources.shards import BrokenRow
from tasks.task_types.row_shapes import shape_of

SOURCE: TypeAdapter[SourceSettings] = TypeAdapter(SourceSettings)


@dataclass(frozen=True)
class Read:
    """All that was read of a source."""

    rows: list[dict[str, object]]
    broken: list[BrokenRow]
    changes: SourceChanges = field(default_factory=SourceChanges)

    def column(self, name: str) -> list[object]:
        """The values of one column."""
        return [row[name] for row in self.rows]

    def reasons(self) -> list[tuple[int, str]]:
        """Number and reason of each broken row."""
        return [(row.row, row.reason) for row in self.broken]


def settings_of(**settings: object) -> SourceSettings:
    """Settings of a source."""
    return SOURCE.validate_python(settings)


def pinned(*paths: Path) -> SourceVersion:
    """Local files as `pin` finds them."""
    return SourceVersion(
        tuple(SourceFile(str(path), sha256_of_file(path), path.stat().st_size) for path in paths)
    )


def read_version(
    source: SourceVersion, settings: SourceSettings, task_type: str, store: ObjectStore
) -> Read:
    """All rows of a pinned source."""
    rows: list[dict[str, object]] = []
    broken: list[BrokenRow] = []
    changes = SourceChanges()
    for shard in read_shards(source, settings, shape_of(task_type), store):
        shard.rows.validate(full=True)
        rows += shard.rows.to_pylist()
        broken += shard.broken
        changes = changes.plus(shard.changes)
    return Read(rows, broken, changes)


def read_file(path: Path, task_type: str = "classification", /, **settings: object) -> Read:
    """All rows of a local file, which no store is asked for."""
    chosen = settings_of(path=str(path), **settings)
    return read_version(pinned(path), chosen, task_type, _unasked_store())


@cache
def _unasked_store() -> ObjectStore:
    return ObjectStore(load_settings())
