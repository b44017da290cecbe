"""Whether the base model sees other texts."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from tasks.drift.intervals import SquaredDistance
from tasks.drift.measurement import Measurement, Question
from tasks.drift.permutations import Draws, Floats, Membership, Permutations


def measure_embeddings(
    question: Question,
    embeddings: NDArray[np.float32],
    membership: Membership,
    permutations: Permutations,
) -> Measurement:
    """Squared maximum mean discrepancy, p by permutation of rows.

    Args:
        question: that is asked.
        embeddings: (U, H).
        membership: of the U rows.
        permutations: of rows.

    """
    kernel = gaussian_kernel(embeddings)
    if kernel is None:
        return question.untold("all texts have one and the same embedding", membership.rows)
    found = permutations.of(partial(squared_mmd, kernel), membership, question.name)
    # Rows of one cluster are alike, so that its pairs, all of one side, set the sides apart.
    beyond = found.observed - float(found.draws.mean()) * (membership.clusters is not None)
    influences = mmd_influences(kernel, membership)
    distance = SquaredDistance(
        value=beyond,
        null_variance=float(found.draws.var()),
        linear_variance=float(membership.variance_of(influences)) / 4,
        units=min(membership.units),
    )
    test = permutations.test(membership)
    return question.answered(beyond, found.p_value, test, membership.rows, distance.ends)


def mmd_influences(kernel: NDArray[np.float32], membership: Membership) -> Draws:
    """What each row adds to the error of the squared discrepancy, (U,)."""
    before, now = (side[:, 0] for side in membership.columns())
    to_before, to_now = kernel @ before / before.sum(), kernel @ now / now.sum()
    apart = (to_before - to_now).astype(np.float64)
    return np.asarray(
        2 * before / before.sum() * (apart - apart @ before / before.sum())
        - 2 * now / now.sum() * (apart - apart @ now / now.sum())
    )


def gaussian_kernel(embeddings: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """exp(-d^2 / 2 w^2) of all pairs, w the median distance of different ones; 0 of a row itself.

    None where no two rows differ.
    """
    from scipy.spatial.distance import pdist, squareform

    squared = pdist(embeddings.astype(np.float64), "sqeuclidean")
    apart = squared[squared > 0]
    if not len(apart):
        return None
    width = np.median(np.sqrt(apart))
    return squareform(np.exp(-squared / (2 * width**2))).astype(np.float32)


def squared_mmd(kernel: NDArray[np.float32], before: Floats, now: Floats) -> Draws:
    """Unbiased estimate of each column's sides (Gretton et al. 2012, lemma 6).

    A row is never paired with itself, also not where it stands on both sides: the mean of each of
    the three sums is over pairs of different rows, so that without drift all three are equal.

    Args:
        kernel: (U, U), its diagonal 0.
        before: (U, p), 1 where the row stands before.
        now: (U, p), the same of now.

    Returns:
        (p,); it can be below 0.

    """
    n, m = (side.sum(axis=0, dtype=np.float64) for side in (before, now))
    kept = (before * now).sum(axis=0, dtype=np.float64)
    from_before = kernel @ before

    def mean(sums: Floats, other: Floats, pairs: Draws) -> Draws:
        return np.asarray((sums * other).sum(axis=0, dtype=np.float64) / pairs)

    within = mean(from_before, before, n * (n - 1)) + mean(kernel @ now, now, m * (m - 1))
    return within - 2 * mean(from_before, now, n * m - kept)
