"""What is recorded, and what becomes of it where the store is away."""

import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.errors import StoreError
from tasks.records.recorded_requests import (
    FeedbackRow,
    RecordedRow,
    hour_folder,
    requests_schema,
)
from tasks.serving.metrics import ServingMetrics
from tasks.serving.recording import Pair, Recorder, is_sampled
from tasks.serving.settings import RecordSettings

LATE = datetime(2026, 12, 31, 23, 59, 59, 999_999, UTC)
NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC)


class Shelf:
    """Takes objects where it is not away; the fault is what these tests are about."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.is_away = False

    def uri(self, *parts: str) -> str:
        return "/".join(("s3://b", *parts))

    def put_bytes(self, uri: str, data: bytes) -> None:
        if self.is_away:
            raise StoreError("the store is away")
        self.objects[uri] = data

    def rows(self, kind: str) -> list[dict[str, Any]]:
        found = [pq.read_table(io.BytesIO(data)) for uri, data in sorted(self.objects.items())
                 if f"/{kind}/" in uri]  # fmt: skip
        return pa.concat_tables(found).to_pylist() if found else []


def keep_all(pairs: Sequence[Pair]) -> Sequence[Pair | None]:
    return pairs


def recorder(shelf: Shelf, redact: Any = keep_all, **settings: Any) -> Recorder:
    metrics = ServingMetrics()
    return Recorder("topics", RecordSettings(**settings), redact, shelf, metrics)  # type: ignore[arg-type]


def asked(place: int, at: datetime = LATE) -> list[tuple[RecordedRow, Pair]]:
    row = RecordedRow(f"r{place}", 0, at, 3, "w", "production", "", "", 0.5, 1.5)
    return [(row, ({"text": f"text {place}"}, {"label": "a"}))]


def dropped(one: Recorder, kind: str, reason: str) -> float:
    return one._metrics.not_recorded.labels(kind, reason)._value.get()


def test_rows_stand_in_the_file_of_their_hour() -> None:
    shelf = Shelf()
    one = recorder(shelf)
    one.start()
    one.keep_request(asked(1))
    one.keep_request(asked(2, NEW_YEAR))
    one.keep_feedback([(FeedbackRow("r1", 0, "", NEW_YEAR, "Ada"), ["a", "b"])])
    one.close()
    assert [uri.rsplit("/", 1)[0] for uri in sorted(shelf.objects)] == [
        "s3://b/feedback/topics/2027/01/01/00",
        "s3://b/requests/topics/2026/12/31/23",
        "s3://b/requests/topics/2027/01/01/00",
    ]
    first, second = shelf.rows("requests")
    assert (first["request_id"], first["received_at"], second["request_id"]) == ("r1", LATE, "r2")
    assert json.loads(first["inputs"]) == {"text": "text 1"}
    assert json.loads(first["answer"]) == {"label": "a"}
    (said,) = shelf.rows("feedback")
    assert (json.loads(said["label"]), said["by"]) == (["a", "b"], "Ada")
    assert (
        pq.read_schema(io.BytesIO(min(shelf.objects.items())[1])).names != requests_schema().names
    )


def test_a_store_that_is_away_loses_no_row_that_has_room_and_counts_the_others() -> None:
    shelf = Shelf()
    shelf.is_away = True
    one = recorder(shelf, max_buffered_rows=5, flush_s=0.1)
    for place in range(8):
        one.keep_request(asked(place))
    assert dropped(one, "requests", "full") == 3
    assert not one.keep_feedback([(FeedbackRow("r1", 0, "", LATE, ""), "a")])
    one._redact_some()
    assert not one._write()
    shelf.is_away = False
    assert one._write()
    assert [row["request_id"] for row in shelf.rows("requests")] == [f"r{n}" for n in range(5)]
    assert one.keep_feedback([(FeedbackRow("r1", 0, "", LATE, ""), "a")])


def test_what_a_store_does_not_take_at_the_end_is_counted(caplog: Any) -> None:
    shelf = Shelf()
    shelf.is_away = True
    one = recorder(shelf)
    one.start()
    one.keep_request(asked(1))
    one.close()
    assert dropped(one, "requests", "lost") == 1
    assert "1 recorded rows are lost" in caplog.text


def test_a_row_that_may_not_be_kept_or_could_not_be_searched_is_not() -> None:
    shelf = Shelf()
    one = recorder(shelf, redact=lambda pairs: [None] * len(pairs))
    one.start()
    one.keep_request(asked(1))
    one.close()
    assert (dropped(one, "requests", "privacy"), shelf.objects) == (1, {})

    def break_down(_pairs: Sequence[Pair]) -> Sequence[Pair | None]:
        raise ValueError("no such form")

    two = recorder(shelf, redact=break_down)
    two.start()
    two.keep_request(asked(1))
    two.close()
    assert (dropped(two, "requests", "privacy"), shelf.objects) == (1, {})


def test_a_row_that_could_not_be_searched_takes_no_other_along(caplog: Any) -> None:
    def search(pairs: Sequence[Pair]) -> Sequence[Pair | None]:
        if any(inputs == {"text": "text 1"} for inputs, _ in pairs):
            raise ValueError("cannot read 'text 1'")
        return pairs

    shelf = Shelf()
    one = recorder(shelf, redact=search)
    one.start()
    for place in range(4):
        one.keep_request(asked(place))
    one.close()
    assert [row["request_id"] for row in shelf.rows("requests")] == ["r0", "r2", "r3"]
    assert dropped(one, "requests", "privacy") == 1
    assert "ValueError" in caplog.text
    assert "text 1" not in caplog.text


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_the_share_of_sampled_requests(share: float) -> None:
    found = sum(is_sampled(f"request {number}", share) for number in range(4_000))
    assert found == pytest.approx(4_000 * share, abs=120)


def test_hours_are_of_utc() -> None:
    from datetime import timedelta, timezone

    there = NEW_YEAR.astimezone(timezone(timedelta(hours=8)))
    folder = hour_folder("requests", "topics", there)
    assert folder == ("requests", "topics", "2027", "01", "01", "00")
