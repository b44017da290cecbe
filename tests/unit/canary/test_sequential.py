"""Confidence sequences against brute force, and what must hold of them at all looks."""

import math
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.canary.sequential import (
    Compared,
    Difference,
    Mean,
    PairedDifference,
    lower_end,
    upper_end,
)

LEVEL = 0.05 / 9 / 2
# The grid of bets, written again: 24 from 0.001 to 8 on a logarithmic scale, half Cauchy weights.
BETS = [math.exp(math.log(1e-3) + k * math.log(8e3) / 23) for k in range(24)]
WEIGHTS = [bet / (bet**2 + 0.09) for bet in BETS]


def array(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64)


def capital(observed: list[float], mean: float, stakes: list[float]) -> float:
    """Bets one observation after another, as who sits at the table."""
    total = 0.0
    for weight, stake in zip(WEIGHTS, stakes, strict=True):
        held = 1.0
        for one in observed:
            held *= (1 + stake * one) / (1 + stake * mean)
        total += weight * held
    return total / sum(WEIGHTS)


def least_excluded(observed: list[float], stakes: list[float], highest: float) -> float:
    """The first of a fine grid of values above the mean at which the capital reaches 1 / level."""
    mean = sum(observed) / len(observed)
    for value in np.linspace(mean, highest, 400)[1:]:
        if capital(observed, float(value), stakes) >= 1 / LEVEL:
            return float(value)
    return highest


@pytest.mark.parametrize("observed", [[0.0] * 60, [1.0, 0.0, 0.0, 0.0] * 15])
def test_the_ends_of_a_mean_are_where_the_bets_have_grown_enough(observed: list[float]) -> None:
    mean = Mean(array(sum(observed)), array(len(observed)))
    stakes = [math.expm1(-bet) for bet in BETS]
    assert upper_end(mean, LEVEL)[0] == pytest.approx(
        least_excluded(observed, stakes, 1.0), abs=3e-3
    )
    others = [1 - one for one in observed]
    assert 1 - lower_end(mean, LEVEL)[0] == pytest.approx(
        least_excluded(others, stakes, 1.0), abs=3e-3
    )


@pytest.mark.parametrize("observed", [[0.0] * 60, [1.0, 0.0, -1.0, 0.0, 0.0] * 10])
def test_the_ends_of_a_paired_difference_likewise(observed: list[float]) -> None:
    gained = sum(one for one in observed if one > 0)
    lost = -sum(one for one in observed if one < 0)
    paired = PairedDifference(array(gained), array(lost), array(len(observed)))
    stakes = [-math.tanh(bet / 2) for bet in BETS]
    expected = least_excluded(observed, stakes, 1.0)
    assert upper_end(paired, LEVEL)[0] == pytest.approx(expected, abs=6e-3)
    swapped = PairedDifference(paired.lost, paired.gained, paired.n)
    assert lower_end(paired, LEVEL)[0] == pytest.approx(-upper_end(swapped, LEVEL)[0], abs=1e-9)


def test_a_difference_is_excluded_where_all_pairs_of_means_are() -> None:
    """By brute force over a grid of pairs of means."""
    first, second = Mean(array(12), array(60)), Mean(array(9), array(150))
    above = first.bets(-np.array(BETS)), second.bets(np.array(BETS))
    grid = np.linspace(0, 1, 1_001)
    logs = [np.array([float(one.log_at(array(value))[0]) for value in grid]) for one in above]
    held = logs[0][:, None] + logs[1][None, :] < -math.log(LEVEL)
    expected = float((grid[:, None] - grid[None, :])[held].max())
    difference = Difference(first, second)
    assert upper_end(difference, LEVEL)[0] == pytest.approx(expected, abs=2e-3)
    turned = Difference(second, first)
    assert lower_end(turned, LEVEL)[0] == pytest.approx(-expected, abs=2e-3)


def test_bets_of_one_game_tell_more_than_each_at_half_the_level() -> None:
    for share in (0.05, 0.25, 0.5):
        first, second = (
            Mean(array(0.05 * part * 20_000), array(part * 20_000)) for part in (share, 1 - share)
        )
        at_half = upper_end(first, LEVEL / 2) - lower_end(second, LEVEL / 2)
        assert upper_end(Difference(first, second), LEVEL)[0] < at_half[0]


@pytest.mark.parametrize(
    "nothing",
    [
        Mean(array(0), array(0)),
        PairedDifference(array(0), array(0), array(0)),
        Difference(Mean(array(0), array(0)), Mean(array(0), array(0))),
    ],
)
def test_nothing_is_told_of_no_observation(nothing: Compared) -> None:
    assert (lower_end(nothing, LEVEL)[0], upper_end(nothing, LEVEL)[0]) == nothing.bounds
    assert np.isnan(nothing.value[0])


