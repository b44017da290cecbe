"""Worlds of rows that were learned and rows that were not, and of canaries, with known truths."""

from typing import Final

import numpy as np
from scipy.stats import norm

from tasks.evaluation.settings import EvaluationSettings
from tasks.probes.memory.attacks import Scored, judge_attack
from tasks.probes.memory.exposure import EXPOSURE, mean_estimate
from tasks.probes.memory.settings import FALSE_POSITIVES, FAMILY
from tasks.records.memory import LOSS
from tasks.verdicts import Estimate
from tests.simulation.quality_worlds import REPEATS
from tests.simulation.scenarios import Random, Scenario

SETTINGS: Final = EvaluationSettings(repeats=REPEATS)
LEAST: Final = 30
# Secrets that each canary is ranked among.
ALTERNATIVES: Final = 200


def membership(rows: int, apart: float) -> Scenario:
    """Scores of either side that are normal with one spread.

    Args:
        rows: of a side.
        apart: by how many standard deviations those that were learned lie higher.

    """
    ids = [f"{row:06d}" for row in range(2 * rows)]

    def drawn(random: Random) -> list[Estimate]:
        sides = random.normal(apart, 1, rows), random.normal(0, 1, rows)
        found = judge_attack(LOSS, Scored(*sides, ids), LEAST, SETTINGS)
        return [found.auc, found.tpr]

    truths = {
        f"{FAMILY}.membership_auc": float(norm.cdf(apart / np.sqrt(2))),
        f"{FAMILY}.tpr_at_1_fpr": float(norm.cdf(apart - norm.ppf(1 - FALSE_POSITIVES))),
    }
    return Scenario(f"membership: {rows} rows of a side, {apart:g} apart", truths, drawn)


def canaries(count: int, learned: float) -> Scenario:
    """Canaries of which some are the likeliest of all, and others have any rank.

    Args:
        count: how many.
        learned: chance that one was learned.

    """
    bits = np.log2(ALTERNATIVES + 1) - np.log2(np.arange(ALTERNATIVES + 1) + 1)

    def drawn(random: Random) -> list[Estimate]:
        ranks = random.integers(0, ALTERNATIVES + 1, count)
        ranks[random.random(count) < learned] = 0
        return [mean_estimate(f"{FAMILY}.{EXPOSURE}", bits[ranks], float(bits[0]), SETTINGS)]

    truth = learned * float(bits[0]) + (1 - learned) * float(bits.mean())
    return Scenario(
        f"canaries: {count}, {learned:g} learned", {f"{FAMILY}.{EXPOSURE}": truth}, drawn
    )


MEMORY: Final = (
    membership(100, 0.0),
    membership(300, 0.3),
    membership(1_000, 0.8),
    canaries(20, 0.0),
    canaries(20, 0.3),
    canaries(60, 0.1),
)
