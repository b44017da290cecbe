"""Trains, is killed with SIGKILL at a random moment, and trains on: ``JOB`` is its one argument.

Everything is imported once, and each attempt is a fork of this process. Prints one JSON object.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

from infra.store import Artifact, open_store
from infra.tracking import open_tracking
from tasks.records.training import BaseModel, Tokens, Weights
from tasks.training import callbacks
from tasks.training.settings import TrainingSettings
from tasks.training.train import train_model

PATIENCE_S = 120
# Steps of a tiny model outrun the writing of its checkpoints.
STEP_S = 0.03


def train(job: dict[str, dict[str, object]], steps: int, tell: int) -> Weights:
    """Train, and tell the number of each step that is done to a pipe."""
    tokens = dict(job["tokens"])
    tokens["artifact"] = Artifact(**tokens["artifact"])
    tokens["labels"] = tuple(tokens["labels"])

    def progress(percent: float, _words: str) -> None:
        time.sleep(STEP_S)
        os.write(tell, round(percent / 100 * steps).to_bytes(4, "big"))

    callbacks.PROGRESS_EVERY_S = 0.0
    return train_model(
        open_store(), open_tracking(), "killed", Tokens(**tokens), BaseModel(**job["base"]),
        job["task_type"], TrainingSettings(**job["settings"]), progress,
    )  # fmt: skip


def attempt(job: dict[str, dict[str, object]], draw: random.Random, *, kill: bool) -> int:
    """Train in a fork; returns the step at which it was killed, or 0 when it came to its end."""
    steps = int(job["steps"])
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        weights = train(job, steps, write)
        Path(job["result"]).write_text(json.dumps([weights.artifact.sha256, str(weights.epochs)]))
        os._exit(0)
    os.close(write)
    first = int.from_bytes(os.read(read, 4), "big")
    at = draw.randint(first, steps - 1) if kill else steps + 1
    step = first
    while 0 < step < at:
        step = int.from_bytes(os.read(read, 4), "big")  # 0 at the end of the pipe
    if kill:
        time.sleep(
            draw.uniform(0, 2 * STEP_S)
        )  # anywhere within the step, or the writing beside it
        os.kill(child, signal.SIGKILL)
    os.close(read)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return step
    if os.WEXITSTATUS(status):
        sys.exit("training failed")
    return 0


def main(path: Path) -> None:
    """Kill as often as the job says, then let training come to its end."""
    torch.set_num_threads(1)
    job = json.loads(path.read_text())
    draw = random.Random(job["seed"])
    killed_at = []
    while len(killed_at) < job["kills"]:
        step = attempt(job, draw, kill=True)
        if not step:
            break
        killed_at.append(step)
    else:
        attempt(job, draw, kill=False)
    digest, epochs = json.loads(Path(job["result"]).read_text())
    print(json.dumps({"killed_at": killed_at, "sha256": digest, "epochs": epochs}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
