"""Confidence sequences: ends that hold at all looks together, so that one may stop at any of them.

Who bets the constant share y on every observation X of a mean m has at the end, of a capital of 1,

    prod (1 + y X_i) / (1 + y m)

which is a martingale where m is the mean (of X_i, given what came before) and grows where it is
not. By Ville's inequality a capital that began with 1 ever reaches 1 / a with a probability of at
most a: at all looks together. A value at which the capital has grown as far is excluded. Bets are
mixed over a grid, so that some of them fit however many observations there are (method of mixtures:
Robbins 1970, doi:10.1214/aoms/1177696786; Howard, Ramdas, McAuliffe and Sekhon 2021,
doi:10.1214/20-AOS1991; bets on bounded means: Waudby-Smith and Ramdas 2024,
doi:10.1093/jrsssb/qkad009). Two inequalities make of it what is wanted here:

*   (1 + y)^X <= 1 + y X for X from 0 to 1, so that the sum of the X_i and their number say all.
    The ends do not depend on the order in which observations are read, nor on how they lie in
    files, and sums of parts can be added.
*   log(1 + y m) is concave in m, so that with means m_i that change over the day the capital at
    their average is no greater than the martingale's. The ends hold for the average.

docs/decisions/0044-sequential-comparison.md says what widths were measured.
"""

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Bets on a mean, as the logarithm of what a success multiplies the capital by, over a failure. The
# least fits some ten million observations, the greatest none that ever succeeds. Weights are those
# of a half Cauchy distribution on a logarithmic scale: heaviest where a bet fits thousands.
BETS: Final = np.geomspace(1e-3, 8.0, 24)
_HEAVIEST: Final = 0.3
_WEIGHTS: Final = BETS / (BETS**2 + _HEAVIEST**2)
_LOG_WEIGHTS: Final = np.log(_WEIGHTS / _WEIGHTS.sum())
# Halvings: of an end, and of the means that have a difference, where the capital is flat.
_HALVINGS: Final = 24
_INNER_HALVINGS: Final = 26


@dataclass(frozen=True)
class Capital:
    """What bets on one mean have come to, at L looks.

    Attributes:
        gains: logarithms of what the observations multiplied K bets by, (L, K).
        stakes: the shares y, (K,).
        n: observations, (L,).

    """

    gains: Floats
    stakes: Floats
    n: Floats

    def log_at(self, mean: Floats) -> Floats:
        """Logarithm of the capital, (L,), where the mean is this, (L,)."""
        return np.asarray(logsumexp(self._exponents(mean), axis=-1))

    def slope_at(self, mean: Floats) -> Floats:
        """Its derivative by the mean, (L,)."""
        exponents = self._exponents(mean)
        shares = np.exp(exponents - exponents.max(axis=-1, keepdims=True))
        spent = self.stakes / (1 + self.stakes * mean[:, None])
        return np.asarray(-self.n * (shares * spent).sum(axis=-1) / shares.sum(axis=-1))

    def _exponents(self, mean: Floats) -> Floats:
        spent = np.log1p(self.stakes * mean[:, None])
        return np.asarray(_LOG_WEIGHTS + self.gains - self.n[:, None] * spent)


class Compared(Protocol):
    """A mean or a difference, observed up to each of L looks."""

    @property
    def value(self) -> Floats:
        """What it comes to, (L,); NaN where nothing was observed."""

    @property
    def bounds(self) -> tuple[float, float]:
        """What it can be at all."""

    def at(self, looks: Ints) -> "Compared":
        """The same at some of the looks, by their places."""

    def log_below(self, truth: Floats) -> Floats:
        """Logarithm of the capital of bets that it is less than this, if it is this, (L,)."""

    def log_above(self, truth: Floats) -> Floats:
        """Logarithm of the capital of bets that it is greater than this, if it is this, (L,)."""


@dataclass(frozen=True)
class Mean:
    """The mean of N observations from 0 to 1.

    Attributes:
        total: sum of the observations, (L,).
        n: how many there are, (L,).

    """

    total: Floats
    n: Floats
    bounds = (0.0, 1.0)

    @property
    def value(self) -> Floats:
        """See `Compared`."""
        return _ratio(self.total, self.n)

    def at(self, looks: Ints) -> "Mean":
        """See `Compared`."""
        return Mean(self.total[looks], self.n[looks])

    def log_below(self, truth: Floats) -> Floats:
        """See `Compared`."""
        return self.bets(-BETS).log_at(truth)

    def log_above(self, truth: Floats) -> Floats:
        """See `Compared`."""
        return self.bets(BETS).log_at(truth)

    def bets(self, logarithms: Floats) -> Capital:
        """The capital of bets that a success multiplies by so much more than a failure, (K,)."""
        return Capital(self.total[:, None] * logarithms, np.expm1(logarithms), self.n)


