"""What a ledger says of a canary: which one goes on, at which step, and what became of others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tasks.records.canary import CanaryStep
from tasks.registry.ledger import (
    BY_POLICY,
    CANARY_ADVANCED,
    CANARY_STARTED,
    CANARY_STOPPED,
    OVERRIDDEN,
    PROMOTED,
    REFUSED,
    REJECTED,
    Recorded,
)
from tasks.registry.outcomes import moves

BEGINNING: Final = frozenset({CANARY_STARTED, CANARY_ADVANCED})
# Of the candidate itself; each ends its canary, however it was decided.
ENDING: Final = frozenset({CANARY_STOPPED, PROMOTED, REFUSED, REJECTED, OVERRIDDEN})


@dataclass(frozen=True)
class OpenCanary:
    """A canary that no entry of its candidate has ended.

    Attributes:
        started: the entry that began its first step.
        steps: the entries that began further steps, in order.
        moved: the first entry since that put another version in production, which leaves nothing
            to compare the candidate with; None while production is what it was.

    """

    started: Recorded
    steps: tuple[Recorded, ...] = ()
    moved: Recorded | None = None

    @property
    def newest(self) -> Recorded:
        """The entry that began the step that it is at."""
        return self.steps[-1] if self.steps else self.started

    @property
    def version(self) -> int:
        """The candidate's number."""
        return self.started.entry.candidate_version

    @property
    def evidence(self) -> dict[str, str]:
        """What the candidate was judged by."""
        return self.started.entry.evidence

    @property
    def step(self) -> CanaryStep | None:
        """The step that it is at; None where production was moved since it began."""
        entry = self.newest.entry
        if self.moved or entry.to_version is None:
            return None
        return CanaryStep(
            line=entry.line,
            version=entry.candidate_version,
            weights_sha256=entry.evidence.get("weights", ""),
            production=entry.to_version,
            number=entry.step,
            share=entry.share,
            since=entry.at,
            started=self.started.entry.at,
            ledger_uri=self.newest.uri,
        )


def open_canary(history: Sequence[Recorded]) -> OpenCanary | None:
    """The canary that goes on by a ledger; None where none does.

    Args:
        history: entries of one line, oldest first, from the first step of the canary at least.

    """
    found: OpenCanary | None = None
    for recorded in history:
        found = _after(found, recorded)
    return found


def stopped_by_moves(history: Sequence[Recorded]) -> frozenset[int]:
    """Numbers of the entries that stopped a canary since production was moved, and say no more.

    Such a stop is no decision on the candidate: it may be tried again. Where a person stopped it,
    or a gate or a person refused it, that is one, whatever became of production.

    Args:
        history: the ledger of a line, oldest first.

    """
    numbers = set()
    found: OpenCanary | None = None
    for recorded in history:
        entry = recorded.entry
        by_move = entry.action == CANARY_STOPPED and entry.by == BY_POLICY
        if found and found.moved and by_move and _ends(found, recorded):
            numbers.add(recorded.number)
        found = _after(found, recorded)
    return frozenset(numbers)


def _after(found: OpenCanary | None, recorded: Recorded) -> OpenCanary | None:
    entry = recorded.entry
    if entry.action == CANARY_STARTED:
        return OpenCanary(recorded)
    if found is None or _ends(found, recorded):
        return None
    if entry.action == CANARY_ADVANCED:
        return OpenCanary(found.started, (*found.steps, recorded), found.moved)
    if moves(entry) and not found.moved:
        return OpenCanary(found.started, found.steps, recorded)
    return found


def _ends(found: OpenCanary, recorded: Recorded) -> bool:
    entry = recorded.entry
    return entry.candidate_version == found.version and entry.action in ENDING
