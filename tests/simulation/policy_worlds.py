"""Worlds of the default gates on groups: as few rows as decide, and the truth on the limit."""

from itertools import count

import numpy as np

from tasks.fairness.classes import class_estimates
from tasks.fairness.counterfactual_settings import CounterfactualSettings
from tasks.fairness.counterfactuals import SWAPPED, Family, Pair, judge_family
from tasks.fairness.predictions import ClassAnswers
from tasks.fairness.settings import FairnessSettings
from tasks.protected_groups.memberships import Membership
from tasks.records.gate_rows import GateRows
from tasks.registry.fairness_gates import (
    ACCURACY_GAP,
    FLIP_RATE,
    TRUE_POSITIVE_GAP,
    split_by_rows,
)
from tasks.registry.settings import SAME_PREDICTIONS, PolicySettings
from tasks.resampling import Floats
from tasks.verdicts import Estimate, Gate
from tests.simulation.quality_worlds import REPEATS
from tests.simulation.scenarios import Random, Scenario

ASSESSED = FairnessSettings(repeats=REPEATS)
SWAPS = CounterfactualSettings(repeats=REPEATS)
# Of other families, which a policy must have.
OTHER_GATES = (
    Gate(metric="quality.accuracy", at_least=0.5),
    Gate(metric=SAME_PREDICTIONS, at_least=1.0),
)


def _rows(metric: str, limit: float, least: int) -> int:
    """Rows of the smallest part by which a gate that is alone in its family is asked."""
    policy = PolicySettings(
        gates=OTHER_GATES, fairness_where_decidable=(Gate(metric=metric, at_most=limit),)
    )

    def is_asked(rows: int) -> bool:
        return bool(split_by_rows(policy, [GateRows(metric, rows, rows, least, "a group")])[0])

    return next(rows for rows in count(1) if is_asked(rows))


def gaps(name: str, limit: float, best: float) -> Scenario:
    """Two groups of as few rows as decide, in all or of each label; the second worse by the limit.

    Args:
        name: of the gap.
        limit: of the gate.
        best: share of right answers in the first group.

    """
    least = _rows(f"fairness.x.{name}", limit, ASSESSED.min_group_rows)
    rows = least if name.startswith("equal") else -(-least // 2)
    right = np.repeat([best, best - limit], 2 * rows)

    def drawn(random: Random) -> list[Estimate]:
        truth = np.tile(np.repeat([0, 1], rows), 2)
        said = np.where(random.random(len(truth)) < right, truth, 1 - truth)
        member = Membership(
            "x", ("g0", "g1"), np.eye(2, dtype=np.bool_)[np.repeat([0, 1], 2 * rows)]
        )
        answers = ClassAnswers(truth, said, ("no", "yes"), None)
        return class_estimates(member, answers, ASSESSED, None)[1]

    world = f"default policy: a gap of {limit:g} from {best:g} over {rows} rows a label"
    return Scenario(world, {f"fairness.x.{name}": limit}, drawn)


def flips() -> Scenario:
    """As few rows with a word to swap as decide, and flips at the limit."""
    rows = _rows("counterfactual.words.flip_rate", FLIP_RATE, SWAPS.min_rows)
    pairs = tuple(Pair(row, f"{row:04d}", f"he {row}", f"she {row}", 0) for row in range(rows))
    family = Family("words", SWAPPED, pairs)

    def drawn(random: Random) -> list[Estimate]:
        before = np.tile([0.9, 0.1], (rows, 1))
        flipped = random.random(rows) < FLIP_RATE
        after: Floats = np.where(flipped[:, None], before[:, ::-1], before)
        found, _ = judge_family(family, before, after, ("a", "b"), SWAPS)
        return [found.flip_rate]

    name = f"default policy: flips of {FLIP_RATE:g} over {rows} rows"
    return Scenario(name, {"counterfactual.words.flip_rate": FLIP_RATE}, drawn)


POLICY = (
    gaps("accuracy_difference", ACCURACY_GAP, 1.0),
    gaps("accuracy_difference", ACCURACY_GAP, 0.95),
    gaps("equal_opportunity_difference", TRUE_POSITIVE_GAP, 1.0),
    gaps("equal_opportunity_difference", TRUE_POSITIVE_GAP, 0.9),
    flips(),
)
