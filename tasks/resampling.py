"""Intervals by resampling counts: as fast for a million rows as for a hundred.

Rows that look alike are one cell with a count, so a repeat costs cells, not rows. The method is the
Bayesian bootstrap (Rubin 1981, doi:10.1214/aos/1176345338): a repeat gives each cell a Gamma
weight with the cell's count as its shape, which is a Dirichlet draw of the cells' shares. Every
metric here is a ratio of sums, so the weights need not sum to one.

Why not multinomial counts: a plain bootstrap of thirty right rows never draws a wrong one, says
[1, 1], and passes any gate. So callers add pseudo-rows, which also leaves no metric undefined
because a rare label was drawn zero times. Half a right and half a wrong one give a proportion the
interval of Jeffreys, which is right on average over many truths and not at each of them: its upper
end after no hit lies below the truth in up to 8% of samples where 2.5% may. A whole one at the end
that it pulls outwards alone is right at each (docs/decisions/0030); of a proportion of rows that
are drawn one by one that is the exact interval, which needs no draws (`exact_ladder`).

Draws are not stratified by label: the label mix of future rows is as random as the rows are, and
holding it fixed would understate the uncertainty of accuracy and precision.

Resolution: the narrowest tail, of a family of MAX_FAMILY gates, is 0.05 / 20 / 2 = 0.00125, so
10,000 repeats leave 12 draws beyond it and the minimum of 4,000 leaves 5. Ends are rounded
outwards to a draw that was seen.
"""

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from tasks.verdicts import ALPHA, MAX_FAMILY, Estimate, undetermined

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Ladder = tuple[tuple[float, float], ...]

MIN_REPEATS = 4_000
# How the interval of a share of rows that are drawn one by one was made.
EXACT = "exact binomial (Clopper-Pearson)"
# Share of the draws beyond either end of the interval at confidence 1 - ALPHA / k.
TAILS: Floats = ALPHA / 2 / np.arange(1, MAX_FAMILY + 1)
# An undefined draw counts as the worst on both sides; more of them than this would reach into the
# narrowest tail and the interval would say nothing.
MAX_UNDEFINED_SHARE = 0.001
# Weights held at once: 32 MB of float64.
CHUNK_WEIGHTS = 4_000_000


@dataclass(frozen=True)
class Cells:
    """The distinct combinations of some integer columns, in ascending order.

    Attributes:
        columns: one array a column, each of shape (C,).
        counts: rows of each combination, shape (C,).

    """

    columns: tuple[Ints, ...]
    counts: Ints


def collapse(columns: Sequence[NDArray[np.integer]]) -> Cells:
    """Count the distinct combinations of columns of equal length (N,) with values from 0 up.

    Raises:
        ValueError: a value is below zero, or the columns span more combinations than an int64.

    """
    spans = [int(column.max(initial=0)) + 1 for column in columns]
    if any(column.min(initial=0) < 0 for column in columns):
        raise ValueError("columns to collapse must hold values from 0 up")
    space = int(np.prod(spans, dtype=object))
    if space > np.iinfo(np.int64).max:
        raise ValueError(f"columns of {spans} values span too many combinations to number")
    codes = np.zeros(len(columns[0]), dtype=np.int64)
    for column, span in zip(columns, spans, strict=True):
        codes *= span
        codes += column
    # Counting a small space is linear in the rows; np.unique would sort a million of them.
    if space <= max(4 * len(codes), 1024):
        all_counts = np.bincount(codes, minlength=space)
        distinct = np.flatnonzero(all_counts)
        counts = all_counts[distinct]
    else:
        distinct, counts = np.unique(codes, return_counts=True)
    return Cells(tuple(np.unravel_index(distinct, spans)), counts)


def places_in(cells: Cells, columns: Sequence[NDArray[np.integer]]) -> Ints:
    """The cell of each row, (N,), of columns that were collapsed to these cells."""
    spans = tuple(int(column.max(initial=0)) + 1 for column in columns)
    numbers = np.ravel_multi_index(tuple(columns), spans)
    return np.searchsorted(np.ravel_multi_index(cells.columns, spans), numbers).astype(np.int64)


