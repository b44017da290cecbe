"""Groups compared in the score of each row: by definition, and with intervals that cover."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.fairness.row_scores import NAMES, draw_scores, score_estimates
from tasks.fairness.settings import FairnessSettings
from tasks.protected_groups.memberships import Membership
from tasks.records.fairness import GroupRates
from tasks.verdicts import Estimate

QUICK = FairnessSettings(repeats=4_000)


def drawn(seed: int, rows: int = 300) -> tuple[Membership, NDArray[np.float64]]:
    """Overlapping groups, some rows in none, the first group worse off."""
    random = np.random.default_rng(seed)
    member = random.random((rows, 3)) < 0.3
    return _member(member), random.beta(4 - 2 * member[:, 0], 2)


def _member(rows: NDArray[np.bool_]) -> Membership:
    return Membership("x", tuple(f"g{k}" for k in range(rows.shape[1])), rows)


def assessed(
    member: Membership, scores: NDArray, **chosen: object
) -> tuple[list[GroupRates], dict[str, Estimate]]:
    groups, estimates = score_estimates(member, scores, QUICK.model_copy(update=chosen))
    return groups, {estimate.name.removeprefix("fairness.x."): estimate for estimate in estimates}


def test_values_are_those_of_the_definition() -> None:
    member, scores = drawn(0)
    groups, found = assessed(member, scores)
    means = [scores[here].mean() for here in member.rows.T]
    assert tuple(found) == NAMES
    assert found["row_score_difference"].value == pytest.approx(max(means) - min(means))
    assert found["row_score_ratio"].value == pytest.approx(min(means) / max(means))
    assert found["worst_group_row_score"].value == pytest.approx(min(means))
    assert found["row_score_difference"].n == member.rows.any(axis=1).sum()
    for place, group in enumerate(groups):
        here = member.rows[:, place]
        assert group.metrics == pytest.approx({"row_score": means[place]})
        assert group.accuracy_gap.name == f"fairness.x.row_score_gap.g{place}"
        assert group.accuracy_gap.value == pytest.approx(means[place] - scores[~here].mean())
        assert group.estimates[0].value == pytest.approx(means[place])
    assert groups[0].p_adjusted is not None
    assert groups[0].p_adjusted < 0.01
    for estimate in found.values():
        assert estimate.value is not None
        assert all(0 <= low <= estimate.value <= high <= 1 for low, high in estimate.ladder)


def test_rows_of_right_or_wrong_give_the_intervals_of_shares() -> None:
    """Scores of 0 and 1 alone are proportions: Jeffreys' intervals."""
    from scipy.stats import beta

    scores = np.repeat([1.0, 0.0, 1.0, 0.0], [45, 15, 30, 30])
    member = _member(np.eye(2, dtype=bool)[np.repeat([0, 1], 60)])
    groups, _ = assessed(member, scores, repeats=40_000)
    (low, high), expected = groups[0].estimates[0].ladder[0], beta(45.5, 15.5).ppf([0.025, 0.975])
    assert (low, high) == pytest.approx(tuple(expected), abs=0.01)


def test_a_group_over_many_patterns_has_one_pseudo_row_in_all_and_so_has_the_rest() -> None:
    """Forty rows that are all right, a quarter of them in either of two larger groups or both."""
    member = np.zeros((600, 3), dtype=bool)
    member[:40, 0] = True
    member[:, 1], member[:, 2] = np.arange(600) % 2 == 0, np.arange(600) % 4 < 2
    scores = np.where(member[:, 0], 1.0, 0.0)
    draws = draw_scores("x", member, scores, QUICK.model_copy(update={"repeats": 20_000}))
    assert (draws.inside[0], draws.outside[0]) == (1, 0)
    assert draws.draws_inside[:, 0].mean() == pytest.approx(40.5 / 41, abs=0.0005)
    alone = _member(np.arange(60)[:, None] < 40).rows
    draws = draw_scores("x", alone, np.zeros(60), QUICK.model_copy(update={"repeats": 20_000}))
    assert draws.draws_inside[:, 0].mean() == pytest.approx(0.5 / 41, abs=0.0005)
    assert draws.draws_outside[:, 0].mean() == pytest.approx(0.5 / 21, abs=0.001)


def test_draws_spread_as_a_bootstrap_of_rows_does() -> None:
    member, scores = drawn(2, rows=1_000)
    draws = draw_scores("x", member.rows, scores, QUICK)
    random = np.random.default_rng(0)
    plain = []
    for _ in range(1_000):
        taken = random.integers(0, 1_000, 1_000)
        plain.append([scores[taken][here].mean() for here in member.rows[taken].T])
    assert draws.draws_inside.std(axis=0) == pytest.approx(np.std(plain, axis=0), rel=0.1)