def test_one_side_alone_tells_little() -> None:
    one_side = Difference(Mean(array(0), array(5_000)), Mean(array(0), array(0)))
    assert lower_end(one_side, LEVEL)[0] < -0.99
    assert upper_end(one_side, LEVEL)[0] < 0.01  # none fails less than never


SUMS = st.integers(1, 2_000_000).flatmap(
    lambda n: st.tuples(st.integers(0, n), st.integers(0, n), st.just(n))
)


@settings(max_examples=6, deadline=None)
@given(SUMS, st.floats(1e-6, 0.2))
def test_ends_hold_the_number_and_move_out_with_confidence(
    sums: tuple[int, int, int], level: float
) -> None:
    one, other, n = sums
    part = min(one, n - min(other, n - 1))
    for compared in (
        Mean(array(one), array(n)),
        PairedDifference(array(part), array(min(other, n - part)), array(n)),
        Difference(Mean(array(one), array(n)), Mean(array(other), array(n))),
    ):
        low, high = lower_end(compared, level)[0], upper_end(compared, level)[0]
        assert compared.bounds[0] <= low <= compared.value[0] <= high <= compared.bounds[1]
        assert lower_end(compared, level / 10)[0] <= low
        assert upper_end(compared, level / 10)[0] >= high


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(0, 1), min_size=5, max_size=300), st.floats(0.001, 0.999))
def test_a_value_that_the_ends_hold_at_all_looks_is_in_their_common_part(
    observed: list[int], truth: float
) -> None:
    """Intersected, ends only move in; and a look gives the same by itself as among others."""
    totals = np.array(list(accumulate(observed)), dtype=np.float64)
    sequence = Mean(totals, np.arange(1.0, len(observed) + 1))
    low, high = lower_end(sequence, LEVEL), upper_end(sequence, LEVEL)
    within = bool(np.maximum.accumulate(low)[-1] <= truth <= np.minimum.accumulate(high)[-1])
    assert within == bool(((low <= truth) & (truth <= high)).all())
    last = Mean(totals[-1:], sequence.n[-1:])
    assert (low[-1], high[-1]) == (lower_end(last, LEVEL)[0], upper_end(last, LEVEL)[0])


@settings(max_examples=12, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=50), st.floats(0.01, 0.99))
def test_shares_of_a_request_never_bet_more_than_what_they_are_the_mean_of(
    shares: list[float], truth: float
) -> None:
    """(1 + y)^x <= 1 + y x: with means of rows in place of rows the ends are not too narrow."""
    mean = Mean(array(math.fsum(shares)), array(len(shares)))
    bets = [math.expm1(bet) for bet in BETS]
    assert mean.log_above(array(truth))[0] <= math.log(capital(shares, truth, bets)) + 1e-9


def test_widths_are_near_those_of_one_look() -> None:
    """At one look a normal interval at this level is 2.77 standard errors to either side."""
    for n, total in ((1_000, 50), (10_000, 500), (100_000, 5_000)):
        mean = Mean(array(total), array(n))
        error = math.sqrt(total / n * (1 - total / n) / n)
        assert 1.2 < (upper_end(mean, LEVEL)[0] - total / n) / error / 2.77 < 1.65


def test_some_of_the_looks_are_what_they_are_among_all() -> None:
    first, second = Mean(array(3, 5, 9), array(40, 70, 90)), Mean(array(1, 2, 3), array(50, 60, 99))
    paired = PairedDifference(array(3, 5, 9), array(1, 2, 3), array(40, 70, 90))
    some = np.array([2, 0])
    for compared in (first, paired, Difference(first, second)):
        np.testing.assert_allclose(compared.at(some).value, compared.value[some])
        for end in (lower_end, upper_end):
            np.testing.assert_allclose(end(compared.at(some), LEVEL), end(compared, LEVEL)[some])


@pytest.mark.parametrize("sign", [-1, 1])
def test_the_slope_of_a_capital_is_that_between_two_near_means(sign: int) -> None:
    capital_of = Mean(array(12, 300), array(60, 9_000)).bets(sign * np.array(BETS))
    at, step = array(0.3, 0.05), 1e-6
    between = (capital_of.log_at(at + step) - capital_of.log_at(at - step)) / (2 * step)
    np.testing.assert_allclose(capital_of.slope_at(at), between, rtol=1e-4)
