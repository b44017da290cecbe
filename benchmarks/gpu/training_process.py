"""One training in a process of its own, to be killed: ``INPUTS SETTINGS`` are its arguments."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import torch

from benchmarks.gpu.folder_store import NoTracking
from benchmarks.gpu.inputs import Inputs
from tasks.records.training import Weights
from tasks.training import callbacks
from tasks.training.settings import TrainingSettings
from tasks.training.train import train_model

TASK, LINE = "classification", "gpu-check"
MODEL: Final = "minilm"
# Steps of a small model outrun the writing of its checkpoints.
STEP_S: Final = 0.03


def train_whole(
    inputs: Inputs, settings: TrainingSettings, progress: Callable[..., None]
) -> Weights:
    """What the stage does, from the base model to the weights in the store."""
    tokens, base = inputs.tokens[f"{TASK}/{MODEL}/few"], inputs.bases[MODEL]
    return train_model(
        inputs.store, NoTracking(), LINE, tokens, base, TASK, settings, progress
    )  # fmt: skip


def main() -> None:
    """Train slowly, so that there is time to kill it."""
    inputs = Inputs.load(Path(sys.argv[1]))
    settings = TrainingSettings(**json.loads(sys.argv[2]))
    torch.use_deterministic_algorithms(mode=True)
    callbacks.PROGRESS_EVERY_S = 0.0
    train_whole(inputs, settings, lambda _percent, _words: time.sleep(STEP_S))


if __name__ == "__main__":
    main()
