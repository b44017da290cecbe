"""Whom a candidate is compared with."""

from collections.abc import Sequence
from typing import Final

from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records import Champion, LedgerEntry
from tasks.registry.ledger import OVERRIDDEN, PROMOTED
from tasks.registry.registration import WEIGHTS_TAG
from tasks.registry.transitions import LineState

TAKE_OVERS: Final = frozenset({PROMOTED, OVERRIDDEN})


def champion_for(
    line: str, weights_sha256: str, *, store: ObjectStore, tracking: Tracking
) -> Champion | None:
    """The version in production, or the one before it where production is the candidate itself.

    Raises:
        PromotionError: the ledger is not what was written.
        StoreError, TrackingError: a server is unreachable; that is never taken for "no champion".

    """
    return champion_of(LineState(line, store, tracking), weights_sha256, tracking)


def champion_of(state: LineState, weights_sha256: str, tracking: Tracking) -> Champion | None:
    """As `champion_for`, of a line that was read already.

    A version with the candidate's own weights is no rival: the run repeats itself. The question
    is then whom that version took over from, by the ledger, and so on back to other weights. So
    a repeated run asks for the same comparison as the first one, and is found in the cache.
    """
    version, history = state.production, [recorded.entry for recorded in state.history]
    while version is not None:
        sha256 = tracking.version_tags(state.line, version).get(WEIGHTS_TAG, "")
        if sha256 != weights_sha256:
            return Champion(state.line, version, sha256)
        version, history = _taken_over_from(history, version)
    return None


def _taken_over_from(
    history: Sequence[LedgerEntry], version: int
) -> tuple[int | None, list[LedgerEntry]]:
    """The version before this one, and the ledger up to the moment when this one took over."""
    for index in range(len(history) - 1, -1, -1):
        entry = history[index]
        if entry.to_version == version != entry.from_version and entry.action in TAKE_OVERS:
            return entry.from_version, list(history[:index])
    return None, []
