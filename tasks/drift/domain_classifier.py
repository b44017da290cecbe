"""Whether a classifier tells the rows of now from those of before (Lopez-Paz and Oquab 2017)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from tasks.drift.intervals import around
from tasks.drift.logistic import area_under_curve, fit, with_intercept
from tasks.drift.measurement import Measurement, Question
from tasks.drift.permutations import Draws, Floats, Membership, Permutations
from tasks.drift.words import WordCounts

FOLDS = 5
# More words make a thousand fits slow, and tell no more of some thousand rows.
_MAX_WORDS = 1_000


@dataclass(frozen=True)
class Features:
    """Rows as the classifier sees them, made without a look at the sides.

    Attributes:
        rows: (U, D), their TF-IDF vectors.
        words: the D words.

    """

    rows: Floats
    words: tuple[str, ...]


@dataclass(frozen=True)
class Domains:
    """What the classifier found.

    Attributes:
        scores: probability of being new of each row, (U,), by a fit that did not see it.
        word_weights: (D,), of a fit on all rows; positive where a word tells of now.

    """

    measurement: Measurement
    scores: Floats
    word_weights: Floats


def make_features(counts: WordCounts) -> Features:
    """TF-IDF vectors of unit length, with sublinear counts, of the words that most rows have.

    A few hundred rows tell little of the many rare words: with them, a phrase that was added to
    every row is told less well, and a thousand fits are out of reach.
    """
    from sklearn.feature_extraction.text import TfidfTransformer

    known = counts.table[:, :-1]
    if not counts.words:
        return Features(np.zeros(known.shape, np.float32), ())
    weighted = TfidfTransformer(sublinear_tf=True).fit_transform(known).tocsc()
    rows_of_word = np.diff(weighted.indptr)
    chosen = np.sort(np.argsort(-rows_of_word, kind="stable")[:_MAX_WORDS])
    words = tuple(counts.words[word] for word in chosen)
    return Features(weighted[:, chosen].toarray().astype(np.float32), words)


def measure_domains(
    question: Question,
    features: Features,
    keys: NDArray[np.uint64],
    membership: Membership,
    permutations: Permutations,
) -> Domains:
    """Area under the ROC curve of a cross-validated logistic regression, p by permutation.

    Scores of one fold depend on the sides of the others, so that permuting sides under fixed scores
    finds p below 0.05 in one of ten simulated runs without drift. The classifier is fitted anew for
    every permutation and fold on features that stay, 5 * (1 + permutations) fits, and rows change
    places within their fold.

    Args:
        question: that is asked.
        features: of U rows.
        keys: (U,); rows of one key are one row whose clean text changed, and share a fold, since
            a fit that saw the one would take the other for it.
        membership: of the U rows.
        permutations: of rows.

    """
    if not features.words:
        reason = "no word stands in several rows"
        nothing = np.zeros(0, np.float32)
        return Domains(question.untold(reason, membership.rows), nothing, nothing)
    folds = deal_folds(keys, membership, permutations.random("folds"))

    def areas(before: Floats, now: Floats) -> Draws:
        return mean_area(out_of_fold(features.rows, folds, before, now), folds, before, now)

    found = permutations.of(areas, membership, question.name, strata=folds)
    scores = out_of_fold(features.rows, folds, *membership.columns())[:, 0]
    weights = fit(features.rows, *membership.columns())[:-1, 0]
    error = float(membership.variance_of(area_influences(scores, folds, membership))) ** 0.5
    ends = around(found.observed, error, min(membership.units))
    test = permutations.test(membership)
    return Domains(
        question.answered(found.observed, found.p_value, test, membership.rows, ends),
        expit(scores),
        weights,
    )


def deal_folds(
    keys: NDArray[np.uint64], membership: Membership, random: np.random.Generator
) -> NDArray[np.int64]:
    """A fold of each row, (U,), the same for one key, and with as many of each kind of row.

    Where rows have clusters, all rows of one share a fold: a fit that knows an author would tell
    the author's other rows, and not the side.
    """
    if membership.clusters is not None:
        return _deal_folds_of_clusters(membership, membership.clusters, random)
    distinct, place = np.unique(keys, return_inverse=True)
    kinds = np.zeros(len(distinct), np.int8)
    np.add.at(kinds, place, membership.kinds)
    order = np.lexsort((random.permutation(len(kinds)), kinds))
    folds = np.empty(len(kinds), np.int64)
    folds[order] = np.arange(len(kinds)) % FOLDS
    return folds[place]


def _deal_folds_of_clusters(
    membership: Membership, clusters: NDArray[np.int64], random: np.random.Generator
) -> NDArray[np.int64]:
    """Clusters that lean to one side by as much are spread over the folds."""
    now, before, rows = (
        np.bincount(clusters, weights)
        for weights in (membership.now, membership.before, np.ones(len(clusters)))
    )
    lean = (now - before) / np.maximum(rows, 1)
    folds = np.empty(len(lean), np.int64)
    folds[np.lexsort((random.permutation(len(lean)), lean))] = np.arange(len(lean)) % FOLDS
    return folds[clusters]


def out_of_fold(rows: Floats, folds: NDArray[np.int64], before: Floats, now: Floats) -> Floats:
    """Log-odds of being new, (U, p), each row's from a fit on the other folds."""
    scores = np.empty(before.shape, np.float32)
    for fold in range(FOLDS):
        own = folds == fold
        weights = fit(rows[~own], before[~own], now[~own])
        scores[own] = with_intercept(rows[own]) @ weights
    return scores


def area_influences(scores: Floats, folds: NDArray[np.int64], membership: Membership) -> Draws:
    """What each row adds to the error of the mean area, (U,).

    LeDell, Petersen and van der Laan (2015, doi:10.1214/15-EJS1035). Each fold has a mean of its
    own, about which its K rows or clusters of a side spread a K - 1st part too little.
    """
    influences = np.zeros(len(scores))
    for fold in range(FOLDS):
        own = folds == fold
        before, now = (scores[own & side] for side in (membership.before, membership.now))
        if not (len(before) and len(now)):
            continue
        for side, sign, others in ((membership.now, 1, before), (membership.before, -1, now)):
            placed = np.flatnonzero(own & side)
            ranked = np.sort(others)
            below = np.searchsorted(ranked, scores[placed], "left")
            upto = np.searchsorted(ranked, scores[placed], "right")
            beaten = (below + upto) / (2 * len(others))
            units = max(2, _count_units(membership, placed))
            influences[placed] += (
                sign
                * (beaten - beaten.mean())
                / (len(placed) * FOLDS)
                * (units / (units - 1)) ** 0.5
            )
    return influences


def _count_units(membership: Membership, rows: NDArray[np.int64]) -> int:
    """Rows, or the clusters that these rows are of."""
    if membership.clusters is None:
        return len(rows)
    return len(np.unique(membership.clusters[rows]))


def mean_area(scores: Floats, folds: NDArray[np.int64], before: Floats, now: Floats) -> Draws:
    """Mean over the folds: log-odds of different fits have no common zero."""
    areas = [
        area_under_curve(scores[folds == fold], before[folds == fold], now[folds == fold])
        for fold in range(FOLDS)
    ]
    return np.asarray(np.mean(areas, axis=0))
