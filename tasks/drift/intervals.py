"""Between which ends an effect lies: what a check is passed or failed on.

A test of no difference that finds none says nothing of how large a difference it would have missed,
so no check passes on it. It passes where the upper end of its effect lies below the limit, the test
of equivalence of Wellek (2010, Testing Statistical Hypotheses of Equivalence and Noninferiority),
and fails where the lower end reaches it. Either end misses the true effect in one draw of forty.

A distance is never negative, so that of two samples is too large, and its spread depends on its
size. Its interval therefore comes from the squared distance, less what chance alone gives, by a
score: a squared distance D is held possible where what was found is no odder than at D itself.

Every interval can also be asked for more rows than there are, with the effect as it is: where a
check stays undetermined, that says how many would do.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtrit
from scipy.stats import chi2

# An end misses the true effect in this share of draws.
TAIL = 0.025
_NORMAL = float(ndtri(1 - TAIL))
# No more than so many times the rows are called an answer.
_MOST_TIMES = 1_000.0
# After which the lower end moves no more.
_STEPS = 5

Ends = tuple[float, float]
# The ends with so many times the rows.
EndsOf = Callable[[float], Ends]


def exactly(value: float) -> EndsOf:
    """The ends of what has no sampling error."""
    return lambda _: (value, value)


def critical(units: float) -> float:
    """How many standard errors an end lies off, by Student's t with one unit less."""
    return float(stdtrit(max(units - 1, 1), 1 - TAIL))


def around(value: float, error: float, units: int) -> EndsOf:
    """Ends of a value with a standard error from so many units of the smaller side."""

    def ends(times: float) -> Ends:
        off = critical(units * times) * error / times**0.5
        return value - off, value + off

    return ends


@dataclass(frozen=True)
class SquaredDistance:
    """A squared distance |d|^2 of two sides, measured as |d + Z|^2 - E|Z|^2 with Z the noise.

    Its variance is 2 tr(S^2) + 4 d'Sd for the covariance S of Z. The first part is the variance
    under no drift. Of the second is known that d'Sd is at most |d|^2 times the largest eigenvalue
    of S, which is at most the root of tr(S^2); and what the influence of each row says of it.

    Attributes:
        value: without bias, so it can be below 0.
        null_variance: under no drift, 2 tr(S^2).
        linear_variance: d'Sd as the sum of squared influences has it; too large by tr(S^2).
        units: rows or clusters of the smaller side.

    """

    value: float
    null_variance: float
    linear_variance: float
    units: int

    def ends(self, times: float = 1.0) -> Ends:
        """Roots D of (value - D)^2 = z^2 (null_variance + 4 c D), with c for d'Sd / |d|^2.

        Too large a value is less rare than a normal distribution has it, which moves the lower end
        (Cornish and Fisher 1938), with the third moment of a noncentral chi-square variable.
        """
        null, slope = self.null_variance / times**2, self._slope / times
        z = critical(self.units * times)
        high = self._root(z, null, slope)
        low, skewed = 0.0, z
        for _ in range(_STEPS):
            low = max(0.0, self._root(-skewed, null, slope))
            variance = null + 4 * slope * low
            if variance <= 0:
                break
            skewness = (4 * slope * null + 24 * slope**2 * low) / variance**1.5
            skewed = z + skewness * (z**2 - 1) / 6
        # A value far below 0 leaves no root: nothing is held impossible from below.
        return min(low, max(0.0, self.value)), max(0.0, high)

    def _root(self, z: float, null: float, slope: float) -> float:
        middle = self.value + 2 * slope * z**2
        inner = null + 4 * slope * self.value + 4 * slope**2 * z**2
        return float(middle + z * max(0.0, inner) ** 0.5)

    def roots(self, times: float = 1.0) -> Ends:
        """The ends of the distance itself."""
        low, high = self.ends(times)
        return low**0.5, high**0.5

    @property
    def _slope(self) -> float:
        most = float((self.null_variance / 2) ** 0.5)
        if self.value <= 0:
            return most
        return min(most, self.linear_variance / self.value)


def of_largest_gap(gap: float, factor: float, units: int) -> EndsOf:
    """Ends of the largest gap of two distribution functions.

    The gap is below the limit if it is at every length, so the upper end needs no correction for
    many lengths: each is a test that must be passed (Berger 1982, Technometrics 24:295). The lower
    end holds at all lengths at once (Massart 1990, doi:10.1214/aop/1176990746).

    Args:
        gap: the largest.
        factor: four times the largest variance of the gap at a length; `variance_factor` for rows.
        units: rows or clusters of the smaller side.

    """

    def ends(times: float) -> Ends:
        spread = (factor / times) ** 0.5
        wider = critical(units * times) / _NORMAL
        low = gap - wider * spread * float(np.sqrt(np.log(2 / TAIL) / 2))
        return max(0.0, low), min(1.0, gap + critical(units * times) * spread / 2)

    return ends


@dataclass(frozen=True)
class Share:
    """A share of tokens on one side, with what its ends are made of.

    Attributes:
        variance: of the share, over rows or clusters.
        largest: what one more row, or cluster, that nobody has drawn yet would add.
        units: rows or clusters.

    """

    value: float
    variance: float
    largest: float
    units: int

    def ends(self, times: float = 1.0) -> Ends:
        """By the gamma distribution, which also holds where hardly any row has such tokens.

        Fay and Feuer (1997, doi:10.1002/(SICI)1097-0258(19970415)16:7<791::AID-SIM500>3.0.CO;2-#).
        """
        wider = (critical(self.units * times) / _NORMAL) ** 2
        variance, largest = wider * self.variance / times, self.largest / times
        low = _gamma(self.value, variance, TAIL)
        high = _gamma(self.value + largest, variance + largest**2, 1 - TAIL)
        return min(low, self.value), min(1.0, max(high, self.value))


def _gamma(mean: float, variance: float, level: float) -> float:
    """Quantile of the gamma distribution of this mean and variance."""
    if mean <= 0 or variance <= 0:
        return mean
    return float(variance / (2 * mean) * chi2.ppf(level, 2 * mean**2 / variance))


def of_change(before: Share, now: Share, correlation: float) -> EndsOf:
    """Ends of how far two shares lie apart, either way, from the ends of each.

    Zou and Donner (2008, doi:10.1002/sim.3095).

    Args:
        before: one share.
        now: the other.
        correlation: of the two; of means over n and m rows with k in common it is k / sqrt(nm).

    """

    def ends(times: float) -> Ends:
        (low_before, high_before), (low, high) = before.ends(times), now.ends(times)
        change = now.value - before.value
        up = _together(high - now.value, before.value - low_before, correlation)
        down = _together(now.value - low, high_before - before.value, correlation)
        least, most = change - down, change + up
        nearest = 0.0 if least <= 0 <= most else min(abs(least), abs(most))
        return nearest, max(abs(least), abs(most))

    return ends


def _together(one: float, other: float, correlation: float) -> float:
    return float(max(0.0, one**2 + other**2 - 2 * correlation * one * other) ** 0.5)


def times_to_settle(ends: EndsOf, limit: float) -> float | None:
    """How many times the rows would put the limit outside the ends; None where none nearby do."""

    def settled(times: float) -> bool:
        low, high = ends(times)
        return low >= limit or high < limit

    if not settled(_MOST_TIMES):
        return None
    low, high = 0.0, float(np.log(_MOST_TIMES))
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (low, middle) if settled(float(np.exp(middle))) else (middle, high)
    return float(np.exp(high))
