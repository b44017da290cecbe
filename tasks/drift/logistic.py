"""Logistic regression of many labellings of the same rows at once.

A permutation test fits the classifier anew for every permutation, a thousand times as many folds.
The rows are the same in all of them, so the fits share every matrix product.
"""

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit

from tasks.drift.permutations import Draws, Floats

_MAX_STEPS = 100
# Largest change of a weight in the last step; a smaller one moves no area by 0.001.
_TOLERANCE = 1e-2


def fit(features: Floats, before: Floats, now: Floats) -> Floats:
    """Weights (D + 1, p) of p fits, the intercept last, with penalty 1/2 |w|^2 but for it.

    Both sides weigh the same, n/2 in sum. A row on both sides is one of either. The steps are
    Newton's with a fixed bound of the Hessian in place of the Hessian, so that one factorization
    serves all fits and none can diverge (Boehning and Lindsay 1988, doi:10.1007/BF00049423).

    Args:
        features: (n, D).
        before: (n, p), 1 where the row stands before.
        now: (n, p), the same of now.

    """
    rows = with_intercept(features)
    half = len(rows) / 2
    to_before, to_now = (half / side[:, 0].sum() for side in (before, now))
    mass = to_before * before + to_now * now
    target = to_now * now
    penalty = np.ones((rows.shape[1], 1), np.float32)
    penalty[-1] = 0
    bound = cho_factor(mass.max() / 4 * rows.T @ rows + np.diagflat(penalty))
    weights = np.zeros((rows.shape[1], before.shape[1]), np.float32)
    going = np.arange(before.shape[1])
    for _ in range(_MAX_STEPS):
        part = weights[:, going]
        slope = rows.T @ (mass[:, going] * expit(rows @ part) - target[:, going]) + penalty * part
        step = cho_solve(bound, slope)
        weights[:, going] = part - step
        going = going[np.abs(step).max(axis=0) > _TOLERANCE]
        if not len(going):
            break
    return weights


def with_intercept(features: Floats) -> Floats:
    """Features (n, D) and a column of ones."""
    return np.hstack([features, np.ones((len(features), 1), np.float32)])


def area_under_curve(scores: Floats, before: Floats, now: Floats) -> Draws:
    """Area under the ROC curve of each column, (p,): how often a row of now scores above before.

    A tie counts half; a row on both sides ties with itself.

    Args:
        scores: (n, p).
        before: (n, p), 1 where the row stands before.
        now: (n, p), the same of now.

    """
    order = np.argsort(scores, axis=0, kind="stable")
    ranked, before, now = (
        np.take_along_axis(part, order, axis=0) for part in (scores, before, now)
    )
    below = np.cumsum(before, axis=0, dtype=np.float64)
    starts = np.ones(ranked.shape, np.bool_)
    starts[1:] = ranked[1:] > ranked[:-1]
    ends = np.ones(ranked.shape, np.bool_)
    ends[:-1] = starts[1:]
    # Rows before the tie, and rows up to its end: a row of the tie beats the mean of both.
    least = np.maximum.accumulate(np.where(starts, below - before, 0), axis=0)
    last = np.flip(np.minimum.accumulate(np.flip(np.where(ends, below, np.inf), 0), axis=0), 0)
    won = (now * (least + last)).sum(axis=0) / 2
    pairs = before.sum(axis=0, dtype=np.float64) * now.sum(axis=0, dtype=np.float64)
    # Rows of a few mixed clusters can be dealt so that a fold has none of one side.
    return np.asarray(np.where(pairs > 0, won / np.maximum(pairs, 1), 0.5))
