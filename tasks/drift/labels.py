"""Whether labels come in other shares."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2

from tasks.drift.intervals import SquaredDistance
from tasks.drift.measurement import DIGITS, Measurement, Question
from tasks.drift.permutations import (
    Membership,
    Permutations,
    count_kept,
    pair,
    too_few,
    variance_factor,
)
from tasks.drift.row_samples import RowSample, clusters_of
from tasks.drift.words import permute_shares, squared_distance

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# The chi-square distribution is near enough from here on (Cochran 1954, doi:10.2307/3001616).
_MIN_EXPECTED = 5.0


def measure_labels(
    question: Question, before: RowSample, now: RowSample, permutations: Permutations
) -> Measurement:
    """Pearson's chi-square over all rows, or a permutation where it does not hold.

    It does not hold where rows bear several labels, which come together, where a label is rare, and
    where rows have clusters. A row whose label changed is one that went and one that came. The
    effect is the root of the divergence less its mean without drift, as that of the words.
    """
    rows = (before.rows, now.rows)
    for side, name in ((before, "before"), (now, "now")):
        if not side.label_counts:
            return question.untold(f"the rows of {name} have no column of such labels", rows)
    counts = count_labels(before, now)
    if counts.shape[1] == 1:
        return question.untold("all rows bear one and the same label", rows)
    kept = count_kept((before.keys, now.keys), (before.label_marks, now.label_marks))
    if kept == rows[0] == rows[1]:
        return question.of_same_rows(rows)
    table, membership = label_table(before, now)
    holds = counts.sum() == sum(rows) and least_expected(counts, kept) >= _MIN_EXPECTED
    if holds and membership.clusters is None:
        distance = divergence_of(counts, kept)
        p_value, test = chi_square_p(counts, kept), "chi-square"
    else:
        if membership.is_equal:
            return question.of_same_rows(membership.rows)
        if reason := too_few(membership):
            return question.untold(reason, membership.rows)
        found = permute_shares(table, membership, permutations, question.name)
        distance = squared_distance(table, membership, found)
        p_value, test, rows = found.p_value, permutations.test(membership), membership.rows
    return question.answered(max(0.0, distance.value) ** 0.5, p_value, test, rows, distance.roots)


def divergence_of(counts: NDArray[np.int64], kept: int) -> SquaredDistance:
    """The divergence of label shares in bits beyond that of chance, from its limit distribution.

    Without drift 8 ln 2 times the divergence over the variance factor is chi-square distributed
    (Menendez et al. 1995, doi:10.1016/0016-0032(94)00092-9), as Pearson's statistic is.

    Args:
        counts: (2, L), one label a row.
        kept: rows that count on both sides, with the same label.

    """
    n, m = (int(side.sum()) for side in counts)
    shares = counts / counts.sum(axis=1, keepdims=True)
    middle = shares.mean(axis=0)
    slopes = np.log2(shares / middle, out=np.zeros(shares.shape), where=shares > 0)
    means = (shares * slopes).sum(axis=1, keepdims=True)
    variances = (shares * (slopes - means) ** 2).sum(axis=1) / 4
    spread = variance_factor(n, m, kept) / (8 * np.log(2))
    freedom = counts.shape[1] - 1
    return SquaredDistance(
        value=float(jensenshannon(counts[0], counts[1], base=2)) ** 2 - freedom * spread,
        null_variance=2 * freedom * spread**2,
        linear_variance=float(variances @ (1 / n, 1 / m)) / 4,
        units=min(n, m),
    )


def count_labels(before: RowSample, now: RowSample) -> NDArray[np.int64]:
    """How often each label stands before and now, (2, L), labels in order."""
    labels = sorted({*before.label_counts, *now.label_counts})
    sides = (before.label_counts, now.label_counts)
    return np.array([[side.get(label, 0) for label in labels] for side in sides], np.int64)


def chi_square_p(counts: NDArray[np.int64], kept: int) -> float:
    """P-value of equal shares, with the kept rows' part of the variance taken away.

    Args:
        counts: (2, L), one label a row.
        kept: rows that count on both sides, with the same label.

    """
    n, m = (int(side.sum()) for side in counts)
    factor = variance_factor(n, m, kept)
    if factor <= 0:
        return 1.0
    pooled = counts.sum(axis=0) / (n + m)
    change = counts[1] / m - counts[0] / n
    return float(chi2.sf((change**2 / pooled).sum() / factor, counts.shape[1] - 1))


def least_expected(counts: NDArray[np.int64], kept: int) -> float:
    """Smallest expected count of labels among the rows that changed sides.

    Those are the rows that went and those that came; where there are none of the one, the others
    are held against those that stayed.
    """
    n, m = (int(side.sum()) for side in counts)
    rarest = float((counts.sum(axis=0) / (n + m)).min())
    changed = [size for size in (n - kept, m - kept) if size]
    compared = changed if len(changed) > 1 else [*changed, kept]
    return rarest * min(compared)


def label_shares(before: RowSample, now: RowSample) -> dict[str, tuple[float, float]]:
    """Share of each label among all that stand before, and now; empty without labels."""
    if not (before.label_counts and now.label_counts):
        return {}
    counts = count_labels(before, now)
    shares = counts / counts.sum(axis=1, keepdims=True)
    labels = sorted({*before.label_counts, *now.label_counts})
    return {
        label: (round(float(was), DIGITS), round(float(share), DIGITS))
        for label, was, share in zip(labels, *shares, strict=True)
    }


def label_table(before: RowSample, now: RowSample) -> tuple["csr_array", Membership]:
    """Labels of the rows of the samples, (U, L): (key, labels) tells one row from others."""
    from scipy.sparse import csr_array

    first, second = ([(row.key, row.labels) for row in side.sample] for side in (before, now))
    rows, membership = pair(first, second)
    names = sorted({label for _, labels in rows for label in labels})
    place = {label: column for column, label in enumerate(names)}
    at = np.array([(index, place[one]) for index, (_, labels) in enumerate(rows) for one in labels])
    ones = np.ones(len(at), np.float32)
    table = csr_array((ones, tuple(at.T)), shape=(len(rows), len(names)))
    clusters = clusters_of((*before.sample, *now.sample), [key for key, _ in rows])
    return table, membership.in_clusters(clusters)
