"""The scores of each object of a run, gathered from its pieces until it is complete."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Self

import pyarrow as pa

from infra.errors import DataError
from infra.parquet_tables import TableWriter
from infra.store import Artifact, ObjectStore
from tasks.records.registry import Production
from tasks.records.scoring import ScoredObject
from tasks.serving.scoring.inputs import InputObject, input_shape, read_input
from tasks.serving.scoring.kept_scores import part_folder
from tasks.serving.scoring.parts import Part, read_part
from tasks.serving.scoring.pieces import ASIDE_SCHEMA, PutAside, cut, rows_to_score
from tasks.serving.scoring.progress import ScoringProgress
from tasks.serving.scoring.settings import ScoringSettings
from tasks.serving.scoring.worker_messages import Piece, packed
from tasks.task_types.row_shapes import shape_of

_ASIDE_AT_ONCE: Final = 8_192


class AsideRows:
    """Rows of one object that cannot be scored, on their way to the store."""

    def __init__(self, folder: str, store: ObjectStore, files: ExitStack) -> None:
        self.by_reason: Counter[str] = Counter()
        self.first: PutAside | None = None
        self._folder, self._store, self._files = folder, store, files
        self._writer: TableWriter | None = None
        self._held: list[PutAside] = []

    def add(self, rows: Iterable[PutAside]) -> None:
        """Put some more aside."""
        for row in rows:
            self.first = self.first or row
            self.by_reason[row.reason] += 1
            self._held.append(row)
            if len(self._held) >= _ASIDE_AT_ONCE:
                self._write()

    def close(self) -> Artifact | None:
        """Put them into the store; None where there are none."""
        if self._held:
            self._write()
        return self._writer.close() if self._writer else None

    def _write(self) -> None:
        if self._writer is None:
            writer = TableWriter(self._folder, ASIDE_SCHEMA, self._store)
            self._writer = self._files.enter_context(writer)
        rows = [asdict(row) for row in self._held]
        self._writer.write(pa.Table.from_pylist(rows, schema=ASIDE_SCHEMA))
        self._held = []


@dataclass
class _InWork:
    """An object some of whose pieces are not done.

    Attributes:
        earlier: addresses of what earlier runs wrote of pieces, by their folders.
        pieces: that were read so far.
        parts: of those that are done, by their number.
        is_read: whether there are no more pieces.

    """

    key: str
    object: InputObject
    aside: AsideRows
    files: ExitStack
    earlier: Mapping[str, Sequence[str]]
    pieces: int = 0
    rows: int = 0
    parts: dict[int, Part] = field(default_factory=dict)
    is_read: bool = False

    @property
    def is_complete(self) -> bool:
        return self.is_read and len(self.parts) == self.pieces


class ScoresOfObjects:
    """Cuts objects into pieces, and puts together what becomes of these."""

    def __init__(
        self,
        production: Production,
        settings: ScoringSettings,
        store: ObjectStore,
        progress: ScoringProgress,
    ) -> None:
        self._production, self._settings = production, settings
        self._store, self._progress = store, progress
        self._shape = input_shape(shape_of(production.task_type), settings)
        self._work: dict[str, _InWork] = {}
        self._piece: dict[int, tuple[_InWork, int]] = {}
        self._given = 0
        self._refused: list[DataError] = []

    def pieces(self, objects: Mapping[str, InputObject]) -> Iterator[Piece]:
        """The pieces of all objects, by their keys, that no earlier run has scored.

        An object that cannot be read is left out, to be told in the end.

        Raises:
            SettingsError: a setting names a column that there is not.
            StoreError: the store is unreachable.

        """
        for key, one in objects.items():
            work = self._work[key] = self._begin(key, one)
            try:
                yield from self._read(work)
            except DataError as error:
                self._refused.append(error)
                self._drop(work)
            else:
                work.is_read = True
                self._progress.read_all(one, work.rows)

    def complete(self, answered: Iterable[tuple[int, Part]]) -> Iterator[ScoredObject]:
        """Each object whose pieces are all done, given the parts of the pieces as they come."""
        for number, part in answered:
            work, place = self._piece.pop(number)
            work.parts[place] = part
            self._progress.scored(part.rows + len(part.aside))
            yield from self._complete()
        yield from self._complete()

    def raise_refused(self, scored: int) -> None:
        """Tell of the objects that cannot be read.

        Args:
            scored: how many others are scored.

        Raises:
            DataError: there are such.

        """
        if not self._refused:
            return
        told = "\n".join(str(error) for error in self._refused)
        rest = (
            f"\n{scored:,} other object(s) are scored, and will not be scored again"
            if scored
            else ""
        )
        raise DataError(told + rest)

    def _begin(self, key: str, one: InputObject) -> _InWork:
        files, folder = ExitStack(), f"predictions/{self._production.line}/{key}"
        earlier: dict[str, list[str]] = defaultdict(list)
        for uri in self._store.list(self._store.uri(folder, "")):
            earlier[uri.rpartition("/")[0]].append(uri)
        aside = AsideRows(f"{folder}/put-aside", self._store, files)
        return _InWork(key, one, aside, files, earlier)

    def _read(self, work: _InWork) -> Iterator[Piece]:
        """The pieces of an object that must be scored; the parts of the others are read."""
        for shard in read_input(work.object, self._settings, self._shape, self._store):
            rows, aside = rows_to_score(shard, self._shape)
            work.aside.add(aside)
            self._progress.read_some(work.object, rows)
            for piece in cut(rows, self._settings.rows_at_once):
                place = work.pieces
                work.pieces += 1
                work.rows += piece.num_rows
                folder = part_folder(self._production.line, work.key, place)
                found = work.earlier.get(self._store.uri(folder), ())
                earlier = read_part(found, piece, self._store)
                if earlier is not None:
                    work.parts[place] = earlier
                    self._progress.scored(piece.num_rows)
                    continue
                self._piece[self._given] = (work, place)
                self._given += 1
                yield Piece(self._given - 1, folder, piece.num_rows, packed(piece))

    def _drop(self, work: _InWork) -> None:
        del self._work[work.key]
        work.files.close()

    def _complete(self) -> Iterator[ScoredObject]:
        for work in [one for one in self._work.values() if one.is_complete]:
            parts = [work.parts[place] for place in range(work.pieces)]
            for part in parts:
                work.aside.add(part.aside)
            first = work.aside.first
            if first is None or any(part.rows for part in parts):
                yield self._scored(work, parts)
            else:
                self._refused.append(_all_aside(work, first))
            self._drop(work)

    def _scored(self, work: _InWork, parts: list[Part]) -> ScoredObject:
        production, file = self._production, work.object.file
        return ScoredObject(
            key=work.key,
            line=production.line,
            version=production.version,
            weights_sha256=production.weights_sha256,
            manifest_sha256=production.manifest_sha256,
            task_type=production.task_type,
            input_uri=file.uri,
            input_fingerprint=file.fingerprint,
            input_bytes=file.size_bytes,
            input_columns=tuple(column.name for column in self._shape.inputs),
            kept_columns=tuple(self._settings.keep_columns),
            answer_columns=parts[0].columns if parts else (),
            predictions=tuple(part.artifact for part in parts),
            rows=sum(part.rows for part in parts),
            put_aside=work.aside.close(),
            rows_put_aside=work.aside.by_reason.total(),
            put_aside_by_reason=dict(sorted(work.aside.by_reason.items())),
            scored_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for work in list(self._work.values()):
            self._drop(work)


def _all_aside(work: _InWork, first: PutAside) -> DataError:
    told = f" ({first.told})" if first.told else ""
    return DataError(
        f"{work.object.file.uri} holds no row that can be scored, and "
        f"{work.aside.by_reason.total():,} that cannot; the first: row {first.row}: "
        f"{first.reason}{told}. Mend them, or what the settings say of them (format, columns, "
        "encoding)"
    )
