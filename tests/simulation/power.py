"""Prints with what probability gates are foretold to pass, and in how many draws they do.

``python -m tests.simulation.power --trials N``: each draw of test rows foretells the power at the
world's truth from its own interval, as a report does, and is judged. Foretold is the mean over the
draws, with the deviation between them, which says how far a single report may be off.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tasks.power import chance, precision_of
from tasks.verdicts import Gate, Verdict, judge
from tests.simulation.fairness_worlds import Side, rates
from tests.simulation.quality_worlds import classification, clustered_accuracy, gain
from tests.simulation.scenarios import Scenario

TRIALS = 300


@dataclass(frozen=True)
class Foretold:
    """How a gate fared in a world.

    Attributes:
        power: foretold, the mean over the draws that tell it.
        deviation: of it between the draws.
        passed: share of the draws that pass.

    """

    gate: Gate
    power: float
    deviation: float
    passed: float


def compare(world: Scenario, gates: Sequence[Gate], trials: int, seed: int = 0) -> list[Foretold]:
    """Each gate's foretold power at the world's truth, and the share of draws that it passes."""
    told: list[list[float]] = [[] for _ in gates]
    passed = np.zeros(len(gates))
    for trial in range(trials):
        estimates = list(world.estimates(np.random.default_rng([seed, trial])))
        by_name = {one.name: one for one in estimates}
        for place, gate in enumerate(gates):
            estimate = by_name[gate.metric]
            if estimate.value is not None:
                precision = precision_of(gate, estimate)
                told[place].append(chance(gate, world.truths[gate.metric], precision))
            (result,) = judge([gate], [estimate])
            passed[place] += result.verdict is Verdict.PASS
    return [
        Foretold(gate, float(np.mean(one)), float(np.std(one)), float(share))
        for gate, one, share in zip(gates, told, passed / trials, strict=True)
    ]


def _gates(metric: str, side: str, limits: Sequence[float]) -> list[Gate]:
    return [Gate.model_validate({"metric": metric, side: limit}) for limit in limits]


GAIN = "champion.macro_f1_gain"
WORLDS: tuple[tuple[Scenario, list[Gate]], ...] = (
    # Two trainings of one recipe that differ on 4%, and on 2%, of the rows.
    (gain(625, 0.02, 0.02), _gates(GAIN, "at_least", [-0.03, -0.02, -0.015])),
    (gain(625, 0.01, 0.01), _gates(GAIN, "at_least", [-0.03, -0.02, -0.015])),
    (gain(1_300, 0.02, 0.02), _gates(GAIN, "at_least", [-0.02, -0.015])),
    (
        classification("five even labels, 625 rows", 625, [0.2] * 5, [0.97] * 5),
        [
            *_gates("quality.accuracy", "at_least", [0.94, 0.95, 0.96]),
            *_gates("quality.macro_f1", "at_least", [0.94, 0.95, 0.96]),
        ],
    ),
    (
        classification("a label of 10%, 600 rows", 600, [0.6, 0.3, 0.1], [0.95, 0.9, 0.8]),
        _gates("quality.macro_f1", "at_least", [0.80, 0.83, 0.86]),
    ),
    (clustered_accuracy(40, 15), _gates("quality.macro_f1", "at_least", [0.70, 0.74])),
    (
        rates("gap 0.10 of 300 rows a group", (Side(300, 1, 0.9), Side(300, 1, 0.8)), alike=False),
        [
            *_gates("fairness.x.accuracy_difference", "at_most", [0.16, 0.19]),
            *_gates("fairness.x.worst_group_accuracy", "at_least", [0.75, 0.73]),
        ],
    ),
    (
        rates("no gap of 300 rows a group", (Side(300, 1, 0.95), Side(300, 1, 0.95)), alike=False),
        _gates("fairness.x.accuracy_difference", "at_most", [0.04, 0.06]),
    ),
)


def main() -> None:
    """Print a row for each world and gate."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.power", description=__doc__)
    parser.add_argument("--trials", type=int, default=TRIALS, help="draws of test rows each")
    asked = parser.parse_args()
    print(f"{'world':<34}{'gate':<46}foretold  (deviation)  passed")
    for world, gates in WORLDS:
        for one in compare(world, gates, asked.trials):
            gate = f"{one.gate.metric} {one.gate.rule}"
            print(
                f"{world.name:<34}{gate:<46}{one.power:>8.2f}  {one.deviation:>11.2f}"
                f"{one.passed:>8.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
