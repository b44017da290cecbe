"""Training with differential privacy on a real store and MLflow with a tiny model."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.evaluation.evaluation import evaluate_weights
from tasks.evaluation.settings import EvaluationSettings
from tasks.records.data import DataReport
from tasks.records.training import BaseModel, Tokens, Weights
from tasks.registry.registration import register_version
from tasks.registry.version_tags import DELTA_TAG, EPSILON_TAG
from tasks.task_types.labels.text_logits import text_probabilities
from tasks.tokenization.settings import TokenizationSettings
from tasks.tokenization.splits import tokenize_splits
from tasks.training.privacy.accounting import Mechanism
from tasks.training.settings import TrainingSettings
from tasks.training.train import train_model, training_key
from tests.integration.test_training import CutError, steps_in

pytestmark = pytest.mark.slow

KIND = "classification"


def settings_of(noise: float, **others: Any) -> TrainingSettings:
    return TrainingSettings.model_validate(
        {
            "epochs": 6, "learning_rate": 5e-3, "batch_size": 32, "seed": 3, "dropout": 0.0,
            "schedule": "constant",
            "differential_privacy": {"noise_multiplier": noise, "delta": 1e-3, "clip_norm": 0.5},
            **others,
        }
    )  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def tokens(store: ObjectStore, topics: tuple[DataReport, BaseModel]) -> Tokens:
    data, base = topics
    return tokenize_splits(store, data, base, KIND, TokenizationSettings(max_length=32))


def train(
    store: ObjectStore,
    tracking: Tracking,
    tokens: Tokens,
    base: BaseModel,
    settings: TrainingSettings,
    **options: Any,
) -> Weights:
    return train_model(store, tracking, "private", tokens, base, KIND, settings, **options)


def accuracy(store: ObjectStore, weights: Weights, data: DataReport, place: Path) -> float:
    rows = pq.read_table(store.get_file(data.clean, place / "clean.parquet")).to_pylist()
    held_out = [row for row in rows if row["split"] == "test"]
    folder = store.get_folder(weights.artifact, place / weights.artifact.sha256)
    scores = text_probabilities(folder, [row["text"] for row in held_out], max_length=32)
    predicted = [data.labels[index] for index in scores.argmax(axis=1)]
    return float(np.mean([p == r["label"] for p, r in zip(predicted, held_out, strict=True)]))


def test_it_learns_with_little_noise_and_tells_what_it_spent(
    store: ObjectStore,
    tracking: Tracking,
    tokens: Tokens,
    topics: tuple[DataReport, BaseModel],
    evaluated: Any,
    tmp_path: Path,
) -> None:
    data, base = topics
    settings = settings_of(0.1, epochs=24, batch_size=16)
    weights = train(store, tracking, tokens, base, settings)
    assert accuracy(store, weights, data, tmp_path) > 0.6
    spent = weights.privacy
    assert spent
    rows = tokens.rows_by_split["train"]
    assert (spent.rows, spent.delta, spent.noise_multiplier) == (rows, 1e-3, 0.1)
    assert spent.steps == 24 * -(-rows // 16)
    assert spent.epsilon == Mechanism(16 / rows, spent.steps, 1e-3).epsilon(0.1)
    assert tracking._client.get_run(weights.run_id).data.params["noise_multiplier"] == "0.1"
    scores = evaluate_weights(
        weights, data, None, KIND, EvaluationSettings(), store=store, tracking=tracking
    )
    (epsilon,) = [one for one in scores.estimates if one.name == "privacy.epsilon"]
    assert epsilon.low == epsilon.value == epsilon.high == spent.epsilon
    version = register_version(
        "private", evaluated.snapshot, data, tokens, base, weights, scores, evaluated.fairness,
        KIND, store=store, tracking=tracking,
    )  # fmt: skip
    tags = tracking.version_tags("private", version.version)
    assert tags[EPSILON_TAG] == f"{spent.epsilon:.4g}"
    assert tags[DELTA_TAG] == "0.001"
    run = tracking._client.get_run(weights.run_id)
    assert run.data.metrics["privacy_epsilon"] == pytest.approx(spent.epsilon)


def test_noise_follows_from_no_seed(
    store: ObjectStore, tracking: Tracking, tokens: Tokens, topics: tuple[DataReport, BaseModel]
) -> None:
    settings = settings_of(0.3, epochs=1)
    one, other = (train(store, tracking, tokens, topics[1], settings) for _ in range(2))
    assert one.artifact != other.artifact


def test_much_noise_leaves_little_to_learn(
    store: ObjectStore,
    tracking: Tracking,
    tokens: Tokens,
    topics: tuple[DataReport, BaseModel],
    tmp_path: Path,
) -> None:
    data, base = topics
    weights = train(store, tracking, tokens, base, settings_of(100.0))
    assert accuracy(store, weights, data, tmp_path) < 0.65
    assert weights.privacy
    assert weights.privacy.epsilon < 0.2


def test_adapters_and_frozen_layers_learn_privately(
    store: ObjectStore, tracking: Tracking, tokens: Tokens, topics: tuple[DataReport, BaseModel]
) -> None:
    for method in ("lora", "frozen"):
        settings = settings_of(0.3, method=method, epochs=1)
        assert train(store, tracking, tokens, topics[1], settings).privacy


def test_a_training_that_was_cut_off_keeps_its_account(
    store: ObjectStore,
    tracking: Tracking,
    tokens: Tokens,
    topics: tuple[DataReport, BaseModel],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tasks.training.callbacks.PROGRESS_EVERY_S", 0.0)
    settings = settings_of(0.5, checkpoint_every_s=0.001)

    def cut(percent: float, _words: str) -> None:
        if percent >= 60:
            raise CutError

    with pytest.raises(CutError):
        train(store, tracking, tokens, topics[1], settings, progress=cut)
    key = training_key(tokens, topics[1], KIND, settings)
    assert steps_in(store, store.uri("checkpoints", key))
    weights = train(store, tracking, tokens, topics[1], settings)
    assert weights.resumed_from_step > 0
    assert weights.privacy
    rows = tokens.rows_by_split["train"]
    assert weights.privacy.steps == settings.epochs * -(-rows // 32)
    whole = Mechanism(32 / rows, weights.privacy.steps, 1e-3).epsilon(0.5)
    assert weights.privacy.epsilon == whole
