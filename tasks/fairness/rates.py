"""Rates of groups from counts: accuracy; selection, TPR, FPR, precision and F1 of one label."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tasks.resampling import Floats, Ints, collapse, exact_ladder
from tasks.resampling_units import Clustered, Units, for_groups, resample_cells, rows_per_cluster


@dataclass(frozen=True)
class RowsOfClusters:
    """Rows collapsed to the cluster, pattern of membership, true and predicted label.

    Attributes:
        units: clusters that are drawn.
        columns: unit, pattern, truth and predicted of each combination, shape (M,) each.
        counts: rows of each combination, shape (M,).

    """

    units: Units
    columns: tuple[Ints, Ints, Ints, Ints]
    counts: Ints

    def rows_where(self, counted: NDArray[np.bool_], patterns: int) -> Floats:
        """Rows by unit and pattern, (U, S), whose truth and predicted label count, (L, L)."""
        unit, pattern, truth, predicted = self.columns
        cell, size = unit * patterns + pattern, self.units.count * patterns
        found = np.bincount(cell, self.counts * counted[truth, predicted], size)
        return found.reshape(self.units.count, patterns).astype(np.float64)


@dataclass(frozen=True)
class Outcomes:
    """Rows of one attribute, collapsed to pattern of group membership, true and predicted label.

    Attributes:
        membership: the distinct patterns, shape (S, G).
        counts: rows by pattern, true and predicted label, shape (S, L, L).
        clusters: the same by cluster; None where rows are drawn one by one.

    """

    groups: tuple[str, ...]
    membership: NDArray[np.bool_]
    counts: Ints
    clusters: RowsOfClusters | None = None


@dataclass(frozen=True)
class Rate:
    """A share of rows by pattern of group membership.

    Attributes:
        kind: for example ``true positive rate``.
        label: class id that is told from the rest; None for a rate over all labels.
        hits: rows that count, shape (S,).
        base: rows of which they are a share, shape (S,).
        hit_weight: how often a hit counts: F1 counts it twice, in the precision and in the recall.
        of_clusters: hits and base by unit, shape (U, S) each; None where rows are drawn one by one.

    """

    kind: str
    label: int | None
    hits: Ints
    base: Ints
    hit_weight: float = 1.0
    of_clusters: tuple[Floats, Floats] | None = None


@dataclass(frozen=True)
class GroupNumbers:
    """One number of each group.

    Attributes:
        values: over the rows as they are, shape (G,); NaN where it is undefined.
        draws: joint bootstrap draws, shape (R, G).
        ends: exact lower and upper ends of each group's own number at every confidence, shape
            (MAX_FAMILY, G) each; None where it is no share of rows that are drawn one by one.

    """

    values: Floats
    draws: Floats
    ends: tuple[Floats, Floats] | None = None


def collapse_outcomes(
    groups: tuple[str, ...],
    membership: NDArray[np.bool_],
    truth: Ints,
    predicted: Ints,
    size: int,
    units: Units | None = None,
) -> Outcomes:
    """Count rows by membership pattern, true and predicted label.

    Args:
        groups: names of the G groups.
        membership: shape (N, G); a row may be in several groups, or in none.
        truth: class ids, shape (N,).
        predicted: class ids, shape (N,).
        size: labels L.
        units: what the rows are drawn in; None for one by one.

    """
    patterns, pattern = distinct_patterns(membership)
    cells = collapse([pattern, truth, predicted])
    counts = np.zeros((len(patterns), size, size), dtype=np.int64)
    counts[cells.columns] = cells.counts
    clusters = None
    if units and units.clustered:
        units = for_groups(units, membership)
        apart = collapse([units.of_row, pattern, truth, predicted])
        unit, of_pattern, true, called = apart.columns
        clusters = RowsOfClusters(units, (unit, of_pattern, true, called), apart.counts)
    return Outcomes(groups, patterns, counts, clusters)


def with_groups(outcomes: Outcomes, groups: tuple[str, ...]) -> Outcomes:
    """The outcomes of these groups; one that no row belongs to has no rows."""
    membership = np.zeros((len(outcomes.membership), len(groups)), dtype=np.bool_)
    for place, group in enumerate(groups):
        if group in outcomes.groups:
            membership[:, place] = outcomes.membership[:, outcomes.groups.index(group)]
    return Outcomes(groups, membership, outcomes.counts, outcomes.clusters)


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
    true, called = _labels(outcomes)
    return _rate("accuracy", None, outcomes, true == called, true >= 0)


def selection_rate(outcomes: Outcomes, label: int) -> Rate:
    """Share of rows predicted as the label."""
    true, called = _labels(outcomes)
    return _rate("selection rate", label, outcomes, called == label, true >= 0)


def true_positive_rate(outcomes: Outcomes, label: int) -> Rate:
    """Share of the label's rows predicted as it."""
    true, called = _labels(outcomes)
    return _rate("true positive rate", label, outcomes, called == label, true == label)


def false_positive_rate(outcomes: Outcomes, label: int) -> Rate:
    """Share of the other labels' rows predicted as the label."""
    true, called = _labels(outcomes)
    return _rate("false positive rate", label, outcomes, called == label, true != label)