def generator(seed: int, name: str) -> np.random.Generator:
    """A generator of this estimate's own: its draws do not depend on which others are made."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def draw_weights(
    masses: Floats, repeats: int, random: np.random.Generator
) -> Iterator[NDArray[np.float64]]:
    """Gamma weights of the cells in chunks of shape (r, C); the r sum to ``repeats``.

    Args:
        masses: rows and pseudo-rows of each cell, shape (C,); a cell of mass 0 gets weight 0.
        repeats: draws in total.
        random: source of randomness.

    """
    size = max(1, CHUNK_WEIGHTS // max(1, len(masses)))
    for start in range(0, repeats, size):
        yield random.standard_gamma(masses, size=(min(size, repeats - start), len(masses)))


def resample(
    masses: Floats,
    statistic: Callable[[Floats], Floats],
    repeats: int,
    random: np.random.Generator,
) -> Floats:
    """Draws of a statistic.

    Args:
        masses: rows and pseudo-rows of each cell, shape (C,).
        statistic: from weights (r, C) to values (r, ...).
        repeats: draws R.
        random: source of randomness.

    Returns:
        Values of shape (R, ...); NaN where the statistic was not defined.

    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.concatenate([statistic(w) for w in draw_weights(masses, repeats, random)])


def tail_quantiles(draws: Floats) -> tuple[Floats, Floats]:
    """Ends of the percentile intervals at every confidence of the ladder.

    Args:
        draws: shape (R, ...).

    Returns:
        Lower and upper ends, each of shape (MAX_FAMILY, ...).

    """
    last = len(draws) - 1
    low = np.floor(last * TAILS).astype(np.intp)
    high = np.ceil(last * (1 - TAILS)).astype(np.intp)
    # Sorted where they lie side by side, which takes a sixth of the time of np.quantile.
    rows = np.ascontiguousarray(np.moveaxis(draws, 0, -1))
    defined = np.isfinite(rows)
    if defined.all():
        ordered = np.sort(rows, axis=-1)
        lows, highs = ordered[..., low], ordered[..., high]
    else:
        lows = np.sort(np.where(defined, rows, -np.inf), axis=-1)[..., low]
        highs = np.sort(np.where(defined, rows, np.inf), axis=-1)[..., high]
    return np.moveaxis(lows, -1, 0), np.moveaxis(highs, -1, 0)


def estimate_from_draws(name: str, value: float, draws: Floats, n: int) -> Estimate:
    """An estimate with percentile intervals, stretched to hold the value itself.

    Args:
        name: of the estimate.
        value: of the metric over the rows as they are.
        draws: of the metric, shape (R,).
        n: rows that it rests on.

    """
    if not np.isfinite(value):
        return undetermined(name, n, "the metric is not defined over these rows")
    share = float(np.mean(~np.isfinite(draws)))
    if share > MAX_UNDEFINED_SHARE:
        reason = (
            f"the metric is not defined in {share:.1%} of the bootstrap draws, "
            f"and at most {MAX_UNDEFINED_SHARE:.1%} may be"
        )
        return undetermined(name, n, reason)
    lows, highs = tail_quantiles(draws)
    return Estimate(name, value, n, ladder_around(value, lows, highs), method_of(len(draws)))


def estimate_from_two_draws(
    name: str, value: float, draws: Floats, raised: Floats, n: int
) -> Estimate:
    """As `estimate_from_draws`, where upper ends must lie beyond those that the draws give.

    Pseudo-rows in all cells of a table pull its correlation inwards, at the upper end too far
    (docs/decisions/0030).

    Args:
        name: of the estimate.
        value: of the metric over the rows as they are.
        draws: of the metric, shape (R,).
        raised: likewise, with pseudo-rows that raise it alone.
        n: rows that it rests on.

    """
    low, high = (estimate_from_draws(name, value, one, n) for one in (draws, raised))
    if low.value is None or high.value is None:
        return low if low.value is None else high
    ends = zip(low.ladder, high.ladder, strict=True)
    return replace(low, ladder=tuple((one[0], max(one[1], other[1])) for one, other in ends))


def estimate_of_proportion(name: str, hits: int, rows: int) -> Estimate:
    """Share of hits with its exact interval; undetermined over no rows."""
    if rows == 0:
        return undetermined(name, 0, "it rests on no rows")
    return Estimate(name, hits / rows, rows, exact_ladder(hits, rows), EXACT)


def exact_ladder(hits: int, rows: int) -> Ladder:
    """Exact intervals of a proportion (Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404).

    Either end is passed by the truth in at most the tail's share of samples, whatever the truth is,
    which a gate needs. The ends are quantiles of Beta distributions; the lower end of no hits is 0
    and the upper end of no misses is 1.
    """
    misses = rows - hits
    lows = betaincinv(hits, misses + 1, TAILS) if hits else np.zeros(MAX_FAMILY)
    highs = betaincinv(hits + 1, misses, 1 - TAILS) if misses else np.ones(MAX_FAMILY)
    return ladder_around(hits / rows, lows, highs)


