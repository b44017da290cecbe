"""Which rows stand on which side, and how rows are dealt anew under no drift.

A retraining usually keeps most rows, so the two sides are no independent samples. The unit of every
test is therefore a distinct row, which stands before, now, or on both sides. No drift means that
the rows are exchangeable: where a row stands says nothing about what it is. So the p-value of any
statistic comes from dealing the three kinds of membership anew among all rows, in the same numbers;
a row that was kept stays on both sides as a whole. The effect sizes compare the sides as they are,
kept rows on both: with few new rows, however odd, the sides are alike; with many they are not.

Where a statistic has a limit distribution, keeping rows shrinks the variance of its difference. For
n rows before, m now and k on both sides, a difference of means of variance s^2 a row has variance
s^2 (1/n + 1/m - 2k/nm) instead of s^2 (1/n + 1/m). Without kept rows all tests are the textbook's.

Rows of one author or document resemble each other, so where rows have a cluster, clusters are
dealt: a cluster takes the shares of the three kinds that another one has, and where all rows of
either are of one kind, that is a permutation of clusters.
"""

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tasks.resampling_units import MIN_CLUSTERS

Floats = NDArray[np.float32]
Draws = NDArray[np.float64]
Row = TypeVar("Row", bound=tuple[Any, ...])

# Permutations dealt at once, so that what is computed of a chunk takes some ten MB.
_CHUNK = 100
_ONLY_BEFORE, _ONLY_NOW, _BOTH = 1, 2, 3


