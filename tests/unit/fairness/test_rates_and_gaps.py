"""Gaps between groups: fairlearn's values, and intervals that cover the truth."""

import numpy as np
import pytest
from fairlearn import metrics as fl
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_score

from tasks.fairness.gaps import NAMES, gap_estimates
from tasks.fairness.group_rates import rates_of_groups
from tasks.fairness.rates import (
    Outcomes,
    accuracy_rate,
    collapse_outcomes,
    false_positive_rate,
    group_draws,
    group_values,
    selection_rate,
    true_positive_rate,
)
from tasks.fairness.settings import FairnessSettings
from tasks.resampling import generator, holm
from tasks.verdicts import Estimate

# Five is the least that the setting admits; data below has more in every cell.
SLOW = pytest.mark.slow
QUICK = FairnessSettings(repeats=4_000, min_group_rows=5)
LABELS = ("a", "b", "c")
Rows = tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]


def outcomes_of(
    member: NDArray[np.bool_], truth: NDArray, predicted: NDArray, size: int
) -> Outcomes:
    groups = tuple(f"g{index}" for index in range(member.shape[1]))
    return collapse_outcomes(groups, member, truth, predicted, size)


def drawn(
    seed: int, *, size: int = 3, groups: int = 3, rows: int = 400, overlap: bool = True
) -> Rows:
    """Rows with every label in every group; groups overlap, and some rows are in none."""
    random = np.random.default_rng(seed)
    member = random.random((rows, groups)) < random.uniform(0.3, 0.8, groups)
    if not overlap:
        member = np.eye(groups, dtype=bool)[random.integers(0, groups, rows)]
    truth = random.integers(0, size, rows)
    noise = random.random(rows) < 0.1 + 0.3 * member[:, 0]
    return member, truth, np.where(noise, random.integers(0, size, rows), truth)


def long_form(member: NDArray[np.bool_], *columns: NDArray) -> list[NDArray]:
    """Each row once in each of its groups, group first."""
    row, group = np.nonzero(member)
    return [group, *(column[row] for column in columns)]


def by_fairlearn(
    member: NDArray[np.bool_], truth: NDArray, predicted: NDArray, size: int
) -> dict[str, float]:
    group, truth, predicted = long_form(member, truth, predicted)
    frame = fl.MetricFrame(
        metrics=accuracy_score, y_true=truth, y_pred=predicted, sensitive_features=group
    )

    def one_vs_rest(metric: str) -> dict[str, float]:
        """The worst of all labels, by the two functions that fairlearn has for a metric."""
        found = {}
        for kind, worst in (("difference", max), ("ratio", min)):
            function = getattr(fl, f"{metric}_{kind}")
            found[kind] = worst(
                function(truth == c, predicted == c, sensitive_features=group) for c in range(size)
            )
        return found

    def of_frame(metric: object) -> list[fl.MetricFrame]:
        return [
            fl.MetricFrame(
                metrics=metric,
                y_true=truth == c,
                y_pred=predicted == c,
                sensitive_features=group,
            )
            for c in range(size)
        ]

    def share_missed(truth: NDArray, predicted: NDArray) -> float:
        """Of the wrong answers, those that are false negatives (Berk et al. 2018)."""
        _, wrongly, missed, _ = confusion_matrix(truth, predicted, labels=[False, True]).ravel()
        return float(missed / (missed + wrongly))

    precision, f1 = of_frame(precision_score), of_frame(f1_score)
    treatment = of_frame(share_missed)
    told = {
        f"{metric}_{kind}": value
        for metric in (
            "demographic_parity", "equal_opportunity", "false_positive_rate", "equalized_odds",
        )
        for kind, value in one_vs_rest(metric).items()
    }  # fmt: skip
    return told | {
        "accuracy_difference": frame.difference(),
        "accuracy_ratio": frame.ratio(),
        "worst_group_accuracy": frame.group_min(),
        "predictive_parity_difference": max(one.difference() for one in precision),
        "predictive_parity_ratio": min(one.ratio() for one in precision),
        "f1_difference": max(one.difference() for one in f1),
        "f1_ratio": min(one.ratio() for one in f1),
        "worst_group_f1": min(one.group_min() for one in f1),
        "treatment_equality_difference": max(one.difference() for one in treatment),
        "treatment_equality_ratio": min(one.ratio() for one in treatment),
    }


