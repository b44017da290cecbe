import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tasks.drift.permutations import (
    Floats,
    Membership,
    Permutations,
    Permuted,
    kept_marks,
    pair,
    variance_factor,
)

KINDS = st.lists(st.sampled_from([1, 2, 3]), min_size=1, max_size=30)


def membership_of(kinds: list[int]) -> Membership:
    both = np.array(kinds)
    return Membership(both != 2, both != 1)


def sum_of_places(before: Floats, now: Floats) -> NDArray[np.float64]:
    """A statistic that two permutations seldom share."""
    places = np.arange(len(before))[:, None]
    return ((now - before) * places).sum(axis=0).astype(np.float64)


@given(KINDS, st.integers(1, 4), st.integers(0, 9))
def test_dealing_keeps_the_kinds_of_every_stratum(kinds: list[int], count: int, seed: int) -> None:
    strata = np.arange(len(kinds)) % count
    dealt = membership_of(kinds).deal(5, np.random.default_rng(seed), strata)
    for before, now in dealt:
        found = (before + 2 * now).astype(int)
        assert found.shape == (len(kinds), 5)
        for stratum in range(count):
            expected = sorted(np.array(kinds)[strata == stratum].tolist())
            for column in found[strata == stratum].T:
                assert sorted(column.tolist()) == expected


def test_every_row_is_as_often_of_each_kind() -> None:
    dealt = membership_of([1, 1, 2, 3]).deal(6_000, np.random.default_rng(0), np.zeros(4, int))
    kinds = np.concatenate([before + 2 * now for before, now in dealt], axis=1)
    for kind, share in ((1, 0.5), (2, 0.25), (3, 0.25)):
        np.testing.assert_allclose((kinds == kind).mean(axis=1), share, atol=0.03)


def test_many_permutations_come_in_chunks_that_sum_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.drift.permutations._CHUNK", 7)
    dealt = list(membership_of([1, 2, 3, 1]).deal(20, np.random.default_rng(0), np.zeros(4, int)))
    assert [before.shape for before, _ in dealt] == [(4, 7), (4, 7), (4, 6)]


def test_a_p_value_counts_what_was_observed_as_a_draw() -> None:
    draws = np.array([0.0, 1.0, 2.0, 3.0])
    assert Permuted(2.0, draws).p_value == (1 + 2) / 5
    assert Permuted(9.0, draws).p_value == 1 / 5
    assert Permuted(-1.0, draws).p_value == 1.0
    # 0.1 + 0.2 is not 0.3, but for rounding.
    assert Permuted(0.1 + 0.2, np.array([0.3, 0.3])).p_value == 1.0


def test_a_seed_and_a_name_give_the_same_permutations() -> None:
    kinds = membership_of([1, 2] * 30)
    first, again = (Permutations(50, 1).of(sum_of_places, kinds, "a") for _ in range(2))
    np.testing.assert_array_equal(first.draws, again.draws)
    for other in (Permutations(50, 1).of(sum_of_places, kinds, "b"),
                  Permutations(50, 2).of(sum_of_places, kinds, "a")):  # fmt: skip
        assert (other.draws != first.draws).any()


def test_rows_are_paired_by_what_tells_them_apart() -> None:
    rows, membership = pair([(3, "c"), (1, "a"), (2, "b")], [(2, "b"), (1, "x")])
    assert rows == [(1, "a"), (1, "x"), (2, "b"), (3, "c")]
    assert membership.before.tolist() == [True, False, True, True]
    assert membership.now.tolist() == [False, True, True, False]
    assert membership.rows == (3, 2)
    assert not membership.is_equal
    assert pair([(1,), (2,)], [(2,), (1,)])[1].is_equal


@pytest.mark.parametrize(("went", "stayed", "came"), [(20, 0, 30), (5, 40, 15), (0, 30, 20)])
def test_the_variance_of_a_difference_is_that_of_the_formula(
    went: int, stayed: int, came: int
) -> None:
    draws = np.random.default_rng(0).normal(size=(40_000, went + stayed + came))
    change = draws[:, went:].mean(axis=1) - draws[:, : went + stayed].mean(axis=1)
    expected = variance_factor(went + stayed, stayed + came, stayed)
    assert change.var() == pytest.approx(expected, rel=0.03)


def test_two_sides_of_the_same_rows_do_not_vary() -> None:
    assert variance_factor(70, 70, 70) == 0


def test_a_row_is_kept_where_its_mark_is_the_same_too() -> None:
    keys = np.array([5, 9, 2], np.uint64), np.array([9, 2, 7], np.uint64)
    marks = np.array([1, 1, 1], np.uint32), np.array([1, 8, 1], np.uint32)
    assert kept_marks(keys, marks).tolist() == [1]