def test_the_order_of_rows_changes_nothing() -> None:
    member, scores = drawn(1)
    order = np.random.default_rng(3).permutation(len(scores))
    _, one = assessed(member, scores)
    _, other = assessed(_member(member.rows[order]), scores[order])
    for name, estimate in one.items():
        assert estimate.ladder[0] == pytest.approx(other[name].ladder[0])


def test_rows_without_a_score_leave_it_undetermined() -> None:
    member, scores = drawn(1)
    scores[np.flatnonzero(member.rows[:, 0])[:2]] = np.nan
    groups, found = assessed(member, scores)
    reason = "2 test rows of its groups have no score that is a number"
    assert {estimate.reason for estimate in found.values()} == {reason}
    assert {(group.reason, group.p_adjusted) for group in groups} == {(reason, None)}
    outside = np.flatnonzero(~member.rows.any(axis=1))[:2]
    scores = np.nan_to_num(scores, nan=0.5)
    scores[outside] = np.nan
    groups, found = assessed(member, scores)
    assert all(estimate.value is not None for estimate in found.values())


def test_a_small_group_leaves_it_undetermined_unless_it_is_not_compared() -> None:
    member, scores = drawn(1)
    member.rows[5:, 2] = False
    member.rows[:5, 2] = True
    groups, found = assessed(member, scores)
    reason = "g2 has 5 test rows; min_group_rows is 30"
    assert {estimate.reason for estimate in found.values()} == {reason}
    assert groups[2].reason == reason
    groups, found = assessed(member, scores, groups={"x": ("g0", "g1")})
    assert all(estimate.value is not None for estimate in found.values())
    assert groups[2].reason == reason
    _, found = assessed(member, scores, groups={"x": ("g0", "unseen")})
    assert {e.reason for e in found.values()} == {"unseen has 0 test rows; min_group_rows is 30"}


def test_no_score_above_nothing_has_no_ratio() -> None:
    member, scores = drawn(1)
    _, found = assessed(member, np.zeros_like(scores))
    assert found["row_score_difference"].value == 0
    assert found["worst_group_row_score"].value == 0
    assert found["row_score_ratio"].value is None
    assert "0 in every group" in found["row_score_ratio"].reason


@pytest.mark.parametrize("groups", [0, 1])
def test_fewer_than_two_groups_compare_nothing(groups: int) -> None:
    member, scores = drawn(1)
    _, found = assessed(_member(member.rows[:, :groups]), scores)
    assert all("needs two groups" in estimate.reason for estimate in found.values())


def test_a_column_of_names_is_no_set_of_groups() -> None:
    nobody = Membership("x", (), np.zeros((300, 0), dtype=bool), "too many values")
    groups, found = assessed(nobody, drawn(1)[1])
    assert groups == []
    assert {estimate.reason for estimate in found.values()} == {"too many values"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shapes", "sizes"),
    [
        (((4, 2), (4, 2)), (60, 60)),
        (((2, 4), (4, 2)), (100, 400)),
        (((30, 1), (30, 1), (20, 1)), (50, 50, 50)),
        (((0.2, 0.2), (0.2, 0.2), (0.2, 0.3), (0.2, 0.2)), (80, 40, 100, 200)),
    ],
)
def test_intervals_cover_the_true_numbers(
    shapes: tuple[tuple[float, float], ...],
    sizes: tuple[int, ...],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """At 95%, at least 93 of 100; scores of a group follow a Beta distribution."""
    means = [a / (a + b) for a, b in shapes]
    truths = (max(means) - min(means), min(means) / max(means), min(means))
    random, trials, covered = np.random.default_rng(5), 200, np.zeros(4)
    member = _member(np.eye(len(sizes), dtype=bool)[np.repeat(np.arange(len(sizes)), sizes)])
    for _ in range(trials):
        scores = np.concatenate(
            [random.beta(*shape, size) for shape, size in zip(shapes, sizes, strict=True)]
        )
        groups, found = assessed(member, scores)
        estimates = [*found.values(), groups[0].estimates[0]]
        for place, (estimate, truth) in enumerate(zip(estimates, (*truths, means[0]), strict=True)):
            low, high = estimate.ladder[0]
            covered[place] += low <= truth + 1e-12 and truth <= high + 1e-12
    with capsys.disabled():
        print(f"\nrow scores {shapes} {sizes}: difference, ratio, worst, own {covered / trials}")
    assert (covered / trials >= 0.93).all(), covered
