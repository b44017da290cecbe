"""Whom a candidate is compared with."""

from collections.abc import Mapping, Sequence
from typing import Final

from infra.errors import PromotionError
from infra.store import Artifact, ObjectStore
from infra.tracking import Tracking
from tasks.records.data import DataReference
from tasks.records.evaluation import Champion
from tasks.records.registry import LedgerEntry
from tasks.registry.ledger import MOVED_OUTSIDE, OVERRIDDEN, PROMOTED
from tasks.registry.line_state import LineState
from tasks.registry.outside_moves import refusal
from tasks.registry.proof import proof_of
from tasks.registry.provenance import facts_of
from tasks.registry.version_tags import (
    AUGMENTED_TAG,
    AUGMENTED_URI_TAG,
    DATA_TAG,
    DATA_URI_TAG,
    WEIGHTS_TAG,
    WEIGHTS_URI_TAG,
)

# A move outside of the ledger is one where it was accepted, and else was taken back.
TAKE_OVERS: Final = frozenset({PROMOTED, OVERRIDDEN, MOVED_OUTSIDE})


def champion_for(
    line: str, weights_sha256: str, *, store: ObjectStore, tracking: Tracking
) -> Champion | None:
    """The version in production, or the one before it where production is the candidate itself.

    Raises:
        PromotionError: the ledger is not what was written, or somebody moved production outside
            of it.
        StoreError, TrackingError: a server is unreachable; that is never taken for "no champion".

    """
    state = LineState(line, store, tracking)
    if state.in_doubt:
        raise PromotionError(refusal(state, tracking))
    return champion_of(state, weights_sha256, store, tracking)


def champion_of(
    state: LineState, weights_sha256: str, store: ObjectStore, tracking: Tracking
) -> Champion | None:
    """As `champion_for`, of a line that was read already.

    A version with the candidate's own weights is no comparator: the run repeats itself. The
    question is then whom that version took over from, by the ledger, and so on back to other
    weights. So a repeated run asks for the same comparison as the first one, and is found in the
    cache.

    Raises:
        IntegrityError: the version's tag names another manifest than the ledger, or its tags say
            otherwise than the record of what it was made of.

    """
    version, tags, _ = last_other_than(state, WEIGHTS_TAG, weights_sha256, tracking)
    return None if version is None else comparator_of(state, version, tags, store)


def comparator_of(
    state: LineState, version: int, tags: Mapping[str, str], store: ObjectStore
) -> Champion:
    """A version as a candidate is compared with it: what it was made of, by ledger and registry.

    Raises:
        IntegrityError: as `champion_of`.

    """
    history = [recorded.entry for recorded in state.history]
    facts = facts_of(f"version {version} of {state.line}", tags, store)
    return Champion(
        state.line,
        version,
        tags.get(WEIGHTS_TAG, ""),
        proof_of(state.line, version, history, tags).manifest_sha256,
        facts.get(WEIGHTS_URI_TAG, ""),
        facts.get(DATA_TAG, ""),
        facts.get(DATA_URI_TAG, ""),
        facts.get(AUGMENTED_TAG, ""),
        facts.get(AUGMENTED_URI_TAG, ""),
    )


def reference_for(
    line: str, data_sha256: str, *, store: ObjectStore, tracking: Tracking
) -> DataReference | None:
    """The rows that production was trained on, or those before where they are the same rows.

    So a run on unchanged data asks for the same comparison as the run before it, and is found in
    the cache; and data that changed is held against what production learned from.

    Raises:
        IntegrityError: as `champion_of`.
        PromotionError: the ledger is not what was written.
        StoreError, TrackingError: a server is unreachable; that is never taken for "no champion".

    """
    state = LineState(line, store, tracking)
    version, tags, _ = last_other_than(state, DATA_TAG, data_sha256, tracking)
    if version is None:
        return None
    proof_of(line, version, [recorded.entry for recorded in state.history], tags)
    # A version that others registered says nothing of its rows: a comparison is undetermined.
    facts = facts_of(f"version {version} of {line}", tags, store)
    clean = Artifact(facts.get(DATA_URI_TAG, ""), facts.get(DATA_TAG, ""), 0)
    return DataReference(line, version, clean)


def last_other_than(
    state: LineState, tag: str, value: str, tracking: Tracking
) -> tuple[int | None, dict[str, str], list[LedgerEntry]]:
    """The last version in production whose tag has another value, with its tags.

    Returns:
        The version, its tags, and the ledger up to the moment when it was taken over from.

    """
    version, history = state.production, [recorded.entry for recorded in state.history]
    while version is not None:
        tags = tracking.version_tags(state.line, version)
        if tags.get(tag, "") != value:
            return version, tags, history
        version, history = _taken_over_from(history, version)
    return None, {}, history


def _taken_over_from(
    history: Sequence[LedgerEntry], version: int
) -> tuple[int | None, list[LedgerEntry]]:
    """The version before this one, and the ledger up to the moment when this one took over."""
    for index in range(len(history) - 1, -1, -1):
        entry = history[index]
        if entry.to_version == version != entry.from_version and entry.action in TAKE_OVERS:
            return entry.from_version, list(history[:index])
    return None, []
