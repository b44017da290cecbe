"""Each group's own numbers by brute force, and why groups cannot be compared, in words."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import beta

from tasks.fairness.calibration import GroupCalibration
from tasks.fairness.gaps import (
    gap_estimates,
    names_of,
    rows_of,
    told_labels,
    why_no_groups,
    why_too_small,
)
from tasks.fairness.group_rates import group_metrics, rates_of_groups
from tasks.fairness.rates import (
    Outcomes,
    collapse_outcomes,
    distinct_patterns,
    group_draws,
    pseudo_rows,
    true_positive_rate,
    with_groups,
)
from tasks.fairness.settings import FairnessSettings
from tasks.resampling import estimate_of_proportion, exact_ladder, generator

QUICK = FairnessSettings(repeats=4_000, min_group_rows=5)
LABELS = ("a", "b", "c")
Bools = NDArray[np.bool_]


def drawn(seed: int = 0, rows: int = 300) -> tuple[Bools, NDArray[np.int64], NDArray[np.int64]]:
    random = np.random.default_rng(seed)
    truth = random.integers(0, 3, rows)
    member = random.random((rows, 2)) < [0.3, 0.6]
    wrong = random.random(rows) < 0.2 + 0.2 * member[:, 0]
    return member, truth, np.where(wrong, random.integers(0, 3, rows), truth)


def outcomes_of(member: Bools, truth: object, predicted: object) -> Outcomes:
    groups = tuple(f"g{k}" for k in range(member.shape[1]))
    return collapse_outcomes(groups, member, truth, predicted, 3)  # type: ignore[arg-type]


@pytest.mark.parametrize("told", [None, ("b",), ("c", "a")])
def test_every_rate_of_every_group_has_its_interval(told: tuple[str, ...] | None) -> None:
    member, truth, predicted = drawn()
    chosen = QUICK.model_copy(update={"positive_labels": told})
    groups = rates_of_groups("x", outcomes_of(member, truth, predicted), LABELS, chosen)
    for place, group in enumerate(groups):
        here = member[:, place]
        is_true, is_called = truth[here], predicted[here]
        found = {one.name: one for one in group.estimates}
        expected = {f"accuracy.g{place}": (is_true == is_called, is_true >= 0)}
        for label in told or LABELS:
            true, called = is_true == LABELS.index(label), is_called == LABELS.index(label)
            expected |= {
                f"selection_rate.g{place}.{label}": (called, is_true >= 0),
                f"true_positive_rate.g{place}.{label}": (called & true, true),
                f"false_positive_rate.g{place}.{label}": (called & ~true, ~true),
                f"precision.g{place}.{label}": (called & true, called),
                f"false_negative_share.g{place}.{label}": (true & ~called, true ^ called),
            }
        for name, (hits, base) in expected.items():
            one = found.pop(f"fairness.x.{name}")
            assert (one.value, one.n) == (hits.sum() / base.sum(), base.sum())
            assert one.ladder == exact_ladder(int(hits.sum()), int(base.sum()))
        for label in told or LABELS:
            true, called = is_true == LABELS.index(label), is_called == LABELS.index(label)
            one = found.pop(f"fairness.x.f1.g{place}.{label}")
            hits, base = int((true & called).sum()), int((true | called).sum())
            share = hits / base
            assert (one.value, one.n) == (pytest.approx(2 * share / (1 + share)), base)
            ends = np.array(exact_ladder(hits, base)[0])
            assert one.ladder[0] == pytest.approx(tuple(2 * ends / (1 + ends)), abs=0.04)
        assert found == {}


def test_the_gap_to_all_other_rows_has_melded_exact_ends() -> None:
    member, truth, predicted = drawn()
    groups = rates_of_groups("x", outcomes_of(member, truth, predicted), LABELS, QUICK)
    for place, group in enumerate(groups):
        here, right = member[:, place], truth == predicted
        inside, outside = right[here], right[~here]
        (low_in, high_in), (low_out, high_out) = (
            (
                beta(one.sum(), (~one).sum() + 1).rvs(100_000, random_state=k),
                beta(one.sum() + 1, (~one).sum()).rvs(100_000, random_state=k + 2),
            )
            for k, one in enumerate((inside, outside))
        )
        expected = np.quantile(low_in - high_out, 0.025), np.quantile(high_in - low_out, 0.975)
        gap = group.accuracy_gap
        assert (gap.name, gap.n) == (f"fairness.x.accuracy_gap.g{place}", here.sum())
        assert gap.value == pytest.approx(inside.mean() - outside.mean())
        assert gap.ladder[0] == pytest.approx(expected, abs=0.012)
        assert (group.attribute, group.group, group.rows) == ("x", f"g{place}", here.sum())
    assert groups[0].p_adjusted < 0.05  # type: ignore[operator]


def test_the_gap_to_very_many_rows_is_that_to_a_known_share() -> None:
    member = np.arange(400_060) < 60
    truth = np.zeros(len(member), dtype=np.int64)
    predicted = np.where(np.arange(len(member)) == 0, 1, truth)
    group, _ = rates_of_groups(
        "x", outcomes_of(np.stack([member, ~member], axis=1), truth, predicted), LABELS, QUICK
    )
    exact = estimate_of_proportion("x", 59, 60).ladder[0]
    assert group.accuracy_gap.ladder[0] == pytest.approx([end - 1 for end in exact], abs=0.006)


def test_calibration_errors_are_among_a_groups_numbers_where_they_are_defined() -> None:
    member, truth, predicted = drawn()
    draws = np.full((100, 2), 0.1)
    calibration = GroupCalibration(np.array([0.1, np.nan]), draws, draws)
    first, second = rates_of_groups(
        "x", outcomes_of(member, truth, predicted), LABELS, QUICK, calibration
    )
    assert first.metrics["calibration_error"] == 0.1
    assert "calibration_error" not in second.metrics
    last = first.estimates[-1]
    assert (last.name, last.value) == ("fairness.x.calibration_error.g0", 0.1)
    assert last.n == member[:, 0].sum()
    assert second.estimates[-1].value is None


def test_a_mean_over_a_label_that_a_group_lacks_is_left_out() -> None:
    member, truth, predicted = drawn()
    truth = np.where(member[:, 1] & (truth == 2), 0, truth)
    outcomes = outcomes_of(member, truth, predicted)
    whole, lacking = group_metrics(outcomes, 0), group_metrics(outcomes, 1)
    assert set(whole) == {
        "accuracy",
        "true_positive_rate",
        "false_positive_rate",
        "precision",
        "f1",
    }
    assert set(lacking) == set(whole) - {"true_positive_rate"}
    here, shares = member[:, 0], []
    for label in range(3):
        true, called = truth[here] == label, predicted[here] == label
        shares.append(
            [(true & called).sum() / called.sum(), (~true & called).sum() / (~true).sum()]
        )
    assert whole["precision"] == pytest.approx(np.mean(shares, axis=0)[0])
    assert whole["false_positive_rate"] == pytest.approx(np.mean(shares, axis=0)[1])


def test_draws_of_groups_apart_are_those_of_jeffreys_betas() -> None:
    """One pseudo-row a group, however many patterns of membership its rows have."""
    member = np.zeros((90, 3), dtype=np.bool_)
    member[:20, 0], member[20:, 1], member[::2, 2] = True, True, True
    truth = np.zeros(90, dtype=np.int64)
    predicted = np.where(np.arange(90) % 5 == 0, 1, 0)
    outcomes = outcomes_of(member, truth, predicted)
    draws = group_draws(true_positive_rate(outcomes, 0), outcomes, 40_000, generator(0, "x"))
    for place, (hits, rows) in enumerate(((16, 20), (56, 70))):
        share = beta(hits + 0.5, rows - hits + 0.5)
        assert draws[:, place].mean() == pytest.approx(share.mean(), abs=0.003)
        if place == 0:
            assert draws[:, place].std() == pytest.approx(share.std(), rel=0.03)


def test_pseudo_rows_of_a_pattern_are_its_share_of_its_smallest_group() -> None:
    patterns = np.array([[True, False], [True, True], [False, True], [False, False]])
    found = pseudo_rows(np.array([6, 4, 16, 7]), patterns)
    # The groups have 10 and 20 rows; rows of none have no pseudo-row.
    assert found == pytest.approx([0.6, 0.4, 0.8, 0.0])
    by_class = pseudo_rows(np.array([[6, 0], [4, 2], [16, 0], [7, 1]]), patterns)
    assert by_class[:, 0] == pytest.approx(found)
    assert by_class[:, 1] == pytest.approx([0, 1, 0, 0])
    assert pseudo_rows(np.array([0, 0, 0, 0]), patterns).tolist() == [0] * 4
    assert pseudo_rows(np.array([1, 0, 5, 9]), patterns).tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize("groups", [0, 1, 3, 8, 9, 20])
@pytest.mark.parametrize("rows", [1, 40, 3_000])
def test_patterns_are_the_distinct_rows_of_a_membership(groups: int, rows: int) -> None:
    member = np.random.default_rng(0).random((rows, groups)) < 0.3
    patterns, place = distinct_patterns(member)
    assert np.array_equal(patterns[place], member)
    assert len(patterns) == len(np.unique(member, axis=0)) == place.max() + 1


def test_a_group_that_no_row_belongs_to_has_no_rows() -> None:
    outcomes = outcomes_of(*drawn())
    chosen = with_groups(outcomes, ("g1", "unseen", "g0"))
    assert chosen.groups == ("g1", "unseen", "g0")
    assert np.array_equal(chosen.membership[:, 0], outcomes.membership[:, 1])
    assert np.array_equal(chosen.membership[:, 2], outcomes.membership[:, 0])
    assert not chosen.membership[:, 1].any()
    assert rows_of(chosen) == drawn()[0].any(axis=1).sum()


THREE = "a has 0 test rows; b has 1 test rows; c has 2 test rows"


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ([("a", 5), ("b", 9)], ""),
        ([("a", 4), ("b", 9)], "a has 4 test rows; min_group_rows is 5"),
        (
            [("a", 4), ("b", 0), ("c", 5)],
            "b has 0 test rows; a has 4 test rows; min_group_rows is 5",
        ),
        ([(name, k) for k, name in enumerate("abc")], f"{THREE}; min_group_rows is 5"),
        (
            [(name, k) for k, name in enumerate("abcde")],
            f"{THREE}; 2 more are too small; min_group_rows is 5",
        ),
    ],
)
def test_the_smallest_are_named_and_the_rest_is_counted(
    cells: list[tuple[str, int]], reason: str
) -> None:
    assert why_too_small(cells, 5) == reason


def test_why_groups_cannot_be_compared() -> None:
    assert why_no_groups("x", [("a", 5), ("b", 5)], 5) == ""
    assert why_no_groups("x", [("a", 5)], 5).endswith("the test rows hold a")
    assert why_no_groups("x", [], 5).endswith("the test rows hold none")
    assert why_no_groups("x", [("a", 0), ("b", 0)], 5) == "no test row belongs to a group of x"
    assert why_no_groups("x", [("a", 0), ("b", 9)], 5).startswith("a has 0 test rows")


def test_labels_that_are_told_and_names_of_what_is_made_of_them() -> None:
    assert told_labels(LABELS, QUICK) == [0, 1, 2]
    assert told_labels(LABELS, QUICK.model_copy(update={"positive_labels": ("c",)})) == [2]
    assert names_of("f1") == ("f1_difference", "f1_ratio", "worst_group_f1")
    assert names_of("equalized_odds") == ("equalized_odds_difference", "equalized_odds_ratio")
    outcomes = outcomes_of(*drawn())
    made = gap_estimates("x", outcomes, LABELS, QUICK, metrics=("f1",), reason="because")
    assert [(one.name, one.value, one.n, one.reason) for one in made] == [
        (f"fairness.x.{name}", None, rows_of(outcomes), "because") for name in names_of("f1")
    ]
