"""The version in production, and one that a canary tries, as whoever asks it must know it."""

import json
from collections.abc import Mapping

from infra.errors import IntegrityError, PromotionError
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.canary import CanaryStep
from tasks.records.registry import Production
from tasks.registry.line_state import LineState
from tasks.registry.outside_moves import refusal
from tasks.registry.proof import NO_MANIFEST, proof_of
from tasks.registry.provenance import facts_of
from tasks.registry.version_tags import LABELS_TAG, PREFIX, WEIGHTS_TAG, task_type_of


def production_of(line: str, *, store: ObjectStore, tracking: Tracking) -> Production:
    """The version in production, by the ledger and by MLflow, which must agree.

    Raises:
        IntegrityError: its tags say otherwise than the ledger or the record of what it was made of.
        PromotionError: the line has no version in production, somebody moved the alias outside of
            the ledger, or the version has no manifest, so that nothing shows what was proven.
        StoreError, TrackingError: a server is unreachable.

    """
    state = LineState(line, store, tracking)
    if state.in_doubt:
        raise PromotionError(refusal(state, tracking))
    version = state.production
    if version is None:
        raise PromotionError(
            f"{line} has no version in production; a run of retrain/{line} promotes one when every "
            "gate passes"
        )
    return _as_asked(state, version, store, tracking)


def candidate_of(step: CanaryStep, *, store: ObjectStore, tracking: Tracking) -> Production:
    """The version that a canary tries, as the version in production is known.

    Raises:
        IntegrityError: its tags say otherwise than the ledger or the record of what it was made of,
            or it is of other weights than the canary's.
        PromotionError: it has no manifest, so that nothing shows what was proven, or the ledger is
            not what was written.
        StoreError, TrackingError: a server is unreachable.

    """
    return _candidate(LineState(step.line, store, tracking), step, store, tracking)


def compared_in(
    step: CanaryStep, *, store: ObjectStore, tracking: Tracking
) -> tuple[Production, Production]:
    """The version in production that a canary began beside, and its candidate.

    Raises:
        IntegrityError, PromotionError, StoreError, TrackingError: as `candidate_of`, of either.

    """
    state = LineState(step.line, store, tracking)
    production = _as_asked(state, step.production, store, tracking)
    return production, _candidate(state, step, store, tracking)


def _candidate(
    state: LineState, step: CanaryStep, store: ObjectStore, tracking: Tracking
) -> Production:
    found = _as_asked(state, step.version, store, tracking)
    if found.weights_sha256 != step.weights_sha256:
        raise IntegrityError(
            f"version {step.version} of {step.line} in the registry is of the weights "
            f"{found.weights_sha256}, and its canary is of those with {step.weights_sha256}: "
            "somebody changed its tags. The candidate is asked nothing"
        )
    return found


def _as_asked(state: LineState, version: int, store: ObjectStore, tracking: Tracking) -> Production:
    """A version with what it takes to ask it, by ledger and tags, which must agree."""
    line = state.line
    tags = tracking.version_tags(line, version)
    proof = proof_of(line, version, [recorded.entry for recorded in state.history], tags)
    if not proof.manifest_sha256:
        raise PromotionError(NO_MANIFEST.format(line=line, version=version))
    facts = facts_of(f"version {version} of {line}", tags, store)
    return Production(
        line,
        version,
        tags.get(WEIGHTS_TAG, ""),
        proof.manifest_sha256,
        task_type_of(tags),
        labels_of(facts),
        *limits_of(f"version {version} of {line}", facts),
    )


def labels_of(facts: Mapping[str, str]) -> tuple[str, ...]:
    """The labels of a version, by its tags and the record of what it was made of; none unsaid."""
    written = facts.get(LABELS_TAG, "")
    if written.startswith("["):
        return tuple(json.loads(written))
    return tuple(written.split(", ")) if written else ()


def limits_of(version: str, facts: Mapping[str, str]) -> tuple[int, int, int]:
    """How many tokens it reads, how many its windows share, and how many it writes.

    Args:
        version: its name, for the message.
        facts: tags and record of what it was made of.

    Raises:
        PromotionError: nothing says so.

    """
    said = [facts.get(PREFIX + name, "") for name in ("max_length", "stride", "max_target_length")]
    if not all(one.isdecimal() for one in said):
        raise PromotionError(
            f"nothing says how many tokens {version} reads: an earlier release registered it, or "
            "another program did. A run of the line registers it anew"
        )
    max_length, stride, max_target_length = map(int, said)
    return max_length, stride, max_target_length
