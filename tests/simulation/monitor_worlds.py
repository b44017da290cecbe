"""Years of windows without drift, all held against one reference: how many have an alarm?

The bound on false alarms asks for windows that are independent of one another, and all windows of a
version share its reference: where that is an odd draw, every window looks odd. What keeps the
promise is that a check must not only be significant but also lie wholly beyond its limit. So both
are counted: years with an alarm by the rule, and by the p-values alone. And how soon drift is seen:
windows until the alarm where the answers really differ by twice the limit.

The answers are counted and judged by the functions of a run. Prints one JSON object last:
``python -m tests.simulation.monitor_worlds --years N``; the exit code is 1 where more years have an
alarm than alpha allows, as far as so many can tell.
"""

import argparse
import json
import sys
from collections import Counter, deque
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta, binomtest

from tasks.drift.measurement import judge_checks
from tasks.monitoring.answers import CONFIDENCE_STEPS, AnswerCounts
from tasks.monitoring.predictions import CONFIDENCE, LABEL_SHARES, measure_predictions
from tasks.monitoring.settings import MonitorSettings
from tasks.verdicts import Estimate, Verdict
from tests.simulation.drift_worlds import as_estimate, divergence
from tests.simulation.scenarios import Random, Scenario

DAYS = 365
# An alarm is one check in k of the last n; of days, to have many years.
SETTINGS = MonitorSettings(window_hours=24, false_alarms_a_year=0.05)
SHARES = (0.4, 0.3, 0.2, 0.1)
# Beyond the limits by twice: labels by a Jensen-Shannon distance of 0.2.
SHIFTED = (0.2, 0.3, 0.2, 0.3)

# Parameters of the beta distribution of confidence, and of a less confident model's.
SURE, LESS_SURE = (6.0, 1.5), (5.0, 1.8)


@dataclass(frozen=True)
class MonitorWorld:
    """So many held-out rows, and so many answers a window."""

    held_out: int
    window: int

    @property
    def name(self) -> str:
        """In words."""
        return f"{self.held_out} held-out rows, {self.window} answers a window"


WORLDS = (
    MonitorWorld(200, 200),
    MonitorWorld(425, 5_000),
    MonitorWorld(2_000, 2_000),
    MonitorWorld(2_000, 200),
)


def answers(
    random: Random,
    rows: int,
    shares: tuple[float, ...] = SHARES,
    confidence: tuple[float, float] = SURE,
) -> AnswerCounts:
    """Labels of these shares, and confidence of this beta distribution."""
    counts = AnswerCounts(1, rows=rows, label_rows=rows)
    drawn = random.multinomial(rows, shares)
    counts.labels = Counter({f"label {at}": int(n) for at, n in enumerate(drawn) if n})
    steps = np.rint(random.beta(*confidence, rows) * CONFIDENCE_STEPS).astype(int)
    counts.confidences = Counter(steps.tolist())
    return counts


def unlike(held_out: int, window: int) -> Scenario:
    """A window whose labels and confidence are truly unlike those of the evaluation."""

    def drawn(random: Random) -> list[Estimate]:
        before, now = answers(random, held_out), answers(random, window, SHIFTED, LESS_SURE)
        return [as_estimate(one) for one in measure_predictions(before, now, SETTINGS)]

    edges = (np.arange(CONFIDENCE_STEPS) + 0.5) / CONFIDENCE_STEPS
    truths = {
        LABEL_SHARES: divergence(np.array([SHARES, SHIFTED])),
        CONFIDENCE: float(np.abs(beta.cdf(edges, *SURE) - beta.cdf(edges, *LESS_SURE)).max()),
    }
    return Scenario(f"answers: {held_out} held out, {window} in a window", truths, drawn)


UNLIKE = (unlike(425, 2_000), unlike(2_000, 200))


def failing(before: AnswerCounts, now: AnswerCounts) -> tuple[set[str], set[str]]:
    """Checks that fail, and those whose p-value alone lies below the level."""
    level = SETTINGS.level()
    judged = [judge_checks((m,), level)[0] for m in measure_predictions(before, now, SETTINGS)]
    failed = {one.name for one in judged if one.verdict is Verdict.FAIL}
    return failed, {one.name for one in judged if (one.p_value or 1.0) < level}


def year(random: Random, world: MonitorWorld) -> tuple[bool, bool]:
    """Whether a year has an alarm by the rule, and whether by p-values alone."""
    before = answers(random, world.held_out)
    ways: list[deque[set[str]]] = [deque(maxlen=SETTINGS.n), deque(maxlen=SETTINGS.n)]
    alarms = [False, False]
    for _ in range(DAYS):
        for way, found in enumerate(failing(before, answers(random, world.window))):
            ways[way].append(found)
            counted = Counter(name for one in ways[way] for name in one)
            alarms[way] |= any(times >= SETTINGS.k for times in counted.values())
    return alarms[0], alarms[1]


def windows_until_alarm(random: Random, world: MonitorWorld, most: int = 50) -> int:
    """Windows of other shares until the rule raises an alarm; `most` where it does not."""
    before = answers(random, world.held_out)
    last: deque[bool] = deque(maxlen=SETTINGS.n)
    for number in range(1, most + 1):
        last.append(bool(failing(before, answers(random, world.window, SHIFTED))[0]))
        if sum(last) >= SETTINGS.k:
            return number
    return most


def main() -> int:
    """Run all worlds."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.monitor_worlds")
    parser.add_argument("--years", type=int, default=100, help="years of each world")
    years = parser.parse_args().years
    found, failed = {}, 0
    for world in WORLDS:
        random = np.random.default_rng([world.held_out, world.window])
        told = [year(random, world) for _ in range(years)]
        by_rule, by_p = (sum(alarm) for alarm in zip(*told, strict=True))
        alpha = SETTINGS.false_alarms_a_year
        failed += binomtest(by_rule, years, alpha, alternative="greater").pvalue < 0.01
        waited = [windows_until_alarm(random, world) for _ in range(20)]
        found[world.name] = {
            "years_with_alarm": by_rule / years,
            "by_p_values_alone": by_p / years,
            "windows_until_seen": float(np.median(waited)),
        }
        print(world.name, found[world.name], flush=True)
    print(json.dumps({"years": years, "level": SETTINGS.level(), "failed": int(failed), **found}))
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
