"""The power of gates: against drawn test splits, sums by hand, and which way it moves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binom

from tasks.power import (
    MAX_TIMES_THE_ROWS,
    Precision,
    better_than,
    chance,
    least_rows_of_share,
    power_of_gate,
    power_of_gates,
    precision_of,
    rows_for,
    shares_of,
    value_of_an_equal,
)
from tasks.records.power import TARGET, WITHOUT_ERROR
from tasks.resampling import estimate_of_proportion
from tasks.verdicts import MAX_FAMILY, Estimate, Gate, Verdict, exact, judge, undetermined

AT_LEAST = Gate(metric="quality.accuracy", at_least=0.9)
AT_MOST = Gate(metric="counterfactual.words.flip_rate", at_most=0.05)
NO_WORSE = Gate(metric="champion.macro_f1_gain", at_least=-0.02)


def normal(name: str, value: float, error: float, n: int) -> Estimate:
    """An estimate whose intervals are those of a normal distribution."""
    from scipy.special import ndtri

    reach = [error * float(ndtri(1 - 0.05 / 2 / k)) for k in range(1, MAX_FAMILY + 1)]
    return Estimate(name, value, n, tuple((value - r, value + r) for r in reach), "drawn")


@pytest.mark.parametrize("truth", [0.9, 0.92, 0.94, 0.96, 0.99])
@pytest.mark.parametrize("rows", [40, 209, 625])
def test_an_exact_share_passes_as_often_as_its_intervals_do(truth: float, rows: int) -> None:
    hits = np.arange(rows + 1)
    lower = np.where(hits > 0, beta.ppf(0.025, np.maximum(hits, 1), rows - hits + 1), 0.0)
    by_hand = binom.pmf(hits, rows, truth)[lower >= 0.9].sum()
    told = precision_of(AT_LEAST, estimate_of_proportion("quality.accuracy", rows - 1, rows))
    assert told.binomial
    assert chance(AT_LEAST, truth, told) == pytest.approx(by_hand, abs=1e-9)
    # The share of the other rows, judged from above, is the same question.
    mirrored = Gate(metric="quality.error", at_most=0.1)
    assert chance(mirrored, 1 - truth, told) == pytest.approx(by_hand, abs=1e-9)


def test_a_gate_judged_by_the_product_passes_as_often_as_foretold() -> None:
    """Flip rates drawn from binomials and judged by `judge`, at the share of three gates."""
    gates = [
        Gate(metric=f"counterfactual.{name}.flip_rate", at_most=0.05) for name in ("a", "b", "c")
    ]
    random, rows, passed = np.random.default_rng(3), 209, 0
    for hits in random.binomial(rows, 0.015, 2_000):
        estimates = [estimate_of_proportion(gates[0].metric, int(hits), rows)]
        passed += judge(gates, estimates)[0].verdict is Verdict.PASS
    precision = precision_of(gates[0], estimates[0], shares_of(gates)[gates[0]])
    assert passed / 2_000 == pytest.approx(chance(gates[0], 0.015, precision), abs=0.035)


def test_a_normal_estimate_passes_as_often_as_foretold() -> None:
    random, error, passed = np.random.default_rng(4), 0.01, 0
    for value in random.normal(0.0, error, 2_000):
        made = normal(NO_WORSE.metric, float(value), error, 625)
        passed += judge([NO_WORSE], [made])[0].verdict is Verdict.PASS
    told = power_of_gate(NO_WORSE, normal(NO_WORSE.metric, -0.05, error, 625), 0.01)
    assert told.equal == pytest.approx(0.516, abs=1e-3)
    assert passed / 2_000 == pytest.approx(told.equal, abs=0.035)


def test_equal_to_the_champion_is_no_gain_whatever_was_measured() -> None:
    told = power_of_gate(NO_WORSE, normal(NO_WORSE.metric, -0.013, 0.008, 625), 0.01)
    assert (told.equal_at, told.better_at) == (0.0, 0.01)
    over_baseline = Gate(metric="baseline.macro_f1_gain", at_least=-0.02)
    measured = normal(over_baseline.metric, -0.013, 0.008, 625)
    assert power_of_gate(over_baseline, measured, 0.01).equal_at == -0.013
    names = ("anchor.f1_gain", "champion.f1_ratio", "fresh.f1_gain", "fresh.f1", "quality.f1")
    equals = [value_of_an_equal(Gate(metric=name, at_least=0.5)) for name in names]
    assert equals == [0.0, 1.0, 0.0, None, None]
    assert value_of_an_equal(Gate(metric="quality.f1", at_least_of_champion=0.99)) == 1.0


@given(st.floats(0.001, 0.1), st.integers(10, 100_000), st.floats(-0.05, 0.1), st.integers(2, 100))
def test_more_rows_and_a_better_truth_never_lower_the_power(
    error: float, rows: int, truth: float, times: int
) -> None:
    precision = Precision(rows, error, 1.96 * error)
    assert chance(NO_WORSE, truth + 0.01, precision) >= chance(NO_WORSE, truth, precision)
    if truth > -0.02:
        assert chance(NO_WORSE, truth, precision, rows * times) >= chance(
            NO_WORSE, truth, precision
        )


@given(st.integers(1, 3_000), st.floats(0, 1), st.floats(0, 0.1))
def test_a_better_share_never_passes_less_often(rows: int, truth: float, more: float) -> None:
    precision = Precision(rows, 0, 0, binomial=True)
    better = min(1.0, truth + more)
    assert chance(AT_LEAST, better, precision) >= chance(AT_LEAST, truth, precision) - 1e-9


@given(st.floats(0.001, 0.05), st.integers(50, 5_000), st.floats(0.005, 0.1))
def test_so_many_rows_give_the_power_that_was_asked(error: float, rows: int, away: float) -> None:
    precision = Precision(rows, error, 1.96 * error)
    wanted = rows_for(NO_WORSE, -0.02 + away, precision)
    if wanted is None:
        assert chance(NO_WORSE, -0.02 + away, precision, MAX_TIMES_THE_ROWS * rows) < TARGET
        return
    assert chance(NO_WORSE, -0.02 + away, precision, wanted) >= TARGET - 1e-9
    if wanted > 20:
        assert chance(NO_WORSE, -0.02 + away, precision, int(wanted * 0.9) - 1) < TARGET


@given(st.floats(0.905, 1.0))
def test_so_many_rows_give_an_exact_share_its_power(truth: float) -> None:
    precision = Precision(100, 0, 0, binomial=True)
    wanted = rows_for(AT_LEAST, truth, precision)
    if wanted is not None:
        assert chance(AT_LEAST, truth, precision, wanted) >= TARGET


def test_no_number_of_rows_helps_what_is_not_beyond_the_threshold() -> None:
    for gate, at in ((AT_LEAST, 0.9), (AT_LEAST, 0.85), (AT_MOST, 0.05), (NO_WORSE, -0.03)):
        assert rows_for(gate, at, Precision(600, 0.01, 0.02)) is None
        assert rows_for(gate, at, Precision(600, 0.01, 0.02, binomial=True)) is None


def test_rows_below_which_no_share_passes() -> None:
    for gate in (AT_MOST, AT_LEAST, Gate(metric="a.b", at_least=0.5)):
        least = least_rows_of_share(gate, 3)
        assert least is not None
        perfect = 0 if gate.at_most is not None else 1
        for rows, passes in ((least - 1, False), (least, True)):
            made = estimate_of_proportion(gate.metric, perfect * rows, rows)
            low, high = made.ladder[2]
            end = low >= gate.at_least if gate.at_least is not None else high <= (gate.at_most or 0)
            assert end is passes
    assert least_rows_of_share(Gate(metric="a.b", at_least=1.0)) is None
    assert least_rows_of_share(Gate(metric="a.b", at_least=0.0)) == 1


def test_what_is_better_stays_within_the_bounds_of_a_share() -> None:
    assert better_than(AT_MOST, 0.004, 0.01) == 0.0
    assert better_than(AT_LEAST, 0.995, 0.01) == 1.0
    assert better_than(Gate(metric="quality.perplexity", at_most=30), 25.0, 0.01) == 24.7
    assert better_than(Gate(metric="quality.mean_log_odds", at_most=0), -2.0, 0.01) == -2.01


def test_gates_of_a_corrected_family_share_alpha_and_a_smaller_level_that_was_judged_counts() -> (
    None
):
    gates = [
        Gate(metric=name, at_least=0.5)
        for name in ("quality.a", "fairness.x.a", "fairness.x.b", "fairness.x.c")
    ]
    assert list(shares_of(gates).values()) == [1, 3, 3, 3]
    estimates = [normal(gate.metric, 0.6, 0.1, 90) for gate in gates]
    results = judge(gates, estimates)
    assert list(shares_of(gates, results).values()) == [1, 3, 3, 3]
    looked = [type(r)(**{**vars(r), "confidence": 1 - 0.05 / 8}) for r in results]
    assert list(shares_of(gates, looked).values()) == [8, 8, 8, 8]
    alone = power_of_gates(gates, estimates, 0.01)
    assert alone[0].equal > power_of_gates(gates, estimates, 0.01, looked)[0].equal  # type: ignore[operator]


def test_what_was_not_told_says_why() -> None:
    told = power_of_gates(
        [AT_LEAST, NO_WORSE],
        [undetermined("quality.accuracy", 7, "7 rows are too few")], 0.01,
    )  # fmt: skip
    assert [one.reason for one in told] == [
        "7 rows are too few",
        "nothing was measured under this name",
    ]
    assert [one.equal for one in told] == [None, None]


def test_of_a_recipe_no_number_of_rows_is_told() -> None:
    gate = Gate(metric="recipe.macro_f1", at_least=0.9)
    told = power_of_gate(gate, normal(gate.metric, 0.95, 0.02, 600), 0.01)
    assert told.equal is not None
    assert (told.rows_for_equal, told.rows_for_better) == (None, None)


def test_what_has_no_error_passes_or_does_not() -> None:
    gate = Gate(metric="staging.size_mb", at_most=200)
    for size, passes in ((90.0, 1.0), (210.0, 0.0)):
        told = power_of_gate(gate, exact(gate.metric, size, 1), 0.01)
        assert (told.equal, told.rows_for_equal, told.basis) == (passes, None, WITHOUT_ERROR)


def test_none_of_n_rows_is_not_taken_for_a_share_of_zero() -> None:
    told = power_of_gate(AT_MOST, estimate_of_proportion(AT_MOST.metric, 0, 80), 0.01)
    assert told.equal_at == pytest.approx(0.5 / 81)
    assert told.equal == pytest.approx((1 - 0.5 / 81) ** 80)


def test_the_size_of_a_difference_of_nothing_lies_above_it() -> None:
    """Two groups without a gap: the size of the measured one is that of a normal variable."""
    gate = Gate(metric="fairness.x.accuracy_difference", at_most=0.06)
    random, error, passed = np.random.default_rng(6), 0.02, 0
    for size in np.abs(random.normal(0, error, 2_000)):
        ladder = [(0.0, high) for _, high in normal("a", float(size), error, 600).ladder]
        made = Estimate(gate.metric, float(size), 600, tuple(ladder), "drawn")
        passed += judge([gate], [made])[0].verdict is Verdict.PASS
    told = precision_of(gate, made)
    assert told.error == pytest.approx(error)
    assert passed / 2_000 == pytest.approx(chance(gate, 0.0, told), abs=0.035)
    wanted = rows_for(gate, 0.0, told)
    assert wanted is not None
    assert chance(gate, 0.0, told, wanted) == pytest.approx(TARGET, abs=0.01)
