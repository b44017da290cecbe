"""The labels that came for recorded rows: which rows have one, and what the latest one says."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from infra.store import ObjectStore
from tasks.monitoring.recorded_rows import batches_of
from tasks.monitoring.samples import Keys, keys_of
from tasks.records.recorded_requests import (
    FEEDBACK,
    SaidLabel,
    counts,
    feedback_schema,
    hour_folder,
    hours_between,
    keep_newest,
)

if TYPE_CHECKING:
    import pyarrow as pa

    Flags = np.ndarray[tuple[int], np.dtype[np.bool_]]


@dataclass(frozen=True)
class CameLabels:
    """Feedback of some hours, of any window.

    Attributes:
        uris: of the objects that were read.
        rows: of feedback that counts.
        keys: hashes of the rows that it names, sorted, each once.
        by: whose feedback counts; none: everybody's.

    """

    uris: tuple[str, ...]
    rows: int
    keys: Keys
    by: tuple[str, ...] = ()


def find_labels(
    line: str,
    start: datetime,
    until: datetime,
    seed: int,
    store: ObjectStore,
    by: tuple[str, ...] = (),
) -> CameLabels:
    """The feedback that came from a window's start on; nobody labels a row that is yet to come.

    Args:
        line: that was served.
        start: of the window, UTC.
        until: what came from this hour on is not read.
        seed: of the hash.
        store: holds the feedback.
        by: whose feedback counts; none: everybody's.

    Raises:
        DataError: an object is not what was to be recorded.
        StoreError: the store cannot be asked.

    """
    uris: list[str] = []
    for hour in hours_between(start, until):
        uris += store.list(store.uri(*hour_folder(FEEDBACK, line, hour)) + "/")
    found, rows = [np.zeros(0, np.uint64)], 0
    for uri in uris:
        for batch in batches_of(uri, ("request_id", "row", "by"), store):
            keys = _keys_in(batch, seed)[counted_in(batch, by)]
            rows += len(keys)
            found.append(keys)
    return CameLabels(tuple(uris), rows, np.unique(np.concatenate(found)), by)


def latest_labels(came: CameLabels, wanted: Keys, seed: int, store: ObjectStore) -> dict[int, str]:
    """The newest label of each wanted row, as text, by the row's hash.

    Args:
        came: what was found.
        wanted: hashes of the rows, (W,).
        seed: of the hash.
        store: holds the feedback.

    Raises:
        DataError, StoreError: as `find_labels`.

    """
    latest: dict[int, SaidLabel] = {}
    for uri in came.uris:
        for batch in batches_of(uri, feedback_schema().names, store):
            keys = _keys_in(batch, seed)
            counted = np.isin(keys, wanted) & counted_in(batch, came.by)
            for at in np.flatnonzero(counted).tolist():
                when, label = (batch[name][at].as_py() for name in ("received_at", "label"))
                keep_newest(latest, int(keys[at]), SaidLabel.read(when, label, uri, at + 1))
    return {key: said.label for key, said in latest.items()}


def _keys_in(batch: "pa.RecordBatch", seed: int) -> Keys:
    return keys_of(batch["request_id"].to_pylist(), batch["row"].to_pylist(), seed)


def counted_in(batch: "pa.RecordBatch", by: tuple[str, ...]) -> "Flags":
    """Which rows of feedback count, (N,): those that one of these sent, or all without names."""
    if not by:
        return np.ones(batch.num_rows, np.bool_)
    return np.array([counts(one, by) for one in batch["by"].to_pylist()], np.bool_)


def class_of(text: str, column: str) -> str | None:
    """The label that feedback gives as JSON: ``"sport"`` or ``{COLUMN: "sport"}``; else None."""
    try:
        said = json.loads(text)
    except ValueError:
        return None
    if isinstance(said, Mapping):
        said = said.get(column)
    return said if isinstance(said, str) else None
