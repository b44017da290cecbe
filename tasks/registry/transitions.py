"""How production moves: the ledger first, then the aliases, and how a crash between is mended.

The order of a transition's steps:

0. the version's files are read back and held against its manifest (`tasks.registry.proof`);
1. the ledger entry is appended, and counts when the registry has set it: from here on the decision
   stands;
2. the aliases are moved, ``previous`` before ``production``, so that there is never a production
   without a way back;
3. the version's tags say how the decision went, the address of the entry last, which marks the
   transition as finished.

A crash before 1 leaves nothing that counts. A crash after it leaves an entry whose version does not
name it: the next transition of the line, or the same one again, finds that and repeats 2 and 3,
which give the same result however often. So an alias never names a production that no entry
explains, unless somebody moves it outside of the ledger (see `tasks.registry.outside_moves`).

A process can sleep between any two of these steps while others go on. It moves aliases only while
its entry is the newest one, looks again afterwards, and carries out the newest one if it was
overtaken. If it is killed before that, its mark tells the next one what happened
(`tasks.registry.ledger_index`).
"""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from infra.errors import OvertakenError, PromotionError, StoreError, TrackingError
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.registry import LedgerEntry
from tasks.registry.ledger import (
    CANARY_STARTED,
    MOVED_OUTSIDE,
    Recorded,
    append,
    now,
    read,
    set_aside,
    whole,
)
from tasks.registry.ledger_index import begin, begin_moving, end_moving, read_index
from tasks.registry.line_state import LOOKS, LineState, digests
from tasks.registry.outcomes import Outcome, moves, outcome_of
from tasks.registry.outside_moves import UNKNOWN, describe, refusal
from tasks.registry.proof import check_as_proven, check_before_move
from tasks.registry.version_tags import (
    APPROVAL_CHECK_TAG,
    APPROVED_TAG,
    ENTRY_TAG,
    EVIDENCE_TAGS,
    PREVIOUS,
    PRODUCTION,
    STAGING,
)
from tasks.verdicts import Verdict

APPROVED: Final = "approved"  # what an entry says of a candidate that a person approved
VERDICT_TAG: Final = "assayline.verdict"
ACTION_TAG: Final = "assayline.action"
# When, by whom and why, in one sentence.
DECIDED_TAG: Final = "assayline.decided"
# Those of earlier releases, which would go on telling of an older entry.
FORMER_TAGS: Final = frozenset(
    {"assayline.reason", "assayline.by", "assayline.decided_at", "assayline.promoted_at"}
)

_log = logging.getLogger(__name__)


def settle(line: str, store: ObjectStore, tracking: Tracking) -> tuple[LineState, Recorded | None]:
    """Read a line, and carry out a transition that a crash had cut short.

    Returns:
        The state after that, and the entry that was carried out, if there was one.

    Raises:
        IntegrityError: the version that a transition which was cut short moves production to is
            not what was proven.
        PromotionError: aliases were moved outside of the ledger, which is recorded, and nobody
            has decided on it yet; or the ledger is not what was written.

    """
    state, finished = bring_in_order(line, store, tracking)
    if state.disputed:
        raise PromotionError(refusal(state, tracking))
    return state, finished


def bring_in_order(
    line: str, store: ObjectStore, tracking: Tracking
) -> tuple[LineState, Recorded | None]:
    """As `settle`; a move outside of the ledger is recorded, and left to the caller."""
    finished = None
    for _ in range(LOOKS):
        state = LineState(line, store, tracking)
        if state.history:
            _begin_index(state, tracking)
        for uri in set_aside(store, line, state.reading, state.index):
            _log.warning("%s never counted as an entry of the ledger of %s: set aside", uri, line)
        if state.pending or state.stale:
            _say_what_is_mended(state)
            _check_production(state, store, tracking)
            finished = state.pending or finished
            carry_out(state.history, store, tracking)
        elif state.outside:
            _record_outside(state, store, tracking)
        else:
            return state, finished
    raise PromotionError(f"{line} is moved by others at this moment; start it again")


