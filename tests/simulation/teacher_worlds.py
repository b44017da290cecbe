"""Worlds of a student beside its teacher: answers that are the same or not, and timings."""

from typing import Final

import numpy as np
import pyarrow as pa

from tasks.evaluation.agreement_and_cost import agreement
from tasks.evaluation.comparison import Comparator
from tasks.evaluation.settings import EvaluationSettings
from tasks.evaluation.timing import estimate_of_ratios
from tasks.task_types.answer_columns import ANSWER
from tasks.task_types.rows import CLUSTER
from tasks.verdicts import Estimate
from tests.simulation.quality_worlds import REPEATS
from tests.simulation.scenarios import Random, Scenario

AGREEMENT: Final = "teacher.agreement"
SPEED_UP: Final = "teacher.speed_up"
SETTINGS: Final = EvaluationSettings(repeats=REPEATS)


def _agreement(same: np.ndarray, clusters: np.ndarray | None) -> list[Estimate]:
    rows = {"row_id": [f"{row:06d}" for row in range(len(same))]}
    if clusters is not None:
        rows[CLUSTER] = [f"author {one}" for one in clusters]
    answers = [pa.table({ANSWER: ['{"label": "a"}'] * len(same)})]
    answers.append(pa.table({ANSWER: [f'{{"label": "{"a" if one else "b"}"}}' for one in same]}))
    return [agreement(Comparator("teacher", answers[0]), pa.table(rows), answers[1], SETTINGS)]


def agreeing(rows: int, share: float) -> Scenario:
    """Rows of their own, on which both say the same with one chance."""

    def drawn(random: Random) -> list[Estimate]:
        return _agreement(random.random(rows) < share, None)

    return Scenario(f"teacher: {share:g} alike of {rows} rows", {AGREEMENT: share}, drawn)


def agreeing_by_author(authors: int, rows: int, share: float, alike: float) -> Scenario:
    """Authors of so many rows each, with a correlation between the rows of one."""
    mass = 1 / alike - 1

    def drawn(random: Random) -> list[Estimate]:
        chances = random.beta(share * mass, (1 - share) * mass, authors)
        clusters = np.repeat(np.arange(authors), rows)
        return _agreement(random.random(len(clusters)) < chances[clusters], clusters)

    name = f"teacher: {share:g} alike of {authors} authors of {rows}"
    return Scenario(name, {AGREEMENT: share}, drawn)


def timed(rounds: int, times: float, noise: float) -> Scenario:
    """Paired timings whose ratio has noise of this standard deviation on its logarithm."""

    def drawn(random: Random) -> list[Estimate]:
        ratios = times * np.exp(noise * random.standard_normal(rounds))
        return [estimate_of_ratios(SPEED_UP, ratios.tolist())]

    return Scenario(f"teacher: {rounds} timings, {times:g} times", {SPEED_UP: times}, drawn)


TEACHER: Final = (
    agreeing(209, 0.95),
    agreeing_by_author(40, 8, 0.9, 0.3),
    timed(7, 1.8, 0.1),
    timed(15, 3.0, 0.3),
)
