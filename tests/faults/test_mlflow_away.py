"""MLflow is away while hours of work end: the work is kept, and MLflow shows it all afterwards."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.errors import TrackingError
from infra.settings import Settings
from infra.store import Artifact, ObjectStore
from infra.tracking import Tracking
from tasks.evaluation.evaluation import evaluate_weights
from tasks.evaluation.settings import EvaluationSettings
from tasks.records.data import DataReport, Snapshot
from tasks.records.evaluation import Champion, Scores
from tasks.records.fairness import Fairness
from tasks.records.training import BaseModel, Tokens, Weights
from tasks.registry.registration import register_version
from tasks.tokenization.settings import TokenizationSettings
from tasks.tokenization.splits import tokenize_splits
from tasks.training.settings import TrainingSettings
from tasks.training.train import train_model
from tests.conftest import free_port, start_mlflow, stop

LINE = "topics-away"
SETTINGS = TrainingSettings(epochs=2, learning_rate=5e-3, batch_size=8, seed=3)
NOWHERE = "http://127.0.0.1:9"  # the discard port, which nothing here serves


class MlflowServer:
    """A real MLflow server that can be stopped, and started again with all that it holds."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._store, self._folder = settings, folder
        self.url = f"http://127.0.0.1:{free_port()}"
        self.start()

    def start(self) -> None:
        self._process = start_mlflow(self._store, self._folder, self.url)

    def stop(self) -> None:
        stop(self._process)


@pytest.fixture
def server(store_settings: Settings, tmp_path: Path) -> Iterator[MlflowServer]:
    (tmp_path / "mlflow").mkdir()
    running = MlflowServer(store_settings, tmp_path / "mlflow")
    yield running
    running.stop()


@pytest.fixture
def tracking(server: MlflowServer, store_settings: Settings) -> Tracking:
    return Tracking(store_settings.model_copy(update={"mlflow_url": server.url}))


@pytest.fixture(scope="module")
def tokens(store: ObjectStore, topics: tuple[DataReport, BaseModel]) -> Tokens:
    data, base = topics
    return tokenize_splits(store, data, base, "classification", TokenizationSettings(max_length=32))


def evaluated(
    weights: Weights, data: DataReport, champion: Champion | None, store: ObjectStore,
    tracking: Tracking,
) -> Scores:  # fmt: skip
    settings = EvaluationSettings(repeats=4_000)
    return evaluate_weights(
        weights, data, champion, "classification", settings, store=store, tracking=tracking
    )


def registered(weights: Weights, scores: Scores, parts: Any, **servers: Any) -> None:
    (data, base), tokens = parts
    nothing = Artifact("s3://b/none", "1" * 64, 1)
    snapshot = Snapshot(
        nothing, nothing, "classification", 300, {}, 0, 0, 0, 0, data.rows_by_split, (), nothing
    )
    register_version(
        LINE, snapshot, data, tokens, base, weights, scores, Fairness((), (), 30),
        "classification", **servers,
    )  # fmt: skip


@pytest.mark.slow
def test_a_stopped_mlflow_costs_neither_training_nor_evaluation(
    store: ObjectStore, tracking: Tracking, server: MlflowServer, tokens: Tokens,
    topics: tuple[DataReport, BaseModel], caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("tasks.training.callbacks.PROGRESS_EVERY_S", 0.0)
    seen = [0.0]

    def stop_in_the_middle(percent: float, _words: str) -> None:
        seen.append(percent)
        if percent >= 60 > seen[-2]:
            server.stop()

    with caplog.at_level(logging.WARNING, logger="tasks"):
        weights = train_model(
            store, tracking, LINE, tokens, topics[1], "classification", SETTINGS, stop_in_the_middle
        )
    said = [r.message for r in caplog.records if r.name == "tasks.training.callbacks"][-1]
    assert weights.run_id in said
    assert "until the version is registered" in said
    assert "does not answer" in said
    scores = evaluated(weights, topics[0], None, store, tracking)

    server.start()
    assert tracking._client.get_run(weights.run_id).info.status == "RUNNING"
    registered(weights, scores, (topics, tokens), store=store, tracking=tracking)
    run = tracking._client.get_run(weights.run_id)
    assert run.info.status == "FINISHED"
    values = {estimate.name: estimate.value for estimate in scores.estimates}
    assert run.data.metrics["test_accuracy"] == values["quality.accuracy"]
    assert run.data.metrics["test_baseline_accuracy_gain"] == values["baseline.accuracy_gain"]
    assert not [name for name in run.data.metrics if "slice" in name]
    assert {one.dataset.name for one in run.inputs.dataset_inputs} == {LINE, f"{LINE} test"}
    losses = tracking._client.get_metric_history(weights.run_id, "train_loss")
    assert [point.step for point in losses] == [10, 20, *range(21, 51)]
    validated = tracking._client.get_metric_history(weights.run_id, "validation_macro_f1")
    # The kept epoch's stand there twice: once more with the model that was made of them.
    assert {(point.step, point.value) for point in validated} == {
        (25 * epoch.number, epoch.validation_metrics["macro_f1"]) for epoch in weights.epochs
    }


@pytest.mark.slow
def test_points_of_the_curves_that_mlflow_missed_are_written_when_it_is_back(
    store: ObjectStore, tracking: Tracking, server: MlflowServer, tokens: Tokens,
    topics: tuple[DataReport, BaseModel], caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("tasks.training.callbacks.PROGRESS_EVERY_S", 0.0)
    seen = [0.0]

    def away_for_a_while(percent: float, _words: str) -> None:
        seen.append(percent)
        if percent >= 30 > seen[-2]:
            server.stop()
        if percent >= 70 > seen[-2]:
            server.start()

    with caplog.at_level(logging.WARNING, logger="tasks"):
        weights = train_model(
            store, tracking, LINE, tokens, topics[1], "classification", SETTINGS, away_for_a_while
        )
    assert "the curves in MLflow wait at step 20" in caplog.text
    losses = tracking._client.get_metric_history(weights.run_id, "train_loss")
    assert [point.step for point in losses] == [10, 20, 30, 40, 50]
    validated = tracking._client.get_metric_history(weights.run_id, "validation_loss")
    assert [point.value for point in validated] == [e.validation_loss for e in weights.epochs]
    assert tracking._client.get_run(weights.run_id).info.status == "FINISHED"


def test_a_champion_that_cannot_be_fetched_ends_an_evaluation_before_it_has_worked(
    store: ObjectStore, store_settings: Settings, topics: tuple[DataReport, BaseModel]
) -> None:
    nowhere = Tracking(store_settings.model_copy(update={"mlflow_url": NOWHERE}))
    lost = Artifact(store.uri("weights", "lost"), "0" * 64, 1)
    weights = Weights(lost, (), 32, (), 1, 1, "float32", "", "cpu", 0, 0, 0)
    with pytest.raises(TrackingError, match="does not answer"):  # not of the lost weights
        evaluated(weights, topics[0], Champion("films", 1, ""), store, nowhere)
