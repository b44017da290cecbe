"""What a person decides: to go back, or to promote a version against or without a verdict."""

from collections.abc import Mapping
from dataclasses import replace

from infra.errors import IntegrityError, PromotionError
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.registry import LedgerEntry
from tasks.registry.ledger import OVERRIDDEN, ROLLED_BACK
from tasks.registry.proof import (
    ANSWERS,
    MANIFEST,
    NO_MANIFEST,
    Proof,
    make_manifest,
    proof_of,
)
from tasks.registry.staging import load_test
from tasks.registry.transitions import VERDICT_TAG, LineState, evidence_of, record, settle
from tasks.verdicts import Verdict


def roll_back_line(
    line: str, by: str, reason: str, *, store: ObjectStore, tracking: Tracking
) -> LedgerEntry:
    """Swap ``production`` and ``previous``, after the previous version was proven once more.

    Its files must be those that were registered, and it must answer as it did when it was staged.
    A rollback that was cut short by a crash is finished, not done a second time.

    Raises:
        IntegrityError: the previous version's files are others, or it has no manifest.
        PromotionError: there is nothing to go back to, the previous version does not serve, the
            ledger is not what was written, or name or reason are empty.

    """
    _check_named(by, reason)
    state, finished = settle(line, store, tracking)
    if finished and finished.entry.action == ROLLED_BACK:
        return finished.entry
    if state.production is None or state.previous is None or state.previous == state.production:
        raise PromotionError(
            f"{line} has no previous version to roll back to (production: "
            f"{state.production or 'none'}, previous: {state.previous or 'none'}); a rollback "
            "needs a line that was promoted twice"
        )
    tags = tracking.version_tags(line, state.previous)
    proof = _proof(state, state.previous, tags)
    if not proof.manifest_sha256:
        raise IntegrityError(NO_MANIFEST.format(line=line, version=state.previous))
    load_test(line, state.previous, proof, store=store, tracking=tracking)
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
        evidence=_evidence(tags, proof),
    ).entry


def override_promotion_of(
    line: str, version: int, by: str, reason: str, *, store: ObjectStore, tracking: Tracking
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
    _check_named(by, reason)
    state, finished = settle(line, store, tracking)
    if finished and finished.entry.action == OVERRIDDEN and state.production == version:
        return finished.entry
    tags = tracking.version_tags(line, version)
    if state.production == version:
        raise PromotionError(f"version {version} of {line} is in production already")
    proof = _proof(state, version, tags)
    if not proof.manifest_sha256:
        proof = replace(proof, manifest_sha256=make_manifest(line, version, tags, store, tracking))
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
        evidence=_evidence(tags, proof),
    ).entry


def _proof(state: LineState, version: int, tags: Mapping[str, str]) -> Proof:
    return proof_of(state.line, version, [recorded.entry for recorded in state.history], tags)


def _evidence(tags: Mapping[str, str], proof: Proof) -> dict[str, str]:
    answers = {ANSWERS: proof.answers_sha256} if proof.answers_sha256 else {}
    return evidence_of(tags) | {MANIFEST: proof.manifest_sha256} | answers


def _check_named(by: str, reason: str) -> None:
    if not by.strip() or not reason.strip():
        raise PromotionError(
            f"a decision by hand needs a name and a reason; seen: by={by!r}, reason={reason!r}"
        )
