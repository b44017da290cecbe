"""Which version each alias names by the ledger: a function of its entries alone."""

from collections.abc import Iterable
from dataclasses import dataclass

from tasks.records.registry import LedgerEntry
from tasks.registry.ledger import (
    ACCEPTED,
    MOVED_OUTSIDE,
    OVERRIDDEN,
    PROMOTED,
    RESTORED,
)


@dataclass(frozen=True)
class Outcome:
    """The versions under the aliases after an entry; None where the alias is not set.

    Attributes:
        production: what is served.
        previous: what a rollback leads to.
        staging: what was proven to serve last; a candidate that was staged since may have taken
            the alias over.

    """

    production: int | None = None
    previous: int | None = None
    staging: int | None = None

    @property
    def served(self) -> tuple[int | None, int | None]:
        """Production and the way back: what nobody but the ledger moves."""
        return self.production, self.previous


def outcome_of(entries: Iterable[LedgerEntry]) -> Outcome:
    """What a ledger comes to.

    Args:
        entries: of one line, oldest first.

    """
    now = Outcome()
    for entry in entries:
        now = _after(now, entry)
    return now


def agreed_outcome(entries: Iterable[LedgerEntry]) -> Outcome:
    """As `outcome_of`, before the moves outside at the ledger's end that nobody decided on yet."""
    known = list(entries)
    while known and known[-1].action == MOVED_OUTSIDE:
        known.pop()
    return outcome_of(known)


def moves(entry: LedgerEntry) -> bool:
    """Whether an entry puts another version in production."""
    return entry.to_version != entry.from_version


def _after(before: Outcome, entry: LedgerEntry) -> Outcome:
    if entry.action in {MOVED_OUTSIDE, ACCEPTED, RESTORED}:
        return Outcome(entry.to_version, entry.previous_version, before.staging)
    if not moves(entry):
        return before
    back = before.previous if entry.from_version is None else entry.from_version
    proven = entry.action in {PROMOTED, OVERRIDDEN}
    return Outcome(entry.to_version, back, entry.to_version if proven else before.staging)
