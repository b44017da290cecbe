"""Averages over labels of few test rows are undetermined, and say which label it is."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from tasks.evaluation.intervals import levels
from tasks.evaluation.label_rows import with_enough_label_rows
from tasks.resampling_units import units_of_rows
from tasks.task_types.labels.classification_measures import measure_classes
from tasks.task_types.labels.multi_label_measures import measure_label_sets
from tasks.task_types.measures import Measured
from tasks.verdicts import Estimate

AVERAGES = {"macro_f1", "macro_precision", "macro_recall", "balanced_accuracy", "roc_auc", "pr_auc"}


def estimates(measured: Measured, least: int, rows: int) -> dict[str, Estimate]:
    kept = with_enough_label_rows(measured, least)
    units = units_of_rows([f"{row:04d}" for row in range(rows)])
    made = levels([("quality", one) for one in kept.measures], units, 4_000, 0)
    return {one.name.removeprefix("quality."): one for one in made}


def classified(answer: Callable[..., tuple[pa.Table, pa.Table]]) -> tuple[Measured, int]:
    """400 rows of four labels, of which the last keeps nine."""
    rows, answers = answer(0)
    of_d = np.flatnonzero(np.array(rows["label"].to_pylist()) == "d")
    kept = np.setdiff1d(np.arange(rows.num_rows), of_d[9:])
    return measure_classes(rows.take(kept), answers.take(kept), ("a", "b", "c", "d")), len(kept)


def test_an_average_names_the_label_and_its_rows(
    answer: Callable[..., tuple[pa.Table, pa.Table]],
) -> None:
    measured, rows = classified(answer)
    found = estimates(measured, 10, rows)
    untold = {name for name, one in found.items() if one.value is None}
    assert untold == AVERAGES
    assert "the label 'd' has 9 rows" in found["macro_f1"].reason
    assert "10 are asked for (evaluation.min_label_rows)" in found["macro_f1"].reason
    # What is of one label alone, or of all rows, has intervals that hold at any number of rows.
    assert found["recall.d"].value is not None
    assert found["accuracy"].value is not None


@pytest.mark.parametrize("least", [1, 9])
def test_with_rows_enough_nothing_changes(
    least: int, answer: Callable[..., tuple[pa.Table, pa.Table]]
) -> None:
    measured, rows = classified(answer)
    assert all(one.value is not None for one in estimates(measured, least, rows).values())


def test_averages_of_label_sets_ask_the_same() -> None:
    random = np.random.default_rng(0)
    truth = random.random((200, 3)) < [0.5, 0.4, 0.02]
    truth[0, 2] = True
    measured = measure_label_sets(truth, random.random((200, 3)), 0.5, ("a", "b", "rare"))
    found = estimates(measured, 10, 200)
    assert {name for name, one in found.items() if one.value is None} == {
        "macro_f1", "macro_precision", "macro_recall",
    }  # fmt: skip
    assert "the label 'rare' has" in found["macro_f1"].reason
