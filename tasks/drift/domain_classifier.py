"""Whether a classifier tells the rows of now from those of before (Lopez-Paz and Oquab 2017)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

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
    return Domains(
        question.answered(found.observed, found.p_value, permutations.test, membership.rows),
        expit(scores),
        weights,
    )


def deal_folds(
    keys: NDArray[np.uint64], membership: Membership, random: np.random.Generator
) -> NDArray[np.int64]:
    """A fold of each row, (U,), the same for one key, and with as many of each kind of row."""
    distinct, place = np.unique(keys, return_inverse=True)
    kinds = np.zeros(len(distinct), np.int8)
    np.add.at(kinds, place, membership.kinds)
    order = np.lexsort((random.permutation(len(kinds)), kinds))
    folds = np.empty(len(kinds), np.int64)
    folds[order] = np.arange(len(kinds)) % FOLDS
    return folds[place]


def out_of_fold(rows: Floats, folds: NDArray[np.int64], before: Floats, now: Floats) -> Floats:
    """Log-odds of being new, (U, p), each row's from a fit on the other folds."""
    scores = np.empty(before.shape, np.float32)
    for fold in range(FOLDS):
        own = folds == fold
        weights = fit(rows[~own], before[~own], now[~own])
        scores[own] = with_intercept(rows[own]) @ weights
    return scores


def mean_area(scores: Floats, folds: NDArray[np.int64], before: Floats, now: Floats) -> Draws:
    """Mean over the folds: log-odds of different fits have no common zero."""
    areas = [
        area_under_curve(scores[folds == fold], before[folds == fold], now[folds == fold])
        for fold in range(FOLDS)
    ]
    return np.asarray(np.mean(areas, axis=0))
