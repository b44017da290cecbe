"""From a judgement to production, or to a recorded refusal."""

from collections.abc import Mapping
from typing import Final

from infra.digests import digest_of
from infra.errors import PromotionError
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.canary import CanaryLook
from tasks.records.evaluation import Champion
from tasks.records.judged_version import JudgedVersion
from tasks.records.registry import Approval, Decision, Judgement, Version
from tasks.registry.anchor import anchor_of, anchor_with
from tasks.registry.canary_history import OpenCanary, open_canary, stopped_by_moves
from tasks.registry.canary_looks import CANARY, keep_look
from tasks.registry.champion import champion_of
from tasks.registry.judged_versions import JUDGED, keep_judged
from tasks.registry.ledger import (
    BY_POLICY,
    CANARY_STOPPED,
    MOVED_OUTSIDE,
    PROMOTED,
    REFUSED,
    REJECTED,
    RESTORED,
    ROLLED_BACK,
    Recorded,
)
from tasks.registry.line_state import LineState
from tasks.registry.outcomes import moves
from tasks.registry.policy import NO_ANCHOR, NO_CHAMPION
from tasks.registry.policy_record import POLICY
from tasks.registry.proof import ANSWERS, MANIFEST, check_tags_as_registered
from tasks.registry.provenance import facts_of
from tasks.registry.settings import BY_A_PERSON, SAME_PREDICTIONS
from tasks.registry.transitions import APPROVED, evidence_of, record, settle
from tasks.registry.version_tags import WEIGHTS_TAG
from tasks.verdicts import GateResult, Verdict, combine

DECIDING: Final = frozenset({PROMOTED, REFUSED, REJECTED, CANARY_STOPPED})
FAIRNESS_NOT_GATED: Final = "fairness was not gated"


def promote_version(
    judged: JudgedVersion,
    approval: Approval | None = None,
    look: CanaryLook | None = None,
    *,
    store: ObjectStore,
    tracking: Tracking,
) -> Decision:
    """Put a version in production if its judgement passes; else record the refusal.

    Where the policy asks a person, it takes that person's approval, too, and where it asks for a
    canary, the last look at that. One that was approved or tried is refused, and not promoted,
    where production was moved while it waited.

    The same decision on the same evidence is made once: a repetition, after a crash or otherwise,
    finds its ledger entry and carries it out to the end (see `tasks.registry.transitions`).

    Args:
        judged: the candidate with all that it was judged by, which is kept with a new decision.
        approval: what a person says of it; None where none was asked.
        look: at the last step of its canary; None where it was not tried.
        store: holds ledger and manifests.
        tracking: holds the version and the aliases.

    Raises:
        IntegrityError: the registered files are not those that were staged.
        PromotionError: the version in production, or the anchor, is no longer the one that the
            candidate was compared with, or the ledger is not what was written.

    """
    version = judged.version
    state, _ = settle(version.line, store, tracking)
    evidence = evidence_of_judged(judged, store, tracking)
    known = decided_before(state, version, evidence)
    if known:
        return decision_of(judged, known, *_as_of_now(known, state))
    action, reason = by_gates_or_word(state, judged, approval, store, tracking, look)
    if action == PROMOTED and needs_canary(state, judged):
        action, reason = _by_canary(state, judged.version, look, reason)
    to_version, anchor = state.production, None
    if action == PROMOTED:
        to_version = version.version
        history = [recorded.entry for recorded in state.history]
        anchor = anchor_with(version.version, history, judged.scores.comparisons)
    made = record(
        store,
        tracking,
        state,
        action=action,
        to_version=to_version,
        candidate=version.version,
        verdict=judged.judgement.verdict,
        reason=reason,
        by=approval.by if approval and action in {PROMOTED, REJECTED} else BY_POLICY,
        evidence=evidence
        | {JUDGED: keep_judged(judged, store)}
        | ({CANARY: keep_look(look, store)} if look else {}),
        anchor=anchor,
        approval=said_of(approval),
        step=look.step.number if look else 0,
        share=look.step.share if look else 0.0,
        login=approval.login if approval else "",
    )
    return decision_of(judged, made, action, reason)


def needs_canary(state: LineState, judged: JudgedVersion) -> bool:
    """Whether a version is to be tried before it takes over: beside another one in production."""
    version = judged.version.version
    return judged.judgement.canary and state.production not in {None, version}


def _by_canary(
    state: LineState, version: Version, look: CanaryLook | None, passed: str
) -> tuple[str, str]:
    """Action and reason of a version that passes all else: by the last look at its own canary."""
    compared = (version.version, version.weights_sha256, state.production)
    step = look.step if look else None
    seen = (step.version, step.weights_sha256, step.production) if step else None
    if look and look.verdict is Verdict.PASS and seen == compared:
        return PROMOTED, f"{passed}; the canary passed: {look.reason}"
    return REFUSED, f"policy.canary is set, and no canary has passed ({passed})"


