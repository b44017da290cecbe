"""Which trials no other beats in everything, and which of them is taken."""

import math
from collections.abc import Sequence
from typing import Final

from tasks.records.sweep import Trial
from tasks.sweep.settings import CheapestBy

# What a clock says is compared to so many digits: the next one is another every time.
CLOCK_DIGITS: Final = 2


def pareto_front(points: Sequence[Sequence[float]]) -> list[bool]:
    """Which points are dominated by no other.

    A point dominates another where it is at most as much in every coordinate and less in one. Of
    equal points each stays.

    Args:
        points: N of them, less being better in each coordinate.

    """
    return [not any(_dominates(other, one) for other in points) for one in points]


def _dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    pairs = list(zip(one, other, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def front_of(trials: Sequence[Trial], *, greater_is_better: bool) -> list[int]:
    """Numbers of the trials on the front of quality, worst group, latency, size and cost.

    Args:
        trials: those that came to nothing are on no front.
        greater_is_better: of the quality.

    """
    told = [one for one in trials if one.quality is not None]
    grouped = all(one.worst_group is not None for one in told)
    points = [_coordinates(one, grouped=grouped, rising=greater_is_better) for one in told]
    kept = zip(told, pareto_front(points), strict=True)
    return [one.number for one, stays in kept if stays]


def _coordinates(trial: Trial, *, grouped: bool, rising: bool) -> tuple[float, ...]:
    """What counts of a trial, less being better in each."""
    worst = (-trial.worst_group[0],) if grouped and trial.worst_group else ()
    return (
        _loss(trial, rising=rising),
        *worst,
        _latency(trial),
        float(trial.size_bytes),
        _rounded(trial.training_s),
    )


def _loss(trial: Trial, *, rising: bool) -> float:
    assert trial.quality is not None  # noqa: S101 - asked of trials with numbers
    return -trial.quality.value if rising else trial.quality.value


def _latency(trial: Trial) -> float:
    """Its time over the reference's: 1 where its interval holds that, so that nothing is told."""
    ratio = trial.latency
    if ratio is None:
        return math.inf
    return 1.0 if ratio.low <= 1 <= ratio.high else _rounded(ratio.value)


def _rounded(value: float) -> float:
    return float(f"{value:.{CLOCK_DIGITS}g}")


def best_of(trials: Sequence[Trial], *, greater_is_better: bool) -> Trial | None:
    """The trial of the best quality, the first of equals; None where none came to numbers."""
    told = [one for one in trials if one.quality is not None]
    return min(
        told, key=lambda one: (_loss(one, rising=greater_is_better), one.number), default=None
    )


def taken_of(
    trials: Sequence[Trial], within: float, by: CheapestBy, *, greater_is_better: bool
) -> Trial | None:
    """The cheapest of the trials whose quality is within a share of the best.

    Of equally cheap ones the better is taken, and of equals the first. With `within` 0 it is the
    best.

    Args:
        trials: all of the sweep.
        within: share of the best quality's size by which a trial may be worse.
        by: what makes it cheap.
        greater_is_better: of the quality.

    """
    best = best_of(trials, greater_is_better=greater_is_better)
    if best is None or within == 0:
        return best
    limit = _loss(best, rising=greater_is_better)
    limit += within * abs(limit)
    near = [
        one
        for one in trials
        if one.quality is not None and _loss(one, rising=greater_is_better) <= limit
    ]
    return min(
        near,
        key=lambda one: (_price(one, by), _loss(one, rising=greater_is_better), one.number),
    )


def _price(trial: Trial, by: CheapestBy) -> float:
    if by == "size":
        return float(trial.size_bytes)
    if by == "cost":
        return trial.training_s
    return _latency(trial)


def rule_in_words(within: float, by: CheapestBy) -> str:
    """How a point is taken."""
    if within == 0:
        return "the best"
    what = {"size": "smallest", "latency": "fastest", "cost": "cheapest to train"}[by]
    return f"the {what} within {100 * within:g}% of the best"
