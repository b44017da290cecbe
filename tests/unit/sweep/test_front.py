"""The Pareto front and the choice of a point, by brute force."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.records.sweep import Measurement, Trial
from tasks.sweep.front import best_of, front_of, pareto_front, rule_in_words, taken_of

POINTS = st.integers(1, 4).flatmap(
    lambda width: st.lists(
        st.lists(st.integers(0, 4).map(float), min_size=width, max_size=width), max_size=12
    )
)
PRICES = ("size", "latency", "cost")


def trial(number: int, quality: float | None, **others: Any) -> Trial:
    measured = None if quality is None else Measurement(quality, quality - 0.1, quality + 0.1)
    values: dict[str, Any] = {
        "latency": Measurement(1.0, 0.9, 1.1), "size_bytes": 1_000, "training_s": 10.0,
    } | others  # fmt: skip
    return Trial(number, {"training.seed": number}, quality=measured, **values)


TRIALS = st.lists(
    st.tuples(
        st.one_of(st.none(), st.sampled_from([0.5, 0.9, 0.995, 1.0])),
        st.integers(1, 3), st.integers(1, 3), st.sampled_from([0.5, 1.0, 2.0]),
    ),
    max_size=10,
).map(
    lambda drawn: [
        trial(number, quality, size_bytes=size, training_s=float(seconds),
              latency=Measurement(ratio, ratio, ratio))
        for number, (quality, size, seconds, ratio) in enumerate(drawn, start=1)
    ]
)  # fmt: skip


@given(POINTS)
def test_a_point_is_on_the_front_where_no_other_is_better(points: list[list[float]]) -> None:
    found = pareto_front(points)
    for one, stays in zip(points, found, strict=True):
        better = [
            other
            for other in points
            if other != one and all(o <= p for o, p in zip(other, one, strict=True))
        ]
        assert stays == (not better)
    assert any(found) == bool(points)


@given(POINTS)
def test_each_point_that_is_not_on_the_front_is_dominated_by_one_that_is(
    points: list[list[float]],
) -> None:
    found = pareto_front(points)
    front = [one for one, stays in zip(points, found, strict=True) if stays]
    for one, stays in zip(points, found, strict=True):
        if not stays:
            assert any(all(o <= p for o, p in zip(other, one, strict=True)) for other in front)


@given(TRIALS)
def test_the_best_is_on_the_front_unless_an_equal_one_is_cheaper(trials: list[Trial]) -> None:
    best = best_of(trials, greater_is_better=True)
    front = {one.number: one for one in trials if one.number in front_numbers(trials)}
    assert all(one.quality is not None for one in front.values())
    if best is None:
        assert not front
        return
    assert best.quality
    assert any(one.quality and one.quality.value == best.quality.value for one in front.values())


def front_numbers(trials: list[Trial]) -> list[int]:
    return front_of(trials, greater_is_better=True)


@given(TRIALS, st.sampled_from(PRICES), st.sampled_from([0.0, 0.01, 0.2]))
def test_the_taken_point_is_the_cheapest_that_is_near_the_best(
    trials: list[Trial], by: Any, within: float
) -> None:
    taken = taken_of(trials, within, by, greater_is_better=True)
    told = [one for one in trials if one.quality]
    if not told:
        assert taken is None
        return
    assert taken
    assert taken.quality
    top = max(one.quality.value for one in told if one.quality)
    assert taken.quality.value >= top * (1 - within)
    price = {
        "size": lambda one: one.size_bytes, "latency": lambda one: one.latency.value,
        "cost": lambda one: one.training_s,
    }[by]  # fmt: skip
    for one in told:
        assert one.quality
        if within and one.quality.value >= top * (1 - within):
            assert price(taken) <= price(one)
    if not within:
        assert taken.quality.value == top


def test_of_an_error_less_is_better_and_near_is_above() -> None:
    trials = [trial(1, 2.0, size_bytes=9), trial(2, 2.01, size_bytes=5), trial(3, 2.1)]
    best = best_of(trials, greater_is_better=False)
    assert best
    assert best.number == 1
    taken = taken_of(trials, 0.01, "size", greater_is_better=False)
    assert taken
    assert taken.number == 2


def test_near_a_negative_best_is_below_it() -> None:
    trials = [trial(1, -1.0, size_bytes=9), trial(2, -1.005, size_bytes=5), trial(3, -1.02)]
    taken = taken_of(trials, 0.01, "size", greater_is_better=True)
    assert taken
    assert taken.number == 2


def test_of_equally_cheap_points_the_better_is_taken_and_then_the_first() -> None:
    taken = taken_of(
        [trial(1, 0.99), trial(2, 1.0), trial(3, 1.0)], 0.05, "size", greater_is_better=True
    )
    assert taken
    assert taken.number == 2


def test_what_a_clock_tells_by_a_hair_puts_nobody_on_the_front() -> None:
    faster = [trial(1, 0.9, training_s=10.01), trial(2, 0.8, training_s=10.0)]
    assert front_numbers(faster) == [1]
    assert front_numbers([faster[0], trial(2, 0.8, training_s=8.0)]) == [1, 2]
    as_fast = Measurement(0.9, 0.7, 1.2)  # which may be the reference's own
    assert front_numbers([faster[0], trial(2, 0.8, latency=as_fast)]) == [1]
    quick = Measurement(0.5, 0.4, 0.6)
    assert front_numbers([faster[0], trial(2, 0.8, latency=quick)]) == [1, 2]


def test_a_worst_group_counts_where_each_trial_has_one() -> None:
    fair = trial(1, 0.8, worst_group=(0.7, "gender.female"))
    good = trial(2, 0.9, worst_group=(0.5, "gender.female"))
    assert front_numbers([fair, good]) == [1, 2]
    assert front_numbers([fair, trial(2, 0.9)]) == [2]


@pytest.mark.parametrize(
    ("within", "by", "said"),
    [
        (0.0, "size", "the best"),
        (0.01, "size", "the smallest within 1% of the best"),
        (0.005, "latency", "the fastest within 0.5% of the best"),
        (0.1, "cost", "the cheapest to train within 10% of the best"),
    ],
)
def test_the_rule_is_said_in_words(within: float, by: Any, said: str) -> None:
    assert rule_in_words(within, by) == said
