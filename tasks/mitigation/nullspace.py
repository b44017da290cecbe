"""Iterative nullspace projection: what a linear classifier can tell is taken out, over and over.

Ravfogel, Elazar, Gonen, Twiton and Goldberg 2020, "Null It Out" (arXiv:2004.07667), algorithm 1:
a linear classifier is trained to tell the group from X, X is projected on the nullspace of its
weights, and the next one is trained on what is left. With B the orthonormal rows that span the
weights of all of them, the projection is P = I - B'B.
"""

import warnings
from typing import Any, Final

import numpy as np

from tasks.resampling import Floats, Ints

MAX_ITERATIONS: Final = 1_000
# Below this share of the largest singular value, rows of weights span no further direction.
_NO_DIRECTION: Final = 1e-6


def told_directions(inputs: Floats, groups: Ints, weights: Floats, rounds: int) -> Floats:
    """Directions that tell the groups, (K, D) orthonormal rows.

    Args:
        inputs: representations, (N, D), of `scale_of` 1.
        groups: of each row, (N,); at least two.
        weights: how much each row counts, (N,).
        rounds: classifiers that are trained one after the other. Each tells one direction of two
            groups, and at most G - 1 of G.

    """
    basis = np.zeros((0, inputs.shape[1]))
    for _ in range(rounds):
        told = _fitted(without(inputs, basis), groups, weights).coef_
        found = without(told - (told.mean(axis=0) if len(told) > 1 else 0.0), basis)
        _, sizes, rows = np.linalg.svd(found, full_matrices=False)
        more = rows[sizes > _NO_DIRECTION * max(sizes.max(initial=0.0), _NO_DIRECTION)]
        basis = np.concatenate([basis, without(more, basis)])
        basis = np.linalg.qr(basis.T)[0].T
    return basis


def without(rows: Floats, basis: Floats) -> Floats:
    """Rows (N, D) projected on the nullspace of an orthonormal basis (K, D)."""
    projected: Floats = rows - (rows @ basis.T) @ basis
    return projected


def fitted_head(
    inputs: Floats, labels: Ints, size: int, weights: Floats | None = None
) -> tuple[Floats, Floats]:
    """Weights (L, D) and biases (L,) of a linear layer whose outputs are the logits.

    Args:
        inputs: representations, (N, D), of `scale_of` 1 before they were projected.
        labels: class ids of each, (N,); every one of them comes.
        size: classes L, two or more.
        weights: how much each row counts, (N,); None for once.

    """
    model = _fitted(inputs, labels, weights)
    slopes, biases = model.coef_, model.intercept_
    if size > 2:  # noqa: PLR2004
        return slopes, biases
    # Of two classes the logit of one over the other: half of it for one, and against the other.
    return np.stack([-slopes[0], slopes[0]]) / 2, np.array([-biases[0], biases[0]]) / 2


def told_right(inputs: Floats, groups: Ints, held_out: Floats, of_held_out: Ints) -> int:
    """How many held-out rows' groups a linear probe names right.

    Args:
        inputs: training representations, (N, D), of groups (N,), of `scale_of` 1 before they were
            projected.
        groups: of these.
        held_out: other representations, (M, D), of groups (M,).
        of_held_out: of these.

    """
    if not len(held_out):
        return 0
    return int((_fitted(inputs, groups, None).predict(held_out) == of_held_out).sum())


def scale_of(inputs: Floats) -> float:
    """Root mean square of the deviations of all dimensions from their means; 1 where there is none.

    Divided by it, vectors of any model meet the same penalty of a regression. It is taken before
    anything is projected away, so that what is left is not blown up.
    """
    found = float(np.sqrt(((inputs - inputs.mean(axis=0)) ** 2).mean()))
    return found or 1.0


def _fitted(inputs: Floats, classes: Ints, weights: Floats | None) -> Any:
    """Logistic regression with an L2 penalty of 1, which has one solution whatever the rows are."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(max_iter=MAX_ITERATIONS)
        return model.fit(inputs, classes, sample_weight=weights)
