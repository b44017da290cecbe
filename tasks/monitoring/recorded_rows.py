"""The recorded rows of a window, read as a stream: counts of all, and samples of some.

Memory holds the counts, two samples and one batch, however many rows were recorded.
"""

import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from infra.errors import DataError, MissingObjectError
from infra.full_disk import lacks_room
from infra.store import ObjectStore, sha256_of_file
from tasks.monitoring.answers import WRITTEN, AnswerCounts, read_answer
from tasks.monitoring.inputs import read_inputs
from tasks.monitoring.samples import Keys, LeastKeys, keys_of, row_name
from tasks.monitoring.scored_batches import scored_objects
from tasks.monitoring.settings import MonitorSettings
from tasks.records.monitoring import WatchedVersion
from tasks.records.recorded_requests import (
    ADDED_LATER,
    REQUESTS,
    hour_folder,
    requests_schema,
)
from tasks.records.scoring import SCORED, ScoredObject
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import RowShape

_BATCH_ROWS: Final = 8_192
# Digits of a latency that are kept, so that its counts stay few.
_LATENCY_DIGITS: Final = 2
# Fields of answers that are counted.
_COUNTED: Final = frozenset({"label", "labels", "score", *WRITTEN})


class RecordedInputs(NamedTuple):
    """A row whose inputs are compared."""

    row_id: str
    request_id: str
    inputs: dict[str, Any]


class AnsweredRow(NamedTuple):
    """A row that somebody labelled, with the answer of the version in production."""

    request_id: str
    row: int
    inputs: dict[str, Any]
    answer: dict[str, Any]


@dataclass
class WindowRows:
    """What a window holds.

    Attributes:
        rows: by role; rows of scored batches as ``scored``.
        unreadable: rows whose answer is no JSON object; of the samples, whose inputs are not what
            the task type has.
        unanswered: rows of the version in production that were recorded with an error; their inputs
            count, and their latency does not.
        latencies: how many rows took how many milliseconds, rounded.
        answers: those of the version in production.
        inputs: the sample whose texts are compared.
        labelled: the sample of those that somebody labelled.

    """

    answers: AnswerCounts
    inputs: LeastKeys[tuple[str, str, str]]
    labelled: LeastKeys[tuple[str, int, str, str]]
    rows: Counter[str] = field(default_factory=Counter)
    unreadable: int = 0
    unanswered: int = 0
    latencies: Counter[float] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        """Rows of all roles."""
        return self.rows.total()

    def latency_p95_ms(self) -> float | None:
        """The least latency that 95% of the rows have at most; None without requests."""
        rest = 0.95 * self.latencies.total()
        for latency, rows in sorted(self.latencies.items()):
            rest -= rows
            if rest <= 0:
                return latency
        return None

    def sampled_inputs(self, shape: RowShape) -> list[RecordedInputs]:
        """The sample, of which what the task type cannot read is counted as unreadable."""
        found = []
        for _, (request_id, row_id, text) in self.inputs.drawn():
            inputs = read_inputs(text, shape)
            if inputs is None:
                self.unreadable += 1
            else:
                found.append(RecordedInputs(row_id, request_id, inputs))
        return found

    def labelled_rows(self, shape: RowShape) -> list[AnsweredRow]:
        """The rows with a label that can be read."""
        found = []
        for _, (request_id, row, text, answer) in self.labelled.drawn():
            inputs, said = read_inputs(text, shape), read_answer(answer)
            if inputs is not None and said is not None:
                found.append(AnsweredRow(request_id, row, inputs, said))
        return found


def read_window(
    watched: WatchedVersion,
    start: datetime,
    settings: MonitorSettings,
    store: ObjectStore,
    labelled: Keys,
) -> WindowRows:
    """Read what was recorded in a window.

    Args:
        watched: the version in production.
        start: of the window, UTC.
        settings: of the monitor.
        store: holds the records.
        labelled: hashes of the rows that somebody labelled, (F,), sorted.

    Raises:
        DataError: an object is not what was to be recorded.
        StoreError: the store cannot be asked.

    """
    window = WindowRows(
        AnswerCounts(settings.max_rows),
        LeastKeys(settings.max_rows),
        LeastKeys(settings.max_labelled_rows),
    )
    line = watched.line
    for hour in range(settings.window_hours):
        moment = start + timedelta(hours=hour)
        for uri in store.list(store.uri(*hour_folder(REQUESTS, line, moment)) + "/"):
            for batch in _request_batches(uri, store):
                _count_requests(window, batch, watched, settings, labelled)
        if settings.scored_batches:
            for scored in scored_objects(line, moment, store):
                _count_scored(window, scored, watched, settings, store)
    return window


