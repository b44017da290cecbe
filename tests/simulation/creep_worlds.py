"""A year of weekly candidates, each a little worse than the version in production.

``python -m tests.simulation.creep_worlds`` prints what a year comes to by the gate on the champion
alone, and with the gate on the anchor; the looks at the test split are paid for as a run pays them.
"""

import argparse
import json
import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from tasks.evaluation.comparison import Comparator, compare
from tasks.evaluation.settings import EvaluationSettings
from tasks.records.evaluation import Comparison
from tasks.records.registry import LedgerEntry
from tasks.registry.anchor import anchor_after, anchor_with
from tasks.registry.ledger import PROMOTED
from tasks.resampling import Floats
from tasks.resampling_units import Units
from tasks.task_types.measures import Measured, mean_of
from tasks.verdicts import Estimate, Gate, Verdict, judge, look_share
from tests.simulation.quality_worlds import REPEATS, rows_one_by_one
from tests.simulation.scenarios import Random, Tally, exceeds

Right = NDArray[np.bool_]

WEEKS = 52
ROWS = 5_000
START = 0.965
# How much worse each week's candidate is than production; and how far it may lie behind.
DECAY = 0.0008
MARGIN = 0.02
# Share of a row's difficulty that is its own; the rest is another draw at each training. Two models
# that are as good then differ on about 2.5% of the rows, as trainings with two seeds do.
OWN_DIFFICULTY = 0.9
CHAMPION_ALONE = (Gate(metric="champion.accuracy_gain", at_least=-MARGIN),)
WITH_ANCHOR = (*CHAMPION_ALONE, Gate(metric="anchor.accuracy_gain", at_least=-MARGIN))
SETTINGS = EvaluationSettings(repeats=REPEATS)


@dataclass(frozen=True)
class Model:
    """A version: its true accuracy, and which of the test rows it has right, (N,)."""

    accuracy: float
    right: Right


@dataclass(frozen=True)
class Year:
    """What a year comes to.

    Attributes:
        accuracy: true, of the version that is in production then.
        promoted: candidates that passed.
        decisions: on candidates that were truly worse than the first version by the margin or more.
        false_passes: of these, how many passed.

    """

    accuracy: float
    promoted: int
    decisions: int
    false_passes: int


def trained(random: Random, accuracy: float, difficulty: Floats) -> Model:
    """A model of this true accuracy, trained from the base model as every week's is.

    Which rows it has right follows from how hard they are, (N,), and from its own training: what a
    version had right by luck, the next one does not.
    """
    own = random.normal(size=len(difficulty))
    hard = np.sqrt(OWN_DIFFICULTY) * difficulty + np.sqrt(1 - OWN_DIFFICULTY) * own
    return Model(accuracy, hard < norm.ppf(accuracy))


def year(random: Random, gates: tuple[Gate, ...]) -> Year:
    """Candidates week by week over one test split, judged and promoted as a run does."""
    difficulty = random.normal(size=ROWS)
    first = trained(random, START, difficulty)
    versions, entries = {1: first}, [_promotion(None, 1, 1)]
    units, decisions, false_passes, since = rows_one_by_one(ROWS), 0, 0, 1
    for _ in range(WEEKS):
        production, anchor = entries[-1].to_version, anchor_after(entries)
        assert production is not None
        assert anchor is not None
        candidate = trained(random, versions[production].accuracy - DECAY, difficulty)
        rivals = {"champion": versions[production], "anchor": versions[anchor]}
        estimates, comparisons = _compared(candidate, rivals, units)
        results = judge(gates, estimates, look_share(since))
        passes = all(result.verdict is Verdict.PASS for result in results)
        since = 1 if passes else since + 1
        is_worse = candidate.accuracy <= START - MARGIN
        decisions += is_worse
        false_passes += is_worse and passes
        if passes:
            number = len(versions) + 1
            versions[number] = candidate
            moved = anchor_with(number, entries, comparisons)
            entries.append(_promotion(production, number, moved))
    last = versions[entries[-1].to_version or 1]
    return Year(last.accuracy, len(entries) - 1, decisions, false_passes)


def _compared(
    candidate: Model, rivals: dict[str, Model], units: Units
) -> tuple[list[Estimate], tuple[Comparison, ...]]:
    comparators = [Comparator(name, None, _measured(one)) for name, one in rivals.items()]
    return compare(_measured(candidate), comparators, units, SETTINGS)


def _measured(model: Model) -> Measured:
    scores = model.right.astype(np.float64)
    return Measured((mean_of("accuracy", scores),), scores, ("accuracy",))


def _promotion(before: int | None, after: int, anchor: int) -> LedgerEntry:
    return LedgerEntry(
        "line", PROMOTED, before, after, after, Verdict.PASS, "", {}, "policy", "", "", before,
        anchor,
    )  # fmt: skip


def main() -> int:
    """Print years by the champion's gate alone and with the anchor's as one JSON object.

    The exit code is 1 where small losses add up in spite of the anchor, or where it lets one that
    is worse by the margin through in more years than chance explains.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.creep_worlds")
    parser.add_argument("--trials", type=int, default=100, help="years each")
    trials, found = parser.parse_args().trials, {}
    for name, gates in {"champion": CHAMPION_ALONE, "champion and anchor": WITH_ANCHOR}.items():
        years = [year(np.random.default_rng([1, trial]), gates) for trial in range(trials)]
        accuracy = np.array([one.accuracy for one in years])
        decisions = sum(one.decisions for one in years)
        found[name] = {
            "accuracy_after": round(float(accuracy.mean()), 4),
            "lowest": round(float(accuracy.min()), 4),
            "promoted": float(np.mean([one.promoted for one in years])),
            "years_below_margin": float(np.mean(accuracy <= START - MARGIN)),
            "years_with_a_false_pass": sum(one.false_passes > 0 for one in years),
            "decisions_on_worse": decisions,
            "false_passes": sum(one.false_passes for one in years),
        }
    sys.stdout.write(json.dumps({"trials": trials, "start": START, **found}, indent=1) + "\n")
    anchored = found["champion and anchor"]
    too_often = exceeds(Tally(trials=trials, too_high=int(anchored["years_with_a_false_pass"])))
    return int(anchored["accuracy_after"] <= START - MARGIN or too_often)


if __name__ == "__main__":
    sys.exit(main())
