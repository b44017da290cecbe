"""What each version made of a request: counted, and recorded where the request is sampled."""

import math
from typing import Any

from tasks.records.recorded_requests import RecordedRow
from tasks.serving.asking import Asked, ServedRequest
from tasks.serving.metrics import ServingMetrics
from tasks.serving.recording import Recorder, is_sampled


class RequestRecords:
    """Counts and records; of the server's event loop.

    A request that was refused because too many rows wait, or because the server ends, is not
    recorded: nobody asked a model, so that it says nothing of one.

    Args:
        recorder: that writes.
        metrics: that count.
        share: of the requests that are recorded.

    """

    def __init__(self, recorder: Recorder, metrics: ServingMetrics, share: float) -> None:
        self._recorder, self._metrics, self._share = recorder, metrics, share

    def keep(self, request: ServedRequest, asked: Asked) -> None:
        """Count what a version made of a request, and have it recorded: a row for each row."""
        named = (asked.role, str(asked.version.version))
        if asked.error:
            self._metrics.failed_rows.labels(*named, asked.error).inc(len(request.rows))
        else:
            self._metrics.rows.labels(*named).inc(len(request.rows))
            self._metrics.latency.labels(*named).observe(asked.latency_s)
        if not is_sampled(request.id, self._share):
            return
        answers = asked.answers or (None,) * len(request.rows)
        self._recorder.keep_request(
            [
                (
                    RecordedRow(
                        request.id, number, request.received_at, asked.version.version,
                        asked.version.weights_sha256, asked.role, "", "", confidence_of(answer),
                        asked.latency_s * 1000, asked.error,
                    ),
                    (row, answer),
                )
                for number, (row, answer) in enumerate(zip(request.rows, answers, strict=True))
            ]
        )  # fmt: skip


def confidence_of(answer: Any) -> float | None:
    """The score of an answer; None where it has none that is a number."""
    score = answer.get("score") if isinstance(answer, dict) else None
    if not isinstance(score, int | float) or isinstance(score, bool) or not math.isfinite(score):
        return None
    return float(score)
