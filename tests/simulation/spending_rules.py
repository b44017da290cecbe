"""Prints what other ways to spend alpha over looks come to, in years of normal gains.

`python -m tests.simulation.spending_rules`. The gains of a year's candidates share half of their
variance, since they meet one champion on the same rows; their mean lies so many standard errors
above the threshold.
"""

from collections.abc import Mapping

import numpy as np
from scipy.special import ndtri, zeta

from tasks.resampling import Floats
from tasks.verdicts import ALPHA
from tests.simulation.looks_worlds import WEEKS

YEARS = 4_000
SHARED = 0.5
ABOVE = (0.0, 2.13, 3.2)
_LOOK = np.arange(1, WEEKS + 1, dtype=np.float64)
# Share of alpha of the j-th look since a pass.
RULES: Mapping[str, Floats] = {
    "1 / (j (j + 1))": 1 / (_LOOK * (_LOOK + 1)),
    "j^-1.6": _LOOK**-1.6 / zeta(1.6),
    "j^-1.3": _LOOK**-1.3 / zeta(1.3),
    "0.8, then 0.2 / (j (j - 1))": np.r_[0.8, 0.2 / (_LOOK[1:] * (_LOOK[1:] - 1))],
    "1 / 52 each": np.full(WEEKS, 1 / WEEKS),
    "all of it each": np.ones(WEEKS),
}


def passes(shares: Floats, above: float, random: np.random.Generator) -> Floats:
    """Which candidates pass, (YEARS, WEEKS)."""
    shared = random.normal(size=(YEARS, 1)) * SHARED**0.5
    gains = above + shared + random.normal(size=(YEARS, WEEKS)) * (1 - SHARED) ** 0.5
    limits, since = -ndtri(ALPHA / 2 * shares), np.zeros(YEARS, dtype=np.intp)
    passed = np.zeros_like(gains)
    for week in range(WEEKS):
        passed[:, week] = gains[:, week] > limits[since]
        since = np.where(passed[:, week] > 0, 0, since + 1)
    return passed


if __name__ == "__main__":
    for name, shares in RULES.items():
        for above in ABOVE:
            made = passes(shares, above, np.random.default_rng(0))
            told = (made.any(axis=1).mean(), made.sum(axis=1).mean(), made[:, 0].mean())
            print(
                f"{name:<28} {above:.2f} standard errors above: years with a pass {told[0]:.3f}, "
                f"passes a year {told[1]:.1f}, the first passes {told[2]:.2f}"
            )
