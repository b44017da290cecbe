"""Shares of texts with intervals, overall and by group, and how far groups lie apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tasks.evaluation.intervals import level
from tasks.evaluation.settings import EvaluationSettings
from tasks.fairness.disparities import LargestDifference
from tasks.fairness.rates import (
    GroupNumbers,
    collapse_outcomes,
    exact_ends,
    group_draws,
    group_values,
    selection_rate,
)
from tasks.resampling import generator
from tasks.resampling_units import MIN_CLUSTERS, Units, clusters_of_groups, units_of_rows
from tasks.task_types.measures import mean_of
from tasks.verdicts import Estimate, undetermined

_LEAST_GROUPS: Final = 2


@dataclass(frozen=True, eq=False)
class Texts:
    """N texts that something holds of, or not.

    Attributes:
        family: first part of the estimates' names, and name of the probe's settings.
        groups: (N,) what each is about; empty of those that are in none.
        clusters: (N,) what each is no independent observation from; None of those that are.
        min_rows: with fewer, a number is undetermined.
        evaluation: how intervals are made.

    """

    family: str
    groups: Sequence[str]
    clusters: Sequence[str | None]
    min_rows: int
    evaluation: EvaluationSettings

    def share(
        self, name: str, holds: NDArray[np.bool_], *, greater_is_better: bool = False
    ) -> Estimate:
        """The share of the texts that it holds of, (N,).

        Its interval is exact (Clopper and Pearson) where no text has a cluster, and by a bootstrap
        of clusters elsewhere.
        """
        return self._share(name, holds, np.arange(len(holds)), greater_is_better)

    def by_group(
        self, name: str, holds: NDArray[np.bool_], *, greater_is_better: bool = False
    ) -> tuple[Estimate, ...]:
        """The same of each group, ``NAME.GROUP``; nothing of fewer than two groups."""
        return tuple(
            self._share(f"{name}.{group}", holds, self._places(group), greater_is_better)
            for group in self._named()
        )

    def gap(self, name: str, holds: NDArray[np.bool_]) -> Estimate | None:
        """The largest difference of two groups, those left out that have too few texts.

        Returns:
            None of fewer than two groups.

        """
        if not (named := self._named()):
            return None
        kept = [one for one in named if len(self._places(one)) >= self.min_rows]
        full = f"{self.family}.{name}"
        if len(kept) < _LEAST_GROUPS:
            reason = (
                f"{len(kept)} of {len(named)} groups have probes.{self.family}.min_rows "
                f"({self.min_rows}) texts, and it takes two"
            )
            return undetermined(full, len(holds), reason)
        groups = np.asarray(self.groups, dtype=object)
        places = np.flatnonzero(np.isin(groups, kept))
        membership = np.stack([groups[places] == one for one in kept], axis=1).astype(np.bool_)
        units = self._units(places)
        if units.clustered and int(clusters_of_groups(units, membership).min()) < MIN_CLUSTERS:
            reason = f"a group has fewer than {MIN_CLUSTERS} clusters"
            return undetermined(full, len(places), reason)
        return self._largest(full, tuple(kept), membership, holds[places], units)

    def _largest(
        self,
        name: str,
        groups: tuple[str, ...],
        membership: NDArray[np.bool_],
        holds: NDArray[np.bool_],
        units: Units,
    ) -> Estimate:
        outcomes = collapse_outcomes(
            groups, membership, np.zeros(len(holds), np.int64), holds.astype(np.int64), 2, units
        )
        rate = selection_rate(outcomes, 1)
        draws = group_draws(
            rate, outcomes, self.evaluation.repeats, generator(self.evaluation.seed, name)
        )
        largest = LargestDifference()
        largest.add(GroupNumbers(group_values(rate, outcomes), draws, exact_ends(rate, outcomes)))
        return largest.estimate(name, len(holds))

    def _named(self) -> list[str]:
        named = sorted(set(self.groups) - {""})
        return named if len(named) >= _LEAST_GROUPS else []

    def _places(self, group: str) -> NDArray[np.int64]:
        return np.flatnonzero(np.asarray(self.groups, dtype=object) == group)

    def _units(self, places: NDArray[np.int64]) -> Units:
        return units_of_rows(
            [f"{place:07d}" for place in places], [self.clusters[place] for place in places],
            seed=self.evaluation.seed,
        )  # fmt: skip

    def _share(
        self,
        name: str,
        holds: NDArray[np.bool_],
        places: NDArray[np.int64],
        greater_is_better: bool,  # noqa: FBT001 - of public functions it is named
    ) -> Estimate:
        full = f"{self.family}.{name}"
        if len(places) < self.min_rows:
            reason = (
                f"it rests on {len(places):,} texts, fewer than probes.{self.family}.min_rows "
                f"({self.min_rows:,})"
            )
            return undetermined(full, len(places), reason)
        measure = mean_of(
            name, holds[places].astype(np.float64), greater_is_better=greater_is_better
        )
        repeats, seed = self.evaluation.repeats, self.evaluation.seed
        return level(full, measure, self._units(places), repeats, seed)
