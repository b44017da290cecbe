"""Whether the model is as often right as it claims."""

from dataclasses import dataclass

import numpy as np

from tasks.evaluation.settings import EvaluationSettings
from tasks.resampling import (
    Floats,
    Ints,
    collapse,
    generator,
    ladder_around,
    resample,
    tail_quantiles,
)
from tasks.verdicts import Estimate

# Confidences within a bin that differ by less than this share of it are drawn as one cell, at
# their mean; the value itself is computed on the rows.
STEPS_PER_BIN = 64


@dataclass(frozen=True)
class _ConfidenceCells:
    """Cells of equal bin, step and correctness; each array of shape (C,)."""

    bins: Ints
    confidence: Floats
    correct: Floats
    masses: Floats


def confidence_bins(confidence: Floats, bins: int) -> Ints:
    """Bin of each confidence: ((m - 1) / M, m / M] is bin m - 1 of M, and 0 falls in the first."""
    return np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)


def calibration_table(
    truth: Ints, probabilities: Floats, bins: int
) -> tuple[tuple[float, float, int], ...]:
    """Mean confidence, accuracy and rows of each bin that has rows, by rising confidence."""
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == truth
    where = confidence_bins(confidence, bins)
    return tuple(
        (float(confidence[here].mean()), float(correct[here].mean()), int(here.sum()))
        for here in (where == index for index in np.unique(where))
    )


def calibration_error(
    name: str, truth: Ints, probabilities: Floats, settings: EvaluationSettings
) -> Estimate:
    """Expected calibration error over bins of equal width (Guo et al. 2017, arXiv:1706.04599).

    A sum of absolute gaps is biased upward, under resampling once more. So the upper end, from the
    draws' percentiles, is on the safe side; the lower end is the value less the upper percentile of
    the draws' distance from it, the sum over bins of how far each bin's signed gap moves.

    Args:
        name: of the estimate.
        truth: class ids, shape (N,).
        probabilities: shape (N, L), each row summing to 1.
        settings: bins, repeats and seed.

    """
    gaps = _signed_gaps(truth, probabilities, settings.calibration_bins)
    cells = _collapse(truth, probabilities, settings.calibration_bins)
    in_bin = np.eye(settings.calibration_bins)[cells.bins]  # (C, B)
    part = in_bin * (cells.correct - cells.confidence)[:, None]

    def gaps_and_distance(weights: Floats) -> Floats:
        drawn = weights @ part / weights.sum(axis=1, keepdims=True)  # (r, B)
        return np.stack([np.abs(drawn).sum(axis=1), np.abs(drawn - gaps).sum(axis=1)], axis=1)

    random = generator(settings.seed, name)
    draws = resample(cells.masses, gaps_and_distance, settings.repeats, random)
    value = float(np.abs(gaps).sum())
    upper = tail_quantiles(draws)[1]  # (MAX_FAMILY, 2)
    ladder = ladder_around(value, np.maximum(value - upper[:, 1], 0), upper[:, 0])
    method = f"Bayesian bootstrap, {settings.repeats} repeats"
    return Estimate(name, value, len(truth), ladder, method)


def _signed_gaps(truth: Ints, probabilities: Floats, bins: int) -> Floats:
    """Share of all rows times (accuracy - confidence) of each bin, shape (B,)."""
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == truth
    where = confidence_bins(confidence, bins)
    return np.bincount(where, correct - confidence, minlength=bins) / len(truth)


def _collapse(truth: Ints, probabilities: Floats, bins: int) -> _ConfidenceCells:
    """Cells of the rows, and a pseudo-row, half right and half wrong in each bin's share of it."""
    confidence = probabilities.max(axis=1)
    correct = (probabilities.argmax(axis=1) == truth).astype(np.int64)
    where = confidence_bins(confidence, bins)
    steps = confidence_bins(confidence, bins * STEPS_PER_BIN)
    cells = collapse([where, steps, correct])
    rows_by_step = np.bincount(steps)
    mean_by_step = np.bincount(steps, confidence) / np.maximum(rows_by_step, 1)
    share = np.bincount(where, minlength=bins) / len(truth)
    mean_by_bin = np.bincount(where, confidence, minlength=bins) / np.maximum(share * len(truth), 1)
    every = np.arange(bins)
    return _ConfidenceCells(
        bins=np.concatenate([cells.columns[0], every, every]),
        confidence=np.concatenate([mean_by_step[cells.columns[1]], mean_by_bin, mean_by_bin]),
        correct=np.concatenate([cells.columns[2], np.ones(bins), np.zeros(bins)]),
        masses=np.concatenate([cells.counts, share / 2, share / 2]),
    )
