"""Training on real servers with a tiny model: it learns, repeats, and goes on where it was cut."""

import dataclasses
import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from infra.errors import SettingsError, StoreError, TrainingError
from infra.settings import Settings
from infra.store import MANIFEST, ObjectStore
from infra.tracking import Tracking
from tasks.records.data import DataReport
from tasks.records.training import BaseModel, Tokens, Weights
from tasks.task_types.labels.text_logits import text_probabilities
from tasks.tokenization.settings import TokenizationSettings
from tasks.tokenization.splits import tokenize_splits
from tasks.training.checkpoints import Checkpoints
from tasks.training.settings import TrainingSettings
from tasks.training.train import train_model, training_key

SETTINGS = TrainingSettings(epochs=3, learning_rate=5e-3, batch_size=8, seed=3)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for each other make a tiny model on a busy machine ten times slower."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def tokens(store: ObjectStore, topics: tuple[DataReport, BaseModel]) -> Tokens:
    data, base = topics
    return tokenize_splits(store, data, base, "classification", TokenizationSettings(max_length=32))


class CutError(Exception):
    """Ends a training from its progress callback, as a crash would."""


def train(
    store: ObjectStore,
    tracking: Tracking,
    tokens: Tokens,
    base: BaseModel,
    settings: TrainingSettings = SETTINGS,
    **options: object,
) -> Weights:
    return train_model(
        store, tracking, "topics", tokens, base, "classification", settings, **options
    )  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def trained(
    store: ObjectStore, tracking: Tracking, tokens: Tokens, topics: tuple[DataReport, BaseModel]
) -> Weights:
    return train(store, tracking, tokens, topics[1])


def test_it_learns(
    store: ObjectStore,
    trained: Weights,
    topics: tuple[DataReport, BaseModel],
    tmp_path: Path,
) -> None:
    data, _ = topics
    rows = pq.read_table(store.get_file(data.clean, tmp_path / "clean.parquet")).to_pylist()
    held_out = [row for row in rows if row["split"] == "test"]
    folder = store.get_folder(trained.artifact, tmp_path / "weights")
    scores = text_probabilities(folder, [row["text"] for row in held_out], max_length=32)
    predicted = [data.labels[index] for index in scores.argmax(axis=1)]
    accuracy = np.mean([p == row["label"] for p, row in zip(predicted, held_out, strict=True)])
    assert accuracy > 0.8
    assert len(trained.epochs) == 3
    assert trained.epochs[-1].train_loss < trained.epochs[0].train_loss
    best = max(trained.epochs, key=lambda epoch: epoch.validation_metrics["macro_f1"])
    assert trained.best_epoch == best.number


def test_what_is_written_loads_with_transformers_alone(
    store: ObjectStore, trained: Weights, tmp_path: Path
) -> None:
    from transformers import pipeline

    folder = store.get_folder(trained.artifact, tmp_path / "weights")
    assert not [path for path in folder.iterdir() if path.suffix in {".bin", ".pt", ".pth"}]
    answer = pipeline("text-classification", model=str(folder))("shares fell shares bank")
    assert answer[0]["label"] in trained.labels
    assert str(Path.home()) not in (folder / "config.json").read_text()


