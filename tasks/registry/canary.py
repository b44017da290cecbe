"""A canary by the ledger: a candidate that passes every gate is tried before it takes over.

Each step is an entry that moves nothing: `canary started`, `canary advanced`, and at the end
`promoted`, `canary stopped` or `refused`. The first one names by its digest the record of all that
the candidate was judged by, and in it the policy; so what is tried, how, and what is promoted in
the end are what was proven then, whatever source, settings or code have become meanwhile.

What is compared is one candidate with one version in production. Where production is moved while
the canary goes on, by whomever, there is nothing left to compare: the candidate is asked no more at
once (`canary_of`), and the next run of ``canary/LINE`` records that the canary is stopped.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from infra.errors import PromotionError
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.canary import CanaryLook, CanaryStep
from tasks.records.canary_outcome import CanaryOutcome, share_words
from tasks.records.judged_version import JudgedVersion
from tasks.records.registry import Approval, Decision
from tasks.registry.canary_history import BEGINNING, ENDING, OpenCanary, open_canary
from tasks.registry.canary_looks import CANARY, keep_look, read_look
from tasks.registry.canary_settings import CanarySettings
from tasks.registry.judged_versions import JUDGED, keep_judged, read_judged
from tasks.registry.ledger import (
    BY_POLICY,
    CANARY_ADVANCED,
    CANARY_STARTED,
    CANARY_STOPPED,
    PROMOTED,
    Recorded,
    newest_first,
)
from tasks.registry.ledger_index import read_index
from tasks.registry.line_state import LineState
from tasks.registry.outcomes import moves
from tasks.registry.outside_moves import refusal
from tasks.registry.policy_record import read_policy
from tasks.registry.promotion import (
    by_gates_or_word,
    decided_before,
    decision_of,
    evidence_of_judged,
    needs_canary,
    own_canary,
    promote_version,
    said_of,
    what_passed,
)
from tasks.registry.transitions import (
    APPROVED,
    bring_in_order,
    check_named,
    is_same_request,
    record,
    recorded_by,
    settle,
)
from tasks.registry.version_tags import PRODUCTION
from tasks.verdicts import Verdict

GOES_ON = "goes on"
UNDECIDED = "undecided"


@dataclass(frozen=True)
class UnderWay:
    """A canary that goes on, and what it was started with.

    Attributes:
        step: that it is at.
        settings: of the policy that the candidate was judged by.
        judged: the candidate.
        earlier: the looks that decided on the steps before, in order.

    """

    step: CanaryStep
    settings: CanarySettings
    judged: JudgedVersion
    earlier: tuple[CanaryLook, ...] = ()

    @property
    def sentences(self) -> tuple[str, ...]:
        """At which step it is, since when, and what the step and the canary last."""
        step, asked = self.step, self.settings.steps[self.step.number - 1]
        until = self.settings.over_at(step.started)
        at = f"step {step.number} of {len(self.settings.steps)} since {_minute(step.since)}"
        return (
            f"{at}: {share_words(step.share)}",
            f"the step lasts {asked.hours:g} h and {asked.requests:,} requests at least",
            f"undecided at {_minute(until.isoformat())}, the candidate is not promoted",
        )


def canary_of(line: str, *, store: ObjectStore, tracking: Tracking) -> CanaryStep | None:
    """The step of the canary that goes on; None where no candidate is to be asked anything.

    It reads no more of the ledger than the entries since production was moved last, so that it can
    be asked each few seconds. There is none either once production names another version in MLflow
    than when the canary began, or once its time is over: what becomes of it then is decided by the
    next run of ``canary/LINE``, and until then the candidate is asked nothing.

    Raises:
        PromotionError: an entry of the ledger is not what was written.
        StoreError, TrackingError: a server is unreachable.

    """
    newest: list[Recorded] = []
    for recorded in newest_first(store, line, read_index(line, tracking)):
        newest.insert(0, recorded)
        entry = recorded.entry
        if entry.action in {CANARY_STARTED, CANARY_STOPPED} or moves(entry):
            break
    found = open_canary(newest)
    step = found.step if found else None
    if found is None or step is None or _is_over(found):
        return None
    return step if tracking.aliases(line).get(PRODUCTION) == step.production else None


def canary_under_way(line: str, *, store: ObjectStore, tracking: Tracking) -> UnderWay | None:
    """The canary that goes on, with what it was started with, for who looks; nothing is written.

    Returns:
        None where none goes on, or production was moved since it began.

    Raises:
        IntegrityError: the record of what was judged, or its policy, was changed.
        PromotionError: the ledger is not what was written.
        StoreError, TrackingError: a server is unreachable.

    """
    found = open_canary(LineState(line, store, tracking).history)
    return _under_way(found, store) if found and not found.moved else None


def start_canary(
    judged: JudgedVersion,
    approval: Approval | None = None,
    *,
    store: ObjectStore,
    tracking: Tracking,
) -> Decision:
    """Begin the first step of a version whose policy asks for a canary, and which passes all gates.

    Where nothing is in production beside which it could be tried, it is promoted; where a gate or
    a person is in the way, it is refused or rejected (see `promote_version`). A canary of another
    candidate is stopped first. The same candidate is tried once on the same evidence: a repetition
    finds its canary, or what became of it.

    Args:
        judged: the candidate with all that it was judged by, which is kept.
        approval: what a person says of it, which is kept for its promotion; None where none was
            asked.
        store: holds the ledger, and the policy.
        tracking: holds the version.

    Raises:
        IntegrityError, PromotionError: as `promote_version`; or the policy was not kept.

    """
    version = judged.version
    state, _ = settle(version.line, store, tracking)
    evidence = evidence_of_judged(judged, store, tracking)
    if own := own_canary(state, version, evidence):
        return decision_of(judged, own.started, CANARY_STARTED, _stands_at(own))
    if not needs_canary(state, judged) or decided_before(state, version, evidence):
        return promote_version(judged, approval, store=store, tracking=tracking)
    action, reason = by_gates_or_word(state, judged, approval, store, tracking)
    if action != PROMOTED:
        return promote_version(judged, approval, store=store, tracking=tracking)
    settings = _settings_of(judged, store)
    if going_on := open_canary(state.history):
        _stop(state, going_on, *_why_replaced(going_on, judged), BY_POLICY, store, tracking)
        state, _ = settle(version.line, store, tracking)
    evidence = evidence | {JUDGED: keep_judged(judged, store)}
    made = _begin(state, judged, approval, reason, evidence, settings, store, tracking)
    return decision_of(judged, made, CANARY_STARTED, _stands_at(OpenCanary(made)))


def find_canary(
    line: str, *, store: ObjectStore, tracking: Tracking
) -> UnderWay | CanaryOutcome | None:
    """The canary of a line as it is to be looked at.

    One whose version in production was moved is stopped. Where somebody moved it in MLflow and
    nobody has decided on that yet, the canary stands still.

    Returns:
        What goes on; or what became of a canary that is not to be looked at; or None.

    Raises:
        IntegrityError: the record of what was judged, or its policy, was changed.
        PromotionError: the ledger is not what was written, or is moved by others at this moment.

    """
    state = LineState(line, store, tracking)
    if open_canary(state.history) is None:
        return None
    state, _ = bring_in_order(line, store, tracking)
    found = open_canary(state.history)
    if found is None:
        return None
    if state.disputed:
        reason = refusal(state, tracking)
        return _outcome(found.newest, UNDECIDED, reason)
    if found.moved:
        reason, verdict = _why_moved(found.moved), None
        stopped = _stop(state, found, reason, verdict, BY_POLICY, store, tracking)
        return _outcome(stopped, CANARY_STOPPED, reason)
    return _under_way(found, store)


def decide_on_look(
    look: CanaryLook, under_way: UnderWay, *, store: ObjectStore, tracking: Tracking
) -> CanaryOutcome:
    """Stop a canary, begin its next step, promote its candidate, or leave it where it is.

    Harm stops it. A step that passes is followed by the next one, the last one by the promotion,
    as `promote_version` makes it of what was judged before the canary. A canary whose time is over
    and that is still undetermined is stopped.

    A look at a step that is over already, also since this very decision was cut short, decides
    nothing: what the ledger says of it is returned.

    Args:
        look: at the step that the canary is at.
        under_way: the canary.
        store: holds the ledger.
        tracking: holds the version and the aliases.

    Raises:
        IntegrityError: the candidate's files are not those that were staged.
        PromotionError: as `promote_version`, or somebody else recorded a transition meanwhile.

    """
    state, _ = settle(look.step.line, store, tracking)
    found = open_canary(state.history)
    if found is None or found.moved or found.newest.uri != look.step.ledger_uri:
        return _overtaken(look, found, state, store, tracking)
    if look.verdict is Verdict.FAIL:
        return _stop_by(look, found, look.reason, state, store, tracking)
    is_last = look.step.number == len(under_way.settings.steps)
    if look.verdict is Verdict.PASS and is_last:
        return _promote(look, found, under_way.judged, store, tracking)
    if look.verdict is Verdict.PASS and not _is_over(found):
        return _advance(look, found, under_way.settings, state, store, tracking)
    if _is_over(found):
        reason = f"undecided after {under_way.settings.max_days:g} days: {look.reason}"
        return _stop_by(look, found, reason, state, store, tracking)
    return replace(_outcome(found.newest, GOES_ON, look.reason), verdict=look.verdict)


def stop_canary(
    line: str,
    by: str,
    reason: str,
    *,
    store: ObjectStore,
    tracking: Tracking,
    run: str = "",
    login: str = "",
) -> CanaryOutcome:
    """Stop the canary of a line by a person's word; its candidate is not promoted.

    Args:
        line: the model line.
        by: who decides.
        reason: why.
        store: of the ledger.
        tracking: of the aliases.
        run: the Prefect flow run; one that is repeated finds what it recorded.
        login: at MLflow, of who decides; empty where it keeps no users.

    Raises:
        PromotionError: no canary goes on, or name or reason are empty.

    """
    check_named(by, reason)
    state, finished = settle(line, store, tracking)
    done = recorded_by(run, CANARY_STOPPED, state)
    if done is None and finished and is_same_request(finished, CANARY_STOPPED, by, reason):
        done = finished
    if done:
        return _outcome(done, CANARY_STOPPED, done.entry.reason)
    found = open_canary(state.history)
    if found is None:
        raise PromotionError(
            f"{line} has no canary that goes on; `assayline ledger {line}` shows what became of "
            "the last one"
        )
    stopped = _stop(
        state, found, reason.strip(), None, by.strip(), store, tracking, run=run, login=login
    )
    return _outcome(stopped, CANARY_STOPPED, reason.strip())


def _begin(
    state: LineState,
    judged: JudgedVersion,
    approval: Approval | None,
    reason: str,
    evidence: Mapping[str, str],
    settings: CanarySettings,
    store: ObjectStore,
    tracking: Tracking,
) -> Recorded:
    """Record the first step; its entry says who approved, for the promotion at the end."""
    until = datetime.now(UTC) + timedelta(days=settings.max_days)
    return record(
        store,
        tracking,
        state,
        action=CANARY_STARTED,
        to_version=state.production,
        candidate=judged.version.version,
        verdict=judged.judgement.verdict,
        reason=reason,
        by=approval.by if approval else BY_POLICY,
        evidence=evidence,
        approval=said_of(approval),
        login=approval.login if approval else "",
        until=until.isoformat(timespec="seconds"),
        step=1,
        share=settings.steps[0].share,
    )


def _under_way(found: OpenCanary, store: ObjectStore) -> UnderWay:
    """A canary with what it was started with, by the digests of its first entry."""
    judged = read_judged(found.evidence[JUDGED], store)
    assert found.step is not None  # noqa: S101 - production was not moved
    earlier = tuple(read_look(one.entry.evidence[CANARY], store) for one in found.steps)
    return UnderWay(found.step, _settings_of(judged, store), judged, earlier)


def _settings_of(judged: JudgedVersion, store: ObjectStore) -> CanarySettings:
    """How a candidate is tried, by the policy that it was judged by."""
    sha256, version = judged.judgement.policy_sha256, judged.version
    settings = read_policy(sha256, store).canary if sha256 else None
    if settings is None:
        raise PromotionError(
            f"the policy that version {version.version} of {version.line} was judged by says "
            "nothing of a canary, and one was asked for; a run of the line judges it anew"
        )
    return settings


def _stands_at(found: OpenCanary) -> str:
    entry = found.newest.entry
    return (
        f"{found.started.entry.reason}; it is tried before it is promoted, in step {entry.step} "
        f"since {_minute(entry.at)} ({share_words(entry.share)}); version {entry.to_version} stays "
        f"in production, and what is undecided at {_minute(entry.until)} is not promoted"
    )


def _minute(moment: str) -> str:
    return f"{moment[:16].replace('T', ' ')} UTC"


def _is_over(found: OpenCanary) -> bool:
    return datetime.fromisoformat(found.newest.entry.until) <= datetime.now(UTC)


def _why_moved(moved: Recorded) -> str:
    entry = moved.entry
    now = "no version" if entry.to_version is None else f"version {entry.to_version}"
    return (
        f"production was moved from version {entry.from_version} to {now} while the canary went on "
        f"({entry.action}, by {entry.who}: {entry.reason})"
    )


def _why_replaced(found: OpenCanary, judged: JudgedVersion) -> tuple[str, Verdict | None]:
    """Why a canary makes room for another candidate, or for a new judgement of its own."""
    if found.moved:
        return _why_moved(found.moved), None
    new = judged.version.version
    if new == found.version:
        return f"superseded: version {new} was judged anew, and is tried from the first step", None
    return f"superseded by version {new}, which passes every gate", None


def _stop(
    state: LineState,
    found: OpenCanary,
    reason: str,
    verdict: Verdict | None,
    by: str,
    store: ObjectStore,
    tracking: Tracking,
    *,
    look: CanaryLook | None = None,
    run: str = "",
    login: str = "",
) -> Recorded:
    entry = found.newest.entry
    return record(
        store,
        tracking,
        state,
        action=CANARY_STOPPED,
        to_version=state.production,
        candidate=entry.candidate_version,
        verdict=verdict,
        reason=reason,
        by=by,
        evidence=_evidence(found, look, store),
        run=run,
        step=entry.step,
        share=entry.share,
        login=login,
    )


def _stop_by(
    look: CanaryLook,
    found: OpenCanary,
    reason: str,
    state: LineState,
    store: ObjectStore,
    tracking: Tracking,
) -> CanaryOutcome:
    stopped = _stop(state, found, reason, look.verdict, BY_POLICY, store, tracking, look=look)
    return _outcome(stopped, CANARY_STOPPED, reason)


def _advance(
    look: CanaryLook,
    found: OpenCanary,
    settings: CanarySettings,
    state: LineState,
    store: ObjectStore,
    tracking: Tracking,
) -> CanaryOutcome:
    step = look.step
    made = record(
        store,
        tracking,
        state,
        action=CANARY_ADVANCED,
        to_version=state.production,
        candidate=step.version,
        verdict=look.verdict,
        reason=look.reason,
        by=BY_POLICY,
        evidence=_evidence(found, look, store),
        until=found.newest.entry.until,
        step=step.number + 1,
        share=settings.steps[step.number].share,  # the next one: numbers count from 1
    )
    return _outcome(made, CANARY_ADVANCED, look.reason)


def _promote(
    look: CanaryLook,
    found: OpenCanary,
    judged: JudgedVersion,
    store: ObjectStore,
    tracking: Tracking,
) -> CanaryOutcome:
    """Put the candidate in production by its gates, and by the person who approved it before."""
    started = found.started.entry
    approval = None
    if started.approval == APPROVED:
        reason = started.reason.removesuffix(f" ({what_passed(judged.judgement)})")
        approval = Approval(approved=True, by=started.by, reason=reason, login=started.login)
    decision = promote_version(judged, approval, look, store=store, tracking=tracking)
    return CanaryOutcome(
        look.step.line, look.step.version, decision.action, decision.reason, look.step.number,
        look.step.share, look.verdict, decision.ledger_uri,
        version_url=decision.version_url, report_url=decision.report_url,
    )  # fmt: skip


def _overtaken(
    look: CanaryLook,
    found: OpenCanary | None,
    state: LineState,
    store: ObjectStore,
    tracking: Tracking,
) -> CanaryOutcome:
    """What became of a step that is over already, by the ledger."""
    if found and found.moved:
        reason = _why_moved(found.moved)
        stopped = _stop(state, found, reason, None, BY_POLICY, store, tracking)
        return _outcome(stopped, CANARY_STOPPED, reason)
    uris = [one.uri for one in state.history]
    begun = uris.index(look.step.ledger_uri) if look.step.ledger_uri in uris else len(uris)
    for one in state.history[begun + 1 :]:
        entry = one.entry
        if entry.candidate_version == look.step.version and entry.action in BEGINNING | ENDING:
            return _outcome(one, entry.action, entry.reason)
    raise PromotionError(
        f"the ledger of {look.step.line} has no canary of version {look.step.version} at step "
        f"{look.step.number}, which was looked at; nothing was decided"
    )


def _evidence(found: OpenCanary, look: CanaryLook | None, store: ObjectStore) -> dict[str, str]:
    return found.evidence | ({CANARY: keep_look(look, store)} if look else {})


def _outcome(recorded: Recorded, action: str, reason: str) -> CanaryOutcome:
    entry = recorded.entry
    return CanaryOutcome(
        entry.line, entry.candidate_version, action, reason, entry.step, entry.share,
        entry.verdict if action != GOES_ON else None, recorded.uri,
    )  # fmt: skip
