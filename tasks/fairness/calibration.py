"""Whether the model is as often right as it claims, in each group."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.fairness.rates import distinct_patterns, pseudo_rows
from tasks.fairness.settings import FairnessSettings
from tasks.resampling import Floats, Ints, generator, ladder_around, method_of, tail_quantiles
from tasks.resampling_units import (
    Units,
    in_clusters,
    resample_cells,
)
from tasks.task_types.labels.calibration import equal_mass_bins
from tasks.verdicts import Estimate, undetermined

NAMES = ("calibration_error_difference", "worst_group_calibration_error")


@dataclass(frozen=True)
class GroupCalibration:
    """Expected calibration error of each group.

    A sum of absolute gaps is biased upward, under resampling once more, and the more the fewer rows
    a group has. So an upper end rests on the draws of the error, and a lower end on the distance,
    the sum over bins of how far each bin's signed gap moves, which no error can move further than.

    Attributes:
        values: over the rows as they are, shape (G,).
        draws: of the errors, shape (R, G).
        distances: of each draw's gaps from those of the rows, shape (R, G).

    """

    values: Floats
    draws: Floats
    distances: Floats

    def of(self, places: Sequence[int]) -> "GroupCalibration":
        """That of some of the groups."""
        chosen = list(places)
        return GroupCalibration(
            self.values[chosen], self.draws[:, chosen], self.distances[:, chosen]
        )


@dataclass(frozen=True)
class _Bins:
    """Rows by pattern of membership, correctness and bin of confidence.

    Attributes:
        counts: shape (S, 2, B).
        gaps: mean of correctness less confidence, shape (S, 2, B).
        membership: shape (S, G).
        of_row: the cell of each row, numbered as `counts` is laid out, shape (N,).

    """

    counts: Ints
    gaps: Floats
    membership: Floats
    of_row: Ints

    def by_group(self, sums: Floats) -> Floats:
        """Sums by pattern and bin (r, S, B), summed over each group's patterns: (r, B, G)."""
        return np.tensordot(sums, self.membership, axes=(1, 0))


def calibration_of_groups(
    attribute: str,
    membership: NDArray[np.bool_],
    correct: NDArray[np.bool_],
    confidence: Floats,
    settings: FairnessSettings,
    units: Units | None = None,
) -> GroupCalibration:
    """Expected calibration error (Guo et al. 2017, arXiv:1706.04599) of each group.

    All groups share the bins, which hold as many of all N rows each (Nguyen and O'Connor 2015,
    arXiv:1508.05154). Each group and bin has its share of one pseudo-row, half right and half
    wrong.

    Args:
        attribute: names the draws.
        membership: shape (N, G); of a group without rows the error is NaN.
        correct: whether the predicted label is right, shape (N,).
        confidence: its probability, shape (N,).
        settings: bins, repeats and seed.
        units: what the rows are drawn in; None for one by one.

    """
    bins = _collapse(membership, correct, confidence, settings.calibration_bins)
    patterns, _, width = bins.counts.shape
    seen = (bins.counts * bins.gaps).sum(axis=1)[None]  # (1, S, B)
    totals = bins.counts.sum(axis=(1, 2)) @ bins.membership  # (G,)
    with np.errstate(invalid="ignore"):
        signed = bins.by_group(seen)[0] / totals  # (B, G)

    def errors_and_distances(weights: Floats) -> Floats:
        cells = weights.reshape(-1, patterns, 2, width)
        drawn = bins.by_group((cells * bins.gaps).sum(axis=2))
        drawn /= (cells.sum(axis=(2, 3)) @ bins.membership)[:, None, :]
        return np.stack([np.abs(drawn).sum(axis=1), np.abs(drawn - signed).sum(axis=1)], axis=1)

    random = generator(settings.seed, f"fairness.{attribute} calibration error")
    draws = resample_cells(
        bins.counts.reshape(-1).astype(np.float64),
        _pseudo_rows(bins).reshape(-1),
        in_clusters(units, membership, bins.of_row, np.repeat(np.arange(patterns), 2 * width)),
        errors_and_distances,
        settings.repeats,
        random,
    )
    return GroupCalibration(np.abs(signed).sum(axis=0), draws[:, 0], draws[:, 1])