class Largest:
    """The largest of many quantities, for example the largest gap over classes and pairs of groups.

    The largest of noisy values is biased upward, under resampling once more, so its percentile
    interval would lie too high and could lie wholly above a threshold that the truth keeps. The two
    ends are made apart, each with half of alpha:

    - Upper: the largest of the quantities' own upper ends. The truth exceeds it only if the truly
      largest quantity exceeds its own end, so no correction for their number is due (the
      intersection-union test, Berger 1982, doi:10.1080/00401706.1982.10487790).
    - Lower: the largest of the quantities' simultaneous lower ends, from the bootstrap distribution
      of the largest studentised deviation. Here every quantity has a chance to err, and the
      correction holds whatever their dependence within a block.

    Quantities are added block by block, so that the draws of all are never held at once.
    """

    def __init__(self) -> None:
        self._values: list[Floats] = []
        self._spreads: list[Floats] = []
        self._highs: list[Floats] = []
        self._deviation: Floats = np.array(-np.inf)
        self._undefined = False

    def add(self, values: Floats, draws: Floats, *, both_signs: bool = False) -> None:
        """Add quantities whose draws are independent of those of the other blocks.

        Args:
            values: shape (K,).
            draws: shape (R, K), the same R in each block.
            both_signs: add their negatives as well.

        """
        if not (np.isfinite(values).all() and np.isfinite(draws).all()):
            self._undefined = True
        if self._undefined or not len(values):
            return
        spread = draws.std(axis=0)
        lows, highs = tail_quantiles(draws)
        moved = draws - values
        reach = np.abs(moved) if both_signs else moved
        scaled = np.divide(reach, spread, out=np.zeros_like(moved), where=spread > 0)
        self._values += [values, -values] if both_signs else [values]
        self._spreads += [spread, spread] if both_signs else [spread]
        self._highs += [highs.max(axis=1)] + ([-lows.min(axis=1)] if both_signs else [])
        self._deviation = np.maximum(self._deviation, scaled.max(axis=1))

    def estimate(self, name: str, n: int, *, floor: float | None = None) -> Estimate:
        """The estimate of the largest.

        Args:
            name: of the estimate.
            n: rows that it rests on.
            floor: the least that the quantity can be.

        """
        if self._undefined:
            return undetermined(name, n, "a rate that it compares is not defined over these rows")
        if not self._values:
            return undetermined(name, n, "there is nothing to compare")
        values = np.concatenate(self._values)
        reach = tail_quantiles(self._deviation)[1]
        lows = (values - reach[:, None] * np.concatenate(self._spreads)).max(axis=1)
        lows = lows if floor is None else np.maximum(lows, floor)
        ladder = ladder_around(float(values.max()), lows, np.max(self._highs, axis=0))
        return Estimate(name, float(values.max()), n, ladder, method_of(len(self._deviation)))


def negated(estimate: Estimate) -> Estimate:
    """The same estimate of the negative: the smallest of many is the negative of a largest."""
    if estimate.value is None:
        return estimate
    ladder = tuple((-high, -low) for low, high in estimate.ladder)
    return Estimate(estimate.name, -estimate.value, estimate.n, ladder, estimate.method)


def ladder_around(value: float, lows: Floats, highs: Floats) -> Ladder:
    """Pair the ends and stretch each interval to hold the value, which a skewed draw may miss."""
    return tuple(
        (min(float(low), value), max(float(high), value))
        for low, high in zip(lows, highs, strict=True)
    )


def two_sided_p(lows: Floats, highs: Floats | None = None) -> float:
    """How seldom the draws lie beyond 0, doubled: p of the hypothesis that the quantity is 0.

    One is added to both counts (Davison and Hinkley 1997, section 4.2), so p is never 0; an
    undefined draw lies beyond.

    Args:
        lows: draws for the lower end, (R,).
        highs: draws for the upper end, where these are others.

    """
    highs = lows if highs is None else highs
    beyond = min(int((~(lows > 0)).sum()), int((~(highs < 0)).sum()))
    return min(1.0, 2 * (1 + beyond) / (1 + len(lows)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values in the order given (Holm 1979, Scandinavian Journal of Statistics 6:65)."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted = [0.0] * len(p_values)
    least = 0.0
    for rank, index in enumerate(order):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = least
    return adjusted


def method_of(repeats: int) -> str:
    """How an interval of so many draws was made."""
    return f"Bayesian bootstrap, {repeats} repeats"
