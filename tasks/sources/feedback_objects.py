"""Which recorded objects a feedback source is made of: those that hold what is learned from.

A served line records requests all the time, and most of them nobody labels. An object of requests
belongs to the source if feedback names one of its rows, so that new traffic alone makes no other
source of it. Recorded objects are never changed.
"""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from infra.errors import DataError
from infra.store import ObjectStore
from tasks.records.recorded_requests import FEEDBACK, REQUESTS, counts, hour_folder
from tasks.sources.request_index import objects_holding
from tasks.sources.settings import FeedbackSource

_PARQUET: Final = ".parquet"
# Of objects that are read at once; each has at most some thousand rows.
_READERS: Final = 8
# By how much the clocks of two processes that serve may differ.
_CLOCKS: Final = timedelta(hours=1)


class _Said(NamedTuple):
    """What counts of an object of feedback."""

    uri: str
    request_ids: frozenset[str]
    newest: datetime


def feedback_objects(settings: FeedbackSource, store: ObjectStore) -> list[str]:
    """Addresses of the feedback that counts, and of the recorded requests that it names.

    Requests are looked through up to the hour of the newest feedback alone: nobody labels an answer
    that is yet to come.

    Raises:
        DataError: nobody whose feedback counts has sent any yet, or an object cannot be read.

    """
    with ThreadPoolExecutor(_READERS) as pool:
        read = pool.map(partial(_read_said, settings, store), _recorded(FEEDBACK, settings, store))
        said = [one for one in read if one]
        if not said:
            by = f" by {' or '.join(settings.by)}" if settings.by else ""
            raise DataError(
                f"source.line: no feedback on {settings.line}{by} lies in the store; "
                f"`assayline serve {settings.line}` records what is sent to /feedback"
            )
        named = frozenset[str]().union(*(one.request_ids for one in said))
        last = max(one.newest for one in said) + _CLOCKS
        until = store.uri(*hour_folder(REQUESTS, settings.line, last))
        asked = [
            uri
            for uri in _recorded(REQUESTS, settings, store)
            if uri.rpartition("/")[0] <= until
        ]  # fmt: skip
        today = datetime.now(UTC).date()
        requests = objects_holding(named, settings.line, asked, today, store, pool)
    return [*(one.uri for one in said), *requests]


def _recorded(kind: str, settings: FeedbackSource, store: ObjectStore) -> list[str]:
    found = store.list(store.uri(kind, settings.line, ""))
    return [uri for uri in found if uri.endswith(_PARQUET)]


def _read_said(settings: FeedbackSource, store: ObjectStore, uri: str) -> _Said | None:
    """The requests that an object of feedback names; None where nothing in it counts."""
    table = _read(uri, ("request_id", "by", "received_at"), store)
    counted = [row for row in table.to_pylist() if counts(row["by"], settings.by)]
    if not counted:
        return None
    ids = frozenset(row["request_id"] for row in counted if row["request_id"])
    # Of a row that does not say when it came, any request may be meant.
    return _Said(uri, ids, max(row["received_at"] or datetime.now(UTC) for row in counted))


def _read(uri: str, names: tuple[str, ...], store: ObjectStore) -> pa.Table:
    try:
        return pq.read_table(pa.BufferReader(store.get_bytes(uri)), columns=list(names))
    except (pa.ArrowInvalid, KeyError, OSError) as error:
        raise DataError(f"{uri} cannot be read as a record of requests: {error}") from error
