"""The anchor: the best version that was ever in production, which every candidate is held against.

The champion moves with each promotion, so that small losses add up. The anchor moves in three ways:

- to a promoted version that was shown to be better than it, on the same rows;
- to a version that a person promotes by `assayline promote`: by that person's word, in the ledger;
- back with a rollback, to what it was when the version that is gone back to was in production.

So nothing but a person's named decision lowers it. Numbers of two evaluations are of two sets of
rows, and are never held against each other: a version is better by a comparison, or it is not.
"""

from collections.abc import Iterable, Sequence

from infra.errors import PromotionError
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.evaluation import Champion, Comparison
from tasks.records.registry import LedgerEntry
from tasks.registry.champion import comparator_of, last_other_than
from tasks.registry.ledger import MOVED_OUTSIDE, OVERRIDDEN, ROLLED_BACK
from tasks.registry.line_state import LineState
from tasks.registry.outside_moves import refusal
from tasks.registry.version_tags import WEIGHTS_TAG
from tasks.verdicts import Verdict


def anchor_after(entries: Iterable[LedgerEntry]) -> int | None:
    """The anchor by a ledger; None before a version was in production.

    Of a ledger that an earlier release wrote, it is the version that was first in production, until
    a candidate is shown to be better.

    Args:
        entries: of one line, oldest first.

    """
    anchor: int | None = None
    while_in_production: dict[int, int] = {}
    for entry in entries:
        version = entry.to_version
        if entry.action == MOVED_OUTSIDE or version is None:
            continue
        if entry.action == ROLLED_BACK:
            anchor = while_in_production.get(version, anchor)
        elif entry.action == OVERRIDDEN:
            anchor = version
        elif entry.anchor_version is not None:
            anchor = entry.anchor_version
        anchor = version if anchor is None else anchor
        while_in_production[version] = anchor
    return anchor


def anchor_for(
    line: str, weights_sha256: str, *, store: ObjectStore, tracking: Tracking
) -> Champion | None:
    """The anchor that a candidate of these weights is compared with.

    Raises:
        IntegrityError, PromotionError, StoreError, TrackingError: as `champion_for`.

    """
    state = LineState(line, store, tracking)
    if state.in_doubt:
        raise PromotionError(refusal(state, tracking))
    return anchor_of(state, weights_sha256, store, tracking)


def anchor_of(
    state: LineState, weights_sha256: str, store: ObjectStore, tracking: Tracking
) -> Champion | None:
    """As `anchor_for`, of a line that was read already.

    A run that repeats itself asks for the anchor of before its own promotion, as it does for the
    champion of before. One whose version is gone from the registry stays the anchor: it cannot be
    compared with, and its gates are undetermined, until a person promotes a version.

    Raises:
        IntegrityError: as `champion_of`.

    """
    _, _, history = last_other_than(state, WEIGHTS_TAG, weights_sha256, tracking)
    version = anchor_after(history)
    if version is None:
        return None
    known = tracking.known_version(state.line, version)
    return comparator_of(state, version, known.tags, store) if known else _lost(state.line, version)


def _lost(line: str, version: int) -> Champion:
    return Champion(line, version, "")


def anchor_with(
    candidate: int, history: Sequence[LedgerEntry], comparisons: Sequence[Comparison]
) -> int:
    """The anchor once a candidate is promoted: the candidate where it was shown to be better.

    It must be superior in the leading metric, by interval and test, and be worse in none.

    Args:
        candidate: its version.
        history: the ledger before the promotion, oldest first.
        comparisons: of the candidate, with the anchor among others, the leading metric first.

    """
    before = anchor_after(history)
    superior = [
        claim.verdict
        for one in comparisons
        if one.comparator == "anchor"
        for claim in one.claims
        if claim.kind == "superiority"
    ]
    better = superior[:1] == [Verdict.PASS] and Verdict.FAIL not in superior
    return candidate if before is None or better else before
