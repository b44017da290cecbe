"""How wide confidence sequences of a mean are, at one level and so many observations.

Others that were weighed, each by its own formula: the empirical Bernstein sequence with a stitched
boundary (Howard and others 2021, theorem 4 and equation 10), the predictable plug-in empirical
Bernstein one and hedged capital of predictable bets (Waudby-Smith and Ramdas 2024, theorems 2 and
3), the Beta mixture (Robbins 1970), and as the least that there can be the exact interval of one
look (Clopper and Pearson 1934). The level is that of one end of a canary of three steps.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from scipy.special import betaln, zeta
from scipy.stats import beta

from tasks.canary.gates import limits_of
from tasks.canary.sequential import Floats, Mean, upper_end
from tasks.registry.canary_settings import CanarySettings

COUNTS: Final = (100, 300, 1_000, 3_000, 10_000, 30_000, 100_000)
RATES: Final = (0.0, 0.01, 0.05, 0.2, 0.5)
_GRID: Final = 400


def _chosen(observed: Floats, level: float) -> float:
    mean = Mean(np.array([observed.sum()]), np.array([float(len(observed))]))
    return float(upper_end(mean, level)[0])


def _stitched(observed: Floats, level: float) -> float:
    """Of (S_t - t m) with V_t from the running mean; eta 2, s 1.4, tuned from V = 1 on."""
    n, eta, s = len(observed), 2.0, 1.4
    before = np.concatenate([[0.5], observed.cumsum()[:-1] / np.arange(1, n)])
    v = max(float(((observed - before) ** 2).sum()), 1.0)
    k1 = (eta**0.25 + eta**-0.25) / np.sqrt(2)
    k2 = (np.sqrt(eta) + 1) / 2
    loglog = s * np.log(np.log(eta * v)) + np.log(zeta(s) / (level * np.log(eta) ** s))
    bound = np.sqrt(k1**2 * v * loglog + (k2 * loglog) ** 2) + k2 * loglog
    return float(observed.mean() + bound / n)


def _plug_in(observed: Floats, level: float) -> float:
    n = len(observed)
    t = np.arange(1, n + 1)
    means = (0.5 + observed.cumsum()) / (t + 1)
    spread = (0.25 + ((observed - means) ** 2).cumsum()) / (t + 1)
    before, old = np.concatenate([[0.5], means[:-1]]), np.concatenate([[0.25], spread[:-1]])
    bets = np.minimum(np.sqrt(2 * np.log(1 / level) / (old * t * np.log(1 + t))), 0.5)
    penalty = (-np.log1p(-bets) - bets) * (observed - before) ** 2
    return float(
        (bets * observed).sum() / bets.sum() + (np.log(1 / level) + penalty.sum()) / bets.sum()
    )


def _hedged(observed: Floats, level: float) -> float:
    """Predictable bets that the mean is less, at each of a grid of values above it."""
    n = len(observed)
    t = np.arange(1, n + 1)
    means = (0.5 + observed.cumsum()) / (t + 1)
    spread = (0.25 + ((observed - means) ** 2).cumsum()) / (t + 1)
    old = np.concatenate([[0.25], spread[:-1]])
    bets = np.sqrt(2 * np.log(1 / level) / (old * t * np.log(1 + t)))

    def log_capital(value: float) -> float:
        capped = np.minimum(bets, 0.5 / (1 - value))
        return float(np.log1p(-capped * (observed - value)).cumsum().max())

    return _first(log_capital, float(observed.mean()), level)


def _beta_mixture(observed: Floats, level: float) -> float:
    n, total = len(observed), observed.sum()
    start = betaln(0.5 + total, 0.5 + n - total) - betaln(0.5, 0.5)

    def log_capital(value: float) -> float:
        spent = (total * np.log(value) if total else 0.0) + (n - total) * np.log1p(-value)
        return float(start - spent)

    return _first(log_capital, max(float(observed.mean()), 1e-12), level)


def _first(log_capital: Callable[[float], float], low: float, level: float) -> float:
    """Where the capital has grown enough, by halvings."""
    high = 1 - 1e-12
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if log_capital(middle) < np.log(1 / level) else (low, middle)
    return high


def _exact(observed: Floats, level: float) -> float:
    total, n = observed.sum(), len(observed)
    return float(beta.isf(level, total + 1, n - total)) if total < n else 1.0


WAYS: Final[dict[str, Callable[[Floats, float], float]]] = {
    "chosen": _chosen,
    "Beta mixture": _beta_mixture,
    "stitched Bernstein": _stitched,
    "plug-in Bernstein": _plug_in,
    "hedged capital": _hedged,
    "one look, exact": _exact,
}


def print_widths(draws: int = 5) -> None:
    """From the mean to the upper end, the mean of some draws, for each rate and count."""
    level = limits_of(CanarySettings()).level
    print(f"{'rate':>6}{'n':>9}" + "".join(f"{name:>20}" for name in WAYS))
    for rate in RATES:
        for n in COUNTS:
            random = np.random.default_rng(n)
            drawn = [(random.random(n) < rate).astype(np.float64) for _ in range(draws)]
            widths = [
                np.mean([way(one, level) - one.mean() for one in drawn]) for way in WAYS.values()
            ]
            print(f"{rate:>6}{n:>9}" + "".join(f"{width:>20.5f}" for width in widths), flush=True)
