"""A trial's model on validation rows alone, on a real store with tiny models."""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import torch

from infra.errors import DataError
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.evaluation import timing, validation_rows
from tasks.evaluation.evaluation import evaluate_weights
from tasks.evaluation.settings import EvaluationSettings
from tasks.evaluation.validation_rows import evaluate_on_validation, over_seeds, time_beside
from tasks.fairness.settings import FairnessSettings
from tasks.fairness.worst_group import worst_group
from tasks.records.data import DataReport
from tasks.records.sweep import Measurement, SweepResult, Trial, ValidationScores
from tasks.records.training import BaseModel, Weights
from tasks.reporting.sweep_publication import publish_sweep
from tests.integration.conftest import Candidate

KIND = "classification"
SETTINGS = EvaluationSettings(repeats=4_000).of_one_model


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def put(store: ObjectStore, data: DataReport, rows: pa.Table, name: str) -> DataReport:
    """The same data with other clean rows."""
    buffer = io.BytesIO()
    pq.write_table(rows, buffer)
    clean = store.put_bytes(store.uri("clean", f"{name}.parquet"), buffer.getvalue())
    return replace(data, clean=clean)


def rows_of(store: ObjectStore, data: DataReport, folder: Path) -> pa.Table:
    return pq.read_table(store.get_file(data.clean, folder / "rows.parquet"))


def measured(store: ObjectStore, data: DataReport, weights: Weights) -> ValidationScores:
    return evaluate_on_validation(weights, data, KIND, SETTINGS, store=store)


def as_split(rows: pa.Table, split: str) -> pa.Table:
    place = rows.schema.get_field_index("split")
    return rows.set_column(place, "split", pa.array([split] * rows.num_rows))


def test_validation_rows_are_measured_as_test_rows_are(
    store: ObjectStore,
    tracking: Tracking,
    evaluated: Candidate,
    topics: tuple[DataReport, BaseModel],
    tmp_path: Path,
) -> None:
    """The rows of the test split, called validation, come to what the evaluation says of them."""
    data, _ = topics
    rows = rows_of(store, data, tmp_path)
    test = rows.filter(pc.equal(rows["split"], "test"))
    moved = put(store, data, as_split(test, "validation"), "moved")
    found = measured(store, moved, evaluated.weights).estimates
    scores = evaluate_weights(
        evaluated.weights, data, None, KIND, SETTINGS, store=store, tracking=tracking
    )
    assert len(found) > 5
    assert set(found) <= set(scores.estimates)


def test_no_test_row_is_read(
    store: ObjectStore,
    evaluated: Candidate,
    topics: tuple[DataReport, BaseModel],
    tmp_path: Path,
) -> None:
    """What is measured is the same where there are none, and where all their labels are wrong."""
    data, weights = topics[0], evaluated.weights
    rows = rows_of(store, data, tmp_path)
    without = put(store, data, rows.filter(pc.not_equal(rows["split"], "test")), "without")
    is_test = pc.equal(rows["split"], "test")
    wrong = pc.if_else(is_test, "nothing", rows["label"])
    spoilt = put(
        store, data, rows.set_column(rows.schema.get_field_index("label"), "label", wrong), "spoilt"
    )
    found = measured(store, data, weights)
    assert found.rows == data.rows_by_split["validation"]
    assert measured(store, without, weights) == found
    assert measured(store, spoilt, weights) == found
    groups = FairnessSettings(min_group_rows=5)
    told = worst_group(found, data, groups, store=store)
    assert worst_group(found, without, groups, store=store) == told


def test_rows_that_do_not_tell_the_metric_end_the_sweep(
    store: ObjectStore, evaluated: Candidate, topics: tuple[DataReport, BaseModel], tmp_path: Path
) -> None:
    data = topics[0]
    rows = rows_of(store, data, tmp_path)
    few = rows.filter(pc.equal(rows["split"], "validation")).slice(0, 9)
    scores = measured(store, put(store, data, few, "few"), evaluated.weights)
    with pytest.raises(DataError, match=r"quality\.macro_f1 on 9 validation rows.*larger share"):
        over_seeds("macro_f1", [scores])
    with pytest.raises(DataError, match="is not measured"):
        over_seeds("chrf", [scores])


def test_over_seeds_the_mean_counts_and_the_interval_knows_both(
    store: ObjectStore, evaluated: Candidate, topics: tuple[DataReport, BaseModel]
) -> None:
    scores = measured(store, topics[0], evaluated.weights)
    one = over_seeds("accuracy", [scores])
    assert one.value is not None
    worse = replace(
        scores,
        estimates=tuple(
            replace(each, value=each.value - 0.1) if each.value is not None else each
            for each in scores.estimates
        ),
    )
    both = over_seeds("accuracy", [scores, worse])
    assert both.value == pytest.approx(one.value - 0.05)
    assert both.high is not None
    assert both.low is not None
    assert one.high is not None
    assert one.low is not None
    assert both.high - both.low > one.high - one.low


