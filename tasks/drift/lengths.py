"""Whether texts are of other length."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kstwo

from tasks.drift.intervals import of_largest_gap
from tasks.drift.measurement import Measurement, Question
from tasks.drift.permutations import (
    Draws,
    Floats,
    Membership,
    Permutations,
    kept_marks,
    variance_factor,
)
from tasks.drift.row_samples import RowSample
from tasks.records.data import Histogram

_BARS = 30
# The variance of a gap changes little from one length to the next.
_LENGTHS_ASKED = 101


def measure_lengths(question: Question, before: RowSample, now: RowSample) -> Measurement:
    """The two-sample Kolmogorov-Smirnov test over all rows; conservative, since lengths tie.

    Where rows have clusters, the rows of the samples are compared, by permutation of clusters.
    """
    rows = (before.rows, now.rows)
    kept = len(kept_marks((before.keys, now.keys), (before.text_marks, now.text_marks)))
    distance = largest_gap(before.length_counts, now.length_counts)
    p_value = kolmogorov_smirnov_p(distance, *rows, kept)
    ends = of_largest_gap(distance, variance_factor(*rows, kept), min(rows))
    return question.answered(distance, p_value, "Kolmogorov-Smirnov", rows, ends)


def measure_lengths_by_cluster(
    question: Question,
    lengths: NDArray[np.int64],
    membership: Membership,
    permutations: Permutations,
) -> Measurement:
    """As `measure_lengths`, of U rows in clusters, (U,) lengths in characters."""
    order = np.argsort(lengths, kind="stable")
    last = np.append(lengths[order][1:] != lengths[order][:-1], True)

    def gaps(before: Floats, now: Floats) -> Draws:
        shares = [
            side[order].cumsum(axis=0, dtype=np.float64)[last] / np.maximum(side.sum(axis=0), 1)
            for side in (before, now)
        ]
        return np.asarray(np.abs(shares[1] - shares[0]).max(axis=0))

    found = permutations.of(gaps, membership, question.name)
    factor = 4 * largest_variance(lengths, membership)
    ends = of_largest_gap(found.observed, factor, min(membership.units))
    test = permutations.test(membership)
    return question.answered(found.observed, found.p_value, test, membership.rows, ends)


def largest_variance(lengths: NDArray[np.int64], membership: Membership) -> float:
    """Largest variance of the gap of the distribution functions over some lengths."""
    at = np.unique(np.quantile(lengths, np.linspace(0, 1, _LENGTHS_ASKED)))
    below = (lengths[:, None] <= at).astype(np.float64)
    before, now = (side.astype(np.float64) for side in membership.columns())
    influences = (below - now.T @ below / now.sum()) * now / now.sum()
    influences -= (below - before.T @ below / before.sum()) * before / before.sum()
    return float(membership.variance_of(influences).max())


def largest_gap(before: Mapping[int, int], now: Mapping[int, int]) -> float:
    """Largest distance of the two distribution functions, each given as counts of its values."""
    values = sorted({*before, *now})
    sides = np.array([[side.get(value, 0) for value in values] for side in (before, now)])
    shares = sides.cumsum(axis=1) / sides.sum(axis=1, keepdims=True)
    return float(np.abs(shares[1] - shares[0]).max())


def kolmogorov_smirnov_p(distance: float, rows_before: int, rows_now: int, kept: int) -> float:
    """P-value of a distance, with the kept rows' part of the variance taken away.

    Under no drift the difference of the two distribution functions is a Brownian bridge, scaled by
    the root of the variance factor; without kept rows this is scipy's own p-value.
    """
    factor = variance_factor(rows_before, rows_now, kept)
    if factor <= 0:
        return 1.0
    return float(kstwo.sf(distance, max(1, round(1 / factor))))


def histograms(before: RowSample, now: RowSample) -> tuple[Histogram, Histogram]:
    """Lengths of both sides over edges that grow by one factor: lengths spread over decades."""
    values = {*before.length_counts, *now.length_counts}
    if not values:
        return Histogram((), ()), Histogram((), ())
    least, most = min(values), max(values)
    edges = np.unique([least, *np.rint(np.geomspace(max(1, least), most + 1, _BARS))])
    return _histogram(before.length_counts, edges), _histogram(now.length_counts, edges)


def _histogram(counts: Mapping[int, int], edges: NDArray[np.float64]) -> Histogram:
    found, _ = np.histogram(list(counts), edges, weights=list(counts.values()))
    return Histogram(tuple(edges.tolist()), tuple(found.astype(int).tolist()))
