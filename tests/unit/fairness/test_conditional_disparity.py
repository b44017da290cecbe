"""Who gets a label at the same true label: values by brute force, intervals, clusters, reasons."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.fairness.classes import class_estimates
from tasks.fairness.conditional_disparity import disparity_estimates
from tasks.fairness.predictions import ClassAnswers
from tasks.fairness.rates import Outcomes, collapse_outcomes
from tasks.fairness.settings import FairnessSettings
from tasks.protected_groups.memberships import Membership
from tasks.resampling_units import units_of_rows

QUICK = FairnessSettings(repeats=4_000, min_group_rows=5)
LABELS = ("a", "b", "c")


def drawn(seed: int, *, rows: int = 800, lean: float = 0.3) -> dict[str, np.ndarray]:
    """Overlapping groups, and rows of none; of the first group, b is said too often."""
    random = np.random.default_rng(seed)
    member = random.random((rows, 3)) < 0.45
    truth = random.integers(0, 3, rows)
    other = random.integers(0, 3, rows)
    predicted = np.where(random.random(rows) < 0.6, truth, other)
    predicted = np.where(member[:, 0] & (random.random(rows) < lean), 1, predicted)
    return {"membership": member, "truth": truth, "predicted": predicted}


def outcomes_of(rows: dict[str, np.ndarray], **more: Any) -> Outcomes:
    return collapse_outcomes(("g0", "g1", "g2"), **rows, size=3, **more)


def by_hand(rows: dict[str, np.ndarray], group: int, label: int) -> float:
    """Sums over the rows themselves, a stratum at a time, as Wachter et al. write it."""
    member = rows["membership"]
    frame = pd.DataFrame({
        "inside": member[:, group], "labelled": rows["truth"] == label,
        "said": rows["predicted"] == label,
    })[member.any(axis=1)]  # fmt: skip
    total = 0.0
    for _, stratum in frame.groupby("labelled"):
        share = stratum.groupby("said").inside.mean()
        total += len(stratum) / len(frame) * (share[False] - share[True])
    return total


@pytest.mark.parametrize("seed", range(3))
def test_values_by_brute_force(seed: int) -> None:
    rows = drawn(seed)
    own, largest = disparity_estimates("x", outcomes_of(rows), LABELS, QUICK)
    expected = [[by_hand(rows, group, label) for label in range(3)] for group in range(3)]
    assert [[one.value for one in found] for found in own] == [
        pytest.approx(of_group) for of_group in expected
    ]
    assert largest.value == pytest.approx(np.abs(expected).max())
    assert [one.name for one in own[2]] == [f"fairness.x.cddpl.g2.{label}" for label in LABELS]
    assert own[0][1].high < 0  # b is said of it more often than of others
    assert 0 < largest.low < largest.value < largest.high


def test_a_model_that_leans_nowhere_has_an_interval_around_zero() -> None:
    own, largest = disparity_estimates("x", outcomes_of(drawn(5, lean=0)), LABELS, QUICK)
    # At the widest of the confidences, since nine intervals are looked at.
    assert all(one.ladder[-1][0] < 0 < one.ladder[-1][1] for found in own for one in found)
    assert largest.ladder[-1][0] == 0


def test_authors_who_repeat_themselves_say_no_more_than_once() -> None:
    once, copies = drawn(1), 5
    again = {name: np.repeat(values, copies, axis=0) for name, values in once.items()}
    authors = [f"author {row // copies}" for row in range(800 * copies)]
    units = units_of_rows([f"{row:05d}" for row in range(800 * copies)], authors)
    told = disparity_estimates("x", outcomes_of(again, units=units), LABELS, QUICK)[1]
    alone = disparity_estimates("x", outcomes_of(once), LABELS, QUICK)[1]
    by_row = disparity_estimates("x", outcomes_of(again), LABELS, QUICK)[1]
    assert told.value == pytest.approx(alone.value) == pytest.approx(by_row.value)
    assert told.high - told.low == pytest.approx(alone.high - alone.low, rel=0.25)
    assert by_row.high - by_row.low < 0.6 * (told.high - told.low)


def test_too_few_rows_on_a_side_leave_it_undetermined() -> None:
    rows = drawn(2)
    rows["predicted"] = rows["truth"].copy()
    wrong = np.flatnonzero((rows["truth"] == 1) & rows["membership"].any(axis=1))[:4]
    rows["predicted"][wrong] = 2
    own, largest = disparity_estimates("x", outcomes_of(rows), LABELS, QUICK)
    assert own[0][1].reason == (
        "not labelled 'b' and predicted as it has 0 test rows; "
        "labelled 'b' and not predicted as it has 4 test rows; min_group_rows is 5"
    )
    assert largest.value is None
    assert largest.reason == own[0][0].reason


def test_each_compared_group_has_it_among_its_own_rates() -> None:
    rows = drawn(3)
    member = Membership("x", ("g0", "g1", "g2"), rows["membership"])
    answers = ClassAnswers(rows["truth"], rows["predicted"], LABELS, None)
    chosen = QUICK.model_copy(update={"positive_labels": ("b",), "groups": {"x": ("g0", "g2")}})
    groups, between, _ = class_estimates(member, answers, chosen)
    own = {one.name: one.value for group in groups for one in group.estimates}
    assert {name for name in own if ".cddpl." in name} == {
        "fairness.x.cddpl.g0.b", "fairness.x.cddpl.g2.b",
    }  # fmt: skip
    held = rows | {"membership": rows["membership"][:, [0, 2]]}
    assert own["fairness.x.cddpl.g0.b"] == pytest.approx(by_hand(held, 0, 1))
    assert own["fairness.x.false_negative_share.g0.b"] is not None
    assert [one.name for one in between].count("fairness.x.largest_cddpl") == 1
