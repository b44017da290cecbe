"""What background checkpoints cost, and how soon a training takes its first step.

The same training runs without checkpoints and with one every few seconds, each a copy in memory
that a thread writes to disk and to a real object store. The cost of one follows from the
difference, and is told as a share of the five minutes between two.
"""

import json
import os
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from transformers import PrinterCallback
from transformers.trainer_callback import DefaultFlowCallback

from benchmarks.corpus import TOPICS
from benchmarks.local_store import environment_of, served_store
from benchmarks.training.sentences import (
    BASE_MODEL,
    LEARNER,
    Sentences,
    load_sentences,
    new_model,
)
from benchmarks.training.throughput import SETTINGS, StepClock
from infra.base_models import fingerprint, locate
from infra.device import deterministic_algorithms, pick_device
from infra.settings import Settings
from infra.store import ObjectStore, open_store
from infra.tracking import open_tracking
from infra.transformers_logs import quiet_transformers
from tasks.records.training import BaseModel, Tokens
from tasks.task_types.tokenizers import load_tokenizer, vocabulary_of
from tasks.training.arguments import trainer_arguments
from tasks.training.background_writes import copy_to_memory
from tasks.training.callbacks import CheckpointCallback, keep_in_store
from tasks.training.checkpoints import Checkpoints
from tasks.training.curves import Curves
from tasks.training.termination import StopSignal
from tasks.training.train import train_model
from tasks.training.trainer import LineTrainer

TRAIN_ROWS: Final = 2_000
EVERY_S: Final = 4.0
MINUTES_BETWEEN: Final = 5
REPEATS: Final = 2
SERVER_START_S: Final = 90


class HoldClock(LineTrainer):
    """Counts checkpoints and the seconds that each holds the training thread."""

    holds: list[float]

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        begin = time.perf_counter()
        super()._save_checkpoint(model, trial)
        self.holds.append(time.perf_counter() - begin)


def measure() -> dict[str, float]:
    """The shares and seconds.

    Returns:
        checkpoint_cost: share of the training time at one checkpoint every five minutes.
        checkpoint_hold_s: the training thread is held, on average of the checkpoints.
        memory_copy_s: what copying weights and optimizer in memory takes, on average.
        first_step_s: from the start of the interpreter to the end of the first optimizer step.

    """
    with (
        tempfile.TemporaryDirectory(prefix="bench-checkpoints-") as name,
        served_store() as settings,
        quiet_transformers(),
    ):
        data = load_sentences(Path(name), TRAIN_ROWS, 100)
        store = ObjectStore(settings)
        without, with_them, holds, copies = [], [], [], []
        for number in range(REPEATS):
            without.append(_train(data, Path(name) / f"none-{number}", store, every_s=1e9)[0])
            run = _train(data, Path(name) / f"some-{number}", store, every_s=EVERY_S)
            with_them.append((run[0], len(run[1])))
            holds += run[1]
            copies += run[2]
        plain = min(without)
        seconds, count = min(with_them)
        first_step_s = _first_step(settings)
    return {
        "checkpoint_cost": max(0.0, seconds - plain) / count / (60 * MINUTES_BETWEEN),
        "checkpoint_hold_s": sum(holds) / len(holds),
        "memory_copy_s": sum(copies) / len(copies),
        "checkpoints": float(count),
        "seconds_without_checkpoints": plain,
        "seconds_with_checkpoints": seconds,
        "first_step_s": first_step_s,
    }


def _train(
    data: Sentences, folder: Path, store: ObjectStore, *, every_s: float
) -> tuple[float, list[float], list[float]]:
    """Seconds of all steps, seconds of each hold, and of copies in memory after the last step."""
    model, clock, curves = new_model(data.folder), StepClock(), Curves()
    arguments = trainer_arguments(SETTINGS, pick_device(), folder, LEARNER)
    arguments.eval_strategy = arguments.save_strategy = "no"
    arguments.load_best_model_at_end = False
    checkpoints = Checkpoints(store, store.uri("checkpoints", folder.name), 2)
    vocabulary = vocabulary_of(load_tokenizer(data.folder), model.config)
    with deterministic_algorithms():
        trainer = HoldClock(
            model, arguments, LEARNER, SETTINGS, (data.train, data.held_out), vocabulary, curves,
            keep_in_store(checkpoints),
        )  # fmt: skip
        trainer.holds = []
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(
            CheckpointCallback(trainer.writer, curves, every_s, StopSignal(), trainer.workers)
        )
        trainer.add_callback(clock)
        with closing(trainer.writer):
            trainer.train()
            trainer.writer.wait()
    state = [trainer.model.state_dict(), trainer.optimizer.state_dict()]
    copies = [_seconds(lambda: copy_to_memory(state)) for _ in range(3)]
    print(f"checkpointing: {folder.name} {clock.seconds:.1f} s", file=sys.stderr, flush=True)
    return clock.seconds, trainer.holds, copies


def _seconds(act: Callable[[], object]) -> float:
    begin = time.perf_counter()
    act()
    return time.perf_counter() - begin


def _first_step(settings: Settings) -> float:
    """In a process of its own, with a real MLflow server."""
    with served_mlflow() as url:
        environment = dict(environment_of(settings)) | {"MLFLOW_TRACKING_URI": url}
        command = [sys.executable, "-m", "benchmarks.training.checkpointing"]
        begin = time.time()
        done = subprocess.run(
            command, env=environment, check=True, stdout=subprocess.PIPE, text=True
        )
        return float(json.loads(done.stdout.splitlines()[-1])) - begin


@contextmanager
def served_mlflow() -> Iterator[str]:
    """A new MLflow server on loopback; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    mlflow = Path(sysconfig.get_path("scripts")) / "mlflow"
    with tempfile.TemporaryDirectory(prefix="bench-mlflow-") as folder:
        process = subprocess.Popen(
            [
                mlflow, "server", "--port", str(port), "--workers", "1",
                "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
                "--artifacts-destination", folder,
            ],
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            _wait_for(f"{url}/health")
            yield url
        finally:
            process.terminate()
            process.wait()


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + SERVER_START_S
    while True:
        try:
            urllib.request.urlopen(url, timeout=2).close()  # noqa: S310 - our own server  # nosec B310
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


class FirstStepError(Exception):
    """Ends the training after its first step."""


def main() -> None:
    """One training, until its first step is done; the time then is printed."""

    def stop(*_: Any, **__: Any) -> None:
        raise FirstStepError

    DefaultFlowCallback.on_step_end = stop
    store = open_store()
    with tempfile.TemporaryDirectory() as name, quiet_transformers():
        folder = Path(name)
        load_sentences(folder, 1_000, 100)
        (folder / "held_out.arrow").rename(folder / "validation.arrow")
        artifact = store.put_folder(store.uri("tokens", "bench"), folder)
        tokens = Tokens(artifact, TOPICS, 256, {"train": 1_000, "validation": 100}, {}, {})
        found = fingerprint(locate(BASE_MODEL, None))
        base = BaseModel(BASE_MODEL, None, found.sha256, found.tokenizer_sha256)
        try:
            train_model(
                store, open_tracking(), "benchmark", tokens, base, "classification", SETTINGS
            )
        except FirstStepError:
            print(json.dumps(time.time()))


if __name__ == "__main__":
    main()