def why_not_in_question(state: LineState, judged: JudgedVersion, tracking: Tracking) -> str:
    """Why no person needs to be asked of a version; empty where it may take over."""
    return why_refused(judged.judgement, judged.champion) or _why_not_again(
        state, judged.version, tracking
    )


def by_gates_or_word(
    state: LineState,
    judged: JudgedVersion,
    approval: Approval | None,
    store: ObjectStore,
    tracking: Tracking,
    look: CanaryLook | None = None,
) -> tuple[str, str]:
    """Action and reason: by the gates, and for a version that passes them all by a person's word.

    Args:
        state: of the line.
        judged: the version.
        approval: what a person says of it; None where none was asked.
        store: holds the weights of the version in production.
        tracking: holds its tags.
        look: at the last step of its canary; None where it was not tried.

    Raises:
        PromotionError: production was moved since it was compared, and it did not wait meanwhile.

    """
    if reason := why_not_in_question(state, judged, tracking):
        return REFUSED, reason
    version, judgement = judged.version, judged.judgement
    passed = what_passed(judgement)
    if approval and not approval.approved:
        return REJECTED, f"{approval.reason} ({passed})"
    asked = judgement.approval == BY_A_PERSON and state.production != version.version
    if asked and approval is None:
        return REFUSED, f"policy.approval is {BY_A_PERSON}, and nobody has approved it ({passed})"
    try:
        _check_champion(state, judged, store, tracking)
        _check_anchor(state, judged, store, tracking)
    except PromotionError as error:
        if approval is None and look is None:
            raise
        waited = f"{approval.who} approved it ({approval.reason})" if approval else passed
        return REFUSED, f"{waited}, and {error}"
    return PROMOTED, f"{approval.reason} ({passed})" if approval else passed


def what_passed(judgement: Judgement) -> str:
    """What is said of a version that passes every gate, in the ledger and in brackets elsewhere."""
    passed = f"all {len(judgement.gates)} gates pass{_at_no_cost(judgement)}"
    if judgement.fairness_not_gated:
        passed += f"; {FAIRNESS_NOT_GATED}: {judgement.fairness_not_gated}"
    return passed


def said_of(approval: Approval | None) -> str:
    """What the ledger keeps of an approval, whatever became of the version then."""
    if approval is None:
        return ""
    return APPROVED if approval.approved else REJECTED


def why_refused(judgement: Judgement, champion: Champion | None) -> str:
    """One sentence that names every gate in the way; empty where the candidate may take over."""
    blocking = [_name(gate) for gate in judgement.gates if gate.verdict is not Verdict.PASS]
    if judgement.verdict is Verdict.UNDETERMINED and judgement.fairness_not_gated:
        blocking.append(f"{FAIRNESS_NOT_GATED}: {judgement.fairness_not_gated}")
    if blocking:
        return "; ".join(blocking)
    if judgement.verdict is not Verdict.PASS or not judgement.gates:
        return f"the judgement is {judgement.verdict.value} over {len(judgement.gates)} gates"
    if combine(g.verdict for g in judgement.gates if g.metric == SAME_PREDICTIONS) is not (
        Verdict.PASS
    ):
        return f"the registered artifact was not proven to serve ({SAME_PREDICTIONS})"
    if champion and NO_CHAMPION in judgement.notes:
        return f"it was judged as if there were no champion, and version {champion.version} is one"
    if champion and NO_ANCHOR in judgement.notes:
        return f"it was judged as if there were no anchor, and version {champion.version} served"
    return ""


def _at_no_cost(judgement: Judgement) -> str:
    """Said in the ledger where the looks at the held-out rows were not paid for."""
    if judgement.look is None or judgement.look_share > 1:
        return ""
    return (
        f"; policy.looks.spending is none, and the held-out rows were looked at "
        f"{judgement.look.earlier} times before"
    )


def _name(gate: GateResult) -> str:
    return f"{gate.metric} {gate.verdict.value}: {gate.reason}"


def evidence_of_judged(
    judged: JudgedVersion, store: ObjectStore, tracking: Tracking
) -> dict[str, str]:
    """Digests of all that the decision rests on; by the records, where they have them.

    Raises:
        IntegrityError: its tags say otherwise than its registration returned, or than the record
            of what it was made of.
        PromotionError: the registered version is of other weights than those that were judged.

    """
    version, judgement, report, staged = (
        judged.version, judged.judgement, judged.report, judged.staged,
    )  # fmt: skip
    tags = tracking.version_tags(version.line, version.version)
    if tags.get(WEIGHTS_TAG) != version.weights_sha256:
        raise PromotionError(
            f"version {version.version} of {version.line} in the registry is of the weights "
            f"{tags.get(WEIGHTS_TAG)}, and those with {version.weights_sha256} were judged"
        )
    check_tags_as_registered(version, tags)
    answers = {ANSWERS: staged.answers_sha256} if staged else {}
    return (
        evidence_of(facts_of(f"version {version.version} of {version.line}", tags, store))
        | answers
        | {
            MANIFEST: version.manifest_sha256,
            "judgement": digest_of(judgement),
            "report": report.html.sha256,
            "card": report.card.sha256,
        }
        | ({POLICY: judgement.policy_sha256} if judgement.policy_sha256 else {})
    )