def _collapse(
    membership: NDArray[np.bool_], correct: NDArray[np.bool_], confidence: Floats, width: int
) -> _Bins:
    patterns, pattern = distinct_patterns(membership)
    bins = equal_mass_bins(confidence, width)
    code = (pattern * 2 + correct) * width + bins
    size = len(patterns) * 2 * width
    counts = np.bincount(code, minlength=size)
    gaps = np.bincount(code, correct - confidence, minlength=size) / np.maximum(counts, 1)
    shape = (len(patterns), 2, width)
    grid = gaps.reshape(shape)
    # A cell without rows may get half a pseudo-row: its confidence is that of the bin.
    rows = np.bincount(bins, minlength=width)
    mean = np.bincount(bins, confidence, minlength=width) / np.maximum(rows, 1)
    assumed = np.stack([-mean, 1 - mean])[None]
    counts = counts.reshape(shape)
    return _Bins(counts, np.where(counts > 0, grid, assumed), patterns.astype(np.float64), code)


def _pseudo_rows(bins: _Bins) -> Floats:
    """Half a pseudo-row right and half a one wrong, spread as the rows of a group are."""
    by_bin = bins.counts.sum(axis=1)  # (S, B)
    of_pattern = by_bin.sum(axis=1)
    mass = pseudo_rows(of_pattern, bins.membership > 0)  # (S,)
    shares = by_bin * (mass / np.maximum(of_pattern, 1))[:, None]
    return np.repeat(shares[:, None, :] / 2, 2, axis=1)


def calibration_estimates(
    attribute: str, found: GroupCalibration | None, rows: int, reason: str = ""
) -> list[Estimate]:
    """The largest gap between two groups' errors, and the largest error."""
    gap, worst = (f"fairness.{attribute}.{name}" for name in NAMES)
    if found is None:
        return [undetermined(gap, rows, reason), undetermined(worst, rows, reason)]
    return [largest_gap(gap, found, rows), largest_error(worst, found, rows)]


def error_of_group(name: str, found: GroupCalibration, group: int, rows: int) -> Estimate:
    """A group's own error."""
    if not np.isfinite(found.values[group]):
        return undetermined(name, rows, "it rests on no rows")
    highs = tail_quantiles(found.draws[:, group])[1]
    lows = found.values[group] - tail_quantiles(found.distances[:, group])[1]
    value = float(found.values[group])
    ladder = ladder_around(value, np.maximum(lows, 0), highs)
    return Estimate(name, value, rows, ladder, method_of(len(found.draws)))


def largest_error(name: str, found: GroupCalibration, rows: int) -> Estimate:
    """The largest error of any group."""
    value = float(found.values.max())
    highs = tail_quantiles(found.draws)[1].max(axis=1)
    reach = tail_quantiles(found.distances.max(axis=1))[1]
    ladder = ladder_around(value, np.maximum(value - reach, 0), highs)
    return Estimate(name, value, rows, ladder, method_of(len(found.draws)))


def largest_gap(name: str, found: GroupCalibration, rows: int) -> Estimate:
    """The largest difference of two groups' errors.

    Of a pair (g, h), error g less error h is at most the draws' upper end of error g plus distance
    h, less error h as it is. The upper end is that of the truly largest pair; the lower end holds
    for all pairs at once (as in `tasks.resampling.Largest`).
    """
    value = float(found.values.max() - found.values.min())
    highs, deviation = [], np.zeros(len(found.draws))
    for group in range(len(found.values)):
        others = np.delete(np.arange(len(found.values)), group)
        reached = found.draws[:, [group]] + found.distances[:, others]
        highs.append((tail_quantiles(reached)[1] - found.values[others]).max(axis=1))
        deviation = np.maximum(deviation, reached.max(axis=1) - found.values[group])
    reach = tail_quantiles(deviation)[1]
    ladder = ladder_around(value, np.maximum(value - reach, 0), np.max(highs, axis=0))
    return Estimate(name, value, rows, ladder, method_of(len(found.draws)))
