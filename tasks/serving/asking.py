"""A request, whom it is put to, and what each of them made of it."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

from tasks.records.recorded_requests import Role
from tasks.records.registry import Production
from tasks.serving.token_counts import TokenCounter
from tasks.serving.waiting_rows import Answered, WaitingRows

# Counting the tokens of more rows takes long enough to hold other requests up.
ROWS_COUNTED_AT_ONCE: Final = 8

Failure = Literal["", "failed", "unanswered"]


@dataclass(frozen=True)
class ServedRequest:
    """A request that was read.

    Attributes:
        id: by which its sender and its records name it.
        rows: input columns, a mapping each.
        received_at: when it came, UTC.
        began: the same by `time.perf_counter`.

    """

    id: str
    rows: Sequence[dict[str, Any]]
    received_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    began: float = field(default_factory=time.perf_counter)


@dataclass(frozen=True)
class Asked:
    """What a version made of a request.

    Attributes:
        role: what the version is to the line.
        version: which one.
        answers: in the order of the rows; none where it did not answer them all.
        error: why not: ``failed``, the model cannot answer one of them, or ``unanswered``, not in
            time or its process ended; empty where it did.
        latency_s: seconds from the request's arrival to the last answer or the failure; from when
            the version was asked, where another one was asked before it.

    """

    role: Role
    version: Production
    answers: tuple[Any, ...]
    error: Failure
    latency_s: float


Tell = Callable[[Asked], None]


async def ask(
    queue: WaitingRows, tokens: TokenCounter, rows: Sequence[dict[str, Any]]
) -> list[Answered]:
    """Answers in the order of the rows; the first that fails ends the waiting for all.

    Raises:
        AnswerFailedError, QueueFullError, UnansweredError: see there.

    """
    waiting = queue.put(await _counted(tokens, rows))
    try:
        return list(await asyncio.gather(*(row.answer for row in waiting)))
    finally:
        for row in waiting:
            row.answer.cancel()


async def _counted(
    tokens: TokenCounter, rows: Sequence[dict[str, Any]]
) -> list[tuple[dict[str, Any], int]]:
    """Each row with its tokens; many rows are counted beside the event loop."""
    if len(rows) <= ROWS_COUNTED_AT_ONCE:
        return [(row, tokens.count(row)) for row in rows]
    return await asyncio.to_thread(lambda: [(row, tokens.count(row)) for row in rows])


def of_one_version(answered: Sequence[Answered]) -> bool:
    """Whether no two rows were answered by two versions."""
    return len({one.production.version for one in answered}) <= 1