def by_name(estimates: list[Estimate]) -> dict[str, Estimate]:
    return {estimate.name.rsplit(".", 1)[1]: estimate for estimate in estimates}


@pytest.mark.parametrize("overlap", [True, False])
@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize(
    ("groups", "seed"),
    [
        (2, 0), pytest.param(2, 1, marks=SLOW),
        (3, 0), pytest.param(3, 1, marks=SLOW),
        pytest.param(9, 0, marks=SLOW),
    ],
)  # fmt: skip
def test_values_are_fairlearns(seed: int, groups: int, size: int, *, overlap: bool) -> None:
    rows = drawn(seed, size=size, groups=groups, rows=600, overlap=overlap)
    few = QUICK.model_copy(update={"repeats": 100})  # the values alone are looked at
    ours = by_name(gap_estimates("x", outcomes_of(*rows, size), LABELS[:size], few))
    expected = by_fairlearn(*rows, size)
    assert set(ours) == set(expected) == set(NAMES)
    if groups == 9:  # some have hardly a wrong answer, whose kinds nobody can tell
        named = "treatment_equality_difference", "treatment_equality_ratio"
        told = {name: value for name, value in expected.items() if name not in named}
        assert {name: ours[name].value for name in told} == pytest.approx(told)
        return
    assert {name: e.value for name, e in ours.items()} == pytest.approx(expected)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_rates_of_any_rows_are_fairlearns(data: st.DataObject) -> None:
    """Point rates, on rows of any shape: one row, empty groups, absent labels."""
    rows, groups, size = (data.draw(st.integers(1, k)) for k in (25, 10, 4))
    member = np.array(
        data.draw(
            st.lists(
                st.lists(st.booleans(), min_size=groups, max_size=groups),
                min_size=rows,
                max_size=rows,
            )
        )
    )
    ids = st.lists(st.integers(0, size - 1), min_size=rows, max_size=rows)
    truth, predicted = (np.array(data.draw(ids)) for _ in range(2))
    outcomes = outcomes_of(member, truth, predicted, size)
    for group in range(groups):
        here = member[:, group]
        assert group_values(accuracy_rate(outcomes), outcomes)[group] == pytest.approx(
            (truth[here] == predicted[here]).mean() if here.any() else np.nan, nan_ok=True
        )
        for label in range(size):
            is_true, is_called = truth[here] == label, predicted[here] == label
            for ours, theirs, base in (
                (selection_rate, fl.selection_rate, here.any()),
                (true_positive_rate, fl.true_positive_rate, is_true.any()),
                (false_positive_rate, fl.false_positive_rate, (~is_true).any()),
            ):
                value = group_values(ours(outcomes, label), outcomes)[group]
                if base:
                    extra = {} if theirs is fl.selection_rate else {"pos_label": True}
                    assert value == pytest.approx(theirs(is_true, is_called, **extra))
                else:
                    assert np.isnan(value)


def test_every_interval_holds_its_value_and_nests() -> None:
    rows = drawn(3)
    for estimate in gap_estimates("x", outcomes_of(*rows, 3), LABELS, QUICK):
        assert estimate.value is not None
        assert all(0 <= low <= estimate.value <= high <= 1 for low, high in estimate.ladder)
        assert all(
            wide[0] <= narrow[0] and narrow[1] <= wide[1]
            for narrow, wide in zip(estimate.ladder, estimate.ladder[1:], strict=False)
        )
        assert estimate.n == int(rows[0].any(axis=1).sum())


