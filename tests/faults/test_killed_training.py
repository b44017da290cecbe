"""Training in a process of its own that is killed, or finds no room on its disk."""

import dataclasses
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from infra.settings import Settings
from infra.store import MANIFEST, ObjectStore
from infra.tracking import Tracking
from tasks.records.data import DataReport
from tasks.records.training import BaseModel, Tokens, Weights
from tasks.tokenization.settings import TokenizationSettings
from tasks.tokenization.splits import tokenize_splits
from tasks.training.settings import TrainingSettings
from tasks.training.train import train_model, training_key

PROCESS = """
import json, resource, sys, torch
from pathlib import Path
torch.set_num_threads(1)
from infra.errors import AssaylineError
from infra.store import Artifact, open_store
from infra.tracking import open_tracking
from tasks.records.training import BaseModel, Tokens
from tasks.training.settings import TrainingSettings
from tasks.training.train import train_model

job = json.loads(Path(sys.argv[1]).read_text())
tokens = Tokens(**{**job["tokens"], "artifact": Artifact(**job["tokens"]["artifact"])})
base, settings = BaseModel(**job["base"]), TrainingSettings(**job["settings"])
if job["file_limit_bytes"]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (job["file_limit_bytes"],) * 2)
try:
    train_model(open_store(), open_tracking(), "killed", tokens, base, "classification", settings)
except AssaylineError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""
STEPS_OF_AN_EPOCH = 25
SETTINGS = TrainingSettings(
    epochs=8, learning_rate=1e-3, batch_size=8, seed=1, checkpoint_every_s=0.1
)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def tokens(store: ObjectStore, topics: tuple[DataReport, BaseModel]) -> Tokens:
    data, base = topics
    return tokenize_splits(store, data, base, "classification", TokenizationSettings(max_length=24))


def start(
    tmp_path: Path,
    servers: Settings,
    tokens: Tokens,
    base: BaseModel,
    settings: TrainingSettings,
    *,
    file_limit_bytes: int = 0,
) -> subprocess.Popen[str]:
    """Train in a process of its own, which may write no file larger than the limit."""
    job = {
        "tokens": dataclasses.asdict(tokens),
        "base": dataclasses.asdict(base),
        "settings": settings.model_dump(),
        "file_limit_bytes": file_limit_bytes,
    }
    (tmp_path / "job.json").write_text(json.dumps(job))
    (tmp_path / "scratch").mkdir(exist_ok=True)

    return subprocess.Popen(
        [sys.executable, "-c", PROCESS, str(tmp_path / "job.json")],
        env={
            **os.environ, **servers.as_environment(), "TMPDIR": str(tmp_path / "scratch"),
            "HF_HUB_OFFLINE": "1", "PREFECT_HOME": str(tmp_path / "prefect"),
        },
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip


def wait_for_checkpoint_within_an_epoch(
    store: ObjectStore, prefix: str, process: subprocess.Popen[str]
) -> None:
    """Wait until the store holds a whole checkpoint of the second epoch or later, at no end."""
    while process.poll() is None:
        ends = [uri.split("/step-")[1] for uri in store.list(prefix) if uri.endswith(MANIFEST)]
        steps = [int(end.split("/")[0]) for end in ends]
        if any(step > STEPS_OF_AN_EPOCH and step % STEPS_OF_AN_EPOCH for step in steps):
            return
        time.sleep(0.02)
    assert process.stdout
    pytest.fail(f"the training ended before it could be killed: {process.stdout.read()}")


def test_a_killed_training_goes_on_and_ends_with_the_same_bits(
    store: ObjectStore,
    tracking: Tracking,
    mlflow_settings: Settings,
    tokens: Tokens,
    topics: tuple[DataReport, BaseModel],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    base = topics[1]
    prefix = store.uri("checkpoints", training_key(tokens, base, "classification", SETTINGS))
    process = start(tmp_path, mlflow_settings, tokens, base, SETTINGS)
    wait_for_checkpoint_within_an_epoch(store, prefix, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL

    def train() -> Weights:
        # How often it saves is no part of what it trains.
        seldom = SETTINGS.model_copy(update={"checkpoint_every_s": 600})
        return train_model(store, tracking, "killed", tokens, base, "classification", seldom)

    with caplog.at_level(logging.INFO, logger="tasks"):
        resumed = train()
    assert resumed.resumed_from_step > STEPS_OF_AN_EPOCH
    assert f"goes on from the checkpoint of step {resumed.resumed_from_step}" in caplog.text
    uninterrupted = train()
    assert uninterrupted.resumed_from_step == 0
    assert resumed.artifact == uninterrupted.artifact
    assert resumed.epochs == uninterrupted.epochs
    assert resumed.best_epoch == uninterrupted.best_epoch
    assert resumed.run_id == uninterrupted.run_id
    assert store.list(prefix) == []


def newest_step(store: ObjectStore, prefix: str) -> int:
    ends = [uri.split("/step-")[1] for uri in store.list(prefix) if uri.endswith(MANIFEST)]
    return max((int(end.split("/")[0]) for end in ends), default=0)


@pytest.mark.slow
def test_a_training_that_is_told_to_end_writes_its_checkpoint_first(
    store: ObjectStore,
    tracking: Tracking,
    mlflow_settings: Settings,
    tokens: Tokens,
    topics: tuple[DataReport, BaseModel],
    tmp_path: Path,
) -> None:
    base = topics[1]
    settings = SETTINGS.model_copy(update={"seed": 3, "epochs": 12, "checkpoint_every_s": 3600})
    prefix = store.uri("checkpoints", training_key(tokens, base, "classification", settings))
    process = start(tmp_path, mlflow_settings, tokens, base, settings)
    while process.poll() is None and newest_step(store, prefix) < STEPS_OF_AN_EPOCH:
        time.sleep(0.02)
    told_at = newest_step(store, prefix)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1, output
    assert output.strip().splitlines()[-1] == (
        "TerminatedError: training was told to end (SIGTERM), and its checkpoint is written; run "
        "again, and it goes on from there"
    )
    step = newest_step(store, prefix)
    # Epochs end with a checkpoint anyway; this one is of the step that was under way.
    assert step % STEPS_OF_AN_EPOCH or step > told_at
    assert list((tmp_path / "scratch").glob("assayline-*")) == []

    def train() -> Weights:
        return train_model(store, tracking, "killed", tokens, base, "classification", settings)

    resumed, uninterrupted = train(), train()
    assert (resumed.resumed_from_step, uninterrupted.resumed_from_step) == (step, 0)
    assert resumed.artifact == uninterrupted.artifact
    assert resumed.epochs == uninterrupted.epochs


def test_no_room_for_a_checkpoint_is_one_message(
    mlflow_settings: Settings,
    tokens: Tokens,
    topics: tuple[DataReport, BaseModel],
    tmp_path: Path,
) -> None:
    """A file limit stands for a full disk: both make the write itself fail."""
    settings = SETTINGS.model_copy(update={"seed": 2})
    process = start(
        tmp_path, mlflow_settings, tokens, topics[1], settings, file_limit_bytes=100_000
    )
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    last = output.strip().splitlines()[-1]
    assert last.startswith("TrainingError: no room to write in ")
    assert "set TMPDIR to a folder on a larger disk" in last
    assert "Traceback" not in output
    assert list((tmp_path / "scratch").glob("assayline-*")) == []
