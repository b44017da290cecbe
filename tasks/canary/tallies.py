"""Sums of observations by the part of a step in which they came, and what is compared of them.

An observation is that of a request: the mean over its rows, which resemble each other. Where a part
of it is not known it lies between two values. For the upper end of a comparison the greater one
counts and for the lower end the lesser, so that what is missing is never a reason to pass or fail.
"""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tasks.canary.sequential import Compared, Difference, Floats, Ints, Mean, PairedDifference


@dataclass(frozen=True)
class Observations:
    """What was observed of N requests.

    Attributes:
        requests: hash of each, sorted, (N,).
        low: least that it can be, (N,); high: most.
        part: of the step in which it came, (N,).

    """

    requests: NDArray[np.uint64]
    low: Floats
    high: Floats
    part: Ints

    def where(self, kept: NDArray[np.bool_] | NDArray[np.intp]) -> "Observations":
        """Some of them, by a mask or by their places."""
        return Observations(
            self.requests[kept], self.low[kept], self.high[kept], self.part[kept]
        )  # fmt: skip


class Tally:
    """Sums of observations from 0 to 1 in each of L parts of a step."""

    def __init__(self, parts: int) -> None:
        self._n, self._low, self._high = (np.zeros(parts) for _ in range(3))

    def add(self, seen: Observations) -> None:
        """Add what was observed."""
        parts = len(self._n)
        self._n += np.bincount(seen.part, minlength=parts)
        self._low += np.bincount(seen.part, seen.low, parts)
        self._high += np.bincount(seen.part, seen.high, parts)

    @property
    def counts(self) -> Ints:
        """Requests up to the end of each part, (L,)."""
        return self._n.cumsum().astype(np.int64)

    @property
    def least(self) -> Mean:
        """The mean up to the end of each part, as low as it can be."""
        return Mean(self._low.cumsum(), self._n.cumsum())

    @property
    def most(self) -> Mean:
        """As high as it can be."""
        return Mean(self._high.cumsum(), self._n.cumsum())


class Comparison(Protocol):
    """What a gate is judged on, up to the end of each of L parts of a step."""

    def add(self, production: Observations, candidate: Observations) -> None:
        """Add what was observed of requests that both versions were asked, or either."""

    @property
    def for_lower_end(self) -> Compared:
        """With all that is not known as low as it can be."""

    @property
    def for_upper_end(self) -> Compared:
        """With all that is not known as high as it can be."""

    @property
    def observed(self) -> tuple[Ints, Ints]:
        """Requests of the version in production, and of the candidate, (L,) each."""


class Share:
    """A share of the candidate's requests."""

    def __init__(self, parts: int) -> None:
        self._tally = Tally(parts)

    def add(self, production: Observations, candidate: Observations) -> None:  # noqa: ARG002
        """Add what was observed of the candidate's requests."""
        self._tally.add(candidate)

    @property
    def for_lower_end(self) -> Compared:
        """See `Comparison`."""
        return self._tally.least

    @property
    def for_upper_end(self) -> Compared:
        """See `Comparison`."""
        return self._tally.most

    @property
    def observed(self) -> tuple[Ints, Ints]:
        """See `Comparison`."""
        return self._tally.counts, self._tally.counts


class OfDifferentRequests:
    """By how much the candidate has more than the version in production, on different requests.

    Args:
        parts: of the step.
        loss: whether it is asked how much less it has.

    """

    def __init__(self, parts: int, *, loss: bool) -> None:
        self._production, self._candidate = Tally(parts), Tally(parts)
        sides = self._candidate, self._production
        self._more, self._less = sides[::-1] if loss else sides

    def add(self, production: Observations, candidate: Observations) -> None:
        """Add the requests of each.

        One that the candidate failed, so that it was put to the version in production as well, is
        the candidate's.
        """
        is_other = ~np.isin(production.requests, candidate.requests)
        self._production.add(production.where(is_other))
        self._candidate.add(candidate)

    @property
    def for_lower_end(self) -> Compared:
        """See `Comparison`."""
        return Difference(self._more.least, self._less.most)

    @property
    def for_upper_end(self) -> Compared:
        """See `Comparison`."""
        return Difference(self._more.most, self._less.least)

    @property
    def observed(self) -> tuple[Ints, Ints]:
        """See `Comparison`."""
        return self._production.counts, self._candidate.counts


class OfSameRequests:
    """By how much the candidate has more than the version in production, request by request.

    Args:
        parts: of the step.
        loss: whether it is asked how much less it has.

    """

    def __init__(self, parts: int, *, loss: bool) -> None:
        self._gained, self._lost, self._loss = Tally(parts), Tally(parts), loss

    def add(self, production: Observations, candidate: Observations) -> None:
        """Add the requests that both were asked."""
        _, ours, theirs = np.intersect1d(
            production.requests, candidate.requests, assume_unique=True, return_indices=True
        )
        more, less = candidate.where(theirs), production.where(ours)
        if self._loss:
            more, less = less, more
        low, high = more.low - less.high, more.high - less.low
        zero = np.zeros_like(low)
        self._gained.add(replace(more, low=np.maximum(low, zero), high=np.maximum(high, zero)))
        # Most is lost where the difference is lowest.
        self._lost.add(replace(more, low=np.maximum(-low, zero), high=np.maximum(-high, zero)))

    @property
    def for_lower_end(self) -> Compared:
        """See `Comparison`."""
        gained, lost = self._gained.least, self._lost.least
        return PairedDifference(gained.total, lost.total, gained.n)

    @property
    def for_upper_end(self) -> Compared:
        """See `Comparison`."""
        gained, lost = self._gained.most, self._lost.most
        return PairedDifference(gained.total, lost.total, gained.n)

    @property
    def observed(self) -> tuple[Ints, Ints]:
        """See `Comparison`."""
        return self._gained.counts, self._gained.counts
