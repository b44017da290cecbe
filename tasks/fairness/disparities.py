"""The largest difference, the smallest ratio and the worst group, each known for an extreme.

Numbers of all groups are added one kind after the other, so that the draws of all are never held
at once; `tasks.resampling.Largest` says how the two ends of the intervals are made.
"""

from collections.abc import Sequence

import numpy as np

from tasks.fairness.rates import GroupNumbers
from tasks.resampling import Largest, ladder_around, negated
from tasks.verdicts import Estimate, undetermined


class LargestDifference:
    """The largest difference of two groups in any of the numbers that were added."""

    def __init__(self) -> None:
        self._largest = Largest()

    def add(self, numbers: GroupNumbers) -> None:
        """Take the numbers of all groups into account."""
        values, draws = numbers.values, numbers.draws
        for group in range(len(values) - 1):
            self._largest.add(
                values[group] - values[group + 1 :],
                draws[:, [group]] - draws[:, group + 1 :],
                both_signs=True,
            )

    def estimate(self, name: str, rows: int) -> Estimate:
        """The estimate; rows are those that it rests on."""
        return self._largest.estimate(name, rows, floor=0.0)


class SmallestRatio:
    """The smallest ratio of two groups in any of the numbers that were added, from 0 to 1.

    The interval is that of the largest difference of the logarithms, each group's deviation being
    taken from the mean of its draws: those stay above 0 where the number itself is 0.
    """

    def __init__(self) -> None:
        self._largest = Largest()
        self._smallest = np.inf
        self._reason = ""

    def add(self, numbers: GroupNumbers, what: str = "the number") -> None:
        """Take the numbers of all groups into account; `what` they are, in words."""
        values, draws = numbers.values, numbers.draws
        if not self._reason and np.isfinite(values).all() and values.max() <= 0:
            self._reason = f"{what} is 0 in every group, so that its ratio is not defined"
        if self._reason:
            return
        self._smallest = min(self._smallest, float(values.min() / values.max()))
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
        return Estimate(name, self._smallest, rows, ladder, largest.method)


class WorstGroup:
    """The smallest number of any group: the negative of the largest negative."""

    def __init__(self) -> None:
        self._largest = Largest()

    def add(self, numbers: GroupNumbers) -> None:
        """Take the numbers of all groups, from 0 to 1, into account."""
        self._largest.add(-numbers.values, -numbers.draws)

    def estimate(self, name: str, rows: int) -> Estimate:
        """The estimate; rows are those that it rests on."""
        return negated(self._largest.estimate(name, rows, floor=-1.0))


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