def test_rows_shared_by_two_groups_move_both() -> None:
    """Two groups of the same rows cannot differ, and their draws know it."""
    member, truth, predicted = drawn(1, groups=1)
    twice = np.repeat(member, 2, axis=1)
    outcomes = outcomes_of(twice, truth, predicted, 3)
    draws = group_draws(accuracy_rate(outcomes), outcomes, 100, generator(0, "x"))
    assert draws[:, 0] == pytest.approx(draws[:, 1])


@pytest.mark.parametrize(
    ("accuracies", "shares", "rows"),
    [
        ((0.97, 0.97), (0.3, 0.7), 600),
        ((0.97, 0.90), (0.3, 0.7), 600),
        ((1.00, 0.95), (0.9, 0.1), 400),
        ((0.95, 0.95, 0.90, 0.95), (0.1, 0.3, 0.2, 0.4), 500),
        ((0.90, 0.60), (0.5, 0.5), 80),
    ],
)
def test_intervals_cover_the_true_gap(
    accuracies: tuple[float, ...], shares: tuple[float, ...], rows: int
) -> None:
    """At 95%, at least 93 of 100."""
    random, trials = np.random.default_rng(7), 200
    gap = max(accuracies) - min(accuracies)
    ratio, covered = min(accuracies) / max(accuracies), np.zeros(4)
    for _ in range(trials):
        group = random.choice(len(shares), rows, p=shares)
        truth = random.integers(0, 2, rows)
        right = random.random(rows) < np.array(accuracies)[group]
        member = np.eye(len(shares), dtype=bool)[group]
        outcomes = outcomes_of(member, truth, np.where(right, truth, 1 - truth), 2)
        made = by_name(_accuracy_alone(outcomes))
        difference, worst = (
            made["accuracy_difference"].ladder[0],
            made["worst_group_accuracy"].ladder[0],
        )
        quotient = made["accuracy_ratio"].ladder[0]
        covered += [
            difference[0] <= gap <= difference[1],
            gap <= difference[1],
            worst[0] <= min(accuracies) <= worst[1],
            quotient[0] <= ratio <= quotient[1],
        ]
    assert (covered / trials >= 0.93).all(), covered


def _accuracy_alone(outcomes: Outcomes) -> list[Estimate]:
    return gap_estimates("x", outcomes, ("a", "b"), QUICK, metrics=("accuracy",))


def test_a_group_without_errors_is_not_known_to_be_perfect() -> None:
    member = np.eye(2, dtype=bool)[np.repeat([0, 1], [500, 30])]
    truth = np.tile([0, 1], 265)
    gap = by_name(gap_estimates("x", outcomes_of(member, truth, truth, 2), ("a", "b"), QUICK))
    assert gap["accuracy_difference"].value == 0
    assert gap["accuracy_difference"].high > 0.05
    assert gap["worst_group_accuracy"].low < 0.95


def test_a_small_group_leaves_the_attribute_undetermined() -> None:
    member = np.eye(3, dtype=bool)[np.repeat([0, 1, 2], [100, 100, 4])]
    truth = np.zeros(204, dtype=np.int64)
    estimates = gap_estimates("x", outcomes_of(member, truth, truth, 2), ("a", "b"), QUICK)
    assert {e.value for e in estimates} == {None}
    assert {e.reason for e in estimates} == {"g2 has 4 test rows; min_group_rows is 5"}


@pytest.mark.parametrize("groups", [0, 1])
def test_fewer_than_two_groups_compare_nothing(groups: int) -> None:
    member, truth = np.ones((50, groups), dtype=bool), np.zeros(50, dtype=np.int64)
    estimates = gap_estimates("x", outcomes_of(member, truth, truth, 2), ("a", "b"), QUICK)
    assert {e.value for e in estimates} == {None}
    assert all("needs two groups" in e.reason for e in estimates)