def test_curves_are_in_mlflow_and_no_checkpoint_stays(
    store: ObjectStore,
    tracking: Tracking,
    trained: Weights,
    tokens: Tokens,
    topics: tuple[DataReport, BaseModel],
) -> None:
    run = tracking._client.get_run(trained.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["learning_rate"] == "0.005"
    history = tracking._client.get_metric_history(trained.run_id, "validation_macro_f1")
    assert [point.value for point in history] == [
        epoch.validation_metrics["macro_f1"] for epoch in trained.epochs
    ]
    assert len(tracking._client.get_metric_history(trained.run_id, "train_loss")) == 7  # 75 // 10
    key = training_key(tokens, topics[1], "classification", SETTINGS)
    assert store.list(store.uri("checkpoints", key)) == []


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(
    store: ObjectStore,
    tracking: Tracking,
    trained: Weights,
    tokens: Tokens,
    topics: tuple[DataReport, BaseModel],
) -> None:
    again = train(store, tracking, tokens, topics[1])
    assert again.artifact == trained.artifact
    assert again.epochs == trained.epochs
    other = train(
        store, tracking, tokens, topics[1], SETTINGS.model_copy(update={"seed": 4, "epochs": 1})
    )
    assert other.artifact.sha256 != trained.artifact.sha256


@pytest.fixture
def cut_off(
    store: ObjectStore,
    tracking: Tracking,
    tokens: Tokens,
    topics: tuple[DataReport, BaseModel],
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[TrainingSettings, str]:
    """A training that was cut off after step 48 of 75, with its checkpoints' address."""
    monkeypatch.setattr("tasks.training.callbacks.PROGRESS_EVERY_S", 0.0)
    settings = SETTINGS.model_copy(update={"checkpoint_every_s": 0.001})

    def cut(percent: float, _words: str) -> None:
        time.sleep(0.03)  # steps of a tiny model outrun the writing of its checkpoints
        if percent >= 64:
            raise CutError

    with pytest.raises(CutError):
        train(store, tracking, tokens, topics[1], settings, progress=cut)
    key = training_key(tokens, topics[1], "classification", settings)
    return settings, store.uri("checkpoints", key)


def steps_in(store: ObjectStore, prefix: str) -> list[int]:
    ends = [uri.split("/step-")[1] for uri in store.list(prefix) if uri.endswith(MANIFEST)]
    return sorted(int(end.split("/")[0]) for end in ends)


def test_a_broken_checkpoint_is_skipped_for_the_one_before(
    store: ObjectStore,
    tracking: Tracking,
    trained: Weights,
    tokens: Tokens,
    topics: tuple[DataReport, BaseModel],
    cut_off: tuple[TrainingSettings, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings, prefix = cut_off
    before, newest = steps_in(store, prefix)[-2:]
    assert 25 <= before < newest < 48
    store.put_bytes(f"{prefix}/step-{newest}/optimizer.pt", b"altered")
    with caplog.at_level(logging.INFO, logger="tasks"):
        weights = train(store, tracking, tokens, topics[1], settings)
    assert f"checkpoint of step {newest} is broken" in caplog.text
    assert f"goes on from the checkpoint of step {before}" in caplog.text
    assert weights.resumed_from_step == before
    assert weights.artifact == trained.artifact
    assert weights.epochs == trained.epochs
    assert store.list(prefix) == []


def test_a_checkpoint_whose_best_epoch_is_lost_is_not_gone_on_from(
    store: ObjectStore,
    tracking: Tracking,
    tokens: Tokens,
    topics: tuple[DataReport, BaseModel],
    cut_off: tuple[TrainingSettings, str],
) -> None:
    settings, prefix = cut_off
    assert min(steps_in(store, prefix)) == 25  # the end of the first epoch
    store.delete(f"{prefix}/step-25/model.safetensors")
    seldom = settings.model_copy(update={"checkpoint_every_s": 600})
    weights = train(store, tracking, tokens, topics[1], seldom)
    assert weights.resumed_from_step == 0


def test_a_loss_that_is_no_number_is_named_with_its_step(
    store: ObjectStore, tracking: Tracking, tokens: Tokens, topics: tuple[DataReport, BaseModel]
) -> None:
    settings = TrainingSettings(learning_rate=1.0, max_grad_norm=1e6, warmup_ratio=0, epochs=40)
    wild = settings.model_copy(update={"learning_rate": 1e30})
    said = r"loss is (nan|inf) at step \d+ \(pass 1 of \d+\); lower"
    with pytest.raises(TrainingError, match=said):
        train(store, tracking, tokens, topics[1], wild)


def test_the_checkpoint_before_a_loss_that_is_no_number_stays(
    store: ObjectStore,
    tracking: Tracking,
    tokens: Tokens,
    topics: tuple[DataReport, BaseModel],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    wild = TrainingSettings(
        learning_rate=1.0, max_grad_norm=1e6, warmup_ratio=0.5, epochs=40, checkpoint_every_s=0.001
    ).model_copy(update={"learning_rate": 1e30})
    with pytest.raises(TrainingError, match="at step"):
        train(store, tracking, tokens, topics[1], wild)
    prefix = store.uri("checkpoints", training_key(tokens, topics[1], "classification", wild))
    kept = steps_in(store, prefix)
    assert kept
    # The first step of a warm-up has a rate of 0, so the weights there are still sound.
    assert Checkpoints(store, prefix, keep=2).restore(tmp_path) == kept[-1]
    with (
        caplog.at_level(logging.INFO, logger="tasks"),
        pytest.raises(TrainingError, match="at step"),
    ):
        train(store, tracking, tokens, topics[1], wild)
    assert f"goes on from the checkpoint of step {kept[-1]}" in caplog.text


def test_an_empty_split_is_refused(
    store: ObjectStore,
    tracking: Tracking,
    topics: tuple[DataReport, BaseModel],
    tmp_path: Path,
) -> None:
    data, base = topics
    rows = pq.read_table(store.get_file(data.clean, tmp_path / "clean.parquet"))
    rows = rows.filter([split != "validation" for split in rows.column("split").to_pylist()])
    pq.write_table(rows, tmp_path / "less.parquet")
    clean = store.put_file(store.uri("clean", "less.parquet"), tmp_path / "less.parquet")
    less = dataclasses.replace(data, clean=clean)
    settings = TokenizationSettings(max_length=32)
    tokens = tokenize_splits(store, less, base, "classification", settings)
    with pytest.raises(TrainingError, match="the validation split has no rows; raise splits"):
        train(store, tracking, tokens, base)


def test_an_unknown_task_type_is_named(
    store: ObjectStore, tracking: Tracking, tokens: Tokens, topics: tuple[DataReport, BaseModel]
) -> None:
    with pytest.raises(SettingsError, match=r"'guessing' is unknown; known: .*classification"):
        train_model(store, tracking, "topics", tokens, topics[1], "guessing", SETTINGS)


def test_a_step_in_many_passes_learns_as_one_in_a_single_pass_does(
    store: ObjectStore, tracking: Tracking, tokens: Tokens, topics: tuple[DataReport, BaseModel]
) -> None:
    losses = []
    for budget in (32, 4096):
        settings = SETTINGS.model_copy(
            update={"epochs": 1, "batch_size": 8, "tokens_per_pass": budget}
        )
        weights = train(store, tracking, tokens, topics[1], settings)
        losses.append(weights.epochs[0].train_loss)
    # Dropout is drawn in another order; a loss that was summed would begin near 8 ln 3.
    assert losses[0] == pytest.approx(losses[1], rel=0.05)


def folder_of_step(folder: Path, step: int, best: int | None) -> Path:
    """What Trainer leaves at a step, as far as the checkpoints read it."""
    local = folder / f"checkpoint-{step}"
    local.mkdir(parents=True)
    state = {"best_global_step": best, "best_model_checkpoint": "/gone"}
    (local / "trainer_state.json").write_text(json.dumps(state))
    (local / "model.safetensors").write_text(f"weights of step {step}")
    (local / "training_args.bin").write_text("pickled")
    return local


@pytest.fixture
def checkpoints(store: ObjectStore, tmp_path: Path) -> Checkpoints:
    """Checkpoints of steps 1 to 12, the best epoch having ended at step 2."""
    kept = Checkpoints(store, store.uri("checkpoints", tmp_path.name), keep=2)
    for step in range(1, 13):
        best = 2 if step >= 2 else None
        kept.save(folder_of_step(tmp_path / "before", step, best), step)
    return kept


def test_the_newest_checkpoints_and_the_best_stay(
    store: ObjectStore, checkpoints: Checkpoints
) -> None:
    assert checkpoints.steps() == [2, 11, 12]
    assert not [uri for uri in store.list(checkpoints.prefix) if uri.endswith(".bin")]
    assert not [uri for uri in store.list(checkpoints.prefix) if "/step-1/" in uri]


def test_a_restored_checkpoint_brings_the_best_weights_along(
    checkpoints: Checkpoints, tmp_path: Path
) -> None:
    assert checkpoints.restore(tmp_path / "after") == 12
    state = json.loads((tmp_path / "after/checkpoint-12/trainer_state.json").read_text())
    best = Path(state["best_model_checkpoint"]) / "model.safetensors"
    assert best.read_text() == "weights of step 2"


def test_after_going_back_the_broken_later_one_is_dropped(
    store: ObjectStore, checkpoints: Checkpoints, tmp_path: Path
) -> None:
    store.put_bytes(f"{checkpoints.prefix}/step-12/manifest.json", b"{}")
    assert checkpoints.restore(tmp_path / "after") == 11
    assert not (tmp_path / "after/checkpoint-12").exists()
    one = dataclasses.replace(checkpoints, keep=1)
    # Step 5 stands for any step that is not the newest that was ever written.
    one.save(folder_of_step(tmp_path / "again", 5, 2), 5)
    assert one.steps() == [2, 5]
    assert one.restore(tmp_path / "later") == 5


def test_without_checkpoints_training_begins_anew(store: ObjectStore, tmp_path: Path) -> None:
    nothing = Checkpoints(store, store.uri("checkpoints", "nothing"), keep=2)
    assert nothing.restore(tmp_path) is None


def test_a_store_that_is_away_is_no_reason_to_begin_anew(
    store_settings: Settings, tmp_path: Path
) -> None:
    away = ObjectStore(
        store_settings.model_copy(update={"store_endpoint_url": "http://127.0.0.1:9"})
    )
    with pytest.raises(StoreError, match="does not answer"):
        Checkpoints(away, away.uri("checkpoints", "away"), keep=2).restore(tmp_path)
