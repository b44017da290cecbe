"""Worlds of classifiers that withhold answers: how sure each row is, and how often rightly so."""

from typing import Final

import numpy as np
import pyarrow as pa

from tasks.abstention.measuring import judged_rows, measure_abstention
from tasks.abstention.settings import AbstentionSettings
from tasks.evaluation.settings import EvaluationSettings
from tasks.fairness.settings import FairnessSettings
from tasks.protected_groups.memberships import Membership
from tasks.records.abstention import Abstention
from tasks.resampling import Floats
from tasks.resampling_units import units_of_rows
from tasks.verdicts import Estimate
from tests.simulation.quality_worlds import REPEATS
from tests.simulation.scenarios import Random, Scenario

SETTINGS: Final = EvaluationSettings(repeats=REPEATS)
LABELS: Final = ("a", "b", "c")
# Of the threshold, answers of the two lower levels are withheld, and sets of the lowest hold all.
FITTED: Final = Abstention(0.75, 0.1, "answers", 0.9, 0.2, 0.9, 300, 200, 10)
LEVELS: Final = np.array([0.5, 0.7, 0.85, 0.95])
# How often the likeliest label is right at each level: the model claims too much at the upper ones.
RIGHT: Final = np.array([0.5, 0.7, 0.8, 0.93])
OTHERS: Final = np.array([0.1, 0.2, 0.3, 0.4])


def withheld(rows: int, members: float, shares: Floats, authors: int = 0) -> Scenario:
    """Rows of two groups, of which one may be less sure than the other.

    Args:
        rows: in all.
        members: share of rows of the group.
        shares: of its rows at each level; those of others are `OTHERS`.
        authors: that rows are of, each of one level and one group; 0 for rows of their own.

    """
    answered = np.greater_equal(LEVELS, FITTED.threshold)
    one_label = np.less((1 - LEVELS) / 2, FITTED.set_threshold)
    everyone = members * shares + (1 - members) * OTHERS
    held = np.where(one_label, RIGHT, 1.0)

    def drawn(random: Random) -> list[Estimate]:
        units = authors or rows
        group = random.random(units) < members
        levels = np.where(
            group, random.choice(4, units, p=shares), random.choice(4, units, p=OTHERS)
        )
        author = np.repeat(np.arange(units), rows // units)
        group, levels = group[author], levels[author]
        right = random.random(len(levels)) < RIGHT[levels]
        truth = np.where(right, 0, random.integers(1, 3, len(levels)))
        probabilities = np.repeat(((1 - LEVELS[levels]) / 2)[:, None], 3, axis=1)
        probabilities[:, 0] = LEVELS[levels]
        ids = [f"{row:06d}" for row in range(len(levels))]
        told = pa.table({"label": pa.array(truth), "probabilities": pa.array(list(probabilities))})
        clusters = [str(one) for one in author] if authors else None
        judged = judged_rows(told, FITTED, units_of_rows(ids, clusters))
        found = measure_abstention(
            judged, FITTED, LABELS, [Membership("x", ("g",), group[:, None])],
            AbstentionSettings(), FairnessSettings(), SETTINGS,
        )  # fmt: skip
        return list(found.estimates)

    truths = {
        "abstention.coverage": everyone @ answered,
        "abstention.selective_risk": (everyone * answered) @ (1 - RIGHT) / (everyone @ answered),
        "abstention.error_rate": (everyone * answered) @ (1 - RIGHT),
        "abstention.set_coverage": everyone @ held,
        "abstention.set_size": everyone @ np.where(one_label, 1, 3),
        "abstention.x.coverage.g": shares @ answered,
        "abstention.x.coverage_gap.g": (shares - OTHERS) @ answered,
        "abstention.x.set_coverage_gap.g": (shares - OTHERS) @ held,
    }
    of = f"{authors} authors of {rows // authors}" if authors else f"{rows} rows"
    biased = " that is less sure" * bool((shares != OTHERS).any())
    return Scenario(f"abstention: {of}, {members:g} of a group{biased}", truths, drawn)


EVEN, UNSURE = OTHERS, np.array([0.4, 0.3, 0.2, 0.1])
ABSTENTION: Final = (
    withheld(300, 0.3, EVEN),
    withheld(300, 0.3, UNSURE),
    withheld(800, 0.15, UNSURE),
    withheld(600, 0.4, UNSURE, authors=60),
)
