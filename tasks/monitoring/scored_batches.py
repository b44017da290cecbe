"""Rows of scored batches, found by the indices that scoring leaves by hour."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from infra.errors import DataError
from infra.store import Artifact, ObjectStore
from tasks.records.recorded_requests import SCORED, hour_folder


@dataclass(frozen=True)
class ScoredObject:
    """Predictions of one input object, or of a part of it.

    Attributes:
        artifact: Parquet with the input columns, the fields of the answer, and version.
        key: names it among all, and its rows with it.
        version: that answered.
        input_columns: what the model read.
        answer_columns: fields of the answer, for example label and score.

    """

    artifact: Artifact
    key: str
    version: int
    weights_sha256: str
    input_columns: tuple[str, ...]
    answer_columns: tuple[str, ...]


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
            yield from _objects_in(json.loads(store.get_bytes(uri)), uri)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DataError(f"{uri} is no index of a scored object ({error!r})") from error


def _objects_in(index: Mapping[str, Any], uri: str) -> Iterator[ScoredObject]:
    name = uri.rpartition("/")[2].removesuffix(".json")
    for place, one in enumerate(index["predictions"]):
        yield ScoredObject(
            Artifact(str(one["uri"]), str(one["sha256"]), 0),
            f"{name}-{place}",
            int(index["version"]),
            str(index["weights_sha256"]),
            tuple(map(str, index["input_columns"])),
            tuple(map(str, index["answer_columns"])),
        )