def record(
    store: ObjectStore,
    tracking: Tracking,
    state: LineState,
    *,
    action: str,
    to_version: int | None,
    candidate: int,
    verdict: Verdict | None,
    reason: str,
    by: str,
    evidence: Mapping[str, str],
    previous: int | None = None,
    anchor: int | None = None,
    approval: str = "",
    run: str = "",
    until: str = "",
    step: int = 0,
    share: float = 0.0,
    login: str = "",
) -> Recorded:
    """Append an entry to a settled line and carry it out.

    ``previous``, the version that a rollback leads to after, is given for a move outside of the
    ledger and the decision on it; for other transitions it follows. ``anchor``, the version that
    candidates are held against after, is given for a promotion by the policy; else it follows.
    ``approval``, ``run``, ``until``, ``step``, ``share`` and ``login`` are those of the entry.

    Raises:
        IntegrityError: the version that it moves production to is not what was proven.
        OvertakenError: somebody else recorded a transition since the state was read.
        PromotionError: aliases were moved outside of the ledger since; or the entry stands, and
            could not be carried out to the end.

    """
    head = state.head
    entry = LedgerEntry(
        line=state.line,
        action=action,
        from_version=state.outcome.production,
        to_version=to_version,
        candidate_version=candidate,
        verdict=verdict,
        reason=reason,
        evidence=dict(evidence),
        by=by,
        at=now(),
        previous_sha256=head.sha256 if head else "",
        previous_version=previous,
        anchor_version=anchor,
        approval=approval,
        run=run,
        until=until,
        step=step,
        share=share,
        login=login,
    )
    history = [recorded.entry for recorded in state.history]
    entry = replace(entry, previous_version=outcome_of([*history, entry]).previous)
    aliases = tracking.aliases(state.line)
    if (aliases.get(PRODUCTION), aliases.get(PREVIOUS)) != state.aliases:
        # A load test takes its time. What was moved in it is recorded, which overtakes this one.
        settle(state.line, store, tracking)
    check_before_move(entry, history, store, tracking)
    _begin_index(state, tracking)
    recorded = append(store, tracking, entry, head)
    _carry_out_own((*state.history, recorded), store, tracking)
    return recorded


def _carry_out_own(history: Sequence[Recorded], store: ObjectStore, tracking: Tracking) -> None:
    """Carry out the entry that was just appended; one that cannot be stands nevertheless."""
    own = history[-1]
    try:
        carry_out(history, store, tracking)
    except (StoreError, TrackingError) as error:
        raise PromotionError(
            f"entry {own.number} of the ledger of {own.entry.line} stands ({own.entry.action}, by "
            f"{own.entry.who}), and could not be carried out to the end: {error}. The next "
            "transition of the line goes on with it; so does this one, started again"
        ) from error


def carry_out(history: Sequence[Recorded], store: ObjectStore, tracking: Tracking) -> None:
    """Move the aliases as a ledger says and tag its newest entry's version; repeatable.

    Nothing is moved where the entry is not the newest one any more. Where it was overtaken while
    aliases were moved, the newest one is carried out in its place.

    Args:
        history: the ledger, oldest first, as it was read.
        store: where it lies.
        tracking: where the aliases are.

    """
    newest = history[-1]
    line = newest.entry.line
    mark = begin_moving(line, newest.number, tracking)
    if read_index(line, tracking).newest == newest.number:
        _move(newest, outcome_of(recorded.entry for recorded in history), tracking)
        index = read_index(line, tracking)
        if index.newest != newest.number:
            _log.warning(
                "entry %d of %s was overtaken by entry %d while it was carried out; the aliases "
                "are set as entry %d says", newest.number, line, index.newest, index.newest,
            )  # fmt: skip
            carry_out(whole(read(store, line, (), index), store, line), store, tracking)
    end_moving(line, mark, tracking)


def evidence_of(facts: Mapping[str, str]) -> dict[str, str]:
    """The digests of a version's evidence, by name.

    Args:
        facts: as `tasks.registry.provenance.facts_of` gives them.

    """
    return {name: facts[tag] for name, tag in EVIDENCE_TAGS.items() if tag in facts}


def evidence_of_version(line: str, version: int | None, tracking: Tracking) -> dict[str, str]:
    """As `evidence_of`, by the tags alone, of a version that MLflow may not have."""
    known = tracking.known_version(line, version) if version is not None else None
    return evidence_of(known.tags) if known else {}


def is_same_request(finished: Recorded, action: str, by: str, reason: str) -> bool:
    """Whether an entry that was cut short is what somebody asks for again."""
    entry = finished.entry
    return (entry.action, entry.by, entry.reason) == (action, by.strip(), reason.strip())


def recorded_by(run: str, action: str, state: LineState) -> Recorded | None:
    """The entry that a run recorded, whose task is tried again after a server was away."""
    own = (one for one in state.history if run and one.entry.run == run)
    return next((one for one in own if one.entry.action == action), None)


