"""Worlds of a known population: test rows are drawn from it, and its own numbers are the truth.

So a metric that no formula gives the expectation of (BLEU, the average precision, Spearman's
correlation) has a truth all the same: the metric of all rows of the population. Rows, or whole
clusters of rows, are drawn from it with replacement.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from tasks.evaluation.comparison import Comparator, compare
from tasks.evaluation.intervals import levels
from tasks.evaluation.settings import EvaluationSettings
from tasks.resampling import Ints
from tasks.resampling_units import Units
from tasks.task_types.measures import Measured
from tasks.verdicts import Estimate
from tests.simulation.quality_worlds import REPEATS, in_clusters, rows_one_by_one
from tests.simulation.scenarios import Random, Scenario

SETTINGS = EvaluationSettings(repeats=REPEATS)


@dataclass(frozen=True)
class Population:
    """All rows that there are.

    Attributes:
        size: how many rows; those of a cluster stand together.
        candidate: from the places of rows (N,), each maybe several times, to what is measured of
            the candidate's answers to them.
        champion: likewise; None where there is none.

    """

    size: int
    candidate: Callable[[Ints], Measured]
    champion: Callable[[Ints], Measured] | None = None


class Truths(Mapping[str, float]):
    """What estimates come to over the whole population, which is made when it is first asked."""

    def __init__(self, names: tuple[str, ...], population: Callable[[], Population]) -> None:
        self._names, self._population = names, population

    def __getitem__(self, name: str) -> float:
        if name not in self._names:
            raise KeyError(name)
        return _values_of(self._population)[name]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@cache
def _values_of(population: Callable[[], Population]) -> dict[str, float]:
    made = population()
    everyone = np.arange(made.size)
    ours = {one.name: one for one in made.candidate(everyone).measures}
    found = {f"quality.{name}": one.value for name, one in ours.items()}
    if made.champion is None:
        return found
    for theirs in made.champion(everyone).measures:
        one = ours[theirs.name]
        apart = one.value - theirs.value
        found[f"champion.{theirs.name}"] = theirs.value
        found[f"champion.{theirs.name}_gain"] = apart if one.greater_is_better else -apart
        found[f"champion.{theirs.name}_ratio"] = one.value / theirs.value
    return found


def drawn_from(
    name: str,
    population: Callable[[], Population],
    estimates: tuple[str, ...],
    draws: int,
    per_cluster: int = 0,
) -> Scenario:
    """Rows or clusters of a population, measured and compared as an evaluation does it.

    Args:
        name: of the world.
        population: made once.
        estimates: names of those whose truth is told.
        draws: rows, or clusters.
        per_cluster: rows of each cluster; 0 to draw rows one by one.

    """

    def drawn(random: Random) -> list[Estimate]:
        made = population()
        chosen, units = _choose(random, made.size, draws, per_cluster)
        measured = made.candidate(chosen)
        found = levels([("quality", one) for one in measured.measures], units, REPEATS, 0)
        if made.champion is None:
            return found
        champion = Comparator("champion", measured=made.champion(chosen))
        return [*found, *compare(measured, [champion], units, SETTINGS)[0]]

    return Scenario(name, Truths(estimates, population), drawn)


def _choose(random: Random, size: int, draws: int, per_cluster: int) -> tuple[Ints, Units]:
    """Places of rows (N,) and how they are drawn; a cluster that is drawn twice is two clusters."""
    if not per_cluster:
        return random.integers(0, size, draws), rows_one_by_one(draws)
    first = random.integers(0, size // per_cluster, draws) * per_cluster
    chosen = (first[:, None] + np.arange(per_cluster)).reshape(-1)
    return chosen, in_clusters(np.repeat(np.arange(draws), per_cluster))
