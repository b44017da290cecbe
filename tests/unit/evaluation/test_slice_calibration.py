"""Over- and underconfidence by slice, of models that are known to have it."""

import numpy as np
import pyarrow as pa
import pytest

from tasks.evaluation.settings import EvaluationSettings, SliceSettings
from tasks.evaluation.slice_calibration import measure_slice_calibration
from tasks.records.evaluation import SliceCalibration
from tasks.reporting.slice_calibration import calibration_rows
from tasks.resampling_units import units_of_rows

ROWS = 600
SETTINGS = EvaluationSettings(repeats=4_000, slices=SliceSettings(by=("region",)))


def measured(
    seed: int, claimed: dict[str, float], kept: dict[str, float]
) -> dict[str, SliceCalibration]:
    """Two regions in which the model claims one probability and keeps another."""
    random = np.random.default_rng(seed)
    region = random.choice(["north", "south", "isle"], ROWS, p=[0.49, 0.49, 0.02])
    confidence = np.array([claimed[one] for one in region])
    right = random.random(ROWS) < np.array([kept[one] for one in region])
    row_ids = [f"{row:04d}" for row in range(ROWS)]
    rows = pa.table({"row_id": row_ids, "region": region})
    scores = np.stack([confidence, 1 - confidence], axis=1)
    answers = pa.table(
        {
            "label": pa.array(np.where(right, 0, 1), pa.int32()),
            "predicted": pa.array(np.zeros(ROWS), pa.int32()),
            "probabilities": pa.array(list(scores), pa.list_(pa.float64())),
        }
    )
    found = measure_slice_calibration(rows, answers, units_of_rows(row_ids), SETTINGS)
    return {one.name: one for one in found}


def test_a_whole_that_is_calibrated_hides_two_halves_that_are_not() -> None:
    claimed = {"north": 0.8, "south": 0.8, "isle": 0.8}
    found = measured(0, claimed, {"north": 0.65, "south": 0.95, "isle": 0.8})
    reading = {row.name: row.reading for row in calibration_rows(tuple(found.values()))}
    assert reading["all test rows"] == "no difference shown"
    assert reading["region.north"] == "overconfident"
    assert reading["region.south"] == "underconfident"
    north = found["region.north"]
    assert north.overconfidence.name == "slice.region.north.overconfidence"
    assert north.confidence is not None
    assert north.accuracy is not None
    assert north.overconfidence.value == pytest.approx(north.confidence - north.accuracy)
    assert "isle" not in " ".join(found)  # fewer rows than a slice must have


def test_a_calibrated_model_is_seldom_called_otherwise() -> None:
    chances = {"north": 0.9, "south": 0.7, "isle": 0.8}
    read = [
        row.reading
        for seed in range(20)
        for row in calibration_rows(tuple(measured(seed, chances, chances).values()))
    ]
    assert len(read) == 60
    assert sum(one != "no difference shown" for one in read) <= 3


def test_answers_without_probabilities_have_no_calibration() -> None:
    rows = pa.table({"row_id": ["a"], "region": ["north"]})
    answers = pa.table({"answer": ["{}"]})
    assert measure_slice_calibration(rows, answers, units_of_rows(["a"]), SETTINGS) == ()
