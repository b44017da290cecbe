"""Whether labels come in other shares."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2

from tasks.drift.intervals import SquaredDistance
from tasks.drift.measurement import DIGITS, Measurement, Question
from tasks.drift.permutations import (
    Membership,
    Permutations,
    kept_marks,
    pair,
    too_few,
    variance_factor,
)
from tasks.drift.row_samples import RowSample, clusters_of, mark_of_labels
from tasks.drift.words import permute_shares, squared_distance

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# The chi-square distribution is near enough from here on (Cochran 1954, doi:10.2307/3001616).
_MIN_EXPECTED = 5.0
# Pearson's statistic over the Jensen-Shannon divergence in bits, where both are small.
_PEARSON = 8 * np.log(2)


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
    kept_as = kept_marks((before.keys, now.keys), (before.label_marks, now.label_marks))
    kept = len(kept_as)
    if kept == rows[0] == rows[1]:
        return question.of_same_rows(rows)
    table, membership = label_table(before, now)
    holds = counts.sum() == sum(rows) and least_expected(counts, kept) >= _MIN_EXPECTED
    if holds and membership.clusters is None:
        distance = divergence_of(counts, _of_labels(kept_as, before, now))
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


def divergence_of(counts: NDArray[np.int64], kept: NDArray[np.int64]) -> SquaredDistance:
    """The divergence of label shares in bits beyond that of chance.

    Without drift, 8 ln 2 times the divergence is Pearson's statistic with the pooled shares
    (Menendez et al. 1995, doi:10.1016/0016-0032(94)00092-9), a sum of squares whose mean and
    variance follow from the covariance of the shares' difference. That comes from the rows that
    went, those that came and those that were kept, of which each kind has label shares of its own:
    kept rows that hardly differ among themselves take little of the variance away.

    Args:
        counts: (2, L), one label a row.
        kept: of them, that count on both sides with the same label, (L,).

    """
    rows = counts.sum(axis=1, keepdims=True)
    shares = counts / rows
    slopes = np.log2(shares / shares.mean(axis=0), out=np.zeros(shares.shape), where=shares > 0)
    slopes -= (shares * slopes).sum(axis=1, keepdims=True)
    before, now = slopes / rows / 2  # what a row of each label adds to the error, (L,)
    went, came = counts - kept
    trace, trace_of_square = _traces(counts, kept)
    return SquaredDistance(
        value=float(jensenshannon(counts[0], counts[1], base=2)) ** 2 - trace / _PEARSON,
        null_variance=2 * trace_of_square / _PEARSON**2,
        linear_variance=float(went @ before**2 + came @ now**2 + kept @ (before + now) ** 2) / 4,
        units=int(rows.min()),
    )


def _traces(counts: NDArray[np.int64], kept: NDArray[np.int64]) -> tuple[float, float]:
    """Trace of S and of S^2 for the covariance S of the shares' difference, over the pooled shares.

    A row of label l adds ``x e_l + y`` to the error of the difference, with x and the vector y of
    the kind of row that it is, so that S is a diagonal and what six columns span, and L x L numbers
    are never held.
    """
    (n, m), pooled = counts.sum(axis=1), counts.sum(axis=0) / counts.sum()
    of_before, of_now = counts[0] / n, counts[1] / m
    kinds = (
        (counts[0] - kept, -1 / n, of_before / n),
        (counts[1] - kept, 1 / m, -of_now / m),
        (kept, 1 / m - 1 / n, of_before / n - of_now / m),
    )
    diagonal = sum(x**2 * of_label for of_label, x, _ in kinds) / pooled  # (L,)
    columns = np.stack([part for of_label, _, y in kinds for part in (of_label, y)], axis=1)
    columns /= pooled[:, None] ** 0.5
    mixing = block_diag(
        *(np.array([[0, x], [x, of_label.sum()]]) for of_label, x, _ in kinds)
    )  # (6, 6)
    spanned = columns.T @ columns @ mixing
    crossed = columns.T * diagonal @ columns @ mixing
    of_square = (diagonal**2).sum() + 2 * np.trace(crossed) + np.trace(spanned @ spanned)
    return float(diagonal.sum() + np.trace(spanned)), float(of_square)


def _of_labels(marks: NDArray[np.uint32], before: RowSample, now: RowSample) -> NDArray[np.int64]:
    """How many of the marks are those of each label alone, (L,), labels in order."""
    seen, times = np.unique(marks, return_counts=True)
    found = dict(zip(seen.tolist(), times.tolist(), strict=True))
    labels = sorted({*before.label_counts, *now.label_counts})
    return np.array([found.get(mark_of_labels((label,)), 0) for label in labels], np.int64)


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
