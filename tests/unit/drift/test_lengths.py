import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp, kstest

from tasks.drift.lengths import histograms, kolmogorov_smirnov_p, measure_lengths
from tasks.drift.measurement import Question
from tasks.drift.row_samples import RowSample
from tests.unit.drift.made_samples import made_row, made_side

ASKED = Question("drift.text_length", "distance", 0.1)
LENGTHS = st.lists(st.integers(0, 3_000), min_size=2, max_size=80)


def side_of(lengths: list[int], seed: int) -> RowSample:
    random = np.random.default_rng(seed)
    return made_side([made_row(random, "x" * length) for length in lengths])


@given(LENGTHS, LENGTHS)
def test_without_kept_rows_the_test_is_that_of_scipy(before: list[int], now: list[int]) -> None:
    found = measure_lengths(ASKED, side_of(before, 0), side_of(now, 1))
    expected = ks_2samp(before, now, method="asymp")
    assert found.answer is not None
    assert found.answer[0] == pytest.approx(expected.statistic, abs=1e-6)
    assert found.answer[1] == pytest.approx(expected.pvalue, abs=1e-9)


def test_the_distance_is_the_largest_gap_of_the_distribution_functions() -> None:
    random = np.random.default_rng(0)
    before, now = random.integers(0, 50, 90).tolist(), random.integers(10, 70, 60).tolist()
    by_hand = max(
        abs(np.mean(np.array(before) <= at) - np.mean(np.array(now) <= at)) for at in range(80)
    )
    found = measure_lengths(ASKED, side_of(before, 0), side_of(now, 1))
    assert found.answer is not None
    assert found.answer[0] == pytest.approx(by_hand, abs=1e-6)


@pytest.mark.parametrize(("went", "stayed", "came"), [(200, 600, 250), (0, 700, 300)])
def test_with_kept_rows_the_p_value_is_uniform_without_drift(
    went: int, stayed: int, came: int
) -> None:
    random = np.random.default_rng(0)
    p_values = []
    for _ in range(600):
        rows = random.random(went + stayed + came)
        before, now = rows[: went + stayed], rows[went:]
        distance = ks_2samp(before, now, method="asymp").statistic
        p_values.append(kolmogorov_smirnov_p(distance, len(before), len(now), stayed))
    # The limit distribution is conservative by a little at this size.
    assert kstest(p_values, "uniform", alternative="greater").pvalue > 0.01
    assert np.mean(p_values) < 0.56


def test_the_same_rows_are_as_long() -> None:
    side = side_of(list(range(100)), 0)
    assert measure_lengths(ASKED, side, side).answer == (0.0, 1.0)


@given(LENGTHS, LENGTHS)
def test_histograms_count_every_row_over_the_same_edges(before: list[int], now: list[int]) -> None:
    first, second = histograms(side_of(before, 0), side_of(now, 1))
    assert first.edges == second.edges
    assert list(first.edges) == sorted(set(first.edges))
    assert len(first.counts) == len(first.edges) - 1 <= 30
    assert sum(first.counts) == len(before)
    assert sum(second.counts) == len(now)


def test_histograms_of_no_rows_are_empty() -> None:
    none = side_of([], 0)
    assert histograms(none, none)[0].counts == ()