def batches_of(
    uri: str, columns: Sequence[str], store: ObjectStore, sha256: str = ""
) -> Iterator[pa.RecordBatch]:
    """An object's rows, batch by batch; its file is gone afterwards.

    A column that an earlier release did not write yet has what `ADDED_LATER` says.

    Args:
        uri: of the object.
        columns: that are read.
        store: holds it.
        sha256: of the bytes that were written, where that is known.

    Raises:
        DataError: it is gone, is not what was written, is no Parquet, or lacks a column.

    """
    with tempfile.TemporaryDirectory(prefix="window-") as folder:
        try:
            path = store.download(uri, Path(folder) / "recorded.parquet")
            if sha256 and (seen := sha256_of_file(path)) != sha256:
                raise DataError(
                    f"{uri} was changed after it was written: it has sha256 {seen}, and its record "
                    f"says {sha256}; restore it from a backup"
                )
            with pq.ParquetFile(path) as file:
                missing = set(columns) - set(file.schema_arrow.names)
                if lacking := sorted(missing - set(ADDED_LATER)):
                    raise DataError(
                        f"{uri} lacks the column(s) {', '.join(lacking)}; it has "
                        f"{', '.join(file.schema_arrow.names)}"
                    )
                written = [name for name in columns if name not in missing]
                for batch in file.iter_batches(_BATCH_ROWS, columns=written):
                    yield _with_later_columns(batch, columns)
        except MissingObjectError as error:
            raise DataError(f"{error}, and an index or the store's own list names it") from error
        except (pa.ArrowException, OSError) as error:  # of a page that is cut: an OSError
            if isinstance(error, OSError) and lacks_room(error):
                raise  # it says nothing of the object, whose window is judged later
            raise DataError(f"{uri} cannot be read as Parquet ({error})") from error


def _with_later_columns(batch: pa.RecordBatch, columns: Sequence[str]) -> pa.RecordBatch:
    for name in columns:
        if name not in batch.schema.names:
            batch = batch.append_column(name, pa.array([ADDED_LATER[name]] * batch.num_rows))
    return batch.select(list(columns))


def is_answered(batch: pa.RecordBatch) -> pa.BooleanArray:
    """Of each recorded row whether it was answered, (N,)."""
    return pc.equal(pc.fill_null(batch["error"], ""), "")


def _request_batches(uri: str, store: ObjectStore) -> Iterator[pa.RecordBatch]:
    return batches_of(uri, requests_schema().names, store)


def _count_requests(
    window: WindowRows,
    batch: pa.RecordBatch,
    watched: WatchedVersion,
    settings: MonitorSettings,
    labelled: Keys,
) -> None:
    batch = batch.filter(pc.is_in(batch["role"], value_set=pa.array(settings.roles)))
    if not batch.num_rows:
        return
    window.rows.update(batch["role"].to_pylist())
    window.latencies.update(
        float(f"{latency:.{_LATENCY_DIGITS}g}")
        for latency in batch["latency_ms"].filter(is_answered(batch)).to_pylist()
        if latency is not None and np.isfinite(latency)
    )
    requests, places = batch["request_id"].to_pylist(), batch["row"].to_pylist()
    keys = keys_of(requests, places, settings.seed)
    texts = batch["inputs"]
    for at in window.inputs.wanted(keys).tolist():
        name = row_name(requests[at], places[at])
        window.inputs.add(int(keys[at]), (requests[at], name, texts[at].as_py() or ""))
    is_own = pc.and_(
        pc.equal(batch["version"], watched.version),
        pc.equal(batch["weights_sha256"], watched.weights_sha256),
    )
    is_own = pc.fill_null(is_own, False)  # noqa: FBT003
    is_own_answer = pc.and_(is_own, is_answered(batch))
    window.unanswered += is_own.true_count - is_own_answer.true_count
    own = np.flatnonzero(is_own_answer.to_numpy(zero_copy_only=False))
    _count_answers(window, keys[own], batch.take(pa.array(own)))
    named = own[np.isin(keys[own], labelled)]
    for at in named[window.labelled.wanted(keys[named])].tolist():
        answer = batch["answer"][at].as_py() or ""
        window.labelled.add(
            int(keys[at]), (requests[at], places[at], texts[at].as_py() or "", answer)
        )


def _count_answers(window: WindowRows, keys: Keys, batch: pa.RecordBatch) -> None:
    """Count the answers of the version in production, and draw from them."""
    counts = window.answers
    wanted = set(counts.sample.wanted(keys).tolist())
    rows = zip(batch["answer"].to_pylist(), batch["request_id"].to_pylist(), strict=True)
    for at, (text, request_id) in enumerate(rows):
        answer = read_answer(text)
        if answer is None:
            window.unreadable += 1
        else:
            counts.count(answer, int(keys[at]), request_id, drawn=at in wanted)


def _count_scored(
    window: WindowRows,
    scored: ScoredObject,
    watched: WatchedVersion,
    settings: MonitorSettings,
    store: ObjectStore,
) -> None:
    """Count rows of a scored input object, each as a request of its own."""
    shape, counts = shape_of(watched.task_type), window.answers
    read = [name for name in scored.answer_columns if name in _COUNTED]
    names = [column.name for column in shape.inputs]
    is_own = (scored.version, scored.weights_sha256) == (watched.version, watched.weights_sha256)
    row = 0
    for part in scored.predictions:
        for batch in batches_of(part.uri, [*names, *read], store, part.sha256):
            requests = [f"{scored.key}-{row + place}" for place in range(batch.num_rows)]
            row += batch.num_rows
            keys = keys_of(requests, [0] * batch.num_rows, settings.seed)
            window.rows[SCORED] += batch.num_rows
            inputs = batch.select(names)
            for at in window.inputs.wanted(keys).tolist():
                (one,) = inputs.slice(at, 1).to_pylist()
                text = json.dumps(one, ensure_ascii=False)
                window.inputs.add(int(keys[at]), (requests[at], row_name(requests[at], 0), text))
            if not is_own:
                continue
            wanted = set(counts.sample.wanted(keys).tolist())
            for at, answer in enumerate(batch.select(read).to_pylist()):
                counts.count(answer, int(keys[at]), requests[at], drawn=at in wanted)
