"""Areas under the ROC and the precision-recall curve: how well scores rank a class above others.

Under weights of rows the areas are computed anew; over drawn units of rows they are taken to be
linear in the factors, by their derivatives, so that a draw costs what its units cost.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.resampling import Floats, Ints
from tasks.task_types.measures import Measure, Statistic

Bools = NDArray[np.bool_]
# From weights (r, G) of the positive and the negative rows at each of G rising scores, to (r,).
Area = Callable[[Floats, Floats], Floats]
# From scores, whether a row is positive, and its weight, (N,) each, to the area and its derivative
# by each row's weight.
Influence = Callable[[Floats, Bools, Floats], tuple[float, Floats]]
# Weights ranked at once: 1 MB of float64, which a processor's cache holds.
RANKED_AT_ONCE = 131_072


def ranking_measures(truth: Ints, probabilities: Floats, reason: str) -> list[Measure]:
    """ROC AUC, and PR AUC as the average precision, one class against the rest, macro-averaged.

    Of two classes the last one is the positive one.

    Args:
        truth: class ids, (N,).
        probabilities: (N, L).
        reason: why they are not defined, for instance that a label has no row; empty otherwise.

    """
    size = probabilities.shape[1]
    classes = range(size) if size > 2 else range(size - 1, size)  # noqa: PLR2004 - binary
    scores = np.stack([probabilities[:, label] for label in classes])  # (C, N)
    positive = np.stack([truth == label for label in classes])
    return [
        macro_area("roc_auc", scores, positive, roc_area, roc_influence, reason),
        macro_area("pr_auc", scores, positive, average_precision, precision_influence, reason),
    ]


def macro_area(
    name: str, scores: Floats, positive: Bools, area: Area, influence: Influence, reason: str = ""
) -> Measure:
    """The mean area over some rankings of the same rows.

    Args:
        name: of the metric.
        scores: (C, N).
        positive: (C, N).
        area: which one.
        influence: its linear form.
        reason: why it is not defined; empty where it is.

    """
    size, rows = scores.shape
    rankings = [_ranking(scores[c], positive[c], c, size) for c in range(size)]
    at_once = max(1, RANKED_AT_ONCE // (rows + 4))

    def statistic(weights: Floats) -> Floats:
        areas = [
            [area(*_by_score(part, ranking)) for ranking in rankings]
            for part in np.split(weights, range(at_once, len(weights), at_once))
        ]
        return np.concatenate([np.mean(part, axis=0) for part in areas])

    def gather(units: Ints, count: int) -> Statistic:
        kept = units >= 0
        parts = [
            influence(*_with_ends(scores[c][kept], positive[c][kept], c, size)) for c in range(size)
        ]
        value = float(np.mean([whole for whole, _ in parts]))
        each = np.mean([part for _, part in parts], axis=0)
        number = int(kept.sum())
        summed = np.bincount(units[kept], each[:number], count)
        members = np.bincount(units[kept], minlength=count)

        def linear(weights: Floats) -> Floats:
            moved = weights @ np.concatenate([summed, each[number:]])
            total = weights[:, :count] @ members
            return np.asarray(np.clip(value + moved / total * number, 0, 1))

        return linear

    return Measure(
        name,
        statistic,
        rows,
        (0.5 / max(size, 2),) * (4 * size),
        reason,
        gather=gather,
    )


def _with_ends(
    scores: Floats, positive: Bools, label: int, size: int
) -> tuple[Floats, Bools, Floats]:
    """Rows with weight 1 and the pseudo-rows of all classes with weight 0.

    Those of another class stand in the middle, as negatives that count nothing.
    """
    low, high = scores.min(initial=0) - 1, scores.max(initial=1) + 1
    ends, hits = np.full(4 * size, np.nan), np.zeros(4 * size, dtype=np.bool_)
    own = np.array([2 * label, 2 * label + 1, 2 * (size + label), 2 * (size + label) + 1])
    ends[own], hits[own] = (low, high, high, low), (True, False, True, False)
    weights = np.concatenate([np.ones(len(scores)), np.zeros(4 * size)])
    return np.concatenate([scores, ends]), np.concatenate([positive, hits]), weights


@dataclass(frozen=True)
class _Ranking:
    """Rows, and the four pseudo-rows of one class, by rising score.

    Attributes:
        places: of the weights, (N + 4,).
        starts: where each group of equal scores begins.
        positive: (N + 4,).

    """

    places: Ints
    starts: Ints
    positive: Bools


def _ranking(scores: Floats, positive: Bools, label: int, size: int) -> _Ranking:
    """With a positive below and a negative above all others, and the other way round.

    Behind the rows stand the two bad pseudo-rows of each class, and then the two good ones.
    """
    low, high = scores.min(initial=0) - 1, scores.max(initial=1) + 1
    first = len(scores) + 2 * label
    own = [first, first + 1, first + 2 * size, first + 2 * size + 1]
    places = np.concatenate([np.arange(len(scores)), own])
    values = np.concatenate([scores, [low, high, high, low]])
    order = np.argsort(values, kind="stable")
    starts = np.flatnonzero(np.diff(values[order], prepend=-np.inf))
    hits = np.concatenate([positive, [True, False, True, False]])
    return _Ranking(places[order], starts, hits[order])


def _by_score(weights: Floats, ranking: _Ranking) -> tuple[Floats, Floats]:
    """Weights (r, G) of positive and negative rows at each distinct score, rising."""
    ranked = weights[:, ranking.places]
    hits = ranked * ranking.positive
    misses = ranked - hits
    if len(ranking.starts) == ranked.shape[1]:
        return hits, misses
    return (
        np.add.reduceat(hits, ranking.starts, axis=1),
        np.add.reduceat(misses, ranking.starts, axis=1),
    )


def roc_area(positive: Floats, negative: Floats) -> Floats:
    """Chance that a positive row scores above a negative one, ties counting half."""
    below = np.cumsum(negative, axis=1) - negative / 2
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    return np.asarray((positive * below).sum(axis=1) / pairs)


def average_precision(positive: Floats, negative: Floats) -> Floats:
    """Mean over the positive rows of the precision at their score, as scikit-learn computes it."""
    hits = np.cumsum(positive[:, ::-1], axis=1)[:, ::-1]
    called = hits + np.cumsum(negative[:, ::-1], axis=1)[:, ::-1]
    precision = np.divide(hits, called, out=np.zeros_like(hits), where=called > 0)
    return np.asarray((positive * precision).sum(axis=1) / positive.sum(axis=1))


def _groups(scores: Floats, positive: Bools, weights: Floats) -> tuple[Ints, Floats, Floats]:
    """The group of equal scores of each row, and positive and negative weight of each group."""
    _, group = np.unique(scores, return_inverse=True)
    group = group.reshape(-1)
    size = int(group.max(initial=-1)) + 1
    hits, misses = (
        np.bincount(group, weights * side, minlength=size).astype(np.float64)
        for side in (positive, ~positive)
    )
    return group.astype(np.int64), hits, misses


def roc_influence(scores: Floats, positive: Bools, weights: Floats) -> tuple[float, Floats]:
    """The area, and its derivative (DeLong et al. 1988, doi:10.2307/2531595).

    Summed over clusters, these are the components of Obuchowski (1997, doi:10.2307/2533958).
    A row with the score NaN has none.
    """
    group, hits, misses = _groups(scores, positive, weights)
    below = np.cumsum(misses) - misses / 2  # negatives below a positive, per group
    above = hits.sum() - np.cumsum(hits) + hits / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        placements = np.where(positive, below[group] / misses.sum(), above[group] / hits.sum())
        value = float((hits * below).sum() / (hits.sum() * misses.sum()))
        share = (placements - value) / np.where(positive, hits.sum(), misses.sum())
    return value, np.where(np.isnan(scores), 0.0, share)


def precision_influence(scores: Floats, positive: Bools, weights: Floats) -> tuple[float, Floats]:
    """The average precision, and its derivative; a row with the score NaN has none."""
    group, hits, misses = _groups(scores, positive, weights)
    above_hits = np.cumsum(hits[::-1])[::-1]
    above = above_hits + np.cumsum(misses[::-1])[::-1]
    total = hits.sum()
    some = np.where(above > 0, above, 1.0)
    # Above all rows, a positive is all that is called positive.
    precision = np.where(above > 0, above_hits / some, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float((hits * precision).sum() / total)
        # A row moves the precision at its own and at every lower score.
        by_hit = np.cumsum(hits * (above - above_hits) / some**2) / total
        by_miss = -np.cumsum(hits * above_hits / some**2) / total
        of_hit = (precision[group] - value) / total + by_hit[group]
    share = np.where(positive, of_hit, by_miss[group])
    return value, np.where(np.isnan(scores), 0.0, share)
