"""The order in which runs that wait are given a slot, and what is said of the waiting."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from infra.run_queue import clock

# A run whose turn it is looks every few seconds; one that sleeps longer holds nobody back.
PASSED_OVER_AFTER_S = 30.0
WAITS = "waits for "  # how what a run that waits says begins


@dataclass(frozen=True)
class Waiter:
    """A flow run that waits for a slot, and when it began to run."""

    run_id: UUID
    began: datetime


@dataclass(frozen=True)
class Queue:
    """All runs that wait for a slot, the one that began first at the head."""

    run_ids: tuple[UUID, ...]

    @classmethod
    def of(cls, waiters: Iterable[Waiter]) -> "Queue":
        """Order runs by when they began; of two that began at once the lesser id is first."""
        ordered = sorted(waiters, key=lambda waiter: (waiter.began, waiter.run_id))
        return cls(tuple(waiter.run_id for waiter in ordered))

    def ahead_of(self, run_id: UUID | None) -> int:
        """How many runs are before this one; all of them where it does not stand in the queue."""
        return self.run_ids.index(run_id) if run_id in self.run_ids else len(self.run_ids)


def may_take(free: int, ahead: int, free_for_s: float) -> bool:
    """Whether it is a run's turn.

    Args:
        free: slots that nobody holds.
        ahead: runs that wait and began before it.
        free_for_s: seconds for which there have been free slots all the time.

    """
    return free > ahead or (free > 0 and free_for_s >= PASSED_OVER_AFTER_S)


def told(limit: str, slots: int, since: datetime, place: tuple[int, int], held: str) -> str:
    """What a run that waits says.

    Args:
        limit: the name of the concurrency limit.
        slots: how many slots it has.
        since: when the run began to wait, UTC.
        place: its place in the queue, from 1, and how many stand there.
        held: by whom the slots are held, in words.

    """
    which = "the slot" if slots == 1 else f"one of {slots} slots"
    number, of = place
    return (
        f"{WAITS}{which} of the limit {limit} since {clock(since)}, place {number} of {of} in "
        f"the queue, {held}"
    )


def held_by(holders: Sequence[str]) -> str:
    """Who holds the slots, as far as that is known."""
    return f"held by {' and '.join(sorted(holders))}" if holders else "held by others"
