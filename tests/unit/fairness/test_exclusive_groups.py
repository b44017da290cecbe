"""What rows of several groups hide, and that exclusive cells show it, to a gate too."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from flows.config import load_config
from tasks.fairness.assessment import assess_rows
from tasks.fairness.predictions import ClassAnswers, ScoredAnswers
from tasks.fairness.settings import FairnessSettings
from tasks.records.fairness import Fairness
from tasks.task_types.row_shapes import shape_of
from tasks.verdicts import Estimate, Gate, Verdict, judge
from tests.simulation.overlap_worlds import BBC_NEWS, BEFORE, OVERLAP, assessed
from tests.simulation.scenarios import run

SHAPE = shape_of("classification")
# Whom the texts below mention.
WORDS = {"she": "female", "he": "male", "she and he": "several", "it": "none"}


def fairness_of(
    texts: list[str], right: np.ndarray, regions: list[str | None] | None = None, **settings: Any
) -> Fairness:
    """Of rows that are told rightly or not, by the words of their texts and by a column."""
    rows = pa.table(
        {
            "row_id": [str(k) for k in range(len(texts))],
            "text": texts,
            "region": pa.array(regions or [None] * len(texts), pa.string()),
        }
    )
    truth = np.arange(len(texts)) % 2
    answers = ClassAnswers(truth, np.where(right, truth, 1 - truth), ("a", "b"), None)
    chosen = FairnessSettings.model_validate({"repeats": 4_000} | settings)
    return assess_rows(rows, SHAPE, answers, ("region",) if regions else (), chosen)


def texts_of(**sizes: int) -> list[str]:
    return [text for text, cell in WORDS.items() for text in [f"{text} came"] * sizes.get(cell, 0)]


def by_name(fairness: Fairness) -> dict[str, Estimate]:
    return {estimate.name: estimate for estimate in fairness.estimates}


def test_a_gap_of_women_alone_is_hidden_by_rows_that_mention_both() -> None:
    """0.80 of 40 rows that mention women alone, and all others: the gap looks a fifth of it."""
    texts = texts_of(female=40, male=300, several=160, none=100)
    found = by_name(fairness_of(texts, np.arange(600) >= 8))
    hidden = found["fairness.gender.accuracy_difference"].value
    assert hidden == pytest.approx(1 - (32 + 160) / 200)
    assert found["fairness.gender_exclusive.accuracy_difference"].value == pytest.approx(1 - 0.8)
    assert found["fairness.gender_exclusive.worst_group_accuracy"].value == pytest.approx(0.8)
    # Rows that mention nobody are no group: they are in nobody's comparison.
    assert found["fairness.gender_exclusive.accuracy_difference"].n == 500


def test_the_background_is_shown_and_compared_where_it_is_named() -> None:
    texts = texts_of(female=50, male=50, several=50, none=50)
    right = np.arange(200) < 150  # none of the rows that mention nobody
    fairness = fairness_of(texts, right)
    cells = {g.group: g for g in fairness.groups if g.attribute == "gender_exclusive"}
    assert {name: cell.rows for name, cell in cells.items()} == dict.fromkeys(
        ("female", "male", "none", "several"), 50
    )
    assert cells["none"].metrics["accuracy"] == 0
    assert cells["none"].accuracy_gap.high < -0.9
    assert by_name(fairness)["fairness.gender_exclusive.worst_group_accuracy"].value == 1
    named = fairness_of(texts, right, groups={"gender_exclusive": ["female", "male", "none"]})
    assert by_name(named)["fairness.gender_exclusive.worst_group_accuracy"].value == 0


@pytest.mark.parametrize(
    ("sizes", "cell"),
    [
        ({"female": 29, "male": 50, "several": 50}, "female has 29"),
        ({"female": 50, "male": 50, "several": 7}, "several has 7"),
        ({"male": 50, "several": 50}, "female has 0"),
    ],
)
def test_a_cell_of_too_few_rows_leaves_the_gate_undetermined(
    sizes: dict[str, int], cell: str
) -> None:
    texts = texts_of(**sizes)
    found = fairness_of(texts, np.ones(len(texts), dtype=bool)).estimates
    for metric in ("worst_group_accuracy", "accuracy_ratio", "f1_difference"):
        gate = Gate(metric=f"fairness.gender_exclusive.{metric}", at_least=-1)
        (result,) = judge([gate], found)
        assert result.verdict is Verdict.UNDETERMINED
        assert result.reason == f"{cell} test rows; min_group_rows is 30"


def test_a_column_has_cells_where_its_rows_name_several_groups() -> None:
    texts, right = ["it came"] * 160, np.arange(160) >= 20
    regions = ["north"] * 40 + ["south"] * 40 + ["north|south"] * 80
    found = by_name(fairness_of(texts, right, list(regions)))
    assert found["fairness.region.accuracy_difference"].value == pytest.approx(20 / 120)
    assert found["fairness.region_exclusive.accuracy_difference"].value == pytest.approx(0.5)
    alone = fairness_of(texts, right, ["north"] * 80 + ["south"] * 80)
    assert not [name for name in by_name(alone) if name.startswith("fairness.region_exclusive.")]


def test_cells_of_two_attributes_are_looked_at_together() -> None:
    texts = texts_of(female=120, male=120, several=120, none=120)
    regions: list[str | None] = ["north", "south", "north|south", None] * 120
    pair = [["gender_exclusive", "region_exclusive"]]
    fairness = fairness_of(texts, np.ones(480, dtype=bool), regions, intersections=pair)
    sizes = {g.group: g.rows for g in fairness.groups if g.attribute == "+".join(pair[0])}
    assert sizes == {
        f"{one}+{two}": 30
        for one in ("female", "male", "several")
        for two in ("north", "south", "several")
    }


def test_a_task_type_without_classes_has_cells_as_well() -> None:
    texts = texts_of(female=40, male=40, several=160)
    rows = pa.table({"row_id": [str(k) for k in range(240)], "source": texts})
    scores = np.repeat([0.2, 0.9, 0.9], [40, 40, 160])
    fairness = assess_rows(
        rows, shape_of("translation"), ScoredAnswers(scores), (), FairnessSettings(repeats=4_000)
    )
    found = by_name(fairness)
    assert found["fairness.gender_exclusive.row_score_difference"].value == pytest.approx(0.7)
    assert found["fairness.gender_exclusive.worst_group_row_score"].value == pytest.approx(0.2)


def test_women_alone_served_worse_is_caught_since_cells_are_told_apart() -> None:
    """The planted fault: 0.70 of the rows of bbc-news that mention women alone, 0.97 elsewhere."""
    policy = load_config(Path("configs/bbc-news.yaml")).policy
    gates = [gate for gate in policy.gates if gate.family == "fairness"]
    caught = {gate.metric: 0 for gate in gates} | {"before": 0}
    for trial in range(8):
        found = assessed(np.random.default_rng([7, trial]), BBC_NEWS, 0.70)
        for result in judge(gates, found):
            caught[result.metric] += result.verdict is not Verdict.PASS
        caught["before"] += any(r.verdict is not Verdict.PASS for r in judge(BEFORE, found))
    assert caught["fairness.gender_exclusive.worst_group_accuracy"] == 8
    assert caught["before"] <= 7


def test_intervals_of_cells_hold_the_gap() -> None:
    (world,) = (one for one in OVERLAP if one.name == "women alone 0.80 of 200 rows")
    for tally in run(world, 8, 0).values():
        assert tally.undetermined == 0
        assert tally.too_low + tally.too_high <= 1
