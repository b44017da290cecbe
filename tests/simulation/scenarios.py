"""What is simulated: each scenario draws test rows from a known world, and has them measured.

The estimates are made by the product's own functions, with as many bootstrap repeats as a run
takes at least. A gate at the truth itself is passed falsely where its interval lies wholly beyond
it: below it for `at_most`, above it for `at_least`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import sqrt

import numpy as np

from tasks.verdicts import Estimate

Random = np.random.Generator

MAX_FALSE_PASSES = 0.03
# Standard errors of a share that the limit is exceeded by before it counts.
STANDARD_ERRORS = 2


@dataclass(frozen=True)
class Scenario:
    """A world, and what is measured of rows drawn from it.

    Attributes:
        name: of the world.
        truths: what each estimate should come to, by the estimate's name.
        estimates: from a source of randomness to the estimates of one draw of test rows.

    """

    name: str
    truths: Mapping[str, float]
    estimates: Callable[[Random], Iterable[Estimate]]


@dataclass
class Tally:
    """How one estimate of a scenario fared.

    Attributes:
        trials: draws of test rows.
        undetermined: draws in which it was not told.
        too_high: draws whose interval lies wholly above the truth: `at_least` passes falsely.
        too_low: draws whose interval lies wholly below the truth: `at_most` passes falsely.
        width: of the intervals, summed.

    """

    trials: int = 0
    undetermined: int = 0
    too_high: int = 0
    too_low: int = 0
    width: float = 0.0

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

    def plus(self, other: "Tally") -> "Tally":
        """Both together."""
        return Tally(*(one + two for one, two in zip(vars(self).values(), vars(other).values())))  # noqa: B905 - the same fields

    @property
    def worst_share(self) -> float:
        """The larger share of false passes of a gate on either side."""
        return max(self.too_high, self.too_low) / self.trials if self.trials else 0.0


def exceeds(tally: Tally) -> bool:
    """Whether more false passes were seen than the limit lets expect."""
    noise = sqrt(MAX_FALSE_PASSES * (1 - MAX_FALSE_PASSES) / max(1, tally.trials))
    return tally.worst_share > MAX_FALSE_PASSES + STANDARD_ERRORS * noise


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
