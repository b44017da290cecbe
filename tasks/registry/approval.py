"""A candidate that waits for a person: the request, who waits, and what becomes of it in time.

A request is a ledger entry, `awaiting approval`, which moves nothing. It names the Prefect run that
waits, up to when, and by its digest the record of all that the candidate was judged by. So the run,
once it is resumed, decides on that record: it measures nothing again, whatever source, settings or
code have become meanwhile.

The next entry of the candidate closes it: `promoted`, `rejected`, `refused` (production was moved
while it waited), `withdrawn` (the run ended before anybody decided), `overridden`, or `canary
started` (it was approved, and is tried before it is promoted). A run whose
time is over is failed by Prefect, and no process of it is left which could record that; so each run
of the line looks at the requests first, and records what became of them.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.judged_version import JudgedVersion
from tasks.records.registry import LedgerEntry
from tasks.registry.canary_history import open_canary
from tasks.registry.judged_versions import JUDGED, keep_judged, read_judged
from tasks.registry.ledger import (
    AWAITING,
    CANARY_STARTED,
    OVERRIDDEN,
    PROMOTED,
    REFUSED,
    REJECTED,
    WITHDRAWN,
    Recorded,
)
from tasks.registry.line_state import LineState
from tasks.registry.promotion import (
    BY_POLICY,
    decided_before,
    evidence_of_judged,
    is_same,
    why_not_in_question,
)
from tasks.registry.transitions import record, settle

CLOSING: Final = frozenset({PROMOTED, REFUSED, REJECTED, WITHDRAWN, OVERRIDDEN, CANARY_STARTED})
PAUSED: Final = "PAUSED"
# Types of Prefect's states in which a run waits, or goes on after it was resumed.
ALIVE: Final = frozenset({PAUSED, "SCHEDULED", "PENDING", "RUNNING"})

_log = logging.getLogger(__name__)

# The type of state of a Prefect run by its id; empty where the server has no such run.
StateOf = Callable[[str], str]


def open_requests(history: Sequence[Recorded]) -> list[Recorded]:
    """The requests that nothing has closed, oldest first.

    Args:
        history: the ledger of a line, oldest first.

    """
    waiting: dict[int, Recorded] = {}
    for recorded in history:
        entry = recorded.entry
        if entry.action == AWAITING:
            waiting[entry.candidate_version] = recorded
        elif entry.action in CLOSING:
            waiting.pop(entry.candidate_version, None)
    return sorted(waiting.values(), key=lambda recorded: recorded.number)


def request_approval(
    judged: JudgedVersion, run: str, days: float, *, store: ObjectStore, tracking: Tracking
) -> Recorded | None:
    """Record that a candidate waits for a person.

    Args:
        judged: the candidate.
        run: the Prefect flow run that waits.
        days: for which it waits.
        store: holds the ledger, and the record of what was judged.
        tracking: holds the version.

    Returns:
        The request; the one that is open for the same evidence, of this run or of another one; None
        where there is nothing to ask: a gate is in the way, it was decided before, its canary goes
        on, or the version is in production already.

    Raises:
        IntegrityError, PromotionError: as `tasks.registry.promotion.promote_version`.

    """
    version, judgement = judged.version, judged.judgement
    state, _ = settle(version.line, store, tracking)
    evidence = evidence_of_judged(judged, store, tracking)
    for request in open_requests(state.history):
        entry = request.entry
        if entry.candidate_version == version.version and is_same(entry.evidence, evidence):
            return request
    tried = open_canary(state.history)
    if (
        state.production == version.version
        or (tried and tried.version == version.version and is_same(tried.evidence, evidence))
        or decided_before(state, version, evidence)
        or why_not_in_question(state, judged, tracking)
    ):
        return None
    until = (datetime.now(UTC) + timedelta(days=days)).isoformat(timespec="seconds")
    return record(
        store,
        tracking,
        state,
        action=AWAITING,
        to_version=state.production,
        candidate=version.version,
        verdict=judgement.verdict,
        reason=f"all {len(judgement.gates)} gates pass, and the policy asks a person; waits until "
        f"{until[:16].replace('T', ' ')} UTC",
        by=BY_POLICY,
        evidence=evidence | {JUDGED: keep_judged(judged, store)},
        run=run,
        until=until,
    )  # fmt: skip


def waiting_version(
    state: LineState, run: str, state_of: StateOf, *, store: ObjectStore, tracking: Tracking
) -> JudgedVersion | None:
    """The candidate that a run waits for, where it was resumed; other requests are closed in time.

    Args:
        state: of the line.
        run: the Prefect flow run that asks; empty outside of a flow.
        state_of: what became of a run.
        store: holds the ledger, and the record of what was judged.
        tracking: holds the version.

    Raises:
        IntegrityError: the record of what was judged was changed.

    """
    own = None
    for request in open_requests(state.history):
        if run and request.entry.run == run:
            own = request
        elif closing := what_became_of(request.entry, state_of(request.entry.run)):
            _close(request.entry, *closing, store, tracking)
    return read_judged(own.entry.evidence[JUDGED], store) if own else None


def what_became_of(entry: LedgerEntry, state: str) -> tuple[str, str] | None:
    """Action and reason that close a request; None while it may be decided yet.

    Args:
        entry: the request.
        state: type of the state of the run that waits; empty where the run is gone.

    """
    if state in ALIVE - {PAUSED}:  # somebody has decided, and it is about to be recorded
        return None
    if datetime.fromisoformat(entry.until) <= datetime.now(UTC):
        return REJECTED, nobody_approved(entry.until)
    if state == PAUSED:
        return None
    how = f"ended as {state}" if state else "was deleted"
    return WITHDRAWN, f"the run that asked for approval {how} before anybody had decided"


def nobody_approved(until: str) -> str:
    """Why a candidate is rejected whose time is over."""
    return f"nobody approved it until {until[:16].replace('T', ' ')} UTC"


def _close(
    entry: LedgerEntry, action: str, reason: str, store: ObjectStore, tracking: Tracking
) -> None:
    state, _ = settle(entry.line, store, tracking)
    record(
        store,
        tracking,
        state,
        action=action,
        to_version=state.production,
        candidate=entry.candidate_version,
        verdict=entry.verdict,
        reason=reason,
        by=BY_POLICY,
        evidence=entry.evidence,
        approval=REJECTED if action == REJECTED else "",
    )
    _log.warning("version %s of %s is %s: %s", entry.candidate_version, entry.line, action, reason)
