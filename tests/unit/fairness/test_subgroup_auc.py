"""Subgroup AUCs: exact values by scikit-learn and scipy, intervals that cover the truth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import roc_auc_score

from tasks.fairness.rankings import ranking_estimates
from tasks.fairness.settings import FairnessSettings
from tasks.fairness.subgroup_auc import (
    MEASURES,
    _collapse,
    _widened,
    exact_measures,
    generalised_mean,
    rank_groups,
)
from tasks.protected_groups.memberships import Membership
from tasks.verdicts import Estimate

QUICK = FairnessSettings(repeats=4_000, min_group_rows=10)
Rows = tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.float64]]


def drawn(seed: int, *, rows: int = 400, groups: int = 3, decimals: int = 2) -> Rows:
    """Overlapping groups, and scores with many ties."""
    random = np.random.default_rng(seed)
    member = random.random((rows, groups)) < 0.3
    positive = random.random(rows) < 0.4
    scores = random.normal(0.2 * positive + 0.3 * member[:, 0], 0.2)
    return member, positive, np.round(scores, decimals)


def by_other_libraries(rows: Rows, group: int) -> list[float]:
    member, positive, scores = rows
    here = member[:, group]

    def auc(of: NDArray[np.bool_]) -> float:
        return float(roc_auc_score(positive[of], scores[of]))

    def gap(sign: NDArray[np.bool_]) -> float:
        background, inside = scores[~here & sign], scores[here & sign]
        statistic = stats.mannwhitneyu(background, inside).statistic
        return float(0.5 - statistic / (len(background) * len(inside)))

    return [
        auc(here),
        auc((~here & positive) | (here & ~positive)),
        auc((~here & ~positive) | (here & positive)),
        gap(positive),
        gap(~positive),
    ]


@pytest.mark.parametrize("decimals", [0, 1, 6])
@pytest.mark.parametrize("seed", range(3))
def test_values_are_those_of_other_libraries(seed: int, decimals: int) -> None:
    rows = drawn(seed, decimals=decimals)
    found = exact_measures(*rows)
    assert found.shape == (3, len(MEASURES))
    for group in range(3):
        assert found[group] == pytest.approx(by_other_libraries(rows, group))


@pytest.mark.parametrize("sign", [True, False])
@pytest.mark.parametrize(("shift", "gap"), [(0.9, 0.5), (0.0, 0.0), (-0.9, -0.5)])
def test_a_group_that_is_scored_higher_has_a_gap_above_zero(
    shift: float, gap: float, *, sign: bool
) -> None:
    """Positives (or negatives) of the group alone are shifted; only their gap takes a side."""
    here, positive = np.arange(400) % 2 == 0, np.arange(400) % 4 < 2
    scores = np.tile(np.linspace(0, 0.5, 100), (4, 1)).T.ravel()
    moved = scores + shift * (here & (positive == sign))
    (found,), _ = ranking_estimates(
        Membership("x", ("g",), here[:, None]), positive, moved, "toxic", QUICK
    )
    lean, still = found.positive_aeg, found.negative_aeg
    lean, still = (lean, still) if sign else (still, lean)
    assert lean.value == pytest.approx(gap, abs=1e-9)
    assert still.value == pytest.approx(0, abs=1e-9)
    assert np.sign(np.round(lean.low + lean.high, 1)) == np.sign(shift)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 4)), min_size=1))
def test_values_by_brute_force(rows: list[tuple[bool, bool, int]]) -> None:
    def above(upper: list[int], lower: list[int]) -> float:
        wins = sum((a > b) + (a == b) / 2 for a in upper for b in lower)
        pairs = len(upper) * len(lower)
        return wins / pairs if pairs else float("nan")

    def of(which: str) -> list[int]:
        """Scores inside (i) or outside (o) of the group, of positives or negatives."""
        wanted = (which[0] == "i", which[1] == "+")
        return [score for here, sign, score in rows if (here, sign) == wanted]

    found = exact_measures(
        np.array([[row[0]] for row in rows]),
        np.array([row[1] for row in rows]),
        np.array([float(row[2]) for row in rows]),
    )[0]
    expected = [
        above(of("i+"), of("i-")),
        above(of("o+"), of("i-")),
        above(of("i+"), of("o-")),
        above(of("i+"), of("o+")) - 0.5,
        above(of("i-"), of("o-")) - 0.5,
    ]
    assert found == pytest.approx(expected, nan_ok=True)


def test_the_generalised_mean_leans_to_the_worst() -> None:
    aucs = np.array([0.9, 0.6, 0.8])
    assert generalised_mean(aucs) == pytest.approx(((aucs**-5.0).mean()) ** (-1 / 5))
    assert 0.6 < generalised_mean(aucs) < aucs.mean()
    assert generalised_mean(np.array([0.9, 0.0])) == 0
    assert generalised_mean(np.full(3, 0.7)) == pytest.approx(0.7)


def test_draws_agree_with_a_bootstrap_of_rows() -> None:
    """The spread of every measure, against that of the values of 1,000 resamples of rows."""
    rows = drawn(5, rows=600)
    random = np.random.default_rng(0)
    plain = []
    for _ in range(1_000):
        taken = random.integers(0, 600, 600)
        plain.append(exact_measures(*(part[taken] for part in rows))[0])
    spread = rank_groups("x", *rows, QUICK).draws[:, 0].std(axis=0)
    assert spread == pytest.approx(np.std(plain, axis=0), rel=0.15)


@pytest.mark.parametrize("overlap", [False, True])
def test_what_is_drawn_are_rows_and_pseudo_rows_at_either_end(*, overlap: bool) -> None:
    """The measures of rows and pseudo-rows, a quarter of one in each class of a group.

    Of scores with few values the bins hold one value each.
    """
    member, positive, scores = drawn(2, rows=80, groups=2, decimals=0)
    # Both groups and the rows of none have rows of each class.
    member = member if overlap else np.stack([member[:, 0], ~member[:, 0] & member[:, 1]], axis=1)
    cells = _collapse(member, positive, scores)
    assert cells.counts.sum() == 80
    found = cells.measures((cells.counts + cells.pseudo)[None])[0]
    patterns = np.unique(member, axis=0)
    rows = [(*row, sign, score, 1.0) for row, sign, score in zip(
        member.tolist(), positive, scores, strict=True
    )]  # fmt: skip
    for pattern in patterns:
        here = (member == pattern).all(axis=1)
        for sign in (False, True):
            mass = 1.0
            if pattern.any():
                own = [(member[:, g] & (positive == sign)).sum() for g in np.flatnonzero(pattern)]
                mass = (here & (positive == sign)).sum() / min(own)
            rows += [(*pattern.tolist(), sign, end, mass / 8) for end in (-9.0, 9.0)]
    table = np.array(rows, dtype=float)
    score, weight = table[:, 3], table[:, 4]

    def above(upper: NDArray[np.bool_], lower: NDArray[np.bool_]) -> float:
        wins = (score[upper][:, None] > score[lower]) + (score[upper][:, None] == score[lower]) / 2
        pairs = weight[upper][:, None] * weight[lower]
        return float((wins * pairs).sum() / pairs.sum())

    plus = table[:, 2] == 1
    for group in range(2):
        inside = table[:, group] == 1
        assert found[group] == pytest.approx(
            [
                above(inside & plus, inside & ~plus),
                above(~inside & plus, inside & ~plus),
                above(inside & plus, ~inside & ~plus),
                0.5 - above(~inside & plus, inside & plus),
                0.5 - above(~inside & ~plus, inside & ~plus),
            ]
        )


def test_draws_are_widened_by_the_rows_of_the_smaller_class() -> None:
    random = np.random.default_rng(0)
    member = np.array([[True, False]] * 5 + [[False, True]] * 9)
    positive = np.array([True, True, True, False, False, *([True] * 8), False])
    draws = random.random((50, 2, 5))
    found = _widened(draws, member, positive)
    assert found.mean(axis=0) == pytest.approx(draws.mean(axis=0))
    # Two negatives of the first group; of one row nothing is known, and the divisor stays 1.
    assert found.std(axis=0)[0] == pytest.approx(draws.std(axis=0)[0] * np.sqrt(3 / 1))
    assert found.std(axis=0)[1] == pytest.approx(draws.std(axis=0)[1] * np.sqrt(2 / 1))
    many = np.ones((40, 1), dtype=bool)
    found = _widened(draws[:, :1], many, np.arange(40) < 30)
    assert found.std(axis=0) == pytest.approx(draws[:, :1].std(axis=0) * np.sqrt(11 / 9))


def test_the_order_of_rows_changes_nothing() -> None:
    member, positive, scores = drawn(4)
    order = np.random.default_rng(1).permutation(len(scores))
    one = rank_groups("x", member, positive, scores, QUICK)
    other = rank_groups("x", member[order], positive[order], scores[order], QUICK)
    assert np.array_equal(one.values, other.values)
    assert np.array_equal(one.draws, other.draws)


def of(rows: Rows, **chosen: object) -> tuple[list[object], dict[str, Estimate]]:
    member = Membership("x", tuple(f"g{k}" for k in range(rows[0].shape[1])), rows[0])
    how = QUICK.model_copy(update=chosen)
    found, over = ranking_estimates(member, rows[1], rows[2], "bad", how)
    return found, {estimate.name.removeprefix("fairness.x."): estimate for estimate in over}


def test_estimates_of_groups_and_over_them() -> None:
    rows = drawn(6, rows=900)
    found, over = of(rows)
    exact = exact_measures(*rows)
    for group, one in enumerate(found):
        estimates = [getattr(one, name) for name in MEASURES]
        assert [estimate.value for estimate in estimates] == pytest.approx(exact[group])
        assert estimates[0].name == f"fairness.x.subgroup_auc.g{group}.bad"
        assert one.positives == (rows[0][:, group] & rows[1]).sum()
        assert one.positives + one.negatives == rows[0][:, group].sum() == estimates[0].n
    assert set(over) == {
        "subgroup_auc_mean.bad", "bpsn_auc_mean.bad", "bnsp_auc_mean.bad",
        "largest_positive_aeg.bad", "largest_negative_aeg.bad",
    }  # fmt: skip
    assert over["bnsp_auc_mean.bad"].value == pytest.approx(generalised_mean(exact[:, 2]))
    assert over["largest_negative_aeg.bad"].value == pytest.approx(abs(exact[:, 4]).max())
    for estimate in over.values():
        assert estimate.value is not None
        assert estimate.n == rows[0].any(axis=1).sum()
        assert all(0 <= low <= estimate.value <= high <= 1 for low, high in estimate.ladder)
    _, fewer = of(rows, groups={"x": ("g1", "g2")})
    assert fewer["bnsp_auc_mean.bad"].value == pytest.approx(generalised_mean(exact[1:, 2]))
    assert fewer["bnsp_auc_mean.bad"].n == rows[0][:, 1:].any(axis=1).sum()


def test_a_group_without_positives_is_undetermined_and_so_are_the_means() -> None:
    member, positive, scores = drawn(7)
    positive = positive & ~member[:, 1]
    found, over = of((member, positive, scores))
    reason = "g1 labelled 'bad' has 0 test rows; min_group_rows is 10"
    assert found[1].subgroup_auc.reason == reason  # type: ignore[attr-defined]
    assert found[0].subgroup_auc.value is not None  # type: ignore[attr-defined]
    assert {estimate.reason for estimate in over.values()} == {reason}


def test_scores_that_are_no_numbers_give_no_ranking() -> None:
    member, positive, scores = drawn(8)
    scores[:3] = np.nan
    found, over = of((member, positive, scores))
    assert {e.reason for e in over.values()} == {"3 of 400 scores are no numbers"}
    assert all(one.bnsp_auc.value is None for one in found)  # type: ignore[attr-defined]


def test_constant_scores_rank_nothing() -> None:
    member, positive, _ = drawn(9)
    _, over = of((member, positive, np.full(400, 0.5)))
    assert over["subgroup_auc_mean.bad"].value == 0.5
    assert over["largest_positive_aeg.bad"].value == 0
    assert over["subgroup_auc_mean.bad"].high < 0.6


def test_a_group_ranked_perfectly_is_not_known_to_be() -> None:
    positive = np.tile([True, False], 60)
    member = np.eye(2, dtype=bool)[np.repeat([0, 1], 60)]
    found, over = of((member, positive, positive.astype(float)))
    assert found[0].subgroup_auc.value == 1  # type: ignore[attr-defined]
    assert found[0].subgroup_auc.low < 0.98  # type: ignore[attr-defined]
    assert over["subgroup_auc_mean.bad"].low < 0.99


@pytest.mark.parametrize("groups", [0, 1])
def test_fewer_than_two_groups_compare_nothing(groups: int) -> None:
    member, positive, scores = drawn(3)
    _, over = of((member[:, :groups], positive, scores))
    assert all("needs two groups" in estimate.reason for estimate in over.values())


SHAPES = [
    # separation of the classes, shift of the first group's negatives, rows a group
    (1.0, 0.5, (150, 400)),
    (2.5, 0.0, (80, 80, 80)),
    (2.0, 1.5, (100, 1000)),
]


@pytest.mark.slow
@pytest.mark.parametrize(("apart", "shift", "sizes"), SHAPES)
def test_intervals_cover_the_true_measures(
    apart: float, shift: float, sizes: tuple[int, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """At 95%, at least 93 of 100, of the first group's measures and of the means."""
    truth, truths_over = _truth(apart, shift, sizes)
    random, trials = np.random.default_rng(11), 200
    own, over = np.zeros(len(MEASURES)), np.zeros(5)
    for _ in range(trials):
        rows = _made(random, apart, shift, sizes)
        found, made = of(rows)
        for place, name in enumerate(MEASURES):
            low, high = getattr(found[0], name).ladder[0]
            own[place] += low <= truth[0, place] <= high
        for place, (estimate, value) in enumerate(zip(made.values(), truths_over, strict=True)):
            low, high = estimate.ladder[0]
            over[place] += low <= value <= high
    with capsys.disabled():
        print(f"\nAUC {apart} {shift} {sizes}: own {own / trials}, over groups {over / trials}")
    assert (own / trials >= 0.93).all(), own
    assert (over / trials >= 0.93).all(), over


