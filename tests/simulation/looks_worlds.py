"""Years of weekly candidates on one test split: in how many does a false one pass, and who else?

Models of one line err on the same rows: each row has a chance of its own to be told rightly, drawn
from a Beta distribution, and champion and candidates are draws of it. So some rows are in doubt for
all of them, and all candidates of a year meet the same champion with the same luck. The champion
stays. Gains are measured by the functions of a run and judged by its gate, each at 95% or as the
look asks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.evaluation.intervals import draw, gain_of
from tasks.resampling import Ints
from tasks.task_types.labels.confusion import overall_measures
from tasks.task_types.measures import Measure
from tasks.verdicts import Estimate, Gate, Verdict, judge, look_share
from tests.simulation.quality_worlds import rows_one_by_one
from tests.simulation.scenarios import Random

WEEKS = 52
MARGIN = 0.02
REPEATS = 4_000
METRIC = "accuracy"
GATE = Gate(metric=f"champion.{METRIC}_gain", at_least=-MARGIN)
LABELS = ["a", "b", "c", "d"]
RIGHT = 0.95
# How unlike rows are: chances of Beta(a, b) with a + b = ALIKE. Two models of mean 0.95 then
# disagree on 4% of the rows, as two trainings of `bbc-news` do.
ALIKE = 0.67


@dataclass(frozen=True)
class Year:
    """A world of weekly candidates.

    Attributes:
        name: of the world.
        rows: of the test split.
        gains: in accuracy that each week's candidate truly has over the champion.

    """

    name: str
    rows: int
    gains: Sequence[float]

    @property
    def false_weeks(self) -> list[bool]:
        """The weeks whose candidate should not pass: those that are worse by the margin."""
        return [gain <= -MARGIN for gain in self.gains]


@dataclass
class YearTally:
    """How the years of a world went, by one way to judge.

    Attributes:
        years: that were drawn.
        false: years in which a candidate passed that is worse by the margin.
        good: years in which a better one passed.
        passes: candidates that passed, over all years.
        first_good: years in which the first of the better ones passed at once.

    """

    years: int = 0
    false: int = 0
    good: int = 0
    passes: int = 0
    first_good: int = 0

    def add(self, year: Year, passed: Sequence[bool]) -> None:
        """Count one year."""
        false = year.false_weeks
        good = [one for one, worse in zip(passed, false, strict=True) if not worse]
        self.years += 1
        self.false += any(one and worse for one, worse in zip(passed, false, strict=True))
        self.good += any(good)
        self.passes += sum(passed)
        self.first_good += bool(good and good[0])

    def plus(self, other: "YearTally") -> "YearTally":
        """Both together."""
        return YearTally(**{name: mine + vars(other)[name] for name, mine in vars(self).items()})


def candidates(year: Year, random: Random) -> list[Estimate]:
    """The gain of each week's candidate over the champion, on the same rows."""
    truth = random.integers(0, len(LABELS), year.rows)
    chance = random.beta(ALIKE * RIGHT, ALIKE * (1 - RIGHT), year.rows)
    champion = _accuracy(truth, random.random(year.rows) < chance)
    made = []
    for gain in year.gains:
        moved = chance * (1 + gain / RIGHT) if gain < 0 else chance + (1 - chance) * _share(gain)
        ours = _accuracy(truth, random.random(year.rows) < moved)
        quantity = gain_of("champion", ours, champion, rows_one_by_one(year.rows))
        made.append(draw([quantity], REPEATS, 0)[0].estimate)
    return made


def _share(gain: float) -> float:
    """Of what the champion tells wrongly, the share that such a candidate tells rightly."""
    return gain / (1 - RIGHT)


def _accuracy(truth: Ints, right: NDArray[np.bool_]) -> Measure:
    predicted = np.where(right, truth, (truth + 1) % len(LABELS))
    (accuracy,) = (one for one in overall_measures(truth, predicted, LABELS) if one.name == METRIC)
    return accuracy


def judged(estimates: Sequence[Estimate], level: Callable[[int], int]) -> list[bool]:
    """Which candidates pass, where the j-th look since a pass is judged at ALPHA / level(j)."""
    passed, since = [], 1
    for estimate in estimates:
        (result,) = judge([GATE], [estimate], level(since))
        passed.append(result.verdict is Verdict.PASS)
        since = 1 if passed[-1] else since + 1
    return passed


# Each look as if it were the first, and as the looks since a pass ask it.
LEVELS: dict[str, Callable[[int], int]] = {"at 95% each": lambda _: 1, "by looks": look_share}


def run_years(year: Year, years: range) -> dict[str, YearTally]:
    """How so many years go, by the way to judge."""
    tallies = {name: YearTally() for name in LEVELS}
    for number in years:
        estimates = candidates(year, np.random.default_rng([7, number]))
        for name, level in LEVELS.items():
            tallies[name].add(year, judged(estimates, level))
    return tallies


WORSE, EQUAL, BETTER = -MARGIN, 0.0, 0.01
YEARS = (
    Year("looks: each worse by the margin, 625 rows", 625, [WORSE] * WEEKS),
    Year("looks: each worse by the margin, 5,000 rows", 5_000, [WORSE] * WEEKS),
    Year("looks: each as good, 625 rows", 625, [EQUAL] * WEEKS),
    Year("looks: each better by 0.01, 625 rows", 625, [BETTER] * WEEKS),
    Year("looks: ten worse ones, then better, 625 rows", 625, [WORSE] * 10 + [BETTER] * 42),
    Year("looks: ten worse ones, then better, 2,500 rows", 2_500, [WORSE] * 10 + [BETTER] * 42),
)
