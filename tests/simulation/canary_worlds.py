"""Canaries of known truth, looked at after every 50 requests up to 20,000.

How often is a candidate that is as good as the version in production ever stopped, and how often
is one exactly at the limit stopped, or passed? Each is counted at a level of 2.5% of one end of one
gate, so that few enough draws tell. Then, at the level that the settings give each end of a canary
of three steps: requests until one is stopped that is beyond the limit by twice or five times, and
until an equal one passes.

The sums are judged by the functions of a run. Prints one JSON object last:
``python -m tests.simulation.canary_worlds --trials N``; the exit code is 1 where more are stopped
or passed than the level allows, as far as so many can tell. ``--widths`` prints instead how wide
the sequences are beside others.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.stats import binom

from tasks.canary.gates import limits_of
from tasks.canary.sequential import BETS, Compared, Difference, Floats, Mean, PairedDifference
from tasks.registry.canary_settings import CanarySettings
from tests.simulation.scenarios import CHANCE, Random
from tests.simulation.sequence_widths import print_widths

REQUESTS: Final = 20_000
EVERY: Final = 50
LEVEL: Final = 0.025
LOOKS: Final = np.arange(EVERY, REQUESTS + 1, EVERY)
TRIALS_OF_A_JOB: Final = 50
PROCESSES: Final = 2
HARMS: Final = (2, 5)


@dataclass(frozen=True)
class CanaryWorld:
    """Requests of a step, and what becomes of each.

    Attributes:
        rate: of failures of the version in production (of slow answers, of wrong ones).
        limit: by how much that of the candidate may be greater.
        share: of the requests that the candidate answers; 0: both answer all of them.
        rows: of a request; they fail together more than by chance.
        swing: by what share of itself the rate rises and falls over the step.
        labelled: share of the requests that are known of.

    """

    name: str
    rate: float
    limit: float
    share: float
    rows: int = 1
    swing: float = 0.0
    labelled: float = 1.0

    def draw(self, random: Random, increase: float) -> Compared:
        """One canary: what is compared at each look, where the candidate's rate is so much more."""
        moments = np.arange(REQUESTS) / REQUESTS
        rate = self.rate * (1 + self.swing * np.sin(6 * np.pi * moments))
        known = random.random(REQUESTS) < self.labelled
        if self.share == 0:
            return self._pairs(random, rate, increase, known)
        is_theirs = random.random(REQUESTS) < self.share
        failed = self._failed(random, rate + increase * is_theirs)
        sides = [
            Mean(_sums(failed * kept), _sums(kept.astype(np.float64)))
            for kept in (is_theirs & known, ~is_theirs & known)
        ]
        return Difference(*sides)

    def _failed(self, random: Random, rate: Floats) -> Floats:
        """The share of the rows of each request that fail."""
        if self.rows == 1:
            return (random.random(len(rate)) < rate).astype(np.float64)
        of_request = random.beta(0.5 * rate, 0.5 * (1 - rate))
        return random.binomial(self.rows, of_request) / self.rows

    def _pairs(
        self,
        random: Random,
        rate: Floats,
        increase: float,
        known: "np.ndarray[tuple[int], np.dtype[np.bool_]]",
    ) -> Compared:
        """Four of five failures are the request's own, and befall both versions."""
        common = 0.8 * rate
        both = random.random(REQUESTS) < common
        ours = both | (random.random(REQUESTS) < (rate - common) / (1 - common))
        theirs = both | (random.random(REQUESTS) < (rate + increase - common) / (1 - common))
        return PairedDifference(
            _sums(theirs & ~ours & known), _sums(ours & ~theirs & known), _sums(known)
        )


FAILURES, SLOW, QUALITY = 0.01, 0.05, 0.02
WORLDS: Final = (
    CanaryWorld("failures 0, a twentieth", 0.0, FAILURES, 0.05),
    CanaryWorld("failures 1%, a quarter", 0.01, FAILURES, 0.25),
    CanaryWorld("failures 1%, a half", 0.01, FAILURES, 0.5),
    CanaryWorld("failures 1%, a quarter, requests of 8 rows", 0.01, FAILURES, 0.25, rows=8),
    CanaryWorld("failures 1% that rise and fall, a quarter", 0.01, FAILURES, 0.25, swing=0.9),
    CanaryWorld("failures 1%, shadow", 0.01, FAILURES, 0.0),
    CanaryWorld("slow 5%, a twentieth", 0.05, SLOW, 0.05),
    CanaryWorld("slow 20% that rise and fall, a quarter", 0.2, SLOW, 0.25, swing=0.9),
    CanaryWorld("wrong 10%, a quarter, a third labelled", 0.1, QUALITY, 0.25, labelled=1 / 3),
    CanaryWorld("wrong 10%, shadow, a third labelled", 0.1, QUALITY, 0.0, labelled=1 / 3),
)


