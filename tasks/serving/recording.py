"""Requests, answers and feedback are written to the store, by hour, behind the server's back.

A thread of its own redacts what it is given and writes it. What waits for it is bounded: a store
that is away stops no request. What was not redacted yet is in memory alone.
"""

import hashlib
import io
import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Hashable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from infra.errors import StoreError
from tasks.records.recorded_requests import (
    FEEDBACK,
    REQUESTS,
    FeedbackRow,
    RecordedRow,
    feedback_schema,
    hour_folder,
    requests_schema,
)
from tasks.serving.metrics import ServingMetrics
from tasks.serving.settings import RecordSettings

if TYPE_CHECKING:
    from infra.store import ObjectStore

logger = logging.getLogger(__name__)

# Inputs and answer of each row, or an empty object and the label of feedback; what may be kept of
# them comes back, and None for a row of which nothing may.
Pair = tuple[dict[str, Any], Any]
Redact = Callable[[Sequence[Pair]], Sequence[Pair | None]]
Record = RecordedRow | FeedbackRow

LOOK_S: Final = 0.1
ROWS_AT_ONCE: Final = 512
FILE_ROWS: Final = 10_000
# At shutdown, seconds for what is left; a supervisor kills what takes much longer.
LAST_TRIES: Final = 3
DIGEST_BYTES: Final = 8


@dataclass(frozen=True)
class _Given:
    """A row as the server gave it: its record but for the texts, and these as they came."""

    record: Record
    texts: Pair


@dataclass(frozen=True)
class _File:
    """Rows of one hour under the name that they keep until they are written."""

    kind: str
    uri: str
    rows: tuple[Record, ...]


def is_sampled(request_id: str, share: float) -> bool:
    """Whether a request is among those that are recorded; every process says the same of it."""
    digest = int.from_bytes(hashlib.sha256(request_id.encode()).digest()[:DIGEST_BYTES])
    return digest < share * 256.0**DIGEST_BYTES


class Recorder:
    """Takes rows at any time, and writes them by and by.

    Args:
        line: that is served.
        settings: how much is held, and for how long.
        redact: what may be kept of the texts; called in the recorder's thread alone.
        store: of this thread alone.

    """

    def __init__(
        self,
        line: str,
        settings: RecordSettings,
        redact: Redact,
        store: "ObjectStore",
        metrics: ServingMetrics,
    ) -> None:
        self._line, self._settings, self._redact = line, settings, redact
        self._store, self._metrics = store, metrics
        self._lock = threading.Lock()
        self._given: list[_Given] = []
        self._redacted: list[Record] = []
        self._files: list[_File] = []
        self._held = 0
        self._writer, self._sequence = uuid.uuid4().hex[:12], 0
        self._written_at = time.monotonic()
        self._is_away = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recorder")

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def close(self) -> None:
        """Write what is left, and end; what the store does not take is counted and said."""
        self._ended.set()
        self._thread.join()

    def keep_request(self, records: Sequence[tuple[RecordedRow, Pair]]) -> None:
        """Record the rows of a request: all, or none where the buffer is full."""
        if not self._take([_Given(record, texts) for record, texts in records]):
            self._metrics.not_recorded.labels(REQUESTS, "full").inc(len(records))

    def keep_feedback(self, records: Sequence[tuple[FeedbackRow, Any]]) -> bool:
        """Record feedback, each with its label; whether there was room."""
        return self._take([_Given(record, ({}, label)) for record, label in records])

    def _take(self, given: list[_Given]) -> bool:
        with self._lock:
            if self._held + len(given) > self._settings.max_buffered_rows:
                return False
            self._held += len(given)
            self._given += given
            return True

    def _run(self) -> None:
        while not self._ended.wait(LOOK_S):
            is_due = time.monotonic() - self._written_at >= self._settings.flush_s
            # A search over few rows costs nearly as much as one over many.
            while self._given and (is_due or len(self._given) >= ROWS_AT_ONCE):
                self._redact_some()
            if is_due or len(self._redacted) >= FILE_ROWS:
                self._write()
        while self._given:
            self._redact_some()
        for _ in range(LAST_TRIES):
            if self._write():
                return
        for file in self._files:
            self._metrics.not_recorded.labels(file.kind, "lost").inc(len(file.rows))
        lost = sum(len(file.rows) for file in self._files)
        logger.error("%d recorded rows are lost: the store does not take them", lost)

    def _redact_some(self) -> None:
        with self._lock:
            given, self._given = self._given[:ROWS_AT_ONCE], self._given[ROWS_AT_ONCE:]
        if not given:
            return
        kept = self._searched([one.texts for one in given])
        pairs = zip(given, kept, strict=True)
        records = [_with_texts(one.record, texts) for one, texts in pairs if texts is not None]
        self._redacted += records
        dropped = [one.record for one, texts in zip(given, kept, strict=True) if texts is None]
        self._forget(dropped)
        for record in dropped:
            self._metrics.not_recorded.labels(_kind(record), "privacy").inc()

    def _searched(self, texts: Sequence[Pair]) -> Sequence[Pair | None]:
        """What may be kept; a row that cannot be searched is not, and takes no other along."""
        try:
            return self._redact(texts)
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing unsearched is kept
            if len(texts) > 1:
                return [kept for one in texts for kept in self._searched([one])]
            # Its message may quote the row, which is kept nowhere.
            logger.error(  # noqa: TRY400
                "a row could not be searched for personal data: %s", type(error).__name__
            )
            return [None]

    def _write(self) -> bool:
        """Write what is there; whether nothing is left."""
        self._written_at = time.monotonic()
        redacted, self._redacted = self._redacted, []
        groups: dict[Hashable, list[Record]] = {}
        for record in redacted:
            groups.setdefault((_kind(record), _hour(record.received_at)), []).append(record)
        self._files += [self._file(rows) for rows in groups.values()]
        while self._files:
            file = self._files[0]
            try:
                self._store.put_bytes(file.uri, _parquet(file))
            except StoreError as error:
                if not self._is_away:
                    logger.warning("requests are held in memory: %s", error)
                self._is_away = True
                return False
            self._is_away = False
            self._files.pop(0)
            self._forget(file.rows)
            self._metrics.recorded.labels(file.kind).inc(len(file.rows))
        return True

    def _file(self, rows: list[Record]) -> _File:
        self._sequence += 1
        kind = _kind(rows[0])
        folder = hour_folder(kind, self._line, rows[0].received_at)
        name = f"{self._writer}-{self._sequence:06d}.parquet"
        return _File(kind, self._store.uri(*folder, name), tuple(rows))

    def _forget(self, rows: Sequence[Record]) -> None:
        with self._lock:
            self._held -= len(rows)


def _kind(record: Record) -> str:
    return REQUESTS if isinstance(record, RecordedRow) else FEEDBACK


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _with_texts(record: Record, texts: Pair) -> Record:
    inputs, answer = (json.dumps(one, ensure_ascii=False) for one in texts)
    if isinstance(record, FeedbackRow):
        return replace(record, label=answer)
    return replace(record, inputs=inputs, answer=answer)


def _parquet(file: _File) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = requests_schema() if file.kind == REQUESTS else feedback_schema()
    table = pa.Table.from_pylist([asdict(row) for row in file.rows], schema=schema)
    content = io.BytesIO()
    pq.write_table(table, content, compression="zstd")
    return content.getvalue()
