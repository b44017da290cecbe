"""Worlds of recipes: models that differ by their seed, tested on the same rows."""

import numpy as np
from scipy.special import ndtr, ndtri

from tasks.evaluation.recipe import recipe_metric
from tasks.resampling import estimate_of_proportion
from tasks.verdicts import Estimate
from tests.simulation.scenarios import Random, Scenario


def recipe(seeds: int, rows: int, deviation: float) -> Scenario:
    """Models whose accuracy is 0.9 on average, and rows that are hard or easy for all of them.

    A row is told rightly where the sum of what all models share, of what the model has by its seed
    and of what it has on this row alone lies below a level.

    Args:
        seeds: trainings.
        rows: of the test split.
        deviation: between seeds, of a normal variable; half of the rest is shared by the models.

    """

    def drawn(random: Random) -> list[Estimate]:
        shared = random.normal(0, np.sqrt(0.5), rows)
        estimates = []
        for _ in range(seeds):
            own = random.normal(0, np.sqrt(0.5), rows) + random.normal(0, deviation)
            hits = int((shared + own < ndtri(0.9)).sum())
            estimates.append(estimate_of_proportion("quality.accuracy", hits, rows))
        return [recipe_metric("accuracy", estimates).estimate]

    truth = float(ndtr(ndtri(0.9) / np.sqrt(1 + deviation**2)))
    name = f"{seeds} seeds that differ by {deviation:g}, {rows} rows"
    return Scenario(name, {"recipe.accuracy": truth}, drawn)


RECIPES = (
    recipe(2, 600, 0.1),
    recipe(3, 600, 0.0),
    recipe(3, 600, 0.1),
    recipe(5, 600, 0.1),
    recipe(5, 200, 0.3),
    recipe(10, 2_000, 0.1),
)