def _sums(observed: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> Floats:
    """Up to each look."""
    return np.asarray(observed, dtype=np.float64).cumsum()[LOOKS - 1]


def first_look(told: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> int:
    """Requests at the first look that tells; 0 where none does."""
    return int(LOOKS[told.argmax()]) if told.any() else 0


def decided(compared: Compared, limit: float, level: float) -> tuple[int, int]:
    """Requests until a canary is stopped, and until it passes; 0 where it is not.

    An end lies beyond the limit where the capital at the limit has grown enough.
    """
    value = np.nan_to_num(compared.value, nan=limit)
    above, below = np.flatnonzero(value > limit), np.flatnonzero(value <= limit)
    needed, told = -np.log(level), np.zeros((2, len(LOOKS)), dtype=bool)
    above = above[_may_have_grown(compared.at(above), limit, needed, 1)]
    told[0, above] = compared.at(above).log_above(np.full(len(above), limit)) >= needed
    below = below[_may_have_grown(compared.at(below), limit, needed, -1)]
    told[1, below] = compared.at(below).log_below(np.full(len(below), limit)) >= needed
    return first_look(told[0]), first_look(told[1])


def _may_have_grown(
    compared: Compared, limit: float, needed: float, sign: int
) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Whether some pairs of means leave it open, which takes a tenth of the time of all pairs."""
    if not isinstance(compared, Difference):
        return np.ones(len(compared.value), dtype=bool)
    first, second = compared.first, compared.second
    bets = first.bets(sign * BETS), second.bets(-sign * BETS)
    held = np.nan_to_num(second.value), np.nan_to_num(first.value) - limit
    tried = (
        np.clip(held[0] * (1 - part) + held[1] * part, 0, 1 - limit) for part in (0, 0.3, 0.7, 1)
    )
    logs = [bets[0].log_at(mean + limit) + bets[1].log_at(mean) for mean in tried]
    return np.asarray(np.min(logs, axis=0) >= needed)


def run_canaries(
    world: CanaryWorld, increase: float, level: float, seeds: range
) -> list[tuple[int, int]]:
    """What becomes of canaries of one truth."""
    found = []
    for seed in seeds:
        random = np.random.default_rng([round(1e6 * increase), seed])
        found.append(decided(world.draw(random, increase), world.limit, level))
    return found


def _job(asked: tuple[int, float, float, range]) -> list[tuple[int, int]]:
    place, increase, level, seeds = asked
    return run_canaries(WORLDS[place], increase, level, seeds)


def _many(
    pool: ProcessPoolExecutor, place: int, increase: float, level: float, trials: int
) -> tuple[list[int], list[int]]:
    """Requests until each of the canaries is stopped, and until it passes."""
    starts = range(0, trials, TRIALS_OF_A_JOB)
    jobs = [
        (place, increase, level, range(start, min(start + TRIALS_OF_A_JOB, trials)))
        for start in starts
    ]
    found = [one for part in pool.map(_job, jobs) for one in part]
    return [stopped for stopped, _ in found], [passed for _, passed in found]


def _share(requests: Sequence[int]) -> float:
    return sum(map(bool, requests)) / len(requests)


def _median(requests: Sequence[int]) -> int | None:
    """Of all canaries; None where half of them are not decided by the last look."""
    waited = np.median([one or np.inf for one in requests])
    return int(waited) if np.isfinite(waited) else None


def main() -> int:
    """Run all worlds."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.canary_worlds")
    parser.add_argument("--trials", type=int, default=1_000, help="canaries of each truth")
    parser.add_argument("--widths", action="store_true", help="print how wide the sequences are")
    asked = parser.parse_args()
    if asked.widths:
        print_widths()
        return 0
    level, few = limits_of(CanarySettings()).level, max(asked.trials // 5, 1)
    found, failed = {}, 0
    with ProcessPoolExecutor(PROCESSES) as pool:
        for place, world in enumerate(WORLDS):
            equal, _ = _many(pool, place, 0.0, LEVEL, asked.trials)
            stopped, passed = _many(pool, place, world.limit, LEVEL, asked.trials)
            wrong = {
                "equal_stopped": _share(equal),
                "at_limit_stopped": _share(stopped),
                "at_limit_passed": _share(passed),
            }
            most = binom.isf(CHANCE, asked.trials, LEVEL)
            failed += any(share * asked.trials > most for share in wrong.values())
            waits: dict[str, int | None] = {}
            for times in HARMS:
                harmed, _ = _many(pool, place, times * world.limit, level, few)
                waits[f"requests_until_{times}_times_the_limit_is_stopped"] = _median(harmed)
            _, fine = _many(pool, place, 0.0, level, few)
            waits["requests_until_equal_passes"] = _median(fine)
            found[world.name] = wrong | waits
            print(world.name, found[world.name], flush=True)
    print(json.dumps({"trials": asked.trials, "level": level, "failed": int(failed), **found}))
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
