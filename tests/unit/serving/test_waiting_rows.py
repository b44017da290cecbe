"""Rows that wait: none is lost, none waits too long, and a batch has no more tokens than it may."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.records.registry import Production
from tasks.serving.settings import BatchSettings
from tasks.serving.waiting_rows import Answered, QueueFullError, UnansweredError, WaitingRows

PRODUCTION = Production("line", 1, "w", "m", "classification", ("a",), 8, 0, 0)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def rows(*tokens: int) -> list[tuple[dict[str, Any], int]]:
    return [({"text": str(place)}, count) for place, count in enumerate(tokens)]


@given(tokens=st.lists(st.integers(1, 30), min_size=1, max_size=40), most=st.integers(1, 50))
def test_batches_hold_every_row_once_in_order_and_no_more_tokens_than_they_may(
    tokens: list[int], most: int
) -> None:
    async def work() -> None:
        waiting = WaitingRows(BatchSettings(max_tokens=most, max_wait_ms=0), 100)
        put = waiting.put(rows(*tokens))
        taken = []
        while len(waiting):
            batch = await waiting.next_batch()
            assert len(batch) == 1 or sum(row.tokens for row in batch) <= most
            taken += batch
        assert taken == put
        assert waiting.tokens == 0

    run(work())


def test_a_row_waits_for_others_no_longer_than_the_limit_and_not_at_all_for_a_full_batch() -> None:
    async def work() -> None:
        waiting = WaitingRows(BatchSettings(max_tokens=10, max_wait_ms=200), 100)
        waiting.put(rows(3))
        began = time.monotonic()
        assert len(await waiting.next_batch()) == 1
        assert 0.15 < time.monotonic() - began < 5
        waiting.put(rows(3))
        gathering = asyncio.create_task(waiting.next_batch())
        await asyncio.sleep(0.01)
        began = time.monotonic()
        waiting.put(rows(7))
        assert len(await gathering) == 2
        assert time.monotonic() - began < 0.15

    run(work())


def test_a_request_that_has_no_room_leaves_no_row_behind() -> None:
    async def work() -> None:
        waiting = WaitingRows(BatchSettings(), 3)
        waiting.put(rows(1, 1))
        with pytest.raises(QueueFullError):
            waiting.put(rows(1, 1))
        assert len(waiting) == 2

    run(work())


def test_rows_of_a_failed_batch_are_tried_alone_and_then_refused() -> None:
    async def work() -> None:
        waiting = WaitingRows(BatchSettings(max_wait_ms=0), 100)
        put = waiting.put(rows(1, 1))
        later = waiting.put(rows(1))
        waiting.put_back(await waiting.next_batch(), "it was killed")
        first, second = await waiting.next_batch(), await waiting.next_batch()
        assert (first, second) == (put[:1], put[1:])
        waiting.put_back(second, "it was killed again")
        with pytest.raises(UnansweredError, match="killed again"):
            await put[1].answer
        assert (await waiting.next_batch())[0].inputs == later[0].inputs

    run(work())


def test_whoever_has_gone_is_not_answered() -> None:
    async def work() -> None:
        waiting = WaitingRows(BatchSettings(max_wait_ms=0), 100)
        gone, there = waiting.put(rows(1, 1))
        gone.answer.cancel()
        assert await waiting.next_batch() == [there]
        there.answer.set_result(Answered({}, PRODUCTION))
        waiting.put_back([there], "too late")
        assert len(waiting) == 0

    run(work())


def test_a_batch_that_nobody_waits_for_any_more_is_left_in_the_queue() -> None:
    async def work() -> None:
        waiting = WaitingRows(BatchSettings(max_wait_ms=1000), 100)
        for _ in range(20):
            waiting.put(rows(1))
            gathering = asyncio.create_task(waiting.next_batch())
            await asyncio.sleep(0)
            gathering.cancel()
            await asyncio.wait((gathering,))
        assert len(waiting) == 20

    run(work())
