import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2, ncx2, norm

from tasks.drift.intervals import (
    Share,
    SquaredDistance,
    around,
    of_change,
    of_largest_gap,
    times_to_settle,
)

MANY = 100_000


def test_ends_lie_off_by_students_t() -> None:
    low, high = around(0.6, 0.01, MANY)(1.0)
    assert (low, high) == pytest.approx((0.6 - 0.0196, 0.6 + 0.0196), abs=1e-5)
    few = around(0.6, 0.01, 12)(1.0)
    assert few == pytest.approx((0.6 - 0.02201, 0.6 + 0.02201), abs=1e-5)


@pytest.mark.parametrize("freedom", [1, 4, 20])
@pytest.mark.parametrize("noncentrality", [0.0, 5.0, 40.0, 300.0])
def test_ends_of_a_squared_distance_are_those_of_the_noncentral_chi_square(
    freedom: int, noncentrality: float
) -> None:
    """|d + Z|^2 with Z of unit variance has that distribution, and its ends can be inverted."""
    observed = freedom + noncentrality
    distance = SquaredDistance(
        value=observed - freedom,
        null_variance=2.0 * freedom,
        # d'Sd is |d|^2 here, and found too large by tr(S^2).
        linear_variance=noncentrality + freedom,
        units=MANY,
    )
    low, high = distance.ends()
    # No true distance is held impossible that the distribution does not.
    assert ncx2.cdf(observed, freedom, high + 1e-9) <= 0.026
    if low:
        assert ncx2.sf(observed, freedom, low) <= 0.03
    if noncentrality > 100:
        assert high - noncentrality < 1.35 * norm.ppf(0.975) * (4 * noncentrality) ** 0.5


@given(st.floats(-1, 5), st.floats(0.01, 3), st.floats(0, 5))
def test_ends_of_a_squared_distance_hold_it(value: float, null: float, linear: float) -> None:
    low, high = SquaredDistance(value, null, linear, 200).ends()
    assert 0 <= low <= max(value, 0.0) + 1e-9
    assert high >= value - 1e-9


def test_the_upper_end_of_the_largest_gap_is_that_of_one_length() -> None:
    low, high = of_largest_gap(0.1, 2 / 1_000, MANY)(1.0)
    assert high == pytest.approx(0.1 + 1.959964 / 2 * (2 / 1_000) ** 0.5, abs=1e-4)
    # Massart's constant: two sides in 2.5% of draws.
    assert 2 * np.exp(-2 * (0.1 - low) ** 2 / (2 / 1_000)) == pytest.approx(0.025, abs=1e-4)


def test_a_share_that_nobody_saw_has_the_exact_upper_end_of_a_poisson_count() -> None:
    low, high = Share(0.0, 0.0, 1 / 200, MANY).ends()
    assert low == 0
    assert high == pytest.approx(chi2.ppf(0.975, 2) / 2 / 200)


def test_a_share_of_whole_rows_has_the_ends_of_a_poisson_count() -> None:
    rows, seen = 2_000, 9
    share = Share(seen / rows, seen / rows**2, 1 / rows, MANY)
    expected = (chi2.ppf(0.025, 2 * seen) / 2, chi2.ppf(0.975, 2 * (seen + 1)) / 2)
    assert share.ends() == pytest.approx(tuple(end / rows for end in expected), rel=1e-3)


def test_a_change_either_way_is_as_large() -> None:
    low, high = Share(0.1, 1e-4, 1e-3, 500), Share(0.2, 1e-4, 1e-3, 500)
    rose, fell = of_change(low, high, 0.0)(1.0), of_change(high, low, 0.0)(1.0)
    assert rose == pytest.approx(fell)
    assert rose[0] < 0.1 < rose[1]
    correlated = of_change(low, high, 0.9)(1.0)
    assert rose[0] < correlated[0] < 0.1 < correlated[1] < rose[1]


def test_more_rows_settle_what_is_not_at_the_limit() -> None:
    times = times_to_settle(of_largest_gap(0.05, 0.02, 200), 0.1)
    assert times is not None
    assert of_largest_gap(0.05, 0.02, 200)(times)[1] == pytest.approx(0.1, abs=1e-6)
    assert times_to_settle(of_largest_gap(0.1, 0.02, 200), 0.1) is None
