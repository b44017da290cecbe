"""Trainings by the product's own engine, with the store in a folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers import PrinterCallback, TrainerCallback

from benchmarks.gpu.folder_store import NoTracking
from benchmarks.gpu.inputs import Inputs
from benchmarks.gpu.shapes import ModelName
from infra.device import Precision, deterministic_algorithms, matrix_products, pick_device
from infra.digests import digest_of
from infra.transformers_logs import quiet_transformers
from tasks.records.training import Weights
from tasks.training.auto_choices import Batching, Choice
from tasks.training.curves import Curves
from tasks.training.engine import build_trainer, fetch, run_training
from tasks.training.jobs import Job, WorkingFolder, learner_for
from tasks.training.models import read_rows
from tasks.training.settings import TrainingSettings
from tasks.training.trainer import LineTrainer


def settings_for(inputs: Inputs, **changes: Any) -> TrainingSettings:
    """Settings of the check, without dropout, so that curves can be compared."""
    chosen = {
        "epochs": 1, "learning_rate": inputs.size.learning_rate, "dropout": 0.0,
        "batch_size": inputs.size.batch_size, "tokens_per_pass": inputs.size.tokens_per_pass,
        "checkpoint_every_s": 3600,
        **changes,
    }  # fmt: skip
    return TrainingSettings(**chosen)


def job_for(
    inputs: Inputs, task: str, model: ModelName, settings: TrainingSettings, *, few: bool = False
) -> Job:
    """A training of all rows, or of few."""
    tokens = inputs.tokens[f"{task}/{model}{'/few' if few else ''}"]
    base = inputs.bases[model]
    return Job(
        store=inputs.store,
        tracking=NoTracking(),
        tokens=tokens,
        base=base,
        learner=learner_for(task, tokens, settings),
        settings=settings,
        device=pick_device(),
        key=digest_of([tokens.artifact.sha256, base.sha256, task, settings]),
        base_folder=Path(base.reference),
        run_id="",
    )


def choice_of(
    precision: Precision | None = None, batching: Batching = "padded", *, compiled: bool = False
) -> Choice:
    """A way to train; the device's own precision where none is named."""
    return Choice(batching, precision or pick_device().precision, compiled)


@contextmanager
def working_folder(inputs: Inputs, job: Job) -> Iterator[WorkingFolder]:
    """A folder with the tokens, for as long as a training runs."""
    with (
        TemporaryDirectory(dir=inputs.folder, prefix="training-") as scratch,
        deterministic_algorithms(),
        quiet_transformers(),
    ):
        yield fetch(job, WorkingFolder(Path(scratch)))


def train(inputs: Inputs, job: Job, choice: Choice) -> Weights:
    """Train to the end, with validation and checkpoints as a run has them."""
    with working_folder(inputs, job) as place:
        weights = run_training(job, place, choice, lambda _percent, _words: None)
    assert weights is not None
    job.checkpoints.delete()
    return weights


def losses_of(weights: Weights) -> list[float]:
    """The loss curve."""
    return [point.loss for point in weights.curve]


def apart(one: Weights, other: Weights) -> float:
    """Largest distance of two loss curves of as many points, as a share of the first loss."""
    return max(_distances(one, other))


def apart_in_the_mean(one: Weights, other: Weights) -> float:
    """As `apart`, the mean distance: rounding makes single steps differ more than a curve does."""
    distances = _distances(one, other)
    return sum(distances) / len(distances)


def _distances(one: Weights, other: Weights) -> list[float]:
    first = losses_of(one)[0]
    pairs = zip(losses_of(one), losses_of(other), strict=True)
    return [abs(a - b) / first for a, b in pairs]


def fall_of(weights: Weights) -> tuple[float, float]:
    """The mean training loss of the first and of the last of several epochs."""
    return weights.epochs[0].train_loss, weights.epochs[-1].train_loss


class EpochClock(TrainerCallback):  # type: ignore[misc]
    """Seconds of the last epoch, whose first steps need no warming up.

    Attributes:
        seconds: 0 before the end of an epoch.

    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._begin_s = 0.0

    def on_epoch_begin(self, *_: Any, **__: Any) -> None:
        """Start anew."""
        self._begin_s = _now_s()

    def on_epoch_end(self, *_: Any, **__: Any) -> None:
        """Stop."""
        self.seconds = _now_s() - self._begin_s


def _now_s() -> float:
    import time

    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


@dataclass
class Speed:
    """A training that was timed.

    Attributes:
        tokens_per_s: real tokens of the last epoch a second.
        trainer: that has ended.
        mean_span: mean number of tokens that a token attends to.

    """

    tokens_per_s: float
    trainer: Any
    mean_span: float


def time_ours(inputs: Inputs, job: Job, choice: Choice, *callbacks: Any) -> Speed:
    """Train two epochs without validation and checkpoints, and time the second."""
    with working_folder(inputs, job) as place, matrix_products(choice.precision):
        rows = read_rows(job, place)
        trainer: LineTrainer = build_trainer(job.fitted_to(rows[0]), place, choice, rows, Curves())
        trainer.args.eval_strategy = trainer.args.save_strategy = "no"
        trainer.args.load_best_model_at_end = False
        clock = EpochClock()
        trainer.remove_callback(PrinterCallback)
        for callback in (clock, *callbacks):
            trainer.add_callback(callback)
        trainer.train()
        trainer.writer.close()
        lengths = rows[0].lengths.astype(float)
    span = float((lengths**2).sum() / lengths.sum())
    return Speed(float(lengths.sum()) / clock.seconds, trainer, span)
