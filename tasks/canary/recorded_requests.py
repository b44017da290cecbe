"""The recorded requests of a step, read hour by hour, and what is observed of each.

Memory holds some 60 bytes of each row of one hour, and the sums.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from infra.store import ObjectStore
from tasks.canary.said_labels import SEED, UNKNOWN, SaidLabels, request_keys
from tasks.canary.sequential import Floats, Ints
from tasks.monitoring.answers import labels_of, read_answer
from tasks.monitoring.recorded_rows import batches_of, is_answered
from tasks.monitoring.samples import Keys, keys_of
from tasks.records.canary import CanaryStep
from tasks.records.recorded_requests import REQUESTS, hour_folder, hours_between
from tasks.task_types.answer_columns import after_threshold, without_numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

_COLUMNS: Final = (
    "request_id", "row", "received_at", "version", "weights_sha256", "role", "latency_ms", "error",
    "answer",
)  # fmt: skip
# What two answers are compared by where there is nothing to compare.
NOTHING: Final = 0


@dataclass(frozen=True)
class Reading:
    """How the rows of a step are read.

    Attributes:
        weights: digests of the weights of the version in production and of the candidate.
        labels: what was said of them.
        names: the label sets of both, in the order of `SaidLabels.labels`.
        slow_ms: milliseconds beyond which an answer is slow.
        compared: whether answers are compared with each other.
        until: requests received from here on are not read.

    """

    step: CanaryStep
    weights: tuple[str, str]
    labels: SaidLabels
    names: tuple[str, ...]
    slow_ms: float
    compared: bool
    until: datetime


@dataclass(frozen=True)
class Rows:
    """Rows of one version in one hour.

    Attributes:
        requests: hash of the request of each, (N,); rows: of the row itself.
        at: when the request was received, microseconds since 1970, (N,).
        failed: 1 where it was not answered, (N,).
        slow: least and most that slowness can be, 0 or 1, (2, N).
        right: likewise whether the answer is the label; NaN where no label was said, (2, N).
        said_at: when the label was said, (N,); -1 where none was.
        answers: digests of what answers are compared by, (N,); `NOTHING` where there is none.

    """

    requests: Keys
    rows: Keys
    at: Ints
    failed: Floats
    slow: Floats
    right: Floats
    said_at: Ints
    answers: Keys

    def where(self, kept: NDArray[np.bool_]) -> "Rows":
        """Some of them."""
        return Rows(
            self.requests[kept], self.rows[kept], self.at[kept], self.failed[kept],
            self.slow[:, kept], self.right[:, kept], self.said_at[kept], self.answers[kept],
        )  # fmt: skip


@dataclass(frozen=True)
class Hour:
    """The rows of an hour.

    Attributes:
        strangers: rows under the number of either version, of other weights.

    """

    production: Rows
    candidate: Rows
    strangers: int


def read_hours(reading: Reading, store: ObjectStore) -> Iterator[Hour]:
    """The hours of a step, one after another.

    Raises:
        DataError: an object is not what was to be recorded.
        StoreError: the store cannot be asked.

    """
    since = datetime.fromisoformat(reading.step.since)
    for hour in hours_between(since, reading.until):
        yield _read_hour(reading, hour, since, store)


def _read_hour(reading: Reading, hour: datetime, since: datetime, store: ObjectStore) -> Hour:
    step, strangers = reading.step, 0
    found: tuple[list[Rows], list[Rows]] = [_no_rows()], [_no_rows()]
    role = "shadow" if step.is_shadow else "canary"
    asked = ("production", step.production), (role, step.version)
    for uri in store.list(store.uri(*hour_folder(REQUESTS, step.line, hour)) + "/"):
        for batch in batches_of(uri, _COLUMNS, store):
            inside = batch.filter(_is_within(batch, since, reading.until))
            for parts, of_version, weights in zip(found, asked, reading.weights, strict=True):
                named = inside.filter(_is(inside, *of_version))
                own = named.filter(pc.equal(named["weights_sha256"], weights))
                strangers += named.num_rows - own.num_rows
                parts.append(_rows_of(own, reading))
    return Hour(_joined(found[0]), _joined(found[1]), strangers)


def _is_within(batch: pa.RecordBatch, since: datetime, until: datetime) -> pa.BooleanArray:
    moments = batch["received_at"]
    first, last = (pa.scalar(one, moments.type) for one in (since, until))
    return pc.and_(pc.greater_equal(moments, first), pc.less(moments, last))


def _is(batch: pa.RecordBatch, role: str, version: int) -> pa.BooleanArray:
    is_of = pc.and_(pc.equal(batch["role"], role), pc.equal(batch["version"], version))
    return is_of.fill_null(False)  # noqa: FBT003


def _rows_of(batch: pa.RecordBatch, reading: Reading) -> Rows:
    requests = batch["request_id"].to_pylist()
    names = keys_of(requests, batch["row"].to_pylist(), SEED)
    answered = is_answered(batch).to_numpy(zero_copy_only=False)
    said = reading.labels.find(names)
    right, answers = np.full((2, len(names)), np.nan), np.zeros(len(names), np.uint64)
    if reading.compared or (said >= 0).any():
        for at in np.flatnonzero(reading.compared | (said >= 0)).tolist():
            answer = read_answer(batch["answer"][at].as_py()) if answered[at] else None
            if answered[at] and reading.compared:
                answers[at] = comparable(answer)
            if said[at] >= 0 and (label := int(reading.labels.labels[said[at]])) != UNKNOWN:
                right[:, at] = _is_right(answer, reading.names[label], answered=answered[at])
    has_label = ~np.isnan(right[0])
    return Rows(
        request_keys(requests),
        names,
        batch["received_at"].cast("int64").to_numpy(),
        np.where(answered, 0.0, 1.0),
        _slow(batch["latency_ms"], reading.slow_ms),
        right,
        np.where(has_label, reading.labels.at[said] if len(reading.labels.at) else -1, -1),
        answers,
    )


def _slow(latencies: pa.Array, slow_ms: float) -> Floats:
    known = latencies.cast("float64").fill_null(np.nan).to_numpy(zero_copy_only=False)
    slow = (known > slow_ms).astype(np.float64)
    return np.stack([np.where(np.isnan(known), 0.0, slow), np.where(np.isnan(known), 1.0, slow)])


def _is_right(answer: dict[str, Any] | None, label: str, *, answered: bool) -> tuple[float, float]:
    """Least and most that the score of a row can be: 1 where its answer is the label.

    A row that was not answered is wrong; an answer that cannot be read may be either.
    """
    if not answered:
        return 0.0, 0.0
    given = labels_of(answer) if answer else None
    if not given:
        return 0.0, 1.0
    score = float(given == (label,))
    return score, score


def comparable(answer: dict[str, Any] | None) -> int:
    """A digest of what two answers to a row are compared by: labels, texts and places.

    No two models give one number, so that scores and vectors are left out; `NOTHING` where that
    leaves nothing, or the answer cannot be read. Of classifiers, of which one abstains, by the
    label that the consumer reads.
    """
    kept = None if answer is None else without_numbers(after_threshold(answer))
    if not kept:
        return NOTHING
    text = json.dumps(kept, sort_keys=True)
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) or 1


def _no_rows() -> Rows:
    none, keys = np.zeros(0, np.int64), np.zeros(0, np.uint64)
    return Rows(
        keys, keys, none, np.zeros(0), np.zeros((2, 0)), np.zeros((2, 0)), none, keys
    )  # fmt: skip


def _joined(parts: "Sequence[Rows]") -> Rows:
    def all_of(name: str) -> Any:
        return np.concatenate([getattr(one, name) for one in parts], axis=-1)

    return Rows(
        all_of("requests"), all_of("rows"), all_of("at"), all_of("failed"), all_of("slow"),
        all_of("right"), all_of("said_at"), all_of("answers"),
    )  # fmt: skip
