"""How far a scoring run is, as it is told while it goes on."""

import time
from collections.abc import Callable, Iterable
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.serving.scoring.inputs import InputObject
from tasks.sources.settings import S3_SCHEME

# Takes a percentage and words.
Progress = Callable[[float, str], None]
TOLD_EVERY_S: Final = 2.0
_MINUTE_S: Final = 60


class ScoringProgress:
    """Counts what is done, and tells it now and then, with the time that is left.

    How many rows an object has is known of a local Parquet file, and of others once they were read.
    Before that its size stands for them, over the bytes that a row has had so far.
    """

    def __init__(self, tell: Progress, objects: Iterable[InputObject]) -> None:
        self._tell = tell
        self.rows = 0
        self._known = {one.file.uri: rows for one in objects if (rows := _rows_of(one)) is not None}
        self._sizes = {one.file.uri: one.file.size_bytes for one in objects}
        self._seen_rows = self._seen_bytes = 0
        self._begun_s = time.monotonic()
        self._told_s = 0.0

    def read_some(self, one: InputObject, rows: pa.Table) -> None:
        """Some more rows of an object were read."""
        if one.file.uri not in self._known:
            self._seen_rows += rows.num_rows
            self._seen_bytes += rows.nbytes

    def read_all(self, one: InputObject, rows: int) -> None:
        """An object was read to its end, and had so many rows to score."""
        self._known[one.file.uri] = rows

    def scored(self, rows: int) -> None:
        """Rows are done."""
        self.rows += rows
        now_s = time.monotonic()
        if now_s - self._told_s >= TOLD_EVERY_S:
            self._told_s = now_s
            self._tell(*self.words(now_s - self._begun_s))

    def words(self, seconds: float) -> tuple[float, str]:
        """Percentage and words after so many seconds."""
        rate = self.rows / max(seconds, 1e-9)
        unknown = sum(size for uri, size in self._sizes.items() if uri not in self._known)
        estimated = unknown * self._seen_rows / max(self._seen_bytes, 1)
        total = max(sum(self._known.values()) + estimated, self.rows)
        left_s = (total - self.rows) / max(rate, 1e-9)
        return 100 * self.rows / max(total, 1), (
            f"{self.rows:,} of {'about ' if unknown else ''}{total:,.0f} rows, {rate:,.0f} rows a "
            f"second, {_time(left_s)} left"
        )


def _rows_of(one: InputObject) -> int | None:
    if one.format != "parquet" or one.file.uri.startswith(S3_SCHEME):
        return None
    try:
        return int(pq.read_metadata(one.file.uri).num_rows)
    except (OSError, pa.ArrowException):
        return None  # who reads it says why


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 2 * _MINUTE_S else f"{seconds / _MINUTE_S:.0f} min"
