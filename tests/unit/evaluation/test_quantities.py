"""What is drawn of a metric and of a gain, and when nothing can be told."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.evaluation.intervals import (
    MIN_CLUSTERS,
    MIN_ROWS_WITHOUT_PSEUDO,
    closed_form,
    draw,
    gain_of,
    level_of,
    levels,
)
from tasks.resampling import exact_ladder
from tasks.resampling_units import Units, units_of_rows
from tasks.task_types.measures import Measure, Sums, mean_of, of_sums, ratio_of_sums
from tasks.verdicts import Estimate

REPEATS = 4_000
Floats = NDArray[np.float64]


def units_for(rows: int, clusters: int | None = None) -> Units:
    names = None if clusters is None else [f"c{k % clusters}" for k in range(rows)]
    return units_of_rows([f"{k:04d}" for k in range(rows)], names)


def bare_mean(scores: Floats, **changes: object) -> Measure:
    """A mean without pseudo-rows."""
    one = ratio_of_sums("x", [scores, np.ones(len(scores))], lambda of: of[..., 0] / of[..., 1])
    return replace(one, **changes)  # type: ignore[arg-type]


def estimate_of(measure: Measure, units: Units, where: NDArray[np.int64] | None = None) -> Estimate:
    return draw([level_of("quality", measure, units, where)], REPEATS, 0)[0].estimate


SCORES = np.random.default_rng(0).random(60)


@pytest.mark.parametrize("more", [-1, 0])
def test_as_many_rows_or_clusters_as_are_needed_are_enough(more: int) -> None:
    rows = MIN_ROWS_WITHOUT_PSEUDO + more
    made = estimate_of(bare_mean(SCORES[:rows]), units_for(rows))
    assert (made.value is None) == (more < 0)
    assert made.n == rows
    assert f"{rows} rows are too few" in made.reason or more == 0
    made = estimate_of(mean_of("x", SCORES), units_for(60, MIN_CLUSTERS + more))
    assert (made.value is None) == (more < 0)
    assert f"{MIN_CLUSTERS + more} clusters say too little" in made.reason or more == 0
    # Rows have pseudo-rows here, and those that are no clusters may be few.
    assert estimate_of(mean_of("x", SCORES[:3]), units_for(3)).value is not None


def test_a_level_says_what_it_is_of() -> None:
    scores, inside = np.repeat([1.0, 0.0], [45, 15]), np.where(np.arange(60) % 3 == 0, 0, -1)
    units = units_for(60)
    whole = level_of("quality", mean_of("x", scores), units)
    assert (whole.name, whole.value, whole.n) == ("quality.x", 0.75, 60)
    assert whole.units.count == 2  # right rows and wrong rows
    part = level_of("slice", mean_of("x", scores), units, inside, "slice.third.x")
    assert (part.name, part.n, part.units) == ("slice.third.x", 20, units)
    assert part.value == scores[::3].mean()
    reasoned = replace(mean_of("x", scores), reason="no", rests_on=7)
    assert (level_of("a", reasoned, units).reason, level_of("a", reasoned, units).n) == ("no", 7)
    assert level_of("a", reasoned, units, inside).reason == ""
    made = draw([level_of("a", reasoned, units)], REPEATS, 0)[0]
    assert (made.estimate.value, made.estimate.reason, made.p_value) == (None, "no", None)


def test_only_rows_that_are_drawn_one_by_one_are_drawn_as_cells() -> None:
    scores = np.tile([1.0, 0.0], 30)
    assert level_of("a", mean_of("x", scores), units_for(60)).units.count == 2
    clustered = units_for(60, 12)
    assert level_of("a", mean_of("x", scores), clustered).units is clustered
    alone = units_for(60)
    assert level_of("a", bare_mean(scores), alone).units is alone
    one = mean_of("x", scores)
    assert gain_of("a", one, mean_of("x", 1 - scores), alone).units.count == 2
    assert gain_of("a", one, bare_mean(scores), alone).units is alone
    distinct = replace(one, alike=np.arange(60))
    assert level_of("a", distinct, alone).units is alone


@pytest.mark.parametrize("greater", [True, False])
def test_pseudo_rows_bear_on_their_own_end(*, greater: bool) -> None:
    """Of weights of one row, the two bad pseudo-rows and the two good ones."""
    one = Measure(
        "x", lambda weights: weights @ np.array([1.0, 10, 100, 1_000, 10_000]), 1, (1.0,) * 4,
        gather=lambda _units, _count: lambda weights: weights @ np.array([1.0, 10, 100, 1e3, 1e4]),
        greater_is_better=greater,
    )  # fmt: skip
    made = level_of("a", one, units_for(1))
    weights = np.ones((1, 5))
    low, high = (end(weights)[0] for end in made.ends)
    assert (low, high) == ((111, 11_001) if greater else (11_001, 111))
    assert (weights == 1).all()


def test_pseudo_rows_of_a_metric_with_a_distance_bear_on_both_ends() -> None:
    made = level_of("a", mean_of("x", SCORES), units_for(60))
    both = replace(made, distance=made.statistic)
    assert both.ends == (made.statistic, made.statistic)
    assert made.ends[0] is not made.ends[1]


@pytest.mark.parametrize("hits", [0, 3, 40, 60])
def test_ends_of_a_share_are_the_exact_ones(hits: int) -> None:
    """Drawn, and by Clopper and Pearson's formula."""
    scores = (np.arange(60) < hits).astype(float)
    drawn = estimate_of(replace(mean_of("x", scores), closed_form=()), units_for(60))
    for found, exact in zip(drawn.ladder, exact_ladder(hits, 60), strict=True):
        assert found == pytest.approx(exact, abs=0.03)
    assert drawn.ladder[0] == pytest.approx(exact_ladder(hits, 60)[0], abs=0.012)


