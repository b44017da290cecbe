"""What a person decides: to go back, or to promote a version against or without a verdict."""

from collections.abc import Mapping
from dataclasses import replace

from infra.errors import IntegrityError, PromotionError
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.registry import LedgerEntry
from tasks.registry.ledger import OVERRIDDEN, ROLLED_BACK, Recorded
from tasks.registry.line_state import LineState
from tasks.registry.outcomes import moves
from tasks.registry.proof import (
    ANSWERS,
    MANIFEST,
    NO_MANIFEST,
    Proof,
    make_manifest,
    proof_of,
)
from tasks.registry.provenance import facts_of
from tasks.registry.reconciliation import settle_by_setting
from tasks.registry.settings import OnOutsideMove
from tasks.registry.staging import load_test
from tasks.registry.transitions import (
    VERDICT_TAG,
    check_named,
    evidence_of,
    is_same_request,
    record,
    recorded_by,
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
    run: str = "",
    login: str = "",
) -> LedgerEntry:
    """Swap ``production`` and ``previous``, after the previous version was proven once more.

    Its files must be those that were registered, and it must answer as it did when it was staged.
    A rollback by the same person for the same reason that was cut short by a crash is finished, not
    done a second time; nor is one that this very run recorded in an earlier try, which somebody
    else may have finished since.

    Args:
        line: the model line.
        by: who decides.
        reason: why.
        store: of the ledger.
        tracking: of the aliases.
        on_outside_move: the line's setting for moves outside of the ledger.
        run: the Prefect flow run; empty where it is none.
        login: of who decides, as it was verified (`tasks.registry.rights`).

    Raises:
        IntegrityError: the previous version's files are others, or it has no manifest.
        PromotionError: there is nothing to go back to, the previous version does not serve, the
            ledger is not what was written, somebody else moved production at the same moment, or
            name or reason are empty.

    """
    check_named(by, reason)
    state, finished = settle_by_setting(line, on_outside_move, store=store, tracking=tracking)
    if done := recorded_by(run, ROLLED_BACK, state):
        return done.entry
    if finished and is_same_request(finished, ROLLED_BACK, by, reason):
        return finished.entry
    if finished and moves(finished.entry):
        raise PromotionError(_somebody_elses(finished))
    previous = _check_way_back(state)
    tags = tracking.version_tags(line, previous)
    proof = _proof(state, previous, tags)
    if not proof.manifest_sha256:
        raise IntegrityError(NO_MANIFEST.format(line=line, version=previous))
    facts = facts_of(f"version {previous} of {line}", tags, store)
    load_test(line, previous, proof, store=store, tracking=tracking)
    return record(
        store,
        tracking,
        state,
        action=ROLLED_BACK,
        to_version=previous,
        candidate=previous,
        verdict=None,
        reason=reason.strip(),
        by=by.strip(),
        evidence=_evidence(facts, proof),
        run=run,
        login=login,
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
    run: str = "",
    login: str = "",
) -> LedgerEntry:
    """Put a version in production by a person's word, after it was seen to serve.

    Its files must be those that were registered; a version of a release that made no manifests is
    held against the weights of its training, and gets one. The entry says so, with the name, the
    reason and the verdict that the version has, if any.

    Raises:
        IntegrityError: the version's files are others.
        PromotionError: the version is in production already or does not serve, the ledger is not
            what was written, or name or reason are empty.
        TrackingError: there is no such version.

    """
    check_named(by, reason)
    state, finished = settle_by_setting(line, on_outside_move, store=store, tracking=tracking)
    if done := recorded_by(run, OVERRIDDEN, state):
        return done.entry
    again = finished and is_same_request(finished, OVERRIDDEN, by, reason)
    if finished and again and state.production == version:
        return finished.entry
    tags = tracking.version_tags(line, version)
    if state.production == version:
        raise PromotionError(f"version {version} of {line} is in production already")
    proof = _proof(state, version, tags)
    if not proof.manifest_sha256:
        proof = replace(proof, manifest_sha256=make_manifest(line, version, tags, store, tracking))
    facts = facts_of(f"version {version} of {line}", tags, store)
    load_test(line, version, proof, store=store, tracking=tracking)
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
        evidence=_evidence(facts, proof),
        run=run,
        login=login,
    ).entry


def _check_way_back(state: LineState) -> int:
    """The version that a rollback leads to.

    Raises:
        PromotionError: there is none.

    """
    if state.production is None or state.previous is None or state.previous == state.production:
        raise PromotionError(
            f"{state.line} has no previous version to roll back to (production: "
            f"{state.production or 'none'}, previous: {state.previous or 'none'}); a rollback "
            "needs a line that was promoted twice"
        )
    return state.previous


def _proof(state: LineState, version: int, tags: Mapping[str, str]) -> Proof:
    return proof_of(state.line, version, [recorded.entry for recorded in state.history], tags)


def _evidence(facts: Mapping[str, str], proof: Proof) -> dict[str, str]:
    answers = {ANSWERS: proof.answers_sha256} if proof.answers_sha256 else {}
    return evidence_of(facts) | {MANIFEST: proof.manifest_sha256} | answers


def _somebody_elses(finished: Recorded) -> str:
    """What a person is told who asks to go back from what another one had under way."""
    entry = finished.entry
    now = "no version" if entry.to_version is None else f"version {entry.to_version}"
    return (
        f"a transition of {entry.line} was under way and is finished now: {entry.action}, by "
        f"{entry.who} ({entry.reason}); {now} is in production. This rollback moved nothing; start "
        "it again if it is still wanted"
    )
