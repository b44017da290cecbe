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

Rows of one author or document are taken for independent of each other, as everywhere in testing by
row. Where they come in batches a p-value can be too small; the limit of the effect size stands.
"""

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Draws = NDArray[np.float64]
Row = TypeVar("Row", bound=tuple[Any, ...])

# Permutations dealt at once, so that what is computed of a chunk takes some ten MB.
_CHUNK = 100
_ONLY_BEFORE, _ONLY_NOW = 1, 2


@dataclass(frozen=True)
class Membership:
    """The side or sides of each of U rows.

    Attributes:
        before: (U,), whether the row stands before.
        now: (U,), whether it stands now.

    """

    before: NDArray[np.bool_]
    now: NDArray[np.bool_]

    @property
    def rows(self) -> tuple[int, int]:
        """Rows before and now."""
        return int(self.before.sum()), int(self.now.sum())

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
        kinds = self.kinds
        groups = [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
        for start in range(0, times, _CHUNK):
            dealt = np.repeat(kinds[:, None], min(_CHUNK, times - start), axis=1)
            for group in groups:
                dealt[group] = random.permuted(dealt[group], axis=0)
            yield (
                (dealt != _ONLY_NOW).astype(np.float32),
                (dealt != _ONLY_BEFORE).astype(np.float32),
            )


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

    @property
    def test(self) -> str:
        """In words."""
        return f"{self.times:,} permutations of rows"

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


def variance_factor(rows_before: int, rows_now: int, kept: int) -> float:
    """Variance of a difference of means over that of one row: 1/n + 1/m - 2k/nm, 0 if all stay."""
    return (rows_before + rows_now - 2 * kept) / (rows_before * rows_now)


def count_kept(
    keys: tuple[NDArray[np.uint64], NDArray[np.uint64]],
    marks: tuple[NDArray[np.uint32], NDArray[np.uint32]],
) -> int:
    """Rows of both sides with the same key and the same mark."""
    _, first, second = np.intersect1d(*keys, return_indices=True)
    return int((marks[0][first] == marks[1][second]).sum())
