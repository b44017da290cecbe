"""Rows that mention women, men or both, as in bbc-news: a gap of women alone, and who sees it.

`python -m tests.simulation.overlap_worlds` prints how often the policy of bbc-news passed a model
that serves women alone worse, when it gated the groups that overlap, and how often it does now.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from flows.config import load_config
from tasks.fairness.classes import class_estimates
from tasks.fairness.gaps import gap_estimates
from tasks.fairness.predictions import ClassAnswers
from tasks.fairness.rates import collapse_outcomes, with_groups
from tasks.fairness.settings import FairnessSettings
from tasks.protected_groups.exclusive_cells import exclusive_cells
from tasks.protected_groups.memberships import Membership
from tasks.verdicts import Estimate, Gate, combine, judge
from tests.simulation.quality_worlds import REPEATS
from tests.simulation.scenarios import Random, Scenario

LABELS = ("business", "entertainment", "politics", "sports", "tech")
GROUPS = ("female", "male")
# Test rows of bbc-news that mention women alone, men alone, both and nobody.
BBC_NEWS = (41, 354, 153, 77)
# As many in all, of which more mention women alone.
MORE_WOMEN = (200, 195, 153, 77)
ELSEWHERE = 0.97
ASSESSED = FairnessSettings(repeats=REPEATS)
# What bbc-news gated before cells were told apart, and what it gates since (decision 0004).
BEFORE = (
    Gate(metric="fairness.gender.accuracy_difference", at_most=0.10),
    Gate(metric="fairness.gender.false_positive_rate_difference", at_most=0.10),
    Gate(metric="fairness.gender.worst_group_accuracy", at_least=0.88),
)


def gender(sizes: Sequence[int]) -> Membership:
    """Rows by whom they mention: women alone, men alone, both, nobody."""
    kinds = np.array([[True, False], [False, True], [True, True], [False, False]])
    return Membership("gender", GROUPS, np.repeat(kinds, sizes, axis=0))


def answers(random: Random, sizes: Sequence[int], women_alone: float) -> ClassAnswers:
    """Topics that are told rightly with one chance for women alone, and another elsewhere."""
    right = np.repeat([women_alone, ELSEWHERE, ELSEWHERE, ELSEWHERE], sizes)
    truth = random.integers(0, len(LABELS), len(right))
    miss = (truth + random.integers(1, len(LABELS), len(right))) % len(LABELS)
    predicted = np.where(random.random(len(right)) < right, truth, miss)
    return ClassAnswers(truth, predicted, LABELS, None)


def assessed(
    random: Random,
    sizes: Sequence[int],
    women_alone: float,
    settings: FairnessSettings = ASSESSED,
) -> list[Estimate]:
    """The estimates of the groups and of their exclusive cells, as a run makes them."""
    said, found = answers(random, sizes, women_alone), []
    for member in (gender(sizes), exclusive_cells(gender(sizes))):
        groups, between, _ = class_estimates(member, said, settings)
        found += [*between, *(group.accuracy_gap for group in groups)]
    return found


def women_alone(name: str, sizes: Sequence[int], right: float) -> Scenario:
    """A gap that the groups that overlap hide, in the cells that exclude each other."""
    truths = {
        "fairness.gender_exclusive.accuracy_difference": ELSEWHERE - right,
        "fairness.gender_exclusive.worst_group_accuracy": right,
        "fairness.gender_exclusive.accuracy_ratio": right / ELSEWHERE,
    }

    def drawn(random: Random) -> list[Estimate]:
        said, cells = answers(random, sizes, right), exclusive_cells(gender(sizes))
        outcomes = collapse_outcomes(
            cells.groups, cells.rows, said.truth, said.predicted, len(LABELS)
        )
        compared = with_groups(outcomes, cells.compared)
        return gap_estimates(cells.attribute, compared, LABELS, ASSESSED, metrics=("accuracy",))

    return Scenario(name, truths, drawn)


def verdicts(
    policies: Mapping[str, Sequence[Gate]], sizes: Sequence[int], right: float, trials: int
) -> dict[str, Counter[str]]:
    """How often the gates of each policy say what of a model that is so right on women alone."""
    found: dict[str, Counter[str]] = {name: Counter() for name in policies}
    for trial in range(trials):
        estimates = assessed(np.random.default_rng([7, trial]), sizes, right)
        for name, gates in policies.items():
            said = combine(result.verdict for result in judge(gates, estimates))
            found[name][said.value] += 1
    return found


OVERLAP = (
    women_alone("women alone 0.75 of 41 rows", BBC_NEWS, 0.75),
    women_alone("women alone 0.80 of 41 rows", BBC_NEWS, 0.80),
    women_alone("women alone 0.70 of 41 rows", BBC_NEWS, 0.70),
    women_alone("women alone as all, 41 rows", BBC_NEWS, ELSEWHERE),
    women_alone("women alone 0.80 of 200 rows", MORE_WOMEN, 0.80),
)


def main() -> None:
    """Print the verdicts over 200 draws of test rows, by how women alone are served."""
    policy = load_config(Path("configs/bbc-news.yaml")).policy
    since = [gate for gate in policy.gates if gate.family == "fairness"]
    for right in (ELSEWHERE, 0.90, 0.80, 0.75, 0.70):
        found = verdicts({"before": BEFORE, "now": since}, BBC_NEWS, right, 200)
        print(f"women alone {right:.2f}:", {name: dict(one) for name, one in found.items()})


if __name__ == "__main__":
    main()
