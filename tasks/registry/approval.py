"""A candidate that waits for a person: the request, who waits, and what becomes of it in time.

A request is a ledger entry, `awaiting approval`, which moves nothing. It names the Prefect run that
waits, up to when, and by its digest the record of all that the candidate was judged by. So the run,
once it is resumed, decides on that record: it measures nothing again, whatever source, settings or
code have become meanwhile.

The next entry of the candidate closes it: `promoted`, `rejected`, `refused` (production was moved
while it waited), `withdrawn` (the run ended before anybody decided, or before it had recorded that
a person approved), `overridden`, or `canary started` (it was approved, and is tried before it is
promoted). A run whose time is over is failed by Prefect, and no process of it is left which could
record that; so each run of the line looks at the requests first, and records what became of them,
as does the look at the line's aliases each quarter of an hour.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.judged_version import JudgedVersion
from tasks.records.registry import Approval, LedgerEntry
from tasks.registry.judged_versions import JUDGED, keep_judged, read_judged
from tasks.registry.ledger import (
    AWAITING,
    BY_POLICY,
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
    decided_before,
    evidence_of_judged,
    is_same,
    own_canary,
    why_not_in_question,
)
from tasks.registry.transitions import record, settle

CLOSING: Final = frozenset({PROMOTED, REFUSED, REJECTED, WITHDRAWN, OVERRIDDEN, CANARY_STARTED})
PAUSED: Final = "PAUSED"
# Types of Prefect's states in which a run waits, or goes on after it was resumed.
ALIVE: Final = frozenset({PAUSED, "SCHEDULED", "PENDING", "RUNNING"})

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WaitingRun:
    """What is known of a run that asked for approval.

    Attributes:
        state: type of its state in Prefect; empty where the server has no such run.
        since: when it came into this state; None where it is gone.
        answer: what a person said in its form, whatever became of the run then.

    """

    state: str
    since: datetime | None = None
    answer: Approval | None = None


# What became of the run that made a request.
FindRun = Callable[[Recorded], WaitingRun]


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
    if (
        state.production == version.version
        or own_canary(state, version, evidence)
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
    state: LineState, run: str, find_run: FindRun, *, store: ObjectStore, tracking: Tracking
) -> JudgedVersion | None:
    """The candidate that a run waits for, where it was resumed; other requests are closed in time.

    Args:
        state: of the line.
        run: the Prefect flow run that asks; empty outside of a flow.
        find_run: what became of the run of a request.
        store: holds the ledger, and the record of what was judged.
        tracking: holds the version.

    Raises:
        IntegrityError: the record of what was judged was changed.

    """
    requests = open_requests(state.history)
    own = [one for one in requests if run and one.entry.run == run]
    close_requests(
        [one for one in requests if one not in own], find_run, store=store, tracking=tracking
    )
    return read_judged(own[-1].entry.evidence[JUDGED], store) if own else None


def close_requests(
    requests: Sequence[Recorded], find_run: FindRun, *, store: ObjectStore, tracking: Tracking
) -> tuple[LedgerEntry, ...]:
    """Record what became of requests whose run ended or whose time is over.

    Args:
        requests: that are open.
        find_run: what became of the run of a request.
        store: holds the ledger.
        tracking: holds the versions.

    Returns:
        The entries that close them; none of a request that somebody else closed meanwhile.

    """
    closed = (
        _close(request, *closing, store, tracking)
        for request in requests
        if (closing := what_became_of(request.entry, find_run(request)))
    )
    return tuple(entry for entry in closed if entry)


def what_became_of(entry: LedgerEntry, run: WaitingRun) -> tuple[str, str, str] | None:
    """Action, reason and decider that close a request; None while it may be decided yet.

    A person's word counts where it was given in time, and its run ended before it had recorded it:
    who was rejected stays rejected; who was approved is not promoted by anybody but a run that
    holds the candidate's evidence, so that the request is withdrawn and the next run asks again.

    Args:
        entry: the request.
        run: that waits, or waited.

    """
    if run.state in ALIVE - {PAUSED}:  # somebody has decided, and it is about to be recorded
        return None
    how = f"ended as {run.state}" if run.state else "was deleted"
    if run.answer:
        said = f"{run.answer.by} %s it ({run.answer.reason}), and the run {how} before that was"
        if run.answer.approved:
            return WITHDRAWN, f"{said % 'approved'} carried out", BY_POLICY
        return REJECTED, f"{said % 'rejected'} recorded", run.answer.by
    is_ended = run.state not in ALIVE and run.since is not None
    waited_to = run.since if is_ended and run.since else datetime.now(UTC)
    if datetime.fromisoformat(entry.until) <= waited_to:
        return REJECTED, nobody_approved(entry.until), BY_POLICY
    if run.state == PAUSED:
        return None
    return (
        WITHDRAWN, f"the run that asked for approval {how} before anybody had decided", BY_POLICY,
    )  # fmt: skip


def nobody_approved(until: str) -> str:
    """Why a candidate is rejected whose time is over."""
    return f"nobody approved it until {until[:16].replace('T', ' ')} UTC"


def _close(
    request: Recorded,
    action: str,
    reason: str,
    by: str,
    store: ObjectStore,
    tracking: Tracking,
) -> LedgerEntry | None:
    entry = request.entry
    state, _ = settle(entry.line, store, tracking)
    if request.number not in {one.number for one in open_requests(state.history)}:
        return None
    recorded = record(
        store,
        tracking,
        state,
        action=action,
        to_version=state.production,
        candidate=entry.candidate_version,
        verdict=entry.verdict,
        reason=reason,
        by=by,
        evidence=entry.evidence,
        approval=REJECTED if action == REJECTED else "",
    )
    _log.warning("version %s of %s is %s: %s", entry.candidate_version, entry.line, action, reason)
    return recorded.entry
