"""Rates of groups from counts: accuracy; selection, TPR, FPR, precision and F1 of one label."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.resampling import Floats, Ints, collapse, resample


@dataclass(frozen=True)
class Outcomes:
    """Rows of one attribute, collapsed to pattern of group membership, true and predicted label.

    Attributes:
        membership: the distinct patterns, shape (S, G).
        counts: rows by pattern, true and predicted label, shape (S, L, L).

    """

    groups: tuple[str, ...]
    membership: NDArray[np.bool_]
    counts: Ints


@dataclass(frozen=True)
class Rate:
    """A share of rows by pattern of group membership.

    Attributes:
        kind: for example ``true positive rate``.
        label: class id that is told from the rest; None for a rate over all labels.
        hits: rows that count, shape (S,).
        base: rows of which they are a share, shape (S,).
        hit_weight: how often a hit counts: F1 counts it twice, in the precision and in the recall.

    """

    kind: str
    label: int | None
    hits: Ints
    base: Ints
    hit_weight: float = 1.0


@dataclass(frozen=True)
class GroupNumbers:
    """One number of each group.

    Attributes:
        values: over the rows as they are, shape (G,); NaN where it is undefined.
        draws: joint bootstrap draws, shape (R, G).

    """

    values: Floats
    draws: Floats


def collapse_outcomes(
    groups: tuple[str, ...],
    membership: NDArray[np.bool_],
    truth: Ints,
    predicted: Ints,
    size: int,
) -> Outcomes:
    """Count rows by membership pattern, true and predicted label.

    Args:
        groups: names of the G groups.
        membership: shape (N, G); a row may be in several groups, or in none.
        truth: class ids, shape (N,).
        predicted: class ids, shape (N,).
        size: labels L.

    """
    patterns, pattern = distinct_patterns(membership)
    cells = collapse([pattern, truth, predicted])
    counts = np.zeros((len(patterns), size, size), dtype=np.int64)
    counts[cells.columns] = cells.counts
    return Outcomes(groups, patterns, counts)


def with_groups(outcomes: Outcomes, groups: tuple[str, ...]) -> Outcomes:
    """The outcomes of these groups; one that no row belongs to has no rows."""
    membership = np.zeros((len(outcomes.membership), len(groups)), dtype=np.bool_)
    for place, group in enumerate(groups):
        if group in outcomes.groups:
            membership[:, place] = outcomes.membership[:, outcomes.groups.index(group)]
    return Outcomes(groups, membership, outcomes.counts)


def distinct_patterns(membership: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], Ints]:
    """The distinct rows (S, G) of a membership (N, G), and which of them each row is."""
    if membership.shape[1] == 0:
        return np.zeros((1, 0), dtype=np.bool_), np.zeros(len(membership), dtype=np.int64)
    # Numbering eight groups a step keeps every number small, however many groups there are.
    code = np.zeros(len(membership), dtype=np.int64)
    for byte in np.packbits(membership, axis=1).T:
        code = _renumber(code * 256 + byte)
    first = np.zeros(int(code.max(initial=0)) + 1, dtype=np.int64)
    first[code] = np.arange(len(code))
    return membership[first], code


def _renumber(code: Ints) -> Ints:
    """Number the distinct values from 0 up, in their order."""
    span = int(code.max(initial=0)) + 1
    if span > max(4 * len(code), 1024):
        return np.asarray(np.unique(code, return_inverse=True)[1], dtype=np.int64)
    seen = np.zeros(span, dtype=np.bool_)
    seen[code] = True
    return np.asarray((np.cumsum(seen) - 1)[code], dtype=np.int64)


def accuracy_rate(outcomes: Outcomes) -> Rate:
    """Share of right predictions."""
    base = outcomes.counts.sum(axis=(1, 2))
    return Rate("accuracy", None, np.trace(outcomes.counts, axis1=1, axis2=2), base)


def selection_rate(outcomes: Outcomes, label: int) -> Rate:
    """Share of rows predicted as the label."""
    base = outcomes.counts.sum(axis=(1, 2))
    return Rate("selection rate", label, outcomes.counts[:, :, label].sum(axis=1), base)


def true_positive_rate(outcomes: Outcomes, label: int) -> Rate:
    """Share of the label's rows predicted as it."""
    base = outcomes.counts[:, label].sum(axis=1)
    return Rate("true positive rate", label, outcomes.counts[:, label, label], base)


def false_positive_rate(outcomes: Outcomes, label: int) -> Rate:
    """Share of the other labels' rows predicted as the label."""
    others = np.delete(outcomes.counts, label, axis=1)
    return Rate(
        "false positive rate",
        label,
        others[:, :, label].sum(axis=1),
        others.sum(axis=(1, 2)),
    )


def precision(outcomes: Outcomes, label: int) -> Rate:
    """Share of the label's rows among those predicted as it."""
    base = outcomes.counts[:, :, label].sum(axis=1)
    return Rate("precision", label, outcomes.counts[:, label, label], base)


def f1_score(outcomes: Outcomes, label: int) -> Rate:
    """Twice the hits among those twice, the misses and the false alarms of a label."""
    hits = outcomes.counts[:, label, label]
    base = outcomes.counts[:, label].sum(axis=1) + outcomes.counts[:, :, label].sum(axis=1) - hits
    return Rate("F1", label, hits, base, hit_weight=2.0)


def by_group(counts: Ints, outcomes: Outcomes) -> Ints:
    """Sum over each group's patterns, (S,) to (G,); a row counts in all of its groups."""
    return counts @ outcomes.membership.astype(np.int64)


def group_values(rate: Rate, outcomes: Outcomes) -> Floats:
    """The rate of each group, shape (G,); NaN where a group has no base rows."""
    hits, rows = by_group(rate.hits, outcomes), by_group(rate.base, outcomes)
    with np.errstate(divide="ignore", invalid="ignore"):
        return rate.hit_weight * hits / (rows + (rate.hit_weight - 1) * hits)


def group_draws(
    rate: Rate, outcomes: Outcomes, repeats: int, random: np.random.Generator
) -> Floats:
    """Bayesian bootstrap draws of the rate of each group, shape (R, G).

    Rows in several groups move all of them together. Each group gets at least one pseudo-row, half
    hit and half miss, spread over its patterns as its rows are (see tasks/resampling.py).
    """
    member = outcomes.membership.astype(np.float64)  # (S, G)
    pseudo = pseudo_rows(rate.base, outcomes.membership)
    masses = np.concatenate([rate.hits + pseudo / 2, rate.base - rate.hits + pseudo / 2])
    patterns = len(rate.base)

    def statistic(weights: Floats) -> Floats:
        hits = rate.hit_weight * (weights[:, :patterns] @ member)
        return np.asarray(hits / (hits + weights[:, patterns:] @ member))

    return resample(masses, statistic, repeats, random)


def pseudo_rows(rows: Ints, membership: NDArray[np.bool_]) -> Floats:
    """Mass of the pseudo-rows of each pattern, so that each group has at least one in all.

    Args:
        rows: by pattern, shape (S,) or (S, K).
        membership: the patterns, shape (S, G).

    """
    totals = membership.T.astype(np.float64) @ rows  # (G,) or (G, K)
    here = membership if rows.ndim == 1 else membership[..., None]
    smallest = np.where(here, totals, np.inf).min(axis=1, initial=np.inf)
    return np.asarray(rows / np.maximum(smallest, 1))