@dataclass(frozen=True)
class PairedDifference:
    """The mean of N differences from -1 to 1, of two versions on the same request.

    Attributes:
        gained: sum of the differences above 0, (L,).
        lost: sum of those below 0, without their sign, (L,).
        n: how many differences there are, those of 0 among them, (L,).

    """

    gained: Floats
    lost: Floats
    n: Floats
    bounds = (-1.0, 1.0)

    @property
    def value(self) -> Floats:
        """See `Compared`."""
        return _ratio(self.gained - self.lost, self.n)

    def at(self, looks: Ints) -> "PairedDifference":
        """See `Compared`."""
        return PairedDifference(self.gained[looks], self.lost[looks], self.n[looks])

    def log_below(self, truth: Floats) -> Floats:
        """See `Compared`."""
        return self._bets(-np.tanh(BETS / 2)).log_at(truth)

    def log_above(self, truth: Floats) -> Floats:
        """See `Compared`."""
        return self._bets(np.tanh(BETS / 2)).log_at(truth)

    def _bets(self, stakes: Floats) -> Capital:
        gains = self.gained[:, None] * np.log1p(stakes) + self.lost[:, None] * np.log1p(-stakes)
        return Capital(gains, stakes, self.n)


@dataclass(frozen=True)
class Difference:
    """The difference of the means of two versions on different requests: the first less the second.

    Bets on both are of one game, whose capital is their product; a difference is excluded where the
    capital has grown whatever the two means are that differ by it. So neither has to do with half
    of the level.
    """

    first: Mean
    second: Mean
    bounds = (-1.0, 1.0)

    @property
    def value(self) -> Floats:
        """See `Compared`."""
        return self.first.value - self.second.value

    def at(self, looks: Ints) -> "Difference":
        """See `Compared`."""
        return Difference(self.first.at(looks), self.second.at(looks))

    def log_below(self, truth: Floats) -> Floats:
        """See `Compared`."""
        return _least_product(self.first.bets(-BETS), self.second.bets(BETS), truth)

    def log_above(self, truth: Floats) -> Floats:
        """See `Compared`."""
        return _least_product(self.first.bets(BETS), self.second.bets(-BETS), truth)


def upper_end(compared: Compared, level: float) -> Floats:
    """What the truth does not exceed at any look, but with this chance.

    Args:
        compared: what was observed up to each of L looks.
        level: chance that any of these ends, and of those of all other looks, is below the truth.

    Returns:
        (L,); the greatest that there can be where nothing was observed.

    """
    inside = np.nan_to_num(compared.value, nan=compared.bounds[0])
    outside = np.full_like(inside, compared.bounds[1])
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        held = compared.log_below(middle) < -np.log(level)
        inside, outside = np.where(held, middle, inside), np.where(held, outside, middle)
    return outside


def lower_end(compared: Compared, level: float) -> Floats:
    """What the truth does not fall below; see `upper_end`."""
    inside = np.nan_to_num(compared.value, nan=compared.bounds[1])
    outside = np.full_like(inside, compared.bounds[0])
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        held = compared.log_above(middle) < -np.log(level)
        inside, outside = np.where(held, middle, inside), np.where(held, outside, middle)
    return outside


def _least_product(first: Capital, second: Capital, difference: Floats) -> Floats:
    """The least capital of both over all pairs of means of this difference, as a logarithm, (L,).

    The logarithm is convex in the second mean, so that halvings by the sign of its slope find it.
    """
    low = np.maximum(0.0, -difference)
    high = np.minimum(1.0, 1.0 - difference)
    for _ in range(_INNER_HALVINGS):
        middle = (low + high) / 2
        rising = first.slope_at(middle + difference) + second.slope_at(middle) > 0
        low, high = np.where(rising, low, middle), np.where(rising, middle, high)
    middle = (low + high) / 2
    return first.log_at(middle + difference) + second.log_at(middle)


def _ratio(total: Floats, n: Floats) -> Floats:
    with np.errstate(invalid="ignore"):
        return total / n
