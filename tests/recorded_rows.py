"""What a served line has recorded, read from the store, for the tests."""

import io
from collections.abc import Collection
from typing import Any

import pyarrow.parquet as pq

from infra.store import ObjectStore
from tasks.records.recorded_requests import REQUESTS


def recorded_requests(line: str, store: ObjectStore, ids: Collection[str]) -> list[dict[str, Any]]:
    """The recorded rows of these requests, whatever their role."""
    wanted, found = set(ids), []
    for uri in store.list(store.uri(REQUESTS, line, "")):
        rows = pq.read_table(io.BytesIO(store.get_bytes(uri))).to_pylist()
        found += [row for row in rows if row["request_id"] in wanted]
    return found
