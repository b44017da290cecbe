"""What a person decides: to go back, or to promote a version against or without a verdict."""

from infra.errors import PromotionError
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.registry import LedgerEntry
from tasks.registry.ledger import OVERRIDDEN, ROLLED_BACK, Recorded
from tasks.registry.outcomes import moves
from tasks.registry.reconciliation import settle_by_setting
from tasks.registry.settings import OnOutsideMove
from tasks.registry.staging import load_test
from tasks.registry.transitions import (
    VERDICT_TAG,
    check_named,
    evidence_of,
    is_same_request,
    record,
)
from tasks.verdicts import Verdict


def roll_back_line(
    line: str,
    by: str,
    reason: str,
    *,
    store: ObjectStore,
    tracking: Tracking,
    on_outside_move: OnOutsideMove = "refuse",
) -> LedgerEntry:
    """Swap ``production`` and ``previous``, after the previous version was seen to serve.

    A rollback by the same person for the same reason that was cut short by a crash is finished, not
    done a second time.

    Raises:
        PromotionError: there is nothing to go back to, the previous version does not serve, the
            ledger is not what was written, somebody else moved production at the same moment, or
            name or reason are empty.

    """
    check_named(by, reason)
    state, finished = settle_by_setting(line, on_outside_move, store=store, tracking=tracking)
    if finished and is_same_request(finished, ROLLED_BACK, by, reason):
        return finished.entry
    if finished and moves(finished.entry):
        raise PromotionError(_somebody_elses(finished))
    if state.production is None or state.previous is None or state.previous == state.production:
        raise PromotionError(
            f"{line} has no previous version to roll back to (production: "
            f"{state.production or 'none'}, previous: {state.previous or 'none'}); a rollback "
            "needs a line that was promoted twice"
        )
    load_test(line, state.previous, tracking)
    tags = tracking.version_tags(line, state.previous)
    return record(
        store,
        tracking,
        state,
        action=ROLLED_BACK,
        to_version=state.previous,
        candidate=state.previous,
        verdict=None,
        reason=reason.strip(),
        by=by.strip(),
        evidence=evidence_of(tags),
    ).entry


def override_promotion_of(
    line: str,
    version: int,
    by: str,
    reason: str,
    *,
    store: ObjectStore,
    tracking: Tracking,
    on_outside_move: OnOutsideMove = "refuse",
) -> LedgerEntry:
    """Put a version in production by a person's word, after it was seen to serve.

    The entry says so, with the name, the reason and the verdict that the version has, if any.

    Raises:
        PromotionError: the version is in production already or does not serve, the ledger is not
            what was written, or name or reason are empty.
        TrackingError: there is no such version.

    """
    check_named(by, reason)
    state, finished = settle_by_setting(line, on_outside_move, store=store, tracking=tracking)
    again = finished and is_same_request(finished, OVERRIDDEN, by, reason)
    if finished and again and state.production == version:
        return finished.entry
    tags = tracking.version_tags(line, version)
    if state.production == version:
        raise PromotionError(f"version {version} of {line} is in production already")
    load_test(line, version, tracking)
    verdict = tags.get(VERDICT_TAG)
    return record(
        store,
        tracking,
        state,
        action=OVERRIDDEN,
        to_version=version,
        candidate=version,
        verdict=Verdict(verdict) if verdict else None,
        reason=reason.strip(),
        by=by.strip(),
        evidence=evidence_of(tags),
    ).entry


def _somebody_elses(finished: Recorded) -> str:
    """What a person is told who asks to go back from what another one had under way."""
    entry = finished.entry
    now = "no version" if entry.to_version is None else f"version {entry.to_version}"
    return (
        f"a transition of {entry.line} was under way and is finished now: {entry.action}, by "
        f"{entry.by} ({entry.reason}); {now} is in production. This rollback moved nothing; start "
        "it again if it is still wanted"
    )
