"""kill -9 at random moments of a training, again and again: the same weights, bit for bit."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.settings import Settings
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.data import DataReport
from tasks.records.training import BaseModel, Tokens
from tasks.tokenization.settings import TokenizationSettings
from tasks.tokenization.splits import tokenize_splits
from tasks.training.settings import TrainingSettings
from tests.faults.killing import PATIENCE_S

EPOCHS, ROWS, BATCH_SIZE = 4, 200, 8
STEPS = EPOCHS * ROWS // BATCH_SIZE
# Dropout of the tiny model is 0.1, so random states count; a checkpoint is nearly always under way.
COMMON = {
    "epochs": EPOCHS, "learning_rate": 1e-3, "batch_size": BATCH_SIZE, "tokens_per_pass": 64,
    "checkpoint_every_s": 0.05,
}  # fmt: skip
WAYS: dict[str, tuple[str, dict[str, object]]] = {
    "all parameters": ("classification", {}),
    "lora": ("classification", {"method": "lora", "lora_dropout": 0.1}),
    "average": ("classification", {"average_decay": 0.95}),
    "gradual unfreezing": ("classification", {"method": "unfreeze", "layer_decay": 0.8}),
    "random masks": ("masked_lm", {}),
}


def ends_as_if_never_killed(
    way: str, kills: int, store: ObjectStore, servers: Settings, tokens: Tokens, base: BaseModel,
    folder: Path,
) -> list[int]:  # fmt: skip
    """The steps at which training was killed, after a look at what it came to in the end."""
    task_type, changes = WAYS[way]
    settings = TrainingSettings(**{**COMMON, **changes})
    job = {
        "tokens": dataclasses.asdict(tokens), "base": dataclasses.asdict(base),
        "task_type": task_type, "settings": settings.model_dump(), "steps": STEPS, "seed": 7,
        "result": str(folder / "result.json"),
    }  # fmt: skip
    found = []
    for times in (kills, 0):
        (folder / "job.json").write_text(json.dumps({**job, "kills": times}))
        done = subprocess.run(
            [sys.executable, "-m", "tests.faults.killing", str(folder / "job.json")],
            env={**os.environ, **servers.as_environment(), "TMPDIR": str(folder)},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S * (1 + times / 4),
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout.splitlines()[-1]))
    killed, undisturbed = found
    assert undisturbed["killed_at"] == []
    assert killed["sha256"] == undisturbed["sha256"]
    assert killed["epochs"] == undisturbed["epochs"]
    return list(killed["killed_at"])


def tokens_of(store: ObjectStore, topics: tuple[DataReport, BaseModel], task_type: str) -> Tokens:
    data, base = topics
    return tokenize_splits(store, data, base, task_type, TokenizationSettings(max_length=24))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("way", list(WAYS))
def test_killed_at_five_random_moments(
    way: str,
    store: ObjectStore,
    tracking: Tracking,  # starts the server
    mlflow_settings: Settings,
    topics: tuple[DataReport, BaseModel],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tokens = tokens_of(store, topics, WAYS[way][0])
    killed_at = ends_as_if_never_killed(way, 5, store, mlflow_settings, tokens, topics[1], tmp_path)
    assert len(killed_at) == 5
    assert any(step % (STEPS // EPOCHS) for step in killed_at)
    with capsys.disabled():
        print(f"\n{way}: killed at steps {killed_at} of {STEPS}, the same bits in the end")
