"""Which recorded requests stand in which object, so that those that feedback names are found.

Of a day that is over this is kept, so that a served line of months is not read whole at each look:
``request-index/LINE/YYYY-MM-DD.parquet`` holds a hash of each request of the day, with its object.
It follows from the objects alone, and is made anew where they are others.
"""

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from datetime import date, timedelta
from functools import partial
from itertools import groupby
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from infra.errors import DataError, MissingObjectError
from infra.store import ObjectStore

_FOLDER: Final = "request-index"
_OBJECTS: Final = b"assayline.objects"
_HASH_BYTES: Final = 8
# Records of a day may be written this long after its end.
_SETTLED: Final = timedelta(days=1)


def objects_holding(
    request_ids: Iterable[str],
    line: str,
    uris: Sequence[str],
    today: date,
    store: ObjectStore,
    pool: Executor,
) -> list[str]:
    """The objects that hold a row of one of these requests, in the order in which they are given.

    Two requests of one hash, of which there is one pair among billions, count as one.

    Args:
        request_ids: to be found.
        line: that was asked.
        uris: of recorded requests, sorted: ``.../requests/LINE/YYYY/MM/DD/HH/NAME``.
        today: in UTC.
        store: holds them.
        pool: that reads objects at the same time.

    Raises:
        DataError: an object is no record of requests.

    """
    wanted = pa.array(_hashes(request_ids), pa.uint64())
    found: list[str] = []
    for day, of_day in groupby(uris, _day_of):
        table = _requests_of(line, day, list(of_day), today, store, pool)
        held = table.filter(pc.is_in(table["request"], wanted))
        found += sorted(pc.unique(held["object"]).to_pylist())
    return found


def _requests_of(
    line: str, day: date, uris: list[str], today: date, store: ObjectStore, pool: Executor
) -> pa.Table:
    """The requests of a day, as they are kept or else read from its objects."""
    is_over = day + _SETTLED < today
    kept_at = store.uri(_FOLDER, line, f"{day}.parquet")
    objects = hashlib.sha256("\n".join(uris).encode()).hexdigest().encode()
    if is_over and (kept := _kept(kept_at, objects, store)) is not None:
        return kept
    tables = list(pool.map(partial(_read, store), uris))
    table = pa.concat_tables(tables).replace_schema_metadata({_OBJECTS: objects})
    if is_over:
        buffer = pa.BufferOutputStream()
        pq.write_table(table, buffer)
        store.put_bytes(kept_at, buffer.getvalue().to_pybytes())
    return table


def _kept(uri: str, objects: bytes, store: ObjectStore) -> pa.Table | None:
    """What is kept of a day; None where nothing is, or it is of other objects, or is broken."""
    try:
        table = pq.read_table(pa.BufferReader(store.get_bytes(uri)))
    except (MissingObjectError, pa.ArrowException, OSError):
        return None
    is_of_these = (table.schema.metadata or {}).get(_OBJECTS) == objects
    return table if is_of_these and {"object", "request"} <= set(table.column_names) else None


def _read(store: ObjectStore, uri: str) -> pa.Table:
    """The distinct requests of an object."""
    try:
        table = pq.read_table(pa.BufferReader(store.get_bytes(uri)), columns=["request_id"])
    except (pa.ArrowInvalid, KeyError, OSError) as error:
        raise DataError(f"{uri} cannot be read as a record of requests: {error}") from error
    ids = [one for one in pc.unique(table["request_id"]).to_pylist() if one]
    names = pa.DictionaryArray.from_arrays(np.zeros(len(ids), np.int32), [uri]).cast(pa.string())
    return pa.table({"object": names, "request": pa.array(_hashes(ids), pa.uint64())})


def _hashes(request_ids: Iterable[str]) -> list[int]:
    return [
        int.from_bytes(hashlib.blake2b(one.encode(), digest_size=_HASH_BYTES).digest())
        for one in request_ids
    ]


def _day_of(uri: str) -> date:
    try:
        year, month, day = map(int, uri.rsplit("/", 5)[1:4])
        return date(year, month, day)
    except ValueError as error:
        raise DataError(
            f"{uri} does not lie where requests are recorded, below the day and the hour; put it "
            "elsewhere"
        ) from error