def test_a_small_cell_leaves_what_rests_on_it_undetermined() -> None:
    """Group g1 has 3 rows labelled c: its true positive rate cannot be told, its others can."""
    member = np.eye(2, dtype=bool)[np.repeat([0, 1], [90, 63])]
    truth = np.concatenate([np.tile([0, 1, 2], 30), np.tile([0, 1], 30), [2, 2, 2]])
    made = by_name(gap_estimates("x", outcomes_of(member, truth, truth, 3), LABELS, QUICK))
    undecided = {name for name, estimate in made.items() if estimate.value is None}
    assert undecided == {
        f"{metric}_{kind}"
        for metric in (
            "equal_opportunity",
            "equalized_odds",
            "predictive_parity",
            "f1",
            "treatment_equality",
        )
        for kind in ("difference", "ratio")
    } | {"worst_group_f1", "false_positive_rate_ratio"}
    assert made["false_positive_rate_ratio"].reason == (
        "the false positive rate of 'a' is 0 in every group, so that its ratio is not defined"
    )
    assert made["predictive_parity_ratio"].reason == (
        "g1 predicted 'c' has 3 test rows; min_group_rows is 5"
    )
    assert made["equal_opportunity_difference"].reason == (
        "g1 labelled 'c' has 3 test rows; min_group_rows is 5"
    )
    rest = np.where(member[:, 1], 0, truth)
    made = by_name(gap_estimates("x", outcomes_of(member, rest, rest, 3), LABELS, QUICK))
    assert "g1 not labelled 'a' has 0 test rows" in made["false_positive_rate_difference"].reason
    assert made["accuracy_difference"].value == 0


def test_groups_are_compared_with_all_other_rows_by_holm() -> None:
    member, truth, predicted = drawn(5)
    outcomes = outcomes_of(member, truth, predicted, 3)
    groups = rates_of_groups("x", outcomes, LABELS, QUICK)
    right = truth == predicted
    for index, group in enumerate(groups):
        here = member[:, index]
        assert group.rows == here.sum()
        assert group.accuracy_gap.value == pytest.approx(right[here].mean() - right[~here].mean())
        assert group.metrics["accuracy"] == pytest.approx(right[here].mean())
        assert group.metrics["true_positive_rate"] == pytest.approx(
            np.mean(
                [
                    fl.true_positive_rate(truth[here] == c, predicted[here] == c, pos_label=True)
                    for c in range(3)
                ]
            )
        )
    alone = [
        rates_of_groups("x", _one_group(outcomes, k), LABELS, QUICK)[0].p_adjusted for k in range(3)
    ]
    assert all(p is not None for p in alone)
    assert [g.p_adjusted for g in groups] == pytest.approx(
        holm([p for p in alone if p is not None])
    )
    assert groups[0].p_adjusted is not None
    assert groups[0].p_adjusted < 0.05


def _one_group(outcomes: Outcomes, index: int) -> Outcomes:
    return Outcomes((outcomes.groups[index],), outcomes.membership[:, [index]], outcomes.counts)


def test_a_small_group_has_no_p_and_does_not_count_in_the_correction() -> None:
    member = np.eye(3, dtype=bool)[np.repeat([0, 1, 2], [100, 100, 4])]
    truth = np.zeros(204, dtype=np.int64)
    predicted = truth.copy()
    predicted[:30] = 1
    groups = rates_of_groups("x", outcomes_of(member, truth, predicted, 2), LABELS[:2], QUICK)
    assert [group.p_adjusted is None for group in groups] == [False, False, True]
    assert groups[2].accuracy_gap.value is None
    assert groups[2].reason == "g2 has 4 test rows; min_group_rows is 5"
    assert groups[0].p_adjusted == pytest.approx(2 * 2 / 4001)


def test_a_group_that_holds_all_rows_has_nothing_to_be_compared_with() -> None:
    member, truth = np.ones((50, 1), dtype=bool), np.zeros(50, dtype=np.int64)
    group = rates_of_groups("x", outcomes_of(member, truth, truth, 2), LABELS[:2], QUICK)[0]
    assert group.reason == "all but g0 has 0 test rows; min_group_rows is 5"
    assert group.p_adjusted is None
