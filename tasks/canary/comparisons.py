"""What is compared in a step: failures, slow answers, labels and answers, request by request."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np

from infra.store import ObjectStore
from tasks.canary.recorded_requests import NOTHING, Reading, Rows, read_hours
from tasks.canary.said_labels import microseconds
from tasks.canary.sequential import Floats, Ints
from tasks.canary.tallies import (
    Comparison,
    Observations,
    OfDifferentRequests,
    OfSameRequests,
    Share,
)
from tasks.records.canary import CanaryStep

FAILURES: Final = "canary.failure_increase"
SLOW: Final = "canary.slow_increase"
QUALITY: Final = "canary.quality_loss"
DISAGREEMENT: Final = "canary.disagreement"
# Parts of a step at whose ends its page shows the confidence sequences.
PARTS: Final = 48


@dataclass
class ComparedStep:
    """The requests of a step, up to the end of each of its parts.

    Attributes:
        ends: of the parts, microseconds since 1970, (L,).
        by_gate: what each gate is judged on.
        asked: requests that were put to the version in production, and to the candidate.
        unknown: by gate, requests of which what it asks for is not wholly known.
        strangers: rows under the number of either version, of other weights.
        begun: when the first request was put to the candidate, microseconds since 1970; None where
            none was.
        labels_by: whose labels count; none: everybody's.

    """

    ends: Ints
    by_gate: dict[str, Comparison]
    asked: tuple[int, int]
    unknown: Counter[str]
    strangers: int
    begun: int | None
    labels_by: tuple[str, ...] = ()


def gates_of(*, is_shadow: bool, disagreement: bool) -> tuple[str, ...]:
    """The gates that are judged at a step."""
    always = (FAILURES, SLOW, QUALITY)
    return (*always, DISAGREEMENT) if is_shadow and disagreement else always


def compare(reading: Reading, store: ObjectStore) -> ComparedStep:
    """Read the requests of a step, and add up what is observed of them.

    They count from the first one on that was put to the candidate: before it no server had taken
    notice of the step.

    Raises:
        DataError: an object is not what was to be recorded.
        StoreError: the store cannot be asked.

    """
    since = microseconds(datetime.fromisoformat(reading.step.since))
    ends = np.linspace(since, microseconds(reading.until), PARTS + 1)[1:].astype(np.int64)
    gates = gates_of(is_shadow=reading.step.is_shadow, disagreement=reading.compared)
    by_gate = {gate: _comparison(gate, reading.step) for gate in gates}
    found = ComparedStep(ends, by_gate, (0, 0), Counter(), 0, None, reading.labels.by)
    for hour in read_hours(reading, store):
        found.strangers += hour.strangers
        if found.begun is None and len(hour.candidate.at):
            found.begun = int(hour.candidate.at.min())
        if found.begun is not None:
            is_compared = hour.production.at >= found.begun
            _add(found, hour.production.where(is_compared), hour.candidate)
    return found


def _comparison(gate: str, step: CanaryStep) -> Comparison:
    if gate == DISAGREEMENT:
        return Share(PARTS)
    kind = OfSameRequests if step.is_shadow else OfDifferentRequests
    return kind(PARTS, loss=gate == QUALITY)


def _add(found: ComparedStep, production: Rows, candidate: Rows) -> None:
    asked = (len(np.unique(rows.requests)) for rows in (production, candidate))
    found.asked = tuple(np.add(found.asked, tuple(asked)).tolist())
    for gate, comparison in found.by_gate.items():
        ours = _observed(gate, production, found.ends)
        if gate == DISAGREEMENT:
            theirs = _disagreement(production, candidate, found.ends)
        else:
            theirs = _observed(gate, candidate, found.ends)
        comparison.add(ours, theirs)
        unknown = [seen.requests[seen.low < seen.high] for seen in (ours, theirs)]
        found.unknown[gate] += len(np.unique(np.concatenate(unknown)))


def _observed(gate: str, rows: Rows, ends: Ints) -> Observations:
    """What a gate asks for, of the requests of one version."""
    if gate == QUALITY:
        said = rows.where(rows.said_at >= 0)
        return _by_request(said, said.right[0], said.right[1], said.said_at, ends)
    low, high = rows.slow if gate == SLOW else (rows.failed, rows.failed)
    return _by_request(rows, low, high, rows.at, ends)


def _disagreement(production: Rows, candidate: Rows, ends: Ints) -> Observations:
    """Whether the answers to a row differ; of rows that the version in production answered.

    One that the candidate did not answer differs. Of answers in which there is nothing to compare
    it is not known.
    """
    _, ours, theirs = np.intersect1d(production.rows, candidate.rows, return_indices=True)
    answered = production.failed[ours] == 0
    rows = candidate.where(theirs[answered])
    one, other = production.answers[ours[answered]], rows.answers
    is_known = ((one != NOTHING) & (other != NOTHING)) | (rows.failed == 1)
    differs = ((one != other) | (rows.failed == 1)).astype(np.float64)
    low, high = np.where(is_known, differs, 0.0), np.where(is_known, differs, 1.0)
    return _by_request(rows, low, high, rows.at, ends)


def _by_request(rows: Rows, low: Floats, high: Floats, at: Ints, ends: Ints) -> Observations:
    """The mean over the rows of each request, in the part of the step in which it came."""
    requests, first, places, count = np.unique(
        rows.requests, return_index=True, return_inverse=True, return_counts=True
    )
    part = np.searchsorted(ends, at[first], side="left").clip(max=len(ends) - 1)
    least, most = (np.bincount(places, one, len(requests)) / count for one in (low, high))
    return Observations(requests, least, most, part)
