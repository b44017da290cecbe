"""Writes the recorded requests of a step to the store, as servers would."""

import io
import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq

from infra.store import ObjectStore
from tasks.records.canary import CanaryStep
from tasks.records.recorded_requests import (
    FEEDBACK,
    REQUESTS,
    FeedbackRow,
    RecordedRow,
    feedback_schema,
    hour_folder,
    requests_schema,
)
from tasks.records.registry import Production

SINCE = datetime(2026, 3, 2, 5, 20, tzinfo=UTC)
WEIGHTS, OTHER_WEIGHTS = "c" * 64, "p" * 64
LABELS = ("business", "sport", "tech")


def canary(line: str, share: float = 0.25, number: int = 1) -> CanaryStep:
    """A step that began at `SINCE`: version 8 beside version 7."""
    since = SINCE.isoformat()
    return CanaryStep(line, 8, WEIGHTS, 7, number, share, since, since, "s3://ledger/1.json")


def versions(
    task_type: str = "classification",
    labels: Sequence[str] = LABELS,
    production_labels: Sequence[str] | None = None,
) -> tuple[Production, Production]:
    """The version in production and the candidate, as they are registered."""
    of_production = labels if production_labels is None else production_labels
    return (
        Production("tried", 7, OTHER_WEIGHTS, "m" * 64, task_type, tuple(of_production), 128, 0, 0),
        Production("tried", 8, WEIGHTS, "n" * 64, task_type, tuple(labels), 128, 0, 0),
    )


def answered(
    request: str,
    role: str,
    label: str = "sport",
    *,
    row: int = 0,
    minutes: float = 1.0,
    latency_ms: float = 20.0,
    error: str = "",
) -> RecordedRow:
    """A row that the version of a role answered, or did not."""
    version, weights = (7, OTHER_WEIGHTS) if role == "production" else (8, WEIGHTS)
    answer = "null" if error else json.dumps({"label": label, "score": 0.9})
    return RecordedRow(
        request, row, SINCE + timedelta(minutes=minutes), version, weights, role,  # type: ignore[arg-type]
        json.dumps({"text": "a goal"}), answer, None if error else 0.9, latency_ms, error,
    )  # fmt: skip


def many(
    role: str, count: int, failed: int = 0, slow: int = 0, **more: object
) -> list[RecordedRow]:
    """Requests of one row each, the first of which fail, and the last of which are slow."""
    prefix = more.pop("prefix", role)
    return [
        replace(
            answered(f"{prefix}-{place}", role, minutes=1 + place / 1_000, **more),  # type: ignore[arg-type]
            error="failed" if place < failed else "",
            latency_ms=3_000.0 if place >= count - slow else 20.0,
        )
        for place in range(count)
    ]


def write(
    store: ObjectStore, line: str, *rows: RecordedRow, schema: pa.Schema | None = None
) -> str:
    """One object of rows of one hour."""
    folder = hour_folder(REQUESTS, line, rows[0].received_at)
    return _put(store, folder, [asdict(row) for row in rows], schema or requests_schema())


def say(
    store: ObjectStore,
    line: str,
    labels: Iterable[tuple[str, int, str]],
    minutes: float = 2.0,
    by: str = "Ada",
) -> str:
    """Feedback on rows: request, row and label, said at one moment."""
    at = SINCE + timedelta(minutes=minutes)
    rows = [
        asdict(FeedbackRow(request, row, json.dumps(label), at, by))
        for request, row, label in labels
    ]
    return _put(store, hour_folder(FEEDBACK, line, at), rows, feedback_schema())


def _put(
    store: ObjectStore, folder: Sequence[str], rows: list[dict[str, object]], schema: pa.Schema
) -> str:
    content = io.BytesIO()
    kept = [{name: row[name] for name in schema.names} for row in rows]
    pq.write_table(pa.Table.from_pylist(kept, schema), content)
    uri = store.uri(*folder, f"{uuid.uuid4().hex}.parquet")
    store.put_bytes(uri, content.getvalue())
    return uri