def test_the_worst_group_is_told_by_the_rows_that_it_has(
    store: ObjectStore, evaluated: Candidate, topics: tuple[DataReport, BaseModel], tmp_path: Path
) -> None:
    data = replace(topics[0], group_columns=("region",))
    rows = rows_of(store, topics[0], tmp_path)
    regions = pa.array([("north", "south", "east")[n % 3] for n in range(rows.num_rows)])
    if "region" in rows.column_names:
        rows = rows.drop_columns(["region"])
    grouped = put(store, data, rows.append_column("region", regions), "grouped")
    scores = measured(store, grouped, evaluated.weights)
    kept = pq.read_table(store.get_file(scores.artifact, tmp_path / "scores.parquet"))
    by_row = dict(zip(kept["row_id"].to_pylist(), kept["row_score"].to_pylist(), strict=True))
    region_of = dict(zip(rows["row_id"].to_pylist(), regions.to_pylist(), strict=True))
    means = {
        region: float(np.mean([by_row[row] for row in by_row if region_of[row] == region]))
        for region in ("north", "south", "east")
    }
    settings = FairnessSettings(identity_attributes=(), min_group_rows=5)
    found = worst_group(scores, grouped, settings, store=store)
    assert found.score == pytest.approx(min(means.values()))
    assert found.group == f"region.{min(means, key=lambda region: means[region])}"
    few = FairnessSettings(identity_attributes=(), min_group_rows=1_000)
    assert worst_group(scores, grouped, few, store=store).score is None


def test_latency_is_that_of_the_same_rows_in_turns(
    store: ObjectStore,
    evaluated: Candidate,
    topics: tuple[DataReport, BaseModel],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weights = evaluated.weights
    monkeypatch.setattr(timing, "TIMING_S", 0.5)
    alone = time_beside(weights, weights, topics[0], KIND, SETTINGS, store=store)
    assert (alone.ratio.value, alone.ratio.low, alone.ratio.high) == (1, 1, 1)
    assert alone.latency_ms > 0
    # How long the same files take says how busy the machine is: what is made of it is looked at.
    taken: list[timing.Turn] = []

    def kept(*asked: Any) -> list[timing.Turn]:
        taken.extend(timing.timed_in_turns(*asked))
        return taken

    monkeypatch.setattr(validation_rows, "timed_in_turns", kept)
    other = replace(weights, artifact=replace(weights.artifact, size_bytes=1))
    beside = time_beside(weights, other, topics[0], KIND, SETTINGS, store=store)
    assert len(taken) >= 3
    assert beside.ratio.value == pytest.approx(np.exp(-np.log([one.ratio for one in taken]).mean()))
    assert beside.ratio.low is not None
    assert beside.ratio.low < beside.ratio.value
    assert beside.latency_ms == pytest.approx(
        1000 * np.sort([one.own_s / one.rows for one in taken])[len(taken) // 2]
    )


def test_a_sweep_stands_in_mlflow_with_a_run_for_each_trial(
    store: ObjectStore, tracking: Tracking
) -> None:
    told = Measurement(0.9, 0.88, 0.92)
    trials = (
        Trial(
            1, {"training.learning_rate": 1e-4}, "", told, (0.5, "gender.female"),
            Measurement(1, 1, 1), 2.0, 4_000_000, 36.0, ("a" * 64,), ("run1",),
        ),
        Trial(2, {"training.learning_rate": 1.0}, "the loss is no number"),
    )  # fmt: skip
    result = SweepResult(
        line="swept", study="swept 1", metric="macro_f1", greater_is_better=True,
        rows=50, planned=2, trials=trials, front=(1,), best=1, taken=1, rule="the best",
        machine_hour_cost=10.0,
    )  # fmt: skip
    outcome = publish_sweep(result, store=store, tracking=tracking)
    assert outcome.settings == "training:\n  learning_rate: 0.0001\n"
    assert store.get_bytes(outcome.settings_uri).decode() == outcome.settings
    assert b"swept 1" in store.get_bytes(outcome.page_uri)
    again = publish_sweep(result, store=store, tracking=tracking)
    assert again == outcome
    client = tracking._client
    found = client.search_runs([tracking.experiment_id("swept")])
    assert len(found) == 3
    (parent,) = [run for run in found if "mlflow.parentRunId" not in run.data.tags]
    below = {run.data.params["training.learning_rate"]: run for run in found if run != parent}
    assert all(run.data.tags["mlflow.parentRunId"] == parent.info.run_id for run in below.values())
    good, bad = below["0.0001"].data, below["1.0"].data
    assert good.metrics["validation.macro_f1"] == 0.9
    assert good.metrics["cost"] == pytest.approx(0.1)
    assert good.params["trainings"] == "run1"
    assert bad.params["reason"] == "the loss is no number"
    assert [one.path for one in client.list_artifacts(parent.info.run_id)] == [
        "sweep.html", "taken.yaml",
    ]  # fmt: skip
