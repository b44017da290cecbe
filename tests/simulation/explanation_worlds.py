"""Worlds of explained rows: what the probability of an answer falls by is known in the mean."""

from typing import Final

import numpy as np

from tasks.evaluation.settings import EvaluationSettings
from tasks.explanation.intervals import ExplainedRows
from tasks.verdicts import Estimate
from tests.simulation.quality_worlds import REPEATS
from tests.simulation.scenarios import Random, Scenario

SETTINGS: Final = EvaluationSettings(repeats=REPEATS)
NAME: Final = "explanation.occlusion.comprehensiveness_gain"


def falls(authors: int, rows: int, mean: float, alike: float = 0.0) -> Scenario:
    """Most rows fall by little and few by much, those of an author alike.

    Args:
        authors: that rows are of.
        rows: of each author; with 1, rows are drawn one by one.
        mean: of the falls.
        alike: correlation of the falls of an author's rows.

    """

    def drawn(random: Random) -> list[Estimate]:
        chance = np.full(authors, mean)
        if alike:
            mass = 1 / alike - 1
            chance = random.beta(mean * mass, (1 - mean) * mass, authors)
        author = np.repeat(np.arange(authors), rows)
        hit = random.random(len(author)) < chance[author]
        values = np.where(hit, random.uniform(0.5, 1.0, len(author)) / 0.75, 0.0)
        ids = [f"{row:06d}" for row in range(len(author))]
        clusters = [str(one) for one in author] if rows > 1 else None
        return [ExplainedRows(ids, clusters, SETTINGS).mean(NAME, values, (-2.0, 2.0))]

    size = f"{authors} authors of {rows}" if rows > 1 else f"{authors} rows"
    return Scenario(f"explanation: falls of {mean:g} over {size}", {NAME: mean}, drawn)


EXPLANATION: Final = (falls(150, 1, 0.2), falls(40, 5, 0.2, 0.3))
