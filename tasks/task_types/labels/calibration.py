"""Whether a model is as often right as it claims, and how far its probabilities are off."""

import numpy as np

from tasks.resampling import Floats, Ints
from tasks.task_types.measures import Measure, Sums, mean_of, of_sums, unbounded_ratio

BINS = 15
# A probability of 0 for the true label would be an infinite loss; float32 knows no smaller step.
LEAST_PROBABILITY = float(np.finfo(np.float32).eps)


def probability_measures(truth: Ints, probabilities: Floats) -> list[Measure]:
    """Log loss, Brier score and calibration error.

    The Brier score is the mean squared distance between the probabilities and the truth, halved, so
    that it lies between 0 and 1 for any number of labels.

    Args:
        truth: class ids, (N,).
        probabilities: (N, L), each row summing to 1.

    """
    rows, size = probabilities.shape
    of_truth = probabilities[np.arange(rows), truth]
    squares = (probabilities**2).sum(axis=1) - 2 * of_truth + 1
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    return [
        unbounded_ratio(
            "log_loss",
            -np.log(np.clip(of_truth, LEAST_PROBABILITY, None)),
            np.ones(rows),
            might_be=[
                (0.0, 1.0),
                (float(np.log(size)), 1.0),
            ],  # a sure row, and one that is guessed
        ),
        mean_of("brier", squares / 2, greater_is_better=False),
        calibration_error(
            "calibration_error", confidence, correct, equal_width_bins(confidence, BINS)
        ),
        calibration_error(
            "adaptive_calibration_error", confidence, correct, equal_mass_bins(confidence, BINS)
        ),
    ]


def equal_width_bins(confidence: Floats, bins: int) -> Ints:
    """Bin of each confidence: ((m - 1) / M, m / M] is bin m - 1 of M, and 0 falls in the first."""
    return np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)


def equal_mass_bins(confidence: Floats, bins: int) -> Ints:
    """Bins of as even a number of rows as ties allow: equal confidences share a bin.

    Adaptive bins in the sense of Nguyen and O'Connor (2015, arXiv:1508.05154): where nearly all
    confidences are high, bins of equal width leave all but one of them empty.
    """
    _, number, rows = np.unique(confidence, return_inverse=True, return_counts=True)
    middle = (np.cumsum(rows) - rows / 2) / len(confidence)
    return np.minimum((middle * bins).astype(np.int64), bins - 1)[number.reshape(-1)]


def calibration_error(name: str, confidence: Floats, correct: Ints, bins: Ints) -> Measure:
    """Expected calibration error over bins (Guo et al. 2017, arXiv:1706.04599).

    A sum of absolute gaps is biased upward, under resampling once more. So the upper end, from the
    draws' percentiles, is on the safe side; the lower end is the value less the upper percentile of
    the draws' distance from it, the sum over bins of how far each bin's signed gap moves.

    Args:
        name: of the metric.
        confidence: (N,).
        correct: (N,) bool.
        bins: (N,) the bin of each row.

    """
    count = int(bins.max(initial=0)) + 1
    parts = correct - confidence
    gaps = np.bincount(bins, parts, minlength=count) / len(bins)
    # A pseudo-row, half right and half wrong, in each bin's share of it.
    rows = np.bincount(bins, minlength=count)
    mean = np.bincount(bins, confidence, minlength=count) / np.maximum(rows, 1)
    pseudo = np.zeros((2 * count, count + 1))
    pseudo[:, count] = 1
    every = np.arange(count)
    pseudo[every, every], pseudo[count + every, every] = -mean, 1 - mean

    def by_unit(units: Ints, number: int) -> Floats:
        kept = units >= 0
        cells = units[kept] * count + bins[kept]
        summed = np.bincount(cells, parts[kept], minlength=number * count).reshape(number, count)
        size = np.bincount(units[kept], minlength=number)[:, None]
        return np.concatenate([summed, size], axis=1)

    def shares(sums: Floats) -> Floats:
        return sums[..., :count] / sums[..., count:]

    return of_sums(
        name,
        Sums(
            by_unit,
            pseudo,
            lambda sums: np.asarray(np.abs(shares(sums)).sum(axis=-1)),
            distance=lambda sums: np.asarray(np.abs(shares(sums) - gaps).sum(axis=-1)),
        ),
        len(bins),
        pseudo_masses=tuple(float(share) for share in np.tile(rows / len(bins) / 2, 2)),
        greater_is_better=False,
    )


def calibration_table(
    confidence: Floats, correct: Ints, bins: Ints
) -> tuple[tuple[float, float, int], ...]:
    """Mean confidence, accuracy and rows of each bin that has rows, by rising confidence."""
    return tuple(
        (float(confidence[here].mean()), float(correct[here].mean()), int(here.sum()))
        for here in (bins == index for index in np.unique(bins))
    )