def precision(outcomes: Outcomes, label: int) -> Rate:
    """Share of the label's rows among those predicted as it."""
    true, called = _labels(outcomes)
    return _rate("precision", label, outcomes, true == label, called == label)


def f1_score(outcomes: Outcomes, label: int) -> Rate:
    """Twice the hits among those twice, the misses and the false alarms of a label."""
    true, called = _labels(outcomes)
    here, there = true == label, called == label
    return _rate("F1", label, outcomes, here & there, here | there, hit_weight=2.0)


def false_negative_share(outcomes: Outcomes, label: int) -> Rate:
    """Share of false negatives among the wrong answers about a label, false positives the others.

    Treatment equality (Berk et al. 2018, doi:10.1177/0049124118782533) compares r, the ratio of
    false negatives to false positives; r / (1 + r) is this share, which is bounded, and defined
    where a group has no false positives.
    """
    true, called = _labels(outcomes)
    missed, raised = (true == label) & (called != label), (true != label) & (called == label)
    return _rate("false negative share", label, outcomes, missed, missed | raised)


def _labels(outcomes: Outcomes) -> tuple[Ints, Ints]:
    """True and predicted label of each cell of a confusion matrix, (L, 1) and (1, L)."""
    ids = np.arange(outcomes.counts.shape[1])
    return ids[:, None], ids[None, :]


def _rate(
    kind: str,
    label: int | None,
    outcomes: Outcomes,
    hit: NDArray[np.bool_],
    base: NDArray[np.bool_],
    hit_weight: float = 1.0,
) -> Rate:
    """The rate of the hits among the base; both say which cells of the confusion matrix count."""
    counts, clusters = outcomes.counts, outcomes.clusters
    base = np.broadcast_to(base, counts.shape[1:])
    hit = base & hit
    of_clusters = None
    if clusters:
        rows_of_hits, rows = (clusters.rows_where(one, len(counts)) for one in (hit, base))
        of_clusters = rows_of_hits, rows
    hits, total = (counts[:, one].sum(axis=1) for one in (hit, base))
    return Rate(kind, label, hits, total, hit_weight, of_clusters)


def by_group(counts: Ints, outcomes: Outcomes) -> Ints:
    """Sum over each group's patterns, (S,) to (G,); a row counts in all of its groups."""
    return counts @ outcomes.membership.astype(np.int64)


def group_values(rate: Rate, outcomes: Outcomes) -> Floats:
    """The rate of each group, shape (G,); NaN where a group has no base rows."""
    hits, rows = by_group(rate.hits, outcomes), by_group(rate.base, outcomes)
    with np.errstate(divide="ignore", invalid="ignore"):
        return rate.hit_weight * hits / (rows + (rate.hit_weight - 1) * hits)


def exact_ends(rate: Rate, outcomes: Outcomes) -> tuple[Floats, Floats] | None:
    """Exact ends of each group's share (Clopper and Pearson), as `GroupNumbers` has them."""
    hits, rows = by_group(rate.hits, outcomes), by_group(rate.base, outcomes)
    if outcomes.clusters or rate.hit_weight != 1 or not rows.all():
        return None
    pairs = zip(map(int, hits), map(int, rows), strict=True)
    ladders = np.array([exact_ladder(hit, row) for hit, row in pairs])  # (G, MAX_FAMILY, 2)
    return (ladders[..., 0].T, ladders[..., 1].T) if len(ladders) else None


def group_draws(
    rate: Rate, outcomes: Outcomes, repeats: int, random: np.random.Generator
) -> Floats:
    """Bayesian bootstrap draws of the rate of each group, shape (R, G).

    Rows in several groups move all of them together, as do rows of a cluster. Each group gets at
    least one pseudo-row, half hit and half miss, spread over its patterns as its rows are (see
    tasks/resampling.py).
    """
    member = outcomes.membership.astype(np.float64)  # (S, G)
    pseudo = np.tile(pseudo_rows(rate.base, outcomes.membership) / 2, 2)
    counts = np.concatenate([rate.hits, rate.base - rate.hits]).astype(np.float64)
    patterns = len(rate.base)

    def statistic(weights: Floats) -> Floats:
        hits = rate.hit_weight * (weights[:, :patterns] @ member)
        return np.asarray(hits / (hits + weights[:, patterns:] @ member))

    clustered = _clustered(rate, outcomes)
    return resample_cells(counts, pseudo, clustered, statistic, repeats, random)


def _clustered(rate: Rate, outcomes: Outcomes) -> Clustered | None:
    """The clusters of the hits (S,) and misses (S,) of a rate."""
    if not (outcomes.clusters and rate.of_clusters):
        return None
    units = outcomes.clusters.units
    hits, base = rate.of_clusters
    rows = rows_per_cluster(sparse.csr_array(base), units)
    by_unit = sparse.csr_array(np.concatenate([hits, base - hits], axis=1))
    return Clustered(units, by_unit, np.tile(rows, 2))


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