def test_the_lower_end_of_a_metric_with_a_distance_is_the_value_less_its_upper_percentile() -> None:
    table = np.stack([SCORES, np.ones(60)], axis=1)

    def by_unit(units: NDArray[np.int64], count: int) -> Floats:
        return np.stack(
            [np.bincount(units[units >= 0], c[units >= 0], count) for c in table.T], axis=1
        )

    def mean(sums: Floats) -> Floats:
        return np.asarray(sums[..., 0] / sums[..., 1])

    for shift, is_floored in ((0.0, False), (2.0, True)):
        sums = Sums(by_unit, np.zeros((0, 2)), mean, distance=lambda of, s=shift: mean(of) / 4 + s)
        one = of_sums("x", sums, 60, pseudo_masses=())
        made = estimate_of(one, units_for(60))
        plain = estimate_of(replace(one, sums=replace(sums, distance=None)), units_for(60))
        lows = [max(made.value - (high / 4 + shift), 0.0) for _, high in plain.ladder]  # type: ignore[operator]
        assert [low for low, _ in made.ladder] == pytest.approx(lows)
        assert [high for _, high in made.ladder] == [high for _, high in plain.ladder]
        assert ({low for low, _ in made.ladder} == {0.0}) == is_floored


@pytest.mark.parametrize("greater", [True, False])
def test_a_comparator_is_right_where_the_candidate_is_wrong(*, greater: bool) -> None:
    ours, theirs = (
        mean_of("x", scores, greater_is_better=greater) for scores in (SCORES, 1 - SCORES)
    )
    made = gain_of("champion", ours, theirs, units_for(60))
    assert (made.name, made.n, made.pseudo_name) == ("champion.x_gain", 60, "x")
    assert made.pseudo_masses == ours.pseudo_masses == (1.0, 1.0)
    sign = 1 if greater else -1
    assert made.value == pytest.approx(sign * (SCORES.mean() - (1 - SCORES).mean()))
    for bad, good, expected in ((1, 0, -1), (0, 1, 1), (1, 1, 0)):
        weights = np.concatenate([np.zeros(made.units.count), [bad, good]])[None]
        assert made.statistic(weights)[0] == expected
    reasoned = replace(theirs, reason="they say nothing")
    assert gain_of("champion", ours, reasoned, units_for(60)).reason == "they say nothing"
    both = gain_of("champion", replace(ours, reason="no"), reasoned, units_for(60))
    assert both.reason == "no"
    bare = gain_of("champion", bare_mean(SCORES), bare_mean(SCORES / 2), units_for(60))
    weights = np.ones((1, 60))
    assert bare.statistic(weights)[0] == pytest.approx(SCORES.mean() / 2)


def test_estimates_come_in_the_order_of_what_is_asked() -> None:
    first, second = units_for(60), units_for(60, 20)
    asked = [
        level_of("a", bare_mean(SCORES), first), level_of("b", bare_mean(SCORES), second),
        level_of("c", bare_mean(SCORES, reason="no"), first),
        level_of("d", bare_mean(SCORES / 2), first),
    ]  # fmt: skip
    made = draw(asked, REPEATS, 0)
    assert [one.estimate.name for one in made] == ["a.x", "b.x", "c.x", "d.x"]
    assert made[2].estimate.value is None
    # The same draws of the same rows, whatever else is drawn.
    assert np.array(made[3].estimate.ladder) == pytest.approx(np.array(made[0].estimate.ladder) / 2)
    assert made[1].estimate.method == f"Bayesian bootstrap of 20 clusters, {REPEATS} repeats"
    assert draw([asked[1]], REPEATS, 0) == [made[1]]
    assert draw([asked[1]], REPEATS, 1) != [made[1]]
    assert 0 < made[0].p_value < 0.001  # type: ignore[operator]


def test_a_pseudo_row_stands_for_as_many_rows_as_a_cluster_has() -> None:
    """Twenty clusters of five rows that are all right, and half a cluster that is wrong."""
    made = estimate_of(mean_of("x", np.ones(100)), units_for(100, 20))
    alone = estimate_of(mean_of("x", np.ones(20)), units_for(20))
    assert made.low == pytest.approx(alone.low, abs=0.01)


def test_a_formula_is_taken_where_rows_are_drawn_one_by_one() -> None:
    scores = np.repeat([1.0, 0.0], [45, 15])
    one = replace(mean_of("x", scores), rests_on=50)
    made = closed_form("quality", one, units_for(60))
    assert made is not None
    assert (made.name, made.value, made.n) == ("quality.x", 0.75, 50)
    assert made.ladder == one.closed_form
    assert made.method == "exact binomial (Clopper-Pearson)"
    assert closed_form("quality", one, units_for(60, 20)) is None
    assert closed_form("quality", replace(one, reason="no"), units_for(60)) is None
    assert closed_form("quality", bare_mean(scores), units_for(60)) is None
    told = [("a", one), ("b", bare_mean(scores)), ("c", one), ("d", bare_mean(scores / 2))]
    found = levels(told, units_for(60), REPEATS, 0)
    assert [each.name for each in found] == ["a.x", "b.x", "c.x", "d.x"]
    assert found[0].ladder == found[2].ladder == one.closed_form
    assert found[3].value == 0.375