def check_named(by: str, reason: str) -> None:
    """Raise PromotionError where a decision by hand has no name or no reason."""
    if not by.strip() or not reason.strip():
        raise PromotionError(
            f"a decision by hand needs a name and a reason; seen: by={by!r}, reason={reason!r}"
        )


def _begin_index(state: LineState, tracking: Tracking) -> None:
    """Have the registry know the ledger's entries, of one that an earlier release wrote as well."""
    if not state.index.begun:
        begin(state.line, digests(state.history), tracking)


def _check_production(state: LineState, store: ObjectStore, tracking: Tracking) -> None:
    """Read the version back that production is to name again, where it does not name it now."""
    version = state.outcome.production
    if version is not None and version != state.aliases[0]:
        entries = [recorded.entry for recorded in state.history]
        check_as_proven(state.line, version, entries, store, tracking)


def _record_outside(state: LineState, store: ObjectStore, tracking: Tracking) -> None:
    production, previous = state.aliases
    touched = next(v for v in (production, *state.outcome.served, previous) if v is not None)
    with suppress(OvertakenError):  # then somebody else recorded something: look again
        record(
            store,
            tracking,
            state,
            action=MOVED_OUTSIDE,
            to_version=production,
            candidate=touched,
            verdict=None,
            reason=describe(state, state.outcome.served, tracking),
            by=UNKNOWN,
            evidence=evidence_of_version(state.line, touched, tracking),
            previous=previous,
        )


def _say_what_is_mended(state: LineState) -> None:
    if state.pending:
        _log.warning(
            "entry %d of %s (%s, by %s) had not been carried out to the end: that is done now",
            state.pending.number, state.line, state.pending.entry.action, state.pending.entry.who,
        )  # fmt: skip
    if state.differs:
        _log.warning(
            "production and previous of %s named %s, which a process left that slept or was "
            "killed, or somebody moved meanwhile: they are set to %s, as the ledger says",
            state.line, state.aliases, state.outcome.served,
        )  # fmt: skip


def _move(recorded: Recorded, outcome: Outcome, tracking: Tracking) -> None:
    entry = recorded.entry
    if entry.action != MOVED_OUTSIDE:
        named = tracking.aliases(entry.line)
        if named.get(PRODUCTION) not in {entry.from_version, outcome.production}:
            _log.warning(
                "production of %s named version %s, which no entry explains; it is set to %s",
                entry.line, named.get(PRODUCTION), outcome.production,
            )  # fmt: skip
        wanted = {PREVIOUS: outcome.previous, PRODUCTION: outcome.production}
        if _takes_staging(entry, outcome, named):
            wanted[STAGING] = outcome.staging
        for alias, version in wanted.items():
            if version is None and alias in named:
                tracking.delete_alias(entry.line, alias)
            elif version is not None and named.get(alias) != version:
                tracking.set_alias(entry.line, alias, version)
    if known := tracking.known_version(entry.line, entry.candidate_version):
        tracking.delete_tags(
            entry.line, entry.candidate_version, sorted(FORMER_TAGS & known.tags.keys())
        )
        tracking.set_tags(entry.line, entry.candidate_version, _tags(recorded))


def _takes_staging(entry: LedgerEntry, outcome: Outcome, named: Mapping[str, int]) -> bool:
    """A candidate that was staged since keeps the alias; what a sleeping process left does not."""
    if outcome.staging is None:
        return False
    taken = moves(entry) and entry.to_version == outcome.staging
    return taken or (STAGING in named and named[STAGING] < outcome.staging)


def _tags(recorded: Recorded) -> dict[str, str]:
    """In the order in which they are set: the entry's address is the last."""
    entry = recorded.entry
    decided = f"{entry.at[:19]}Z by {entry.who}: {entry.reason}"
    tags = {ACTION_TAG: entry.action, DECIDED_TAG: decided}
    if entry.verdict is not None:
        tags[VERDICT_TAG] = entry.verdict.value
    # A deployment job waits for these tags; what is to be tried first is not to be deployed yet.
    if entry.approval and entry.action != CANARY_STARTED:
        tags |= {
            APPROVED_TAG: str(entry.approval == APPROVED).lower(),
            APPROVAL_CHECK_TAG: entry.approval.capitalize(),
        }
    return {**tags, ENTRY_TAG: recorded.uri}