@dataclass(frozen=True)
class Membership:
    """The side or sides of each of U rows.

    Attributes:
        before: (U,), whether the row stands before.
        now: (U,), whether it stands now.
        clusters: (U,), the cluster of each row, from 0 up; None where rows are drawn one by one.

    """

    before: NDArray[np.bool_]
    now: NDArray[np.bool_]
    clusters: NDArray[np.int64] | None = None

    @property
    def rows(self) -> tuple[int, int]:
        """Rows before and now."""
        return int(self.before.sum()), int(self.now.sum())

    @property
    def units(self) -> tuple[int, int]:
        """Rows before and now, or clusters that have any there."""
        if self.clusters is None:
            return self.rows
        return len(np.unique(self.clusters[self.before])), len(np.unique(self.clusters[self.now]))

    @property
    def drawn(self) -> str:
        """What is dealt, in words."""
        if self.clusters is None:
            return "rows"
        return f"{len(np.unique(self.clusters))} clusters"

    def variance_of(self, influences: Draws) -> Draws:
        """Variance of a statistic from what each row adds to its error.

        Args:
            influences: (U, ...), of both sides of a row together, of sum 0.

        Returns:
            (...), the sum of squares over rows, or over clusters, as K of them spread a K - 1st
            part more than about their own mean.

        """
        units = max(2, min(self.units))
        if self.clusters is not None:
            sums = np.zeros((int(self.clusters.max()) + 1, *influences.shape[1:]))
            np.add.at(sums, self.clusters, influences)
            influences = sums
        return np.asarray((influences.astype(np.float64) ** 2).sum(axis=0)) * units / (units - 1)

    def in_clusters(self, clusters: Sequence[str] | None) -> "Membership":
        """The same with the cluster of each row, by its name."""
        if clusters is None:
            return self
        _, places = np.unique(np.array(clusters), return_inverse=True)
        return replace(self, clusters=places.astype(np.int64))

    @property
    def kinds(self) -> NDArray[np.int8]:
        """1 of a row only before, 2 of one only now, 3 of one on both sides, (U,)."""
        return (_ONLY_BEFORE * self.before + _ONLY_NOW * self.now).astype(np.int8)

    @property
    def is_equal(self) -> bool:
        """Whether both sides hold the same rows."""
        return bool((self.before == self.now).all())

    def columns(self) -> tuple[Floats, Floats]:
        """Both sides as they are, each (U, 1): one column of what `deal` gives."""
        return self.before[:, None].astype(np.float32), self.now[:, None].astype(np.float32)

    def deal(
        self, times: int, random: np.random.Generator, strata: NDArray[np.int64]
    ) -> Iterator[tuple[Floats, Floats]]:
        """Memberships dealt anew: chunks of (before, now), each (U, p), whose p sum up.

        Args:
            times: in all.
            random: source of randomness.
            strata: (U,); rows change places only within a stratum.

        """
        if self.clusters is not None:
            yield from self._deal_clusters(self.clusters, times, random, strata)
            return
        kinds = self.kinds
        groups = [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
        for start in range(0, times, _CHUNK):
            dealt = np.repeat(kinds[:, None], min(_CHUNK, times - start), axis=1)
            for group in groups:
                dealt[group] = random.permuted(dealt[group], axis=0)
            yield _sides(dealt)

    def _deal_clusters(
        self,
        clusters: NDArray[np.int64],
        times: int,
        random: np.random.Generator,
        strata: NDArray[np.int64],
    ) -> Iterator[tuple[Floats, Floats]]:
        """As `deal`, where a cluster takes the shares of the kinds that another has."""
        shares = _shares_of_kinds(clusters, self.kinds)  # (C, 2), cumulated
        stratum_of = np.zeros(len(shares), np.int64)
        stratum_of[clusters] = strata
        groups = [np.flatnonzero(stratum_of == stratum) for stratum in np.unique(strata)]
        for start in range(0, times, _CHUNK):
            count = min(_CHUNK, times - start)
            giver = np.repeat(np.arange(len(shares))[:, None], count, axis=1)
            for group in groups:
                giver[group] = random.permuted(giver[group], axis=0)
            taken = shares[giver[clusters]]  # (U, p, 2)
            at = random.random(taken.shape[:2])
            dealt = np.where(
                at < taken[..., 0], _ONLY_BEFORE, np.where(at < taken[..., 1], _ONLY_NOW, _BOTH)
            )
            yield _sides(dealt)


def _sides(kinds: NDArray[Any]) -> tuple[Floats, Floats]:
    return (kinds != _ONLY_NOW).astype(np.float32), (kinds != _ONLY_BEFORE).astype(np.float32)


def _shares_of_kinds(clusters: NDArray[np.int64], kinds: NDArray[np.int8]) -> Draws:
    """Of each cluster the share of rows that stand only before, and that do not stand on both."""
    rows = np.bincount(clusters)
    only_before = np.bincount(clusters, kinds == _ONLY_BEFORE)
    not_both = np.bincount(clusters, kinds != _BOTH)
    return np.stack([only_before, not_both], axis=1) / np.maximum(rows, 1)[:, None]


@dataclass(frozen=True)
class Permuted:
    """A statistic as it is, and of each permutation."""

    observed: float
    draws: Draws

    @property
    def p_value(self) -> float:
        """Share of draws that reach what was observed, which counts as a draw itself.

        So p is never 0, and valid for any number of draws (Phipson and Smyth 2010,
        doi:10.2202/1544-6115.1585). Draws that differ by rounding alone are ties.
        """
        reach = self.observed - 1e-6 * abs(self.observed) - 1e-9
        return (1 + int((self.draws >= reach).sum())) / (1 + len(self.draws))


@dataclass(frozen=True)
class Permutations:
    """How often rows are dealt anew, and from which seed."""

    times: int
    seed: int

    def test(self, membership: Membership) -> str:
        """In words."""
        return f"{self.times:,} permutations of {membership.drawn}"

    def random(self, name: str) -> np.random.Generator:
        """A generator of this name's own: its draws do not depend on which others are made."""
        return np.random.default_rng([self.seed, zlib.crc32(name.encode())])

    def of(
        self,
        statistic: Callable[[Floats, Floats], Draws],
        membership: Membership,
        name: str,
        strata: NDArray[np.int64] | None = None,
    ) -> Permuted:
        """The statistic of the sides as they are, and as they are dealt anew.

        Args:
            statistic: from sides before and now, both (U, p), to values (p,); larger is more drift.
            membership: of the U rows.
            name: of the question.
            strata: (U,); rows change places only within a stratum.

        """
        if strata is None:
            strata = np.zeros(len(membership.before), np.int64)
        dealt = membership.deal(self.times, self.random(name), strata)
        draws = np.concatenate([statistic(*sides) for sides in dealt])
        return Permuted(float(statistic(*membership.columns())[0]), draws)


def pair(before: Sequence[Row], now: Sequence[Row]) -> tuple[list[Row], Membership]:
    """The distinct rows of both sides in an order of their own, and where each stands.

    Args:
        before: what tells a row from others, of each row before.
        now: the same of now.

    """
    here, there = set(before), set(now)
    rows = sorted(here | there)
    return rows, Membership(
        np.array([row in here for row in rows], np.bool_),
        np.array([row in there for row in rows], np.bool_),
    )


def too_few(membership: Membership) -> str:
    """Why rows in so few clusters tell nothing; empty where they tell something."""
    before, now = membership.units
    if membership.clusters is None or min(before, now) >= MIN_CLUSTERS:
        return ""
    return f"{before} and {now} clusters; either side needs {MIN_CLUSTERS}"


def variance_factor(rows_before: int, rows_now: int, kept: int) -> float:
    """Variance of a difference of means over that of one row: 1/n + 1/m - 2k/nm, 0 if all stay."""
    return (rows_before + rows_now - 2 * kept) / (rows_before * rows_now)


def kept_marks(
    keys: tuple[NDArray[np.uint64], NDArray[np.uint64]],
    marks: tuple[NDArray[np.uint32], NDArray[np.uint32]],
) -> NDArray[np.uint32]:
    """The marks (K,) of the rows of both sides that have the same key and the same mark."""
    _, first, second = np.intersect1d(*keys, return_indices=True)
    own: NDArray[np.uint32] = marks[0][first]
    return np.asarray(own[own == marks[1][second]], np.uint32)
