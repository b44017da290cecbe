"""The largest difference, the smallest ratio and the worst group, each known for an extreme.

Numbers of all groups are added one kind after the other, so that the draws of all are never held
at once; `tasks.resampling.Largest` says how the two ends of the intervals are made.

The end that a gate is judged on, the upper one of a difference and the lower one of a ratio or of
the worst group, passes the truth too often in the bootstrap where a group has few rows or is seldom
wrong. Where the numbers are shares of rows it is moved outwards to what the groups' own exact ends
give: of the worst group the smallest of these, of a difference and a ratio their combination by the
method of variance estimates recovery (MOVER; Zou and Donner 2008, doi:10.1002/sim.3095; Donner and
Zou 2012, doi:10.1177/0962280210383082).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tasks.fairness.rates import GroupNumbers
from tasks.resampling import Floats, Largest, ladder_around, negated
from tasks.verdicts import MAX_FAMILY, Estimate, undetermined


class LargestDifference:
    """The largest difference of two groups in any of the numbers that were added."""

    def __init__(self) -> None:
        self._largest = Largest()
        self._highs = np.full(MAX_FAMILY, -np.inf)

    def add(self, numbers: GroupNumbers) -> None:
        """Take the numbers of all groups into account."""
        values, draws = numbers.values, numbers.draws
        if numbers.ends:
            below, above = values - numbers.ends[0], numbers.ends[1] - values  # (MAX_FAMILY, G)
            reach = np.hypot(above[:, :, None], below[:, None, :])
            apart = values[:, None] - values[None, :] + reach
            self._highs = np.maximum(self._highs, _of_pairs(apart).max(axis=1, initial=-np.inf))
        for group in range(len(values) - 1):
            self._largest.add(
                values[group] - values[group + 1 :],
                draws[:, [group]] - draws[:, group + 1 :],
                both_signs=True,
            )

    def estimate(self, name: str, rows: int) -> Estimate:
        """The estimate; rows are those that it rests on."""
        return _outwards(self._largest.estimate(name, rows, floor=0.0), highs=self._highs)


class SmallestRatio:
    """The smallest ratio of two groups in any of the numbers that were added, from 0 to 1.

    The interval is that of the largest difference of the logarithms, each group's deviation being
    taken from the mean of its draws: those stay above 0 where the number itself is 0.
    """

    def __init__(self) -> None:
        self._largest = Largest()
        self._smallest = np.inf
        self._lows = np.full(MAX_FAMILY, np.inf)
        self._reason = ""

    def add(self, numbers: GroupNumbers, what: str = "the number") -> None:
        """Take the numbers of all groups into account; `what` they are, in words."""
        values, draws = numbers.values, numbers.draws
        if not self._reason and np.isfinite(values).all() and values.max() <= 0:
            self._reason = f"{what} is 0 in every group, so that its ratio is not defined"
        if self._reason:
            return
        self._smallest = min(self._smallest, float(values.min() / values.max()))
        if numbers.ends:
            low, high = numbers.ends
            over, under = (low * (2 * values - low))[:, :, None], (high * (2 * values - high))
            product = values[:, None] * values[None, :]
            root = np.sqrt(np.maximum(product**2 - over * under[:, None, :], 0))
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = (product - root) / under[:, None, :]
            # An upper end of twice the number or more leaves the ratio without a lower one.
            found = np.where(under[:, None, :] > 0, np.clip(ratio, 0, None), 0.0)
            self._lows = np.minimum(self._lows, _of_pairs(found).min(axis=1, initial=np.inf))
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log(draws)
        if not np.isfinite(values).all():
            logs = np.full_like(logs, np.nan)
        centres = logs.mean(axis=0)
        for group in range(len(values) - 1):
            self._largest.add(
                centres[group] - centres[group + 1 :],
                logs[:, [group]] - logs[:, group + 1 :],
                both_signs=True,
            )

    def estimate(self, name: str, rows: int) -> Estimate:
        """The estimate; rows are those that it rests on."""
        if self._reason:
            return undetermined(name, rows, self._reason)
        largest = self._largest.estimate(name, rows, floor=0.0)
        if largest.value is None:
            return largest
        ends = np.exp(-np.array(largest.ladder))  # (MAX_FAMILY, 2), the upper end first
        ladder = ladder_around(self._smallest, ends[:, 1], ends[:, 0])
        return _outwards(
            Estimate(name, self._smallest, rows, ladder, largest.method), lows=self._lows
        )


class WorstGroup:
    """The smallest number of any group: the negative of the largest negative."""

    def __init__(self) -> None:
        self._largest = Largest()
        self._lows = np.full(MAX_FAMILY, np.inf)

    def add(self, numbers: GroupNumbers) -> None:
        """Take the numbers of all groups, from 0 to 1, into account."""
        self._largest.add(-numbers.values, -numbers.draws)
        if numbers.ends:
            self._lows = np.minimum(self._lows, numbers.ends[0].min(axis=1))

    def estimate(self, name: str, rows: int) -> Estimate:
        """The estimate; rows are those that it rests on."""
        return _outwards(negated(self._largest.estimate(name, rows, floor=-1.0)), lows=self._lows)


def _of_pairs(found: Floats) -> Floats:
    """Of (F, G, G) numbers of two groups those of different ones, (F, G * (G - 1))."""
    return found[:, ~np.eye(found.shape[1], dtype=np.bool_)]


def _outwards(
    estimate: Estimate, lows: Floats | None = None, highs: Floats | None = None
) -> Estimate:
    """The estimate with its ends moved outwards to these, (MAX_FAMILY,), where they lie farther."""
    if estimate.value is None:
        return estimate
    ladder = np.array(estimate.ladder)
    if lows is not None:
        ladder[:, 0] = np.minimum(ladder[:, 0], lows)
    if highs is not None:
        ladder[:, 1] = np.maximum(ladder[:, 1], np.minimum(highs, 1.0))
    return replace(estimate, ladder=ladder_around(estimate.value, ladder[:, 0], ladder[:, 1]))


class Spread:
    """The three of one kind of number, drawn once."""

    def __init__(self) -> None:
        self.difference, self.ratio, self.worst = LargestDifference(), SmallestRatio(), WorstGroup()

    def add(self, numbers: GroupNumbers, what: str) -> None:
        """Take the numbers of all groups into account."""
        self.difference.add(numbers)
        self.ratio.add(numbers, what)
        self.worst.add(numbers)

    def estimates(self, names: Sequence[str], rows: int) -> list[Estimate]:
        """Difference, ratio and worst group under these names; as many as there are names."""
        found = [
            self.difference.estimate(names[0], rows),
            self.ratio.estimate(names[1], rows),
        ]
        return found + [self.worst.estimate(name, rows) for name in names[2:]]
