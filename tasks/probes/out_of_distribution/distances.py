"""How far a row lies from those that a classifier learned: four scores, higher is farther."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import logsumexp, softmax

from tasks.resampling import Floats, Ints

# Distances that are held at once: 32 MB of float64.
_AT_ONCE: Final = 4_000_000


def max_softmax(logits: Floats) -> Floats:
    """One less the probability of the likeliest label, (N,), of logits (N, L).

    The baseline of Hendrycks and Gimpel (2017, arXiv:1610.02136).
    """
    return np.asarray(1 - softmax(logits, axis=1).max(axis=1))


def energy(logits: Floats) -> Floats:
    """The negative logarithm of the summed exponentials of logits (N, L), (N,).

    At temperature 1, of Liu et al. (2020, arXiv:2010.03759).
    """
    return np.asarray(-logsumexp(logits, axis=1))


@dataclass(frozen=True, eq=False)
class ClassMeans:
    """Means (C, H) of the training rows of each class, and the inverse (H, H) of what they share.

    Lee et al. (2018, arXiv:1807.03888), with the covariance of Ledoit and Wolf (2004), which has an
    inverse also where there are fewer rows than dimensions.
    """

    means: Floats
    precision: Floats

    def distances(self, features: Floats) -> Floats:
        """Squared Mahalanobis distance (N,) of rows (N, H) to the nearest mean."""
        found = np.full(len(features), np.inf)
        for mean in self.means:
            moved = features - mean
            found = np.minimum(found, ((moved @ self.precision) * moved).sum(axis=1))
        return found


def class_means(features: Floats, truth: Ints) -> ClassMeans:
    """Fit means and covariance to training rows.

    Args:
        features: (N, H).
        truth: class ids, (N,); a class without rows has no mean.

    """
    from sklearn.covariance import LedoitWolf

    classes, place = np.unique(truth, return_inverse=True)
    means = np.stack([features[place == one].mean(axis=0) for one in range(len(classes))])
    fitted = LedoitWolf(assume_centered=True).fit(features - means[place])
    return ClassMeans(means, np.asarray(fitted.precision_))


def neighbour_distances(known: Floats, features: Floats, neighbours: int) -> Floats:
    """Distance (N,) to the k-th nearest of the known rows, all of length 1.

    Sun et al. (2022, arXiv:2204.06507).

    Args:
        known: embeddings of training rows, (M, H).
        features: of the rows that are asked, (N, H).
        neighbours: k; of fewer known rows, the farthest of them.

    """
    known, features = _of_length_one(known), _of_length_one(features)
    k = min(neighbours, len(known)) - 1
    found = np.zeros(len(features))
    at_once = max(1, _AT_ONCE // max(1, len(known)))
    for start in range(0, len(features), at_once):
        likeness = features[start : start + at_once] @ known.T
        nearest = -np.partition(-likeness, k, axis=1)[:, k]
        found[start : start + at_once] = np.sqrt(np.maximum(0.0, 2 - 2 * nearest))
    return found


def _of_length_one(rows: Floats) -> Floats:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))
