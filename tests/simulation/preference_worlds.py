"""Worlds of preferences: rewards of chosen and rejected answers, and how far a model has moved."""

from functools import cache

import numpy as np
import pyarrow as pa

from tasks.resampling import Ints
from tasks.task_types.language_models.preference.preference_measures import measure_preferences
from tasks.task_types.measures import Measured
from tests.simulation.answer_worlds import OF_CHAMPION
from tests.simulation.populations import Population, drawn_from
from tests.simulation.score_worlds import PER_CLUSTER, SIZE, alike


@cache
def _pairs() -> Population:
    """Pairs of which the model, its reference and a champion order some right; some rewards tie."""
    random = np.random.default_rng(14)
    tokens = np.ceil(random.lognormal(3, 0.6, SIZE))
    reference = random.normal(-60, 15, (SIZE, 2)) + np.array([2.0, 0.0])
    shared = alike(random, 1.0)
    tables = []
    for apart in (6.0, 5.0):
        moved = random.normal(0, 6, (SIZE, 2)) + np.array([apart, 0.0])
        moved[:, 0] += shared
        moved[random.random(SIZE) < 0.03] = 0  # an answer that was cut to the other
        tables.append(
            pa.table(
                {
                    "chosen_reward": 0.1 * moved[:, 0], "rejected_reward": 0.1 * moved[:, 1],
                    "chosen_policy": (reference + moved)[:, 0],
                    "rejected_policy": (reference + moved)[:, 1],
                    "chosen_reference": reference[:, 0], "rejected_reference": reference[:, 1],
                    "divergence": tokens * random.lognormal(-2, 0.5, SIZE), "tokens": tokens,
                }
            )
        )  # fmt: skip

    def measured(table: pa.Table, chosen: Ints) -> Measured:
        return measure_preferences(table.take(chosen))

    return Population(
        SIZE,
        lambda chosen: measured(tables[0], chosen),
        lambda chosen: measured(tables[1], chosen),
    )


_OF_PAIRS = (
    *(
        f"quality.{name}"
        for name in (
            "preference_accuracy", "reward_margin", "likelihood_accuracy", "reference_accuracy",
            "accuracy_over_reference", "kl_to_reference",
        )
    ),
    *(f"champion.preference_accuracy{end}" for end in OF_CHAMPION),
)  # fmt: skip

PREFERENCES = (
    drawn_from("preferences: 200 pairs", _pairs, _OF_PAIRS, 200),
    drawn_from("preferences: 40 prompts of 6 pairs", _pairs, _OF_PAIRS, 40, PER_CLUSTER),
)
