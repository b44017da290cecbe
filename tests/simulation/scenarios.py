"""What is simulated: each scenario draws test rows from a known world, and has them measured.

The estimates are made by the product's own functions, with as many bootstrap repeats as a run
takes at least. A gate at the truth itself is passed falsely where its interval lies wholly beyond
it: below it for `at_most`, above it for `at_least`. That is counted at 95%, and at the levels of
looks at the same rows, on which Holm's correction rests as well: three gates of a family at the
first look are judged as one gate at the second.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.stats import binom, norm

from tasks.verdicts import Estimate, ends_at, look_share

Random = np.random.Generator

# Where 2.5% are promised; of a level that is divided by k, a k-th part of it.
MAX_FALSE_PASSES = 0.03
# So rarely chance alone exceeds the limit; of a later look more rarely, as few false passes are
# expected there, and there are many such numbers.
CHANCE = float(norm.sf(2))
CHANCE_AT_LOOKS = float(norm.sf(3))
# Looks at the same rows since a pass; the last one is judged beyond the ladder.
LOOKS = (1, 2, 3, 5)


@dataclass(frozen=True)
class Scenario:
    """A world, and what is measured of rows drawn from it.

    Attributes:
        name: of the world.
        truths: what each estimate should come to, by the estimate's name.
        estimates: from a source of randomness to the estimates of one draw of test rows.
        untold: of the truths, those of which so few rows may tell nothing.

    """

    name: str
    truths: Mapping[str, float]
    estimates: Callable[[Random], Iterable[Estimate]]
    untold: frozenset[str] = frozenset()


@dataclass
class Misses:
    """Of the intervals at the level of one look: how many are told, and lie off the truth."""

    told: int = 0
    too_high: int = 0
    too_low: int = 0

    def add(self, ends: tuple[float, float] | None, truth: float) -> None:
        """Count one draw."""
        if ends is None:
            return
        self.told += 1
        self.too_high += ends[0] > truth + 1e-12
        self.too_low += ends[1] < truth - 1e-12

    def plus(self, other: "Misses") -> "Misses":
        """Both together."""
        return Misses(
            self.told + other.told,
            self.too_high + other.too_high,
            self.too_low + other.too_low,
        )


@dataclass
class Tally:
    """How one estimate of a scenario fared.

    Attributes:
        trials: draws of test rows.
        undetermined: draws in which it was not told.
        too_high: draws whose interval lies wholly above the truth: `at_least` passes falsely.
        too_low: draws whose interval lies wholly below the truth: `at_most` passes falsely.
        width: of the intervals, summed.
        at_looks: the same at the level of each look of `LOOKS`.

    """

    trials: int = 0
    undetermined: int = 0
    too_high: int = 0
    too_low: int = 0
    width: float = 0.0
    at_looks: dict[int, Misses] = field(default_factory=dict)

    def add(self, estimate: Estimate, truth: float) -> None:
        """Count one draw."""
        self.trials += 1
        if estimate.value is None:
            self.undetermined += 1
            return
        low, high = estimate.ladder[0]
        self.too_high += low > truth + 1e-12
        self.too_low += high < truth - 1e-12
        self.width += high - low
        for look in LOOKS:
            ends = ends_at(estimate.ladder, look_share(look))
            self.at_looks.setdefault(look, Misses()).add(ends, truth)

    def plus(self, other: "Tally") -> "Tally":
        """Both together."""
        looks = self.at_looks.keys() | other.at_looks.keys()
        return Tally(
            self.trials + other.trials,
            self.undetermined + other.undetermined,
            self.too_high + other.too_high,
            self.too_low + other.too_low,
            self.width + other.width,
            {
                look: self.at_looks.get(look, Misses()).plus(other.at_looks.get(look, Misses()))
                for look in sorted(looks)
            },
        )

    @property
    def worst_share(self) -> float:
        """The larger share of false passes of a gate on either side."""
        return max(self.too_high, self.too_low) / self.trials if self.trials else 0.0

    def worst_at(self, look: int) -> float | None:
        """The same at a look; None where no interval is made for its level."""
        found = self.at_looks.get(look)
        if found is None or not found.told:
            return None
        return max(found.too_high, found.too_low) / self.trials


def exceeds(tally: Tally) -> bool:
    """Whether more false passes were seen than the limit lets expect, at any level."""
    worst = max(tally.too_high, tally.too_low)
    return _too_many(worst, tally.trials, MAX_FALSE_PASSES, CHANCE) or any(
        _too_many(
            max(misses.too_high, misses.too_low),
            tally.trials,
            MAX_FALSE_PASSES / look_share(look),
            CHANCE_AT_LOOKS,
        )
        for look, misses in tally.at_looks.items()
    )


def _too_many(seen: int, trials: int, limit: float, chance: float) -> bool:
    """Whether so many of the trials, or more, are rarer than by chance where the limit is kept."""
    return bool(binom.sf(seen - 1, trials, limit) < chance)


def is_silent(scenario: Scenario, name: str, tally: Tally) -> bool:
    """Whether no draw tells what the world's rows should tell."""
    return name not in scenario.untold and tally.undetermined == tally.trials


def run(scenario: Scenario, trials: int, seed: int) -> dict[str, Tally]:
    """Tallies by estimate.

    Raises:
        ValueError: the world makes no estimate of a name whose truth it gives, or two of one name,
            so that nothing would be said of it, or too much.

    """
    tallies = {name: Tally() for name in scenario.truths}
    for trial in range(trials):
        random = np.random.default_rng([seed, trial])
        for estimate in scenario.estimates(random):
            if estimate.name in tallies:
                tallies[estimate.name].add(estimate, scenario.truths[estimate.name])
    if wrong := [name for name, tally in tallies.items() if tally.trials != trials]:
        raise ValueError(f"{scenario.name}: {wrong} are not estimated once in each draw")
    return tallies
