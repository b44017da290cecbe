"""The 95th percentile of latencies: ranks by exact arithmetic, and coverage by simulation."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from tasks.registry.latency import latency_p95, percentile_ranks
from tasks.registry.settings import LEAST_LATENCY_REQUESTS
from tasks.verdicts import ALPHA, MAX_FAMILY


def exact_cdf(k: int, n: int, p: Fraction) -> Fraction:
    """P(Binomial(n, p) <= k) in rational numbers."""
    return sum(
        (math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1)), start=Fraction(0)
    )


@pytest.mark.parametrize("n", [5, 72, 73, 100, 150])
@pytest.mark.parametrize("alpha", [0.05, 0.05 / 7, 0.05 / 20])
def test_ranks_are_those_of_exact_arithmetic(n: int, alpha: float) -> None:
    p, half = Fraction(95, 100), Fraction(alpha) / 2
    lows = [r for r in range(1, n + 1) if exact_cdf(r - 1, n, p) <= half]
    highs = [s for s in range(1, n + 1) if 1 - exact_cdf(s - 1, n, p) <= half]
    expected = (max(lows, default=0), min(highs)) if highs else None
    assert percentile_ranks(n, 0.95, alpha) == expected


def test_the_least_number_of_requests_is_the_least_that_bounds() -> None:
    assert percentile_ranks(LEAST_LATENCY_REQUESTS, 0.95, ALPHA) is not None
    assert percentile_ranks(LEAST_LATENCY_REQUESTS - 1, 0.95, ALPHA) is None


@given(st.integers(72, 3000), st.integers(1, MAX_FAMILY))
@settings(max_examples=60, deadline=None)
def test_ranks_agree_with_scipys_distribution(n: int, share: int) -> None:
    alpha = ALPHA / share
    ranks = percentile_ranks(n, 0.95, alpha)
    if ranks is None:
        assert binom.sf(n - 1, n, 0.95) > alpha / 2
        return
    low, high = ranks
    inside = binom.cdf(high - 1, n, 0.95) - binom.cdf(low - 1, n, 0.95)
    assert inside >= 1 - alpha - 1e-9
    # One rank less on either side would promise too much.
    assert binom.cdf(low, n, 0.95) > alpha / 2
    assert binom.sf(high - 2, n, 0.95) > alpha / 2


def test_the_interval_holds_the_true_percentile_as_often_as_it_says() -> None:
    random = np.random.default_rng(7)
    truth = float(np.exp(1.6448536269514722))  # 95th percentile of a log-normal
    hits = 0
    for _ in range(600):
        ladder = latency_p95("t.p95", np.exp(random.standard_normal(150)).tolist()).ladder
        hits += ladder[0][0] <= truth <= ladder[0][1]
    # 600 draws at 95% or more: fewer than 553 hits have a chance of 1 in 1,000.
    assert hits >= 553


@given(st.lists(st.floats(0.01, 1e6), min_size=72, max_size=400))
@settings(max_examples=60, deadline=None)
def test_intervals_hold_the_value_and_widen_with_confidence(times: list[float]) -> None:
    estimate = latency_p95("t.p95", times)
    assert estimate.value in times
    assert estimate.value == np.quantile(times, 0.95, method="inverted_cdf")
    assert (estimate.name, estimate.n) == ("t.p95", len(times))
    assert sum(time <= estimate.value for time in times) >= 0.95 * len(times)
    for (low, high), (wider_low, wider_high) in zip(
        estimate.ladder, estimate.ladder[1:], strict=False
    ):
        assert wider_low <= low <= estimate.value <= high <= wider_high


def test_ends_are_the_times_of_the_ranks_at_every_confidence_that_has_ranks() -> None:
    times = [float(k) for k in range(1, 401)]
    ladder = latency_p95("t.p95", times[::-1]).ladder
    ranks = [percentile_ranks(400, 0.95, ALPHA / k) for k in range(1, MAX_FAMILY + 1)]
    assert len(ladder) == MAX_FAMILY
    assert [(int(low), int(high)) for low, high in ladder] == ranks
    few = latency_p95("t.p95", times[:100]).ladder
    assert [percentile_ranks(100, 0.95, ALPHA / k) is None for k in (len(few), len(few) + 1)] == [
        False, True,
    ]  # fmt: skip


@pytest.mark.parametrize("times", [[], [1.0] * 71, [1.0] * 99 + [float("nan")]])
def test_what_bounds_nothing_is_undetermined(times: list[float]) -> None:
    estimate = latency_p95("t.p95", times)
    assert (estimate.name, estimate.value, estimate.n) == ("t.p95", None, len(times))
    assert ("too few to bound" if len(times) == 71 else "no response times") in estimate.reason
