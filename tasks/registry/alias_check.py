"""A look at the aliases between runs: whether somebody moved them in MLflow, and what is done."""

import logging
import time
from typing import Final

from infra.errors import PromotionError
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.registry import AliasCheck
from tasks.registry.line_state import LineState
from tasks.registry.outside_moves import describe, refusal
from tasks.registry.reconciliation import BY_SETTING, reconcile_line
from tasks.registry.settings import OnOutsideMove
from tasks.registry.transitions import bring_in_order

# How long a transition that is under way is left to whoever began it, and how often it is asked.
PATIENCE_S: Final = 20.0
ASK_EVERY_S: Final = 1.0

_log = logging.getLogger(__name__)


def check_aliases(
    line: str,
    on_outside_move: OnOutsideMove,
    *,
    store: ObjectStore,
    tracking: Tracking,
    patience_s: float | None = PATIENCE_S,
) -> AliasCheck:
    """See whether ledger and aliases of a line agree, and do what its setting says where not.

    Where they agree, nothing is written. A move outside of the ledger is recorded in it as `moved
    outside`, once; by the setting it is then restored or accepted, which is the next entry, or left
    to a person. A transition that others have under way is no such move: it is waited for, and
    carried out to its end where nobody does.

    Args:
        line: the model line.
        on_outside_move: the line's setting.
        store: of the ledger.
        tracking: of the aliases.
        patience_s: how long a transition under way is waited for; None leaves a line with one to
            the caller, who may have begun it and asks for the same again.

    Raises:
        PromotionError: what would be restored is no longer in MLflow; or the ledger is not what
            was written; or the line is moved by others all the time.
        IntegrityError: the version that would be put back is not what was proven.

    """
    state = _at_rest(line, store, tracking, patience_s or 0, carry_out=patience_s is not None)
    if state.pending or state.stale or not (state.outside or state.disputed):
        return AliasCheck(line)
    aliases, agreed = state.aliases, state.agreed.served
    what = describe(state, agreed, tracking)
    _log.warning("the aliases of %s were moved outside of the ledger: %s", line, what)
    state, _ = bring_in_order(line, store, tracking)
    if not state.disputed:  # put back by hand meanwhile, which the ledger tells now
        return AliasCheck(line, what, aliases, agreed, "put back", _entry(state))
    if on_outside_move == "refuse":
        _log.warning("%s", refusal(state, tracking))
        return AliasCheck(line, what, aliases, agreed, "undecided", _entry(state))
    reason = f"registry.on_outside_move is {on_outside_move}"
    done = reconcile_line(
        line, on_outside_move, BY_SETTING, reason, store=store, tracking=tracking
    ).decision
    after = LineState(line, store, tracking)
    return AliasCheck(
        line, what, aliases, agreed, done.action if done else "put back", _entry(after)
    )


def _at_rest(
    line: str, store: ObjectStore, tracking: Tracking, patience_s: float, *, carry_out: bool
) -> LineState:
    """The line without a transition under way: carried out by its owner, or else here."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            state = LineState(line, store, tracking)
        except PromotionError:
            # Somebody's entry may be half there; one that stays so is told by the last reading.
            if time.monotonic() >= deadline:
                raise
        else:
            if not (carry_out and (state.pending or state.stale)):
                return state
            if time.monotonic() >= deadline:
                state, _ = bring_in_order(line, store, tracking)
                return state
        time.sleep(ASK_EVERY_S)


def _entry(state: LineState) -> str:
    return state.head.uri if state.head else ""
