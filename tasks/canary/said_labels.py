"""The labels that came for the requests of a step: of each request what was said of it first.

A look may be the last one, so what one look has counted must not be something else at the next. So
of each request the labels count that came first, in one message; corrections of them, and labels of
its other rows that come later, do not.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from infra.store import ObjectStore
from tasks.canary.sequential import Ints
from tasks.monitoring.feedback import class_of, counted_in
from tasks.monitoring.recorded_rows import batches_of
from tasks.monitoring.samples import Keys, keys_of
from tasks.records.recorded_requests import (
    FEEDBACK,
    feedback_schema,
    hour_folder,
    hours_between,
)

SEED: Final = 0
UNKNOWN: Final = -1
_WHOLE_REQUEST: Final = 0


def request_keys(request_ids: list[str]) -> Keys:
    """Hash of each request, (N,)."""
    return keys_of(request_ids, [_WHOLE_REQUEST] * len(request_ids), SEED)


@dataclass(frozen=True)
class SaidLabels:
    """What was said first of each request, a row of a request each.

    Attributes:
        rows: hashes of the rows, sorted, (F,).
        labels: places in the label set, (F,); `UNKNOWN` of what is no label of it.
        at: when it was said, microseconds since 1970, (F,).
        by: whose feedback counts; none: everybody's.

    """

    rows: Keys
    labels: Ints
    at: Ints
    by: tuple[str, ...] = ()

    def find(self, rows: Keys) -> Ints:
        """Where each of these rows is named, (N,); -1 where none said anything of it."""
        if not len(self.rows):
            return np.full(len(rows), -1)
        places = np.searchsorted(self.rows, rows).clip(max=len(self.rows) - 1)
        return np.where(self.rows[places] == rows, places, -1)


def no_labels() -> SaidLabels:
    """Of a line whose answers are not held against labels."""
    return SaidLabels(np.zeros(0, np.uint64), np.zeros(0, np.int64), np.zeros(0, np.int64))


def read_labels(
    line: str,
    since: datetime,
    until: datetime,
    column: str,
    names: tuple[str, ...],
    by: tuple[str, ...],
    store: ObjectStore,
) -> SaidLabels:
    """Read the feedback that came in a span of time.

    Memory holds 32 bytes of each row of feedback.

    Args:
        line: that was served.
        since: nobody labels a request before it is asked.
        until: what came from here on is not read.
        column: that a label may be named by, as in the rows of the task type.
        names: the label set.
        by: whose feedback counts; none: everybody's.
        store: holds the feedback.

    Raises:
        DataError: an object is not what was to be recorded.
        StoreError: the store cannot be asked.

    """
    ids = {name: place for place, name in enumerate(sorted(names))}
    found = [np.zeros((4, 0), np.int64)]
    for hour in hours_between(since, until):
        for uri in store.list(store.uri(*hour_folder(FEEDBACK, line, hour)) + "/"):
            batches = batches_of(uri, feedback_schema().names, store)
            counted = (batch.filter(pa.array(counted_in(batch, by))) for batch in batches)
            found.extend(_rows_of(batch, column, ids) for batch in counted)
    rows = np.concatenate(found, axis=1)
    first, last = (microseconds(moment) for moment in (since, until))
    came = _first_said(rows[:, (rows[3] >= first) & (rows[3] < last)])
    return replace(came, by=by)


def _rows_of(batch: pa.RecordBatch, column: str, ids: dict[str, int]) -> NDArray[np.int64]:
    """Request, row, label and moment of each row of feedback, (4, N)."""
    requests = batch["request_id"].to_pylist()
    rows = keys_of(requests, batch["row"].to_pylist(), SEED)
    labels = [
        ids.get(class_of(text or "", column) or "", UNKNOWN) for text in batch["label"].to_pylist()
    ]
    moments = batch["received_at"].cast("int64").fill_null(-1).to_numpy(zero_copy_only=False)
    # Of no rows at all the type must be said, or hashes become inexact numbers.
    named = request_keys(requests).view(np.int64), rows.view(np.int64)
    return np.stack([*named, np.array(labels, np.int64), moments])


def _first_said(rows: NDArray[np.int64]) -> SaidLabels:
    """Of each request the rows of its first moment; of two labels of a row the greater text."""
    requests, names, labels, moments = rows
    order = np.lexsort((-labels, names, moments, requests))
    requests, names, labels, moments = rows[:, order]
    _, starts, lengths = np.unique(requests, return_index=True, return_counts=True)
    is_first = moments == np.repeat(moments[starts], lengths)
    names, labels, moments = names[is_first], labels[is_first], moments[is_first]
    kept, places = np.unique(names.view(np.uint64), return_index=True)
    return SaidLabels(kept, labels[places], moments[places])


def microseconds(moment: datetime) -> int:
    """Since 1970."""
    return round(moment.timestamp() * 1_000_000)
