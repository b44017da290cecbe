"""Worlds of behaviour suites: rows made of templates, some of which a model handles worse."""

import numpy as np

from tasks.evaluation.behaviour import pass_rates
from tasks.evaluation.settings import EvaluationSettings
from tasks.verdicts import Estimate
from tests.simulation.quality_worlds import REPEATS, in_clusters, rows_one_by_one
from tests.simulation.scenarios import Random, Scenario

SETTINGS = EvaluationSettings(repeats=REPEATS)
NAME = "behaviour.suite.negation.pass_rate"


def of_rows(rows: int, rate: float) -> Scenario:
    """Rows of their own, which pass with one chance; as many of another functionality."""

    def drawn(random: Random) -> list[Estimate]:
        passed = random.random(2 * rows) < rate
        members = {"negation": np.arange(2 * rows) < rows}
        found = pass_rates("behaviour.suite", members, passed, rows_one_by_one(2 * rows), SETTINGS)
        return list(found.values())

    return Scenario(f"suite of {rows} rows, {rate:g} pass", {NAME: rate}, drawn)


def of_templates(templates: int, rows: int, rate: float, alike: float) -> Scenario:
    """Rows made of templates; as many of another functionality.

    Args:
        templates: of the functionality.
        rows: of each template.
        rate: that passes, over all templates that might have been written.
        alike: correlation between rows of one template.

    """
    mass = 1 / alike - 1

    def drawn(random: Random) -> list[Estimate]:
        chances = random.beta(rate * mass, (1 - rate) * mass, 2 * templates)
        cluster = np.repeat(np.arange(2 * templates), rows)
        passed = random.random(len(cluster)) < chances[cluster]
        members = {"negation": cluster < templates}
        units = in_clusters(cluster)
        return list(pass_rates("behaviour.suite", members, passed, units, SETTINGS).values())

    name = f"suite of {templates} templates of {rows}, {rate:g} pass, alike by {alike:g}"
    return Scenario(name, {NAME: rate}, drawn)


BEHAVIOUR = (
    of_rows(30, 0.9),
    of_rows(100, 0.8),
    of_templates(10, 10, 0.8, 0.3),
    of_templates(20, 10, 0.8, 0.3),
    of_templates(20, 10, 0.9, 0.6),
    of_templates(40, 5, 0.95, 0.3),
)
