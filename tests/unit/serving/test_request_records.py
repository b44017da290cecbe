"""What is counted and recorded of what a version made of a request."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tasks.records.recorded_requests import RecordedRow, Role
from tasks.records.registry import Production
from tasks.serving.asking import Asked, Failure, ServedRequest
from tasks.serving.metrics import ServingMetrics
from tasks.serving.recording import Pair, is_sampled
from tasks.serving.request_records import RequestRecords, confidence_of

NOW = datetime(2026, 11, 28, tzinfo=UTC)
VERSION = Production("films", 4, "w4", "m", "classification", ("a",), 16, 0, 0)
ROWS = [{"text": "a film"}, {"text": "another"}]
ANSWERS = ({"label": "a", "score": 0.5}, {"label": "a", "score": "high"})


class Kept:
    """Keeps what it is given in memory, since what is written is the recorder's own matter."""

    def __init__(self) -> None:
        self.rows: list[tuple[RecordedRow, Pair]] = []

    def keep_request(self, records: Any) -> None:
        self.rows += records


@pytest.mark.parametrize("role", ["production", "canary", "shadow"])
@pytest.mark.parametrize("error", ["", "failed", "unanswered"])
def test_each_row_says_who_was_asked_and_what_came_of_it(role: Role, error: Failure) -> None:
    kept, metrics = Kept(), ServingMetrics()
    records = RequestRecords(kept, metrics, 1.0)  # type: ignore[arg-type]
    answers = () if error else ANSWERS
    records.keep(ServedRequest("r-1", ROWS, NOW), Asked(role, VERSION, answers, error, 0.25))
    first, second = (row for row, _ in kept.rows)
    assert (first.request_id, first.row, second.row) == ("r-1", 0, 1)
    assert (first.role, first.version, first.weights_sha256) == (role, 4, "w4")
    assert (first.error, first.latency_ms, first.received_at) == (error, 250, NOW)
    assert (first.confidence, second.confidence) == (None if error else 0.5, None)
    assert [pair for _, pair in kept.rows] == list(zip(ROWS, answers or (None, None), strict=True))
    answered = metrics.rows.labels(role, "4")._value.get()
    assert answered == (0 if error else 2)
    if error:
        assert metrics.failed_rows.labels(role, "4", error)._value.get() == 2


def test_what_is_not_sampled_is_counted_alone() -> None:
    kept, metrics = Kept(), ServingMetrics()
    records = RequestRecords(kept, metrics, 0.5)  # type: ignore[arg-type]
    for number in range(40):
        request = ServedRequest(f"r-{number}", ROWS[:1], NOW)
        for role in ("production", "canary"):
            records.keep(request, Asked(role, VERSION, ANSWERS[:1], "", 0.1))
    assert metrics.rows.labels("canary", "4")._value.get() == 40
    by_role = [[row.request_id for row, _ in kept.rows if row.role == role]
               for role in ("production", "canary")]  # fmt: skip
    assert by_role[0] == by_role[1]  # a request whole: with what each version made of it
    assert set(by_role[0]) == {f"r-{n}" for n in range(40) if is_sampled(f"r-{n}", 0.5)}


@pytest.mark.parametrize("answer", ["a", {"label": "a"}, {"score": True}, {"score": float("nan")}])
def test_an_answer_without_a_score_has_no_confidence(answer: Any) -> None:
    assert confidence_of(answer) is None