def _made(random: np.random.Generator, apart: float, shift: float, sizes: tuple[int, ...]) -> Rows:
    group = random.choice(len(sizes), sum(sizes), p=np.array(sizes) / sum(sizes))
    positive = random.random(len(group)) < 0.4
    scores = random.normal(apart * positive + shift * ((group == 0) & ~positive))
    return np.eye(len(sizes), dtype=bool)[group], positive, scores


def _truth(
    apart: float, shift: float, sizes: tuple[int, ...]
) -> tuple[NDArray[np.float64], list[float]]:
    """Of the distributions: two normal scores of equal variance and their mixtures."""
    shares = np.array(sizes) / sum(sizes)

    def above(upper: list[float], lower: list[float], p: NDArray, q: NDArray) -> float:
        return sum(
            p[i] * q[k] * stats.norm.cdf((a - b) / np.sqrt(2))
            for i, a in enumerate(upper)
            for k, b in enumerate(lower)
        )

    low = [shift if group == 0 else 0.0 for group in range(len(sizes))]
    high, one = [apart] * len(sizes), np.ones(1)
    truth = []
    for group in range(len(sizes)):
        rest = [k for k in range(len(sizes)) if k != group]
        p = shares[rest] / shares[rest].sum()
        rest_low, rest_high = [low[k] for k in rest], [high[k] for k in rest]
        truth.append(
            [
                above([high[group]], [low[group]], one, one),
                above(rest_high, [low[group]], p, one),
                above([high[group]], rest_low, one, p),
                0.5 - above(rest_high, [high[group]], p, one),
                0.5 - above(rest_low, [low[group]], p, one),
            ]
        )
    table = np.array(truth)
    means = [float(generalised_mean(table[:, place])) for place in range(3)]
    return table, means + [float(abs(table[:, place]).max()) for place in (3, 4)]
