"""The 95th percentile of response times with an interval that assumes no distribution."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from scipy.special import bdtr

from tasks.verdicts import ALPHA, MAX_FAMILY, Estimate, undetermined

PERCENTILE: Final = 0.95


def latency_p95(name: str, times_ms: Sequence[float]) -> Estimate:
    """The 95th percentile of single-row response times.

    The interval's ends are order statistics: as many of n times lie below the true percentile as
    a Binomial(n, 0.95) draw says, so the r-th smallest time is at most the percentile unless that
    count is below r, and the s-th smallest at least that unless the count is s or more (David and
    Nagaraja 2003, Order Statistics, section 7.1; Hahn and Meeker 1991, section 5.2). Each tail
    has half of alpha, so the coverage is at least what is claimed.

    Args:
        name: of the estimate.
        times_ms: milliseconds of each request.

    Returns:
        An estimate whose ladder ends where the requests are too few for an upper end.

    """
    ordered = sorted(times_ms)
    n = len(ordered)
    if not n or not all(map(math.isfinite, ordered)):
        return undetermined(name, n, "there are no response times to take a percentile of")
    ladder = []
    for share in range(1, MAX_FAMILY + 1):
        ranks = percentile_ranks(n, PERCENTILE, ALPHA / share)
        if ranks is None:
            break
        low, high = ranks
        ladder.append((ordered[low - 1] if low else 0.0, ordered[high - 1]))
    if not ladder:
        return undetermined(name, n, f"{n} requests are too few to bound the 95th percentile")
    value = ordered[math.ceil(PERCENTILE * n) - 1]
    return Estimate(name, value, n, tuple(ladder), f"order statistics of {n} requests")


def percentile_ranks(n: int, percentile: float, alpha: float) -> tuple[int, int] | None:
    """Ranks (from 1) of the order statistics that enclose a percentile at confidence 1 - alpha.

    Args:
        n: values.
        percentile: between 0 and 1.
        alpha: what both tails may hold together.

    Returns:
        Lower and upper rank; the lower is 0 where no value bounds the percentile from below; None
        where no value bounds it from above.

    """
    below = bdtr(np.arange(n), n, percentile)  # P(count <= k) for k = 0 .. n - 1
    # The r-th smallest lies above the percentile if at most r - 1 values lie below it.
    low = int(np.searchsorted(below, alpha / 2, side="right"))
    # The s-th smallest lies below the percentile if at least s values do.
    enough = np.flatnonzero(1 - below <= alpha / 2)
    return (low, int(enough[0]) + 1) if len(enough) else None
