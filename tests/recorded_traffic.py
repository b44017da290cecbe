"""Writes recorded requests, feedback and scored batches to the store, as a server would."""

import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from infra.store import ObjectStore
from tasks.records.recorded_requests import (
    FEEDBACK,
    REQUESTS,
    feedback_schema,
    hour_folder,
    requests_schema,
)
from tasks.records.scoring import ScoredObject
from tasks.serving.scoring.kept_scores import index_uri

WEIGHTS = "w" * 64


class Asked(NamedTuple):
    """One row of a request, and what was answered."""

    inputs: Mapping[str, Any]
    answer: Mapping[str, Any]


def write_requests(
    store: ObjectStore,
    line: str,
    hour: datetime,
    asked: Sequence[Asked],
    *,
    version: int = 1,
    weights_sha256: str = WEIGHTS,
    role: str = "production",
    rows_per_request: int = 1,
    writer: str = "writer",
    latency_ms: float = 12.0,
    error: str = "",
) -> list[str]:
    """Record rows of an hour; returns the request of each."""
    stamp = hour.strftime("%Y%m%d%H")
    requests = [f"{writer}-{stamp}-{place // rows_per_request}" for place in range(len(asked))]
    rows = [
        {
            "request_id": requests[place],
            "row": place % rows_per_request,
            "received_at": hour + timedelta(seconds=place % 3_600),
            "version": version,
            "weights_sha256": weights_sha256,
            "role": role,
            "inputs": json.dumps(dict(one.inputs), ensure_ascii=False),
            "answer": json.dumps(dict(one.answer), ensure_ascii=False),
            "confidence": one.answer.get("score"),
            "latency_ms": latency_ms,
            "error": error,
        }
        for place, one in enumerate(asked)
    ]
    _put(store, (*hour_folder(REQUESTS, line, hour), f"{writer}-0"), rows, requests_schema())
    return requests


def write_feedback(
    store: ObjectStore,
    line: str,
    hour: datetime,
    labels: Iterable[tuple[str, int, str]],
    *,
    writer: str = "writer",
    second: int = 0,
    by: str = "Ada",
) -> None:
    """Say the true label of rows: request, row and label."""
    rows = [
        {
            "request_id": request,
            "row": row,
            "label": json.dumps(label),
            "received_at": hour + timedelta(seconds=second),
            "by": by,
        }
        for request, row, label in labels
    ]
    _put(store, (*hour_folder(FEEDBACK, line, hour), f"{writer}-0"), rows, feedback_schema())


def write_scored(
    store: ObjectStore, line: str, hour: datetime, asked: Sequence[Asked], *, version: int,
    weights_sha256: str,
) -> None:  # fmt: skip
    """A scored input object with its index, as `flows/score.py` leaves them."""
    rows = [{**one.inputs, **one.answer, "version": version} for one in asked]
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer)
    content = buffer.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    written = store.put_bytes(store.uri("predictions", line, f"{digest}.parquet"), content)
    scored = ScoredObject(
        key=digest, line=line, version=version, weights_sha256=weights_sha256,
        manifest_sha256="", task_type="classification", input_uri="", input_fingerprint="",
        input_bytes=0, input_columns=tuple(asked[0].inputs), kept_columns=(),
        answer_columns=tuple(asked[0].answer), predictions=(written,), rows=len(asked),
        rows_put_aside=0, put_aside_by_reason={}, put_aside=None, scored_at=hour.isoformat(),
    )  # fmt: skip
    store.put_bytes(index_uri(scored, store), json.dumps(asdict(scored)).encode())


def hour_of(year: int, month: int, day: int, hour: int) -> datetime:
    """A full hour, UTC."""
    return datetime(year, month, day, hour, tzinfo=UTC)


def _put(
    store: ObjectStore, parts: Sequence[str], rows: list[dict[str, Any]], schema: pa.Schema
) -> None:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema), buffer)
    *folder, name = parts
    store.put_bytes(store.uri(*folder, f"{name}.parquet"), buffer.getvalue())
