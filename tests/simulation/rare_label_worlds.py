"""Worlds with labels of few test rows: may averages over labels, and the labels' own, be judged?"""

import numpy as np

from tasks.evaluation.label_rows import with_enough_label_rows
from tasks.evaluation.settings import EvaluationSettings
from tasks.task_types.labels.confusion import label_measures, overall_measures
from tasks.task_types.measures import Measured
from tasks.verdicts import Estimate
from tests.simulation.quality_worlds import quality, rows_one_by_one
from tests.simulation.scenarios import Random, Scenario

OVERALL = ("macro_f1", "macro_precision", "balanced_accuracy")
# Chance that a row of a frequent label is told rightly.
RIGHT = 0.95
# Test rows of a label that a run asks for.
LEAST = EvaluationSettings().min_label_rows


def rare_labels(rare: int, frequent: int, rows_each: float, right: float, rows: int) -> Scenario:
    """Some labels of few expected test rows beside frequent ones; misses fall on all others alike.

    Args:
        rare: labels.
        frequent: labels.
        rows_each: expected test rows of a rare label.
        right: chance that a row of a rare label is told rightly.
        rows: test rows.

    """
    size = rare + frequent
    shares = np.array(
        [rows_each / rows] * rare + [(1 - rare * rows_each / rows) / frequent] * frequent
    )
    told = np.array([right] * rare + [RIGHT] * frequent)
    chances = shares[:, None] * np.where(
        np.eye(size, dtype=bool), told[:, None], ((1 - told) / (size - 1))[:, None]
    )  # (true, predicted)
    names = [f"label {place}" for place in range(size)]

    def drawn(random: Random) -> list[Estimate]:
        cell = random.choice(size * size, rows, p=chances.ravel())
        truth, predicted = np.divmod(cell.astype(np.int64), size)
        wanted = {*OVERALL, "recall.label 0", "precision.label 0", "f1.label 0"}
        found = [
            *overall_measures(truth, predicted, names),
            *label_measures(truth, predicted, names),
        ]
        chosen = [one for one in found if one.name in wanted]
        measured = Measured(tuple(chosen), np.zeros(rows), ())
        kept = with_enough_label_rows(measured, LEAST).measures
        return quality(kept, rows_one_by_one(rows))

    hits, true, called = np.diag(chances), chances.sum(axis=1), chances.sum(axis=0)
    f1 = 2 * hits / (true + called)
    truths = {
        "quality.macro_f1": float(f1.mean()),
        "quality.macro_precision": float((hits / called).mean()),
        "quality.balanced_accuracy": float((hits / true).mean()),
        "quality.recall.label 0": float(hits[0] / true[0]),
        "quality.precision.label 0": float(hits[0] / called[0]),
        "quality.f1.label 0": float(f1[0]),
    }
    name = f"rare labels: {rare} of {rows_each:g} rows, told {right:g}, among {rows}"
    untold = frozenset(f"quality.{one}" for one in OVERALL) if rows_each <= LEAST else frozenset()
    return Scenario(name, truths, drawn, untold)


RARE_LABELS = tuple(
    rare_labels(rare, 2, rows_each, right, 600)
    for rare in (1, 4)
    for rows_each in (2, 5, 10, 20)
    for right in (0.8, 0.95)
)
