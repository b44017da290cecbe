"""A decision on aliases that were moved in MLflow: to put them back, or to accept the move."""

import logging
from typing import Final

from infra.errors import PromotionError
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.registry import LedgerEntry, Reconciliation
from tasks.registry.ledger import ACCEPTED, RESTORED, Recorded
from tasks.registry.line_state import LineState
from tasks.registry.outside_moves import describe, refusal
from tasks.registry.settings import OnOutsideMove
from tasks.registry.transitions import (
    bring_in_order,
    check_named,
    evidence_of_version,
    record,
    settle,
)

BY_SETTING: Final = "policy"

_log = logging.getLogger(__name__)


def reconcile_line(
    line: str,
    on_outside_move: OnOutsideMove,
    by: str,
    reason: str,
    *,
    store: ObjectStore,
    tracking: Tracking,
    login: str = "",
) -> Reconciliation:
    """Bring ledger and aliases of a line to say the same.

    A move outside is an entry of its own, whatever is decided; the decision is the next one.

    Args:
        line: the model line.
        on_outside_move: what is decided.
        by: who decides.
        reason: why.
        store: of the ledger.
        tracking: of the aliases.
        login: of who decides, as it was verified (`tasks.registry.rights`).

    Raises:
        PromotionError: it is refused; or what would be restored is no longer in MLflow; or the
            ledger is not what was written; or name or reason are empty.

    """
    check_named(by, reason)
    state, _ = bring_in_order(line, store, tracking)
    if not state.disputed:
        return Reconciliation(line, None)
    if on_outside_move == "refuse":
        raise PromotionError(refusal(state, tracking))
    what = describe(state, state.agreed.served, tracking)
    _log.warning("the aliases of %s were moved outside of the ledger: %s", line, what)
    decide = _accept if on_outside_move == "accept" else _restore
    entry = decide(state, by.strip(), reason.strip(), store, tracking, login)
    return Reconciliation(line, entry)


def settle_by_setting(
    line: str, on_outside_move: OnOutsideMove, *, store: ObjectStore, tracking: Tracking
) -> tuple[LineState, Recorded | None]:
    """As `tasks.registry.transitions.settle`, with the line's setting for moves outside.

    Raises:
        PromotionError: the setting refuses such a move; or as `reconcile_line`.

    """
    state, finished = bring_in_order(line, store, tracking)
    if state.disputed:
        reason = f"registry.on_outside_move is {on_outside_move}"
        reconcile_line(line, on_outside_move, BY_SETTING, reason, store=store, tracking=tracking)
        state, _ = settle(line, store, tracking)
    return state, finished


def _accept(
    state: LineState, by: str, reason: str, store: ObjectStore, tracking: Tracking, login: str
) -> LedgerEntry:
    """What MLflow says stands; the way back leads to what the ledger had in production."""
    (production, previous), proven = state.aliases, state.agreed.production
    moved = production != proven and _is_there(state, proven, tracking)
    return record(
        store,
        tracking,
        state,
        action=ACCEPTED,
        to_version=production,
        candidate=_last_touched(state),
        verdict=None,
        reason=reason,
        by=by,
        evidence=evidence_of_version(state.line, production, tracking),
        previous=proven if moved else previous,
        login=login,
    ).entry


def _restore(
    state: LineState, by: str, reason: str, store: ObjectStore, tracking: Tracking, login: str
) -> LedgerEntry:
    for version in state.agreed.served:
        if version is not None and not _is_there(state, version, tracking):
            raise PromotionError(
                f"the aliases of {state.line} cannot be set as the ledger says: MLflow no longer "
                f"has version {version}. Restore MLflow's database from a backup, or accept what "
                f"it has (`assayline reconcile {state.line} --accept`) and promote another version"
            )
    return record(
        store,
        tracking,
        state,
        action=RESTORED,
        to_version=state.agreed.production,
        candidate=state.agreed.production or _last_touched(state),
        verdict=None,
        reason=reason,
        by=by,
        evidence=evidence_of_version(state.line, state.agreed.production, tracking),
        previous=state.agreed.previous,
        login=login,
    ).entry


def _is_there(state: LineState, version: int | None, tracking: Tracking) -> bool:
    return version is not None and tracking.known_version(state.line, version) is not None


def _last_touched(state: LineState) -> int:
    head = state.head
    return head.entry.candidate_version if head else 0
