"""What `auto` measures and keeps, and what a training would come to, with a tiny model."""

import math
import time
from collections.abc import Iterator

import pytest
import torch

from infra.errors import SettingsError, TrainingError
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.data import DataReport
from tasks.records.training import BaseModel, Tokens, Weights
from tasks.tokenization.settings import TokenizationSettings
from tasks.tokenization.splits import tokenize_splits
from tasks.training.auto_choices import Choice, Variant
from tasks.training.autotune import best_of
from tasks.training.plan import plan_training
from tasks.training.settings import TrainingSettings
from tasks.training.train import train_model, training_key

SETTINGS = TrainingSettings(epochs=1, learning_rate=1e-3, batch_size=8, seed=9)
KIND = "masked_lm"


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def tokens(store: ObjectStore, topics: tuple[DataReport, BaseModel]) -> Tokens:
    data, base = topics
    return tokenize_splits(store, data, base, KIND, TokenizationSettings(max_length=24))


def train(
    store: ObjectStore, tracking: Tracking, tokens: Tokens, base: BaseModel, **changes: object
) -> Weights:
    settings = SETTINGS.model_copy(update=changes)
    return train_model(store, tracking, "choices", tokens, base, KIND, settings)


def test_the_usual_way_is_left_for_a_clearly_faster_one_alone() -> None:
    usual, other = Variant("padded", "float32", False), Variant("packed", "float32", False)  # noqa: FBT003
    for rate, expected in ((109.0, usual), (111.0, other), (0.0, usual)):
        assert best_of([usual, other], {usual.name: 100.0, other.name: rate}) is expected


def test_what_was_measured_is_kept_for_the_next_time(
    store: ObjectStore, tracking: Tracking, tokens: Tokens, topics: tuple[DataReport, BaseModel]
) -> None:
    weights = train(store, tracking, tokens, topics[1])
    assert {"padded-float32", "packed-float32"} <= set(weights.measured)
    assert all(rate > 0 for rate in weights.measured.values())
    assert set(weights.choices) == {"batching", "precision", "compile"}
    key = training_key(tokens, topics[1], KIND, SETTINGS)
    kept = Choice.load(store, key)
    assert kept is not None
    assert kept.as_words() == weights.choices
    params = tracking._client.get_run(weights.run_id).data.params
    assert params["chosen_batching"] == weights.choices["batching"]
    assert float(params["tokens_per_s_padded-float32"]) == weights.measured["padded-float32"]
    steps = math.ceil(tokens.rows_by_split["train"] / 8)
    memory = tracking._client.get_metric_history(weights.run_id, "memory_mb")
    assert len(memory) == steps // 10
    assert 100 < memory[-1].value <= weights.peak_memory_mb
    assert [point.step for point in weights.curve] == list(range(1, steps + 1))
    assert all(point.grad_norm > 0 and point.learning_rate >= 0 for point in weights.curve)
    assert 0 < weights.first_step_s < weights.training_s + 60
    # Whatever it was, it is taken again, and not measured again.
    other = {"padded": "packed", "packed": "padded"}[kept.batching]
    Choice(other, "float32", compiled=False, tokens_per_s={"told": 1.0}).save(store, key)
    again = train(store, tracking, tokens, topics[1], keep_checkpoints=3)
    assert again.choices["batching"] == other
    assert again.measured == {"told": 1.0}


def test_packed_and_padded_rows_take_the_same_course(
    store: ObjectStore, tracking: Tracking, tokens: Tokens, topics: tuple[DataReport, BaseModel]
) -> None:
    courses = []
    for batching in ("padded", "packed"):
        weights = train(
            store, tracking, tokens, topics[1], batching=batching, precision="float32", dropout=0.0
        )
        assert weights.choices["batching"] == batching
        assert weights.measured == {}
        courses.append([point.loss for point in weights.curve])
    assert len(courses[0]) == math.ceil(tokens.rows_by_split["train"] / 8)
    assert courses[1] == pytest.approx(courses[0], rel=1e-4)


def test_a_plan_takes_seconds_and_counts_what_training_does(
    store: ObjectStore, tracking: Tracking, tokens: Tokens, topics: tuple[DataReport, BaseModel]
) -> None:
    settings = SETTINGS.model_copy(update={"epochs": 3, "batching": "padded"})
    begin_s = time.monotonic()
    plan = plan_training(store, tracking, tokens, topics[1], KIND, settings)
    assert time.monotonic() - begin_s < 15
    rows = tokens.rows_by_split["train"]
    assert (plan.rows, plan.steps) == (rows, 3 * math.ceil(rows / 8))
    assert plan.tokens == 3 * tokens.tokens_by_split["train"]
    assert plan.learning == plan.parameters > 0
    assert plan.training_s > 0
    # Weights, gradients and AdamW's two means, 4 bytes each, and what a pass keeps.
    assert plan.memory_mb > 16 * plan.parameters / 1e6
    weights = train_model(store, tracking, "choices", tokens, topics[1], KIND, settings)
    assert plan.parameters == weights.parameters
    assert len(weights.curve) == plan.steps
    frozen = settings.model_copy(update={"method": "frozen"})
    less = plan_training(store, tracking, tokens, topics[1], KIND, frozen)
    assert less.parameters == plan.parameters
    assert 0 < less.learning_share < 0.5
    assert less.memory_mb < plan.memory_mb


def test_a_budget_below_one_row_is_refused_before_anything_long(
    store: ObjectStore, tracking: Tracking, tokens: Tokens, topics: tuple[DataReport, BaseModel]
) -> None:
    with pytest.raises(TrainingError, match=r"tokens_per_pass is 16, and the longest row .* 24"):
        train(store, tracking, tokens, topics[1], tokens_per_pass=16)


def test_a_setting_that_the_loss_does_not_know_opens_no_run(
    store: ObjectStore, tracking: Tracking, tokens: Tokens, topics: tuple[DataReport, BaseModel]
) -> None:
    with pytest.raises(SettingsError, match="task_type masked_lm does not know this: "):
        train(store, tracking, tokens, topics[1], class_weights="balanced")
