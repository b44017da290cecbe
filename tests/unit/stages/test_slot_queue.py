"""Which run is given a slot, and what those say that wait."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from tasks.stages.slot_queue import PASSED_OVER_AFTER_S, Queue, Waiter, held_by, may_take, told

START = datetime(2026, 11, 27, 20, 0, tzinfo=UTC)
moments = st.integers(0, 5).map(lambda minutes: START + timedelta(minutes=minutes))
waiters = st.lists(st.builds(Waiter, st.uuids(), moments), unique_by=lambda waiter: waiter.run_id)


def test_the_run_that_began_first_is_at_the_head() -> None:
    late, early = UUID(int=1), UUID(int=2)
    queue = Queue.of([Waiter(late, START + timedelta(seconds=1)), Waiter(early, START)])
    assert queue.run_ids == (early, late)
    assert (queue.ahead_of(early), queue.ahead_of(late)) == (0, 1)
    assert queue.ahead_of(None) == 2
    assert queue.ahead_of(UUID(int=3)) == 2


@given(waiters, st.integers(0, 4))
def test_exactly_as_many_runs_may_take_a_slot_as_are_free(runs: list[Waiter], free: int) -> None:
    queue = Queue.of(runs)
    taking = [one for one in queue.run_ids if may_take(free, queue.ahead_of(one), 0)]
    assert len(taking) == min(free, len(runs))
    assert taking == list(queue.run_ids)[: len(taking)]


@given(waiters)
def test_all_runs_see_one_order_whatever_order_they_are_told_in(runs: list[Waiter]) -> None:
    assert Queue.of(runs) == Queue.of(reversed(runs))


def test_a_run_that_sleeps_holds_nobody_back_for_long() -> None:
    assert not may_take(1, 1, PASSED_OVER_AFTER_S - 1)
    assert may_take(1, 1, PASSED_OVER_AFTER_S)
    assert not may_take(0, 0, 10 * PASSED_OVER_AFTER_S)


def test_what_is_said_names_limit_time_place_and_holders() -> None:
    held = held_by(["the run b", "the run a"])
    assert told("gpu", 1, START, (1, 2), held) == (
        "waits for the slot of the limit gpu since 2026-11-27 20:00 UTC, place 1 of 2 in the "
        "queue, held by the run a and the run b"
    )
    assert told("gpu", 3, START, (2, 2), held_by([])) == (
        "waits for one of 3 slots of the limit gpu since 2026-11-27 20:00 UTC, place 2 of 2 in "
        "the queue, held by others"
    )