def decided_before(
    state: LineState, version: Version, evidence: Mapping[str, str]
) -> Recorded | None:
    """The decision on the same evidence, if there is one; who was to approve it is no evidence.

    That a canary was stopped is one, unless it was since production was moved.
    """
    undecided = stopped_by_moves(state.history)
    for recorded in reversed(state.history):
        entry = recorded.entry
        same = entry.candidate_version == version.version and is_same(entry.evidence, evidence)
        if same and entry.action in DECIDING and recorded.number not in undecided:
            return recorded
    return None


def own_canary(
    state: LineState, version: Version, evidence: Mapping[str, str]
) -> OpenCanary | None:
    """The canary of a version on the same evidence, beside what is in production still."""
    found = open_canary(state.history)
    if found is None or found.moved or found.version != version.version:
        return None
    return found if is_same(found.evidence, evidence) else None


def is_same(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether two decisions rest on the same, but for what only says where it is kept.

    What a policy asks of the numbers is in the judgement; entries of earlier releases name neither
    the policy nor the record of what was judged. What a canary showed is asked for by a decision.
    """
    left_out = {POLICY, JUDGED, CANARY}
    return all(one.get(name) == other.get(name) for name in (one.keys() | other.keys()) - left_out)


def _as_of_now(known: Recorded, state: LineState) -> tuple[str, str]:
    """What an earlier decision comes to today: production may have moved on since."""
    entry = known.entry
    if entry.action != PROMOTED or state.production == entry.to_version:
        return entry.action, entry.reason
    return REFUSED, (
        f"it was promoted at {entry.at} on the same evidence, and production was moved to version "
        f"{state.production} since; nothing is promoted twice on the same evidence"
    )


def _why_not_again(state: LineState, version: Version, tracking: Tracking) -> str:
    """Whether a person rolled these very weights back: the schedule does not overrule that."""
    # A move outside that was taken back leaves her word as it was.
    passing = {MOVED_OUTSIDE, RESTORED}
    decided = [
        recorded.entry
        for recorded in state.history
        if moves(recorded.entry) and recorded.entry.action not in passing
    ]
    if not decided or decided[-1].action != ROLLED_BACK or decided[-1].from_version is None:
        return ""
    last = decided[-1]
    left = tracking.version_tags(version.line, decided[-1].from_version)
    if left.get(WEIGHTS_TAG) != version.weights_sha256:
        return ""
    return (
        f"{last.who} rolled the same weights back from version {last.from_version} at {last.at} "
        f"({last.reason}); only a person can promote them again"
    )


def _check_champion(
    state: LineState, judged: JudgedVersion, store: ObjectStore, tracking: Tracking
) -> None:
    version = judged.version
    found = champion_of(state, version.weights_sha256, store, tracking)
    if found != judged.champion:
        compared, now = (
            f"version {c.version}" if c else "no version" for c in (judged.champion, found)
        )
        raise PromotionError(
            f"version {version.version} of {version.line} was compared with {compared}, and by now "
            f"{now} is to be compared with: somebody moved production meanwhile. Nothing was "
            "promoted; start the run again"
        )


def _check_anchor(
    state: LineState, judged: JudgedVersion, store: ObjectStore, tracking: Tracking
) -> None:
    version, held_against = judged.version, judged.scores.anchor_version
    found = anchor_of(state, version.weights_sha256, store, tracking)
    if (found.version if found else None) != held_against:
        raise PromotionError(
            f"version {version.version} of {version.line} was held against the anchor "
            f"{held_against or 'of no version'}, and by now it is "
            f"{found.version if found else 'of no version'}: somebody moved production meanwhile. "
            "Nothing was promoted; start the run again"
        )


def decision_of(judged: JudgedVersion, recorded: Recorded, action: str, reason: str) -> Decision:
    """What a run came to that found or made an entry of the ledger."""
    version, report = judged.version, judged.report
    return Decision(
        line=version.line,
        version=version.version,
        action=action,
        reason=reason,
        judgement=judged.judgement,
        ledger_uri=recorded.uri,
        version_url=version.url,
        report_url=report.url,
        report_uri=report.html.uri,
    )
