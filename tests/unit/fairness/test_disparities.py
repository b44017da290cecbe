"""The extremes over groups do not depend on which group stands first."""

import itertools

import numpy as np
import pytest
from scipy.stats import binomtest

from tasks.fairness.disparities import LargestDifference, SmallestRatio, Spread, WorstGroup
from tasks.fairness.gaps import gap_estimates
from tasks.fairness.rates import GroupNumbers, collapse_outcomes
from tasks.fairness.settings import FairnessSettings
from tasks.resampling import TAILS, generator, tail_quantiles
from tasks.verdicts import Estimate

RATES = np.array([0.9, 0.7, 0.5])
NAMES = ("difference", "ratio", "worst")


def numbers(rates: np.ndarray = RATES, repeats: int = 1_000) -> GroupNumbers:
    """Rates of groups, the worse a group the more it spreads."""
    random = generator(0, "x")
    kept = 100 * (1.2 - rates)
    return GroupNumbers(rates, random.beta(rates * 3_000 / kept, (1 - rates) * 3_000 / kept,
                                           (repeats, len(rates))))  # fmt: skip


def spread_of(*added: GroupNumbers) -> dict[str, Estimate]:
    spread = Spread()
    for one in added:
        spread.add(one, "the rate")
    return dict(zip(NAMES, spread.estimates(NAMES, 9), strict=True))


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_order_of_the_groups_changes_nothing(order: tuple[int, ...]) -> None:
    first, turned = numbers(), numbers()
    turned = GroupNumbers(turned.values[list(order)], turned.draws[:, list(order)])
    expected, found = spread_of(first), spread_of(turned)
    assert expected["difference"].value == pytest.approx(0.4)
    for name, one in found.items():
        assert one.value == pytest.approx(expected[name].value)
        assert np.array(one.ladder) == pytest.approx(np.array(expected[name].ladder))
        assert (one.name, one.n, one.method) == (name, 9, "Bayesian bootstrap, 1000 repeats")


@pytest.mark.parametrize("best_first", [True, False])
def test_of_two_groups_the_ends_are_those_of_their_difference_and_of_their_quotient(
    *, best_first: bool
) -> None:
    made = numbers(RATES[:2] if best_first else RATES[1::-1])
    better, worse = (0, 1) if best_first else (1, 0)
    found = spread_of(made)
    _, highs = tail_quantiles(made.draws[:, better] - made.draws[:, worse])
    assert found["difference"].value == pytest.approx(0.2)
    assert [high for _, high in found["difference"].ladder] == pytest.approx(list(highs))
    logs = np.log(made.draws)
    lows = np.exp(-tail_quantiles(logs[:, better] - logs[:, worse])[1])
    assert found["ratio"].value == pytest.approx(7 / 9)
    assert [low for low, _ in found["ratio"].ladder] == pytest.approx(list(lows))
    worst_lows, _ = tail_quantiles(made.draws[:, worse])
    assert found["worst"].value == pytest.approx(0.7)
    assert [low for low, _ in found["worst"].ladder] == pytest.approx(list(worst_lows))


def test_the_lower_end_of_a_difference_is_never_below_nothing_nor_a_ratio_above_one() -> None:
    found = spread_of(numbers(np.array([0.7, 0.7])))
    assert [low for low, _ in found["difference"].ladder] == [0.0] * len(TAILS)
    assert [high for _, high in found["ratio"].ladder] == [1.0] * len(TAILS)
    low = WorstGroup()
    low.add(numbers(np.array([0.01, 0.02]), repeats=50))
    assert all(0 <= end <= 1 for interval in low.estimate("x", 9).ladder for end in interval)


def test_the_extremes_are_over_all_that_was_added() -> None:
    narrow, wide = numbers(np.array([0.7, 0.69])), numbers(np.array([0.6, 0.8]))
    for added in ((narrow, wide), (wide, narrow)):
        found = spread_of(*added)
        assert found["difference"].value == pytest.approx(0.2)
        assert found["ratio"].value == pytest.approx(0.75)
        assert found["worst"].value == pytest.approx(0.6)


def test_a_ratio_of_nothing_is_undefined_for_good_and_of_one_zero_is_zero() -> None:
    zeros = GroupNumbers(np.zeros(2), numbers(RATES[:2]).draws)
    for added in ((zeros, numbers()), (numbers(), zeros)):
        ratio = SmallestRatio()
        for one in added:
            ratio.add(one, "the rate")
        found = ratio.estimate("x", 9)
        assert (found.name, found.value, found.n) == ("x", None, 9)
        assert found.reason == "the rate is 0 in every group, so that its ratio is not defined"
    one_zero = SmallestRatio()
    one_zero.add(GroupNumbers(np.array([0.0, 0.5]), numbers(RATES[:2]).draws))
    assert one_zero.estimate("x", 9).value == 0


@pytest.mark.parametrize("values", [[np.nan, 0.5], [0.5, np.nan], [np.nan, 0.0]])
def test_a_rate_that_is_no_number_leaves_all_three_undefined(values: list[float]) -> None:
    found = spread_of(GroupNumbers(np.array(values), numbers(RATES[:2]).draws))
    for one in found.values():
        assert one.value is None
        assert "not defined over these rows" in one.reason


def test_one_group_alone_has_no_difference() -> None:
    alone = LargestDifference()
    alone.add(numbers(RATES[:1]))
    assert alone.estimate("x", 9).reason == "there is nothing to compare"


def test_judged_ends_are_no_nearer_than_the_groups_exact_ends() -> None:
    """Of 27 of 30 and 298 of 300 rows, by hand: Clopper and Pearson's ends, and MOVER of these."""
    right, sizes = np.array([27, 298]), np.array([30, 300])
    correct = np.concatenate([np.arange(n) < k for k, n in zip(right, sizes, strict=True)])
    member = np.eye(2, dtype=bool)[np.repeat([0, 1], sizes)]
    truth = np.zeros(330, dtype=np.int64)
    outcomes = collapse_outcomes(("g0", "g1"), member, truth, (~correct).astype(np.int64), 2)
    chosen = FairnessSettings(repeats=4_000)
    difference, ratio, worst = gap_estimates(
        "x", outcomes, ("a", "b"), chosen, metrics=("accuracy",)
    )
    (low, _), (_, high) = (
        (found.low, found.high)
        for k, n in zip(right, sizes, strict=True)
        for found in [binomtest(int(k), int(n)).proportion_ci(0.95, method="exact")]
    )
    a, b = right / sizes
    assert worst.low == pytest.approx(low)
    assert difference.high >= b - a + np.hypot(high - b, a - low) - 1e-9
    under, over = high * (2 * b - high), low * (2 * a - low)
    assert ratio.low <= (a * b - np.sqrt((a * b) ** 2 - over * under)) / under + 1e-9
    assert difference.high < 0.26  # and not much farther
    assert ratio.low > 0.73
