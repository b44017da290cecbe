"""The labels that came for recorded rows: which rows have one, and what the latest one says."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from infra.store import ObjectStore
from tasks.monitoring.recorded_rows import batches_of
from tasks.monitoring.samples import Keys, keys_of
from tasks.records.recorded_requests import (
    FEEDBACK,
    SaidLabel,
    feedback_schema,
    hour_folder,
    keep_newest,
)

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class CameLabels:
    """Feedback of some hours, of any window.

    Attributes:
        uris: of the objects that were read.
        rows: of feedback.
        keys: hashes of the rows that it names, sorted, each once.

    """

    uris: tuple[str, ...]
    rows: int
    keys: Keys


def find_labels(
    line: str, start: datetime, until: datetime, seed: int, store: ObjectStore
) -> CameLabels:
    """The feedback that came from a window's start on; nobody labels a row that is yet to come.

    Args:
        line: that was served.
        start: of the window, UTC.
        until: what came from this hour on is not read.
        seed: of the hash.
        store: holds the feedback.

    Raises:
        DataError: an object is not what was to be recorded.
        StoreError: the store cannot be asked.

    """
    uris: list[str] = []
    hour = start
    while hour < until:
        uris += store.list(store.uri(*hour_folder(FEEDBACK, line, hour)) + "/")
        hour += timedelta(hours=1)
    found, rows = [np.zeros(0, np.uint64)], 0
    for uri in uris:
        for batch in batches_of(uri, ("request_id", "row"), store):
            rows += batch.num_rows
            found.append(_keys_in(batch, seed))
    return CameLabels(tuple(uris), rows, np.unique(np.concatenate(found)))


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
            for at in np.flatnonzero(np.isin(keys, wanted)).tolist():
                when, label = (batch[name][at].as_py() for name in ("received_at", "label"))
                keep_newest(latest, int(keys[at]), SaidLabel.read(when, label, uri, at + 1))
    return {key: said.label for key, said in latest.items()}


def _keys_in(batch: "pa.RecordBatch", seed: int) -> Keys:
    return keys_of(batch["request_id"].to_pylist(), batch["row"].to_pylist(), seed)


def class_of(text: str, column: str) -> str | None:
    """The label that feedback gives as JSON: ``"sport"`` or ``{COLUMN: "sport"}``; else None."""
    try:
        said = json.loads(text)
    except ValueError:
        return None
    if isinstance(said, Mapping):
        said = said.get(column)
    return said if isinstance(said, str) else None
