"""Worlds of pairs of entities: relations in two directions, and pairs that bear none."""

from typing import Final

import numpy as np

from tasks.resampling import Floats
from tasks.task_types.relations.relation_labels import NO_RELATION, relation_of
from tasks.task_types.relations.relation_measures import relation_measures
from tasks.verdicts import Estimate
from tests.simulation.quality_worlds import quality, rows_one_by_one
from tests.simulation.scenarios import Random, Scenario

LABELS: Final = ("Cause(e1,e2)", "Cause(e2,e1)", "Part(e1,e2)", "Part(e2,e1)", NO_RELATION)
SHARES: Final = (0.2, 0.1, 0.15, 0.15, 0.4)
TOLD: Final = ("micro_f1", "macro_f1")


def pairs(rows: int, right: float) -> Scenario:
    """Pairs of these labels, each told rightly with one chance; misses fall on all others alike."""
    size = len(LABELS)
    told = np.where(np.eye(size, dtype=bool), right, (1 - right) / (size - 1))
    chances = np.array(SHARES)[:, None] * told  # (true, predicted)

    def drawn(random: Random) -> list[Estimate]:
        cell = random.choice(size * size, rows, p=chances.ravel()).astype(np.int64)
        measured = relation_measures(*np.divmod(cell, size), LABELS)
        return quality([one for one in measured if one.name in TOLD], rows_one_by_one(rows))

    return Scenario(f"relations: {rows} pairs, {right:g} right", _truths(chances), drawn)


def _truths(chances: Floats) -> dict[str, float]:
    hits, true, called = np.diag(chances), chances.sum(axis=1), chances.sum(axis=0)
    relations = [relation_of(label) for label in LABELS[:-1]]
    of_each = [
        2 * hits[of].sum() / (true[of] + called[of]).sum()
        for name in sorted(set(relations))
        for of in [np.array([one == name for one in relations] + [False])]
    ]
    return {
        "quality.micro_f1": float(2 * hits[:-1].sum() / (true[:-1] + called[:-1]).sum()),
        "quality.macro_f1": float(np.mean(of_each)),
    }


RELATIONS: Final = (pairs(200, 0.8), pairs(600, 0.9))
