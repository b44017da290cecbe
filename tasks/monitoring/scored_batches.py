"""Rows of scored batches, found by the indices that scoring leaves by hour."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from pydantic import TypeAdapter, ValidationError

from infra.errors import DataError
from infra.store import ObjectStore
from tasks.records.recorded_requests import hour_folder
from tasks.records.scoring import SCORED, ScoredObject

_READ: Final = TypeAdapter(ScoredObject)


def scored_objects(line: str, hour: datetime, store: ObjectStore) -> Iterator[ScoredObject]:
    """What was scored in an hour.

    Raises:
        DataError: an index cannot be read.
        StoreError: the store cannot be asked.

    """
    for uri in store.list(store.uri(*hour_folder(SCORED, line, hour)) + "/"):
        if not uri.endswith(".json"):
            continue
        try:
            yield _READ.validate_json(store.get_bytes(uri))
        except ValidationError as error:
            raise DataError(
                f"{uri} is no index of a scored object ({error.error_count()} fields are wrong)"
            ) from error
