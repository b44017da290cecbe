"""A compressed model is judged on the rows of the one that it was made of, row by row."""

from collections.abc import Mapping

import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmarks.gpu.folder_store import FolderStore, NoTracking
from tasks.evaluation.evaluation import evaluate_weights
from tasks.evaluation.settings import EvaluationSettings, SliceSettings
from tasks.fairness.assessment import assess_scores
from tasks.fairness.settings import FairnessSettings
from tasks.records.data import DataReport
from tasks.records.evaluation import Scores
from tasks.records.training import Weights
from tasks.reporting.claims import unsupported_claims
from tasks.reporting.comparison import rivals_of, versus
from tasks.verdicts import Estimate

SETTINGS = EvaluationSettings(
    repeats=4_000,
    slices=SliceSettings(by=("length",), where={"women": 'author == "woman"'}, bins=2),
)


@pytest.fixture(scope="module")
def scores(
    rounded: Weights, weights: Weights, rows: DataReport, folder_store: FolderStore
) -> Scores:
    return evaluate_weights(
        rounded, rows, None, "classification", SETTINGS, store=folder_store,
        tracking=NoTracking(), uncompressed=weights,
    )  # fmt: skip


@pytest.fixture(scope="module")
def told(scores: Scores) -> Mapping[str, Estimate]:
    return {one.name: one for one in scores.measured}


@pytest.fixture(scope="module")
def table(scores: Scores, folder_store: FolderStore) -> Mapping[str, np.ndarray]:
    """Columns of the scores of each row."""
    read = pq.read_table(folder_store.get_file(scores.artifact, folder_store.settings.home / "s"))
    names = ("row_score", "uncompressed_row_score", "predicted", "uncompressed_predicted")
    return {name: read[name].to_numpy() for name in names}


def test_both_answer_the_same_rows(
    scores: Scores, told: Mapping[str, Estimate], table: Mapping[str, np.ndarray]
) -> None:
    (record,) = scores.versions
    assert (record.comparator, record.rows, record.reason) == ("uncompressed", 180, "")
    gain = told["uncompressed.accuracy_gain"]
    expected = (table["row_score"] - table["uncompressed_row_score"]).mean()
    assert gain.value == pytest.approx(expected)
    agreement = (table["predicted"] == table["uncompressed_predicted"]).mean()
    assert told["uncompressed.agreement"].value == pytest.approx(agreement)
    assert told["uncompressed.agreement"].n == 180
    share = told["uncompressed.size_share"].value
    assert share is not None
    assert share < 1
    assert told["uncompressed.speed_up"].value is not None
    assert "teacher.agreement" not in told


def test_slices_are_told_as_well(
    told: Mapping[str, Estimate], table: Mapping[str, np.ndarray]
) -> None:
    gains = table["row_score"] - table["uncompressed_row_score"]
    found = told["uncompressed.slice.women.row_score_gain"]
    assert (found.value, found.n) == (pytest.approx(gains[::2].mean()), 90)  # row 120 is one
    assert {"uncompressed.slice.length.q1.row_score_gain",
            "uncompressed.slice.length.q2.row_score_gain"} <= told.keys()  # fmt: skip


def test_groups_are_told_as_well(
    scores: Scores, rows: DataReport, folder_store: FolderStore, table: Mapping[str, np.ndarray]
) -> None:
    settings = FairnessSettings(repeats=4_000)
    fairness = assess_scores(scores, rows, settings, store=folder_store)
    found = {one.name: one for one in fairness.estimates}
    gains = table["row_score"] - table["uncompressed_row_score"]
    women = gains[::2].mean()
    assert found["uncompressed.author.row_score_gain.woman"].value == pytest.approx(women)
    worst = found["uncompressed.author.worst_group_row_score_gain"]
    assert worst.value == pytest.approx(min(women, gains[1::2].mean()))
    shown = versus("uncompressed", scores, fairness.estimates)
    names = {row.metric for part in shown.tables for row in part.rows}
    assert {worst.name, "uncompressed.accuracy_gain", "uncompressed.size_share"} <= names
    assert "uncompressed" in rivals_of(scores)
    assert not list(unsupported_claims(scores, fairness))


def test_a_model_as_it_was_trained_has_nothing_beside_it(
    weights: Weights, rows: DataReport, folder_store: FolderStore
) -> None:
    scores = evaluate_weights(
        weights, rows, None, "classification", SETTINGS, store=folder_store, tracking=NoTracking()
    )
    fairness = assess_scores(scores, rows, FairnessSettings(repeats=4_000), store=folder_store)
    names = [one.name for one in (*scores.measured, *fairness.estimates)]
    assert not [name for name in names if name.startswith("uncompressed")]
    assert "uncompressed" not in rivals_of(scores)
