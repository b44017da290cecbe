"""Rows that wait for the model: their number is bounded, and they leave in batches by tokens."""

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tasks.records.registry import Production
from tasks.serving.settings import BatchSettings


class QueueFullError(Exception):
    """As many rows wait as may."""


class AnswerFailedError(Exception):
    """The model cannot answer a row; the message says why."""


class UnansweredError(Exception):
    """A row was not answered, and may be sent again."""


class NotAskedError(UnansweredError):
    """The model was not asked, since it stops serving; this says nothing of the model."""


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer and the version that gave it."""

    answer: Any
    production: Production


@dataclass(eq=False, slots=True)
class WaitingRow:
    """A row of a request.

    Attributes:
        inputs: column to value.
        tokens: that it counts for in a batch.
        answer: is set once it is answered, or cannot be.
        since: when it came, by the monotonic clock.
        alone: whether it goes to the model without others, since a batch with it failed.

    """

    inputs: dict[str, Any]
    tokens: int
    answer: "asyncio.Future[Answered]"
    since: float = field(default_factory=time.monotonic)
    alone: bool = False


class WaitingRows:
    """First come, first served; of one event loop.

    Args:
        batch: how many tokens are answered together, and how long a row waits for others.
        max_rows: that may wait.

    """

    def __init__(self, batch: BatchSettings, max_rows: int) -> None:
        self._batch, self._max_rows = batch, max_rows
        self._rows: deque[WaitingRow] = deque()
        self._tokens = 0
        self._came = asyncio.Event()
        self._gathering = asyncio.Lock()

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def tokens(self) -> int:
        """Of all that wait."""
        return self._tokens

    def put(self, rows: Sequence[tuple[dict[str, Any], int]]) -> list[WaitingRow]:
        """Add the rows of a request, inputs and tokens, all or none.

        Raises:
            QueueFullError: there is no room for all of them.

        """
        if len(self._rows) + len(rows) > self._max_rows:
            raise QueueFullError
        loop = asyncio.get_running_loop()
        waiting = [WaitingRow(inputs, tokens, loop.create_future()) for inputs, tokens in rows]
        self._rows.extend(waiting)
        self._changed(sum(row.tokens for row in waiting))
        return waiting

    def lose(self, rows: Iterable[WaitingRow], why: str) -> None:
        """Take back rows whose process ended with them: each may have ended it."""
        self.put_back(rows, why)

    def put_back(self, rows: Iterable[WaitingRow], why: str) -> None:
        """Take back rows whose batch failed: each is tried once more, alone, before all others."""
        for row in reversed(list(rows)):
            if row.answer.done():
                continue
            if row.alone:
                row.answer.set_exception(UnansweredError(why))
                continue
            row.alone = True
            self._rows.appendleft(row)
            self._changed(row.tokens)

    async def next_batch(self) -> list[WaitingRow]:
        """The rows that are answered together next; waits for one. It may be cancelled any time."""
        while True:
            async with self._gathering:
                while not self._rows:
                    await self._wait(None)
                while self._rows and self._tokens < self._batch.max_tokens:
                    left = self._rows[0].since + self._batch.max_wait_ms / 1000 - time.monotonic()
                    if left <= 0:
                        break
                    await self._wait(left)
                if batch := self._take():
                    return batch

    def refuse_all(self, why: str) -> None:
        """Say of every row that waits that it is not answered."""
        for row in self._rows:
            if not row.answer.done():
                row.answer.set_exception(NotAskedError(why))
        self._changed(-self._tokens)
        self._rows.clear()

    async def _wait(self, timeout_s: float | None) -> None:
        self._came.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._came.wait()

    def _take(self) -> list[WaitingRow]:
        batch: list[WaitingRow] = []
        tokens = 0
        while self._rows:
            row = self._rows[0]
            if row.answer.done():  # whoever asked has gone, or was told that it takes too long
                self._pop()
                continue
            if batch and (row.alone or tokens + row.tokens > self._batch.max_tokens):
                break
            batch.append(self._pop())
            tokens += row.tokens
            if row.alone:
                break
        return batch

    def _pop(self) -> WaitingRow:
        row = self._rows.popleft()
        self._tokens -= row.tokens
        return row

    def _changed(self, tokens: int) -> None:
        self._tokens += tokens
        self._came.set()


class CandidateRows(WaitingRows):
    """Rows of a candidate, behind which the version in production stands."""

    def __init__(self, batch: BatchSettings, max_rows: int) -> None:
        super().__init__(batch, max_rows)
        self._ended = ""

    def put(self, rows: Sequence[tuple[dict[str, Any], int]]) -> list[WaitingRow]:
        """The same, until all are refused: nobody takes rows of an ended canary any more.

        Raises:
            NotAskedError: all were refused.
            QueueFullError: there is no room for all of them.

        """
        if self._ended:
            raise NotAskedError(self._ended)
        return super().put(rows)

    def refuse_all(self, why: str) -> None:
        """Say of every row that waits, and of each that comes, that it is not answered."""
        self._ended = why
        super().refuse_all(why)

    def lose(self, rows: Iterable[WaitingRow], why: str) -> None:
        """Say at once that they are not answered: production has not to wait for a new process."""
        for row in rows:
            if not row.answer.done():
                row.answer.set_exception(UnansweredError(why))
