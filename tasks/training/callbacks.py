"""What is done along the way: checkpoints to the store, curves to MLflow, progress to who looks."""

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from infra.errors import StoreError, TrackingError, TrainingError
from infra.tracking import Tracking
from tasks.training.background_writes import BackgroundWriter
from tasks.training.checkpoints import Checkpoints
from tasks.training.curves import Curves
from tasks.training.memory import peak_memory_mb
from tasks.training.pace import Pace, in_words
from tasks.training.ranks import Ranks
from tasks.training.termination import StoppedError, StopSignal

logger = logging.getLogger(__name__)

# Percent of the optimizer steps done, and what goes on, in words.
Progress = Callable[[float, str], None]

PROGRESS_EVERY_S = 2.0
# Points of the curves that wait while MLflow is away. Writing many more would hold up the training.
MAX_WAITING_POINTS = 1_000
# Trainer's names of what it logs, and ours.
LOGGED = {"loss": "train_loss", "learning_rate": "learning_rate", "grad_norm": "grad_norm"}
VALIDATION = "eval_"
# What Trainer adds to the metrics of a validation beside the metrics.
NO_METRICS = frozenset(
    {"loss", "runtime", "samples_per_second", "steps_per_second", "model_preparation_time"}
)


class CheckpointCallback(TrainerCallback):  # type: ignore[misc]
    """Asks for a checkpoint when it is time and the one before it is written, or before the end."""

    def __init__(
        self,
        writer: BackgroundWriter,
        curves: Curves,
        every_s: float,
        stop: StopSignal,
        workers: Ranks,
    ) -> None:
        self._writer, self._curves, self._every_s = writer, curves, every_s
        self._stop, self._workers = stop, workers
        self._last_s = time.monotonic()
        self._stopping = False

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Start the clock."""
        self._last_s = time.monotonic()
        self._curves.start_clock()

    def on_step_end(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
        """Ask for a checkpoint when the time is up, or when the process is told to end."""
        due = time.monotonic() - self._last_s >= self._every_s and not self._writer.busy
        # The first worker's clock counts, and anyone may have been told to end.
        told, due_there = self._workers.sum(
            float(self._stop.requested), float(due and self._workers.is_first)
        )
        self._stopping = told > 0
        # The end of an epoch saves after its validation. A checkpoint of the same step before it
        # would resume behind the validation, which would then be lost.
        at_epoch_end = state.epoch == int(state.epoch)
        if (self._stopping or due_there > 0) and not at_epoch_end:
            control.should_save = True

    def on_save(self, *_: Any, **__: Any) -> None:
        """Count the time that the copy took as other work.

        Raises:
            StoppedError: the process was told to end, and this checkpoint is written.

        """
        if self._stopping or self._workers.any(flag=self._stop.requested):
            self._writer.wait()
            self._workers.wait()
            raise StoppedError
        self._last_s = time.monotonic()
        self._curves.tick(stepping=False)


class FirstStepCallback(TrainerCallback):  # type: ignore[misc]
    """Takes the time until the first step is done.

    Attributes:
        seconds: since `begun_s`; 0 before.

    """

    def __init__(self, begun_s: float) -> None:
        self._begun_s, self.seconds = begun_s, 0.0

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Take the time, once."""
        self.seconds = self.seconds or time.monotonic() - self._begun_s


def keep_in_store(checkpoints: Checkpoints) -> Callable[[Path, int], None]:
    """What brings a whole checkpoint to the store; a store that is away costs this checkpoint."""

    def keep(folder: Path, step: int) -> None:
        with only_warn("this checkpoint is not kept"):
            checkpoints.save(folder, step)

    return keep


class CurveCallback(TrainerCallback):  # type: ignore[misc]
    """Writes the curves to MLflow and one line an epoch to the log."""

    def __init__(self, tracking: Tracking | None, run_id: str, curves: Curves) -> None:
        """Without `tracking`, curves are drawn and written by another worker."""
        self._tracking, self._run_id, self._curves = tracking, run_id, curves
        self._waiting: deque[tuple[int, Mapping[str, float]]] = deque(maxlen=MAX_WAITING_POINTS)

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Count the step."""
        self._curves.end_step()

    def on_log(self, _args: Any, state: Any, _control: Any, logs: Any, **_: Any) -> None:
        """Write a point of the training curves."""
        if "loss" in logs:
            point = {ours: float(logs[name]) for name, ours in LOGGED.items() if name in logs}
            seen = {"tokens_per_s": self._curves.tokens_per_s, "memory_mb": peak_memory_mb()}
            self._write({**point, **seen}, state.global_step)

    def on_evaluate(self, args: Any, state: Any, _control: Any, metrics: Any, **_: Any) -> None:
        """Close the epoch.

        Raises:
            TrainingError: the validation loss is no number.

        """
        loss, values = _validation(metrics)
        if not math.isfinite(loss):
            raise TrainingError(
                f"the validation loss is {loss} at step {state.global_step}; lower "
                f"training.learning_rate ({args.learning_rate:g})"
            )
        epoch = self._curves.end_epoch(loss, values)
        named = {f"validation_{name}": value for name, value in values.items()}
        self._write({"validation_loss": loss, **named}, state.global_step)
        if self._tracking is None:
            return
        logger.info(
            "epoch %s of %s: training loss %.4f, validation loss %.4f, %s",
            epoch.number, int(args.num_train_epochs), epoch.train_loss, loss,
            ", ".join(f"{name} {value:.4f}" for name, value in values.items()),
        )  # fmt: skip

    def _write(self, metrics: Mapping[str, float], step: int) -> None:
        if self._tracking is None:
            return
        self._waiting.append((step, metrics))
        self._write_waiting(self._tracking)

    def _write_waiting(self, tracking: Tracking) -> None:
        """Write what MLflow has not taken yet, the oldest first."""
        since = self._waiting[0][0]
        with only_warn(f"the curves in MLflow wait at step {since}; the report shows them whole"):
            while self._waiting:
                step, metrics = self._waiting[0]
                tracking.log_metrics(self._run_id, metrics, step)
                self._waiting.popleft()


class ProgressCallback(TrainerCallback):  # type: ignore[misc]
    """Says how far training is, every couple of seconds."""

    def __init__(self, progress: Progress, curves: Curves, tokens_an_epoch: int) -> None:
        """`tokens_an_epoch`: real tokens of all training rows."""
        self._progress, self._curves = progress, curves
        self._tokens_an_epoch = tokens_an_epoch
        self._counted = curves.tokens
        self._said_s = time.monotonic()
        self._pace = Pace(self._said_s)

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        """Start the clock with the first step, when a resumed epoch has found its place."""
        if not self._pace.token_s:
            self._pace.skip_to(time.monotonic())

    def on_step_end(self, args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Say how far it is."""
        now_s, tokens = time.monotonic(), self._curves.tokens
        self._pace.end_step(now_s, tokens - self._counted)
        self._counted = tokens
        if now_s - self._said_s < PROGRESS_EVERY_S:
            return
        self._said_s = now_s
        done, total, epochs = state.global_step, state.max_steps, int(args.num_train_epochs)
        left_s = self._pace.left_s(
            max(epochs * self._tokens_an_epoch - tokens, 0), epochs - len(self._curves.epochs)
        )
        self._progress(
            100 * done / total,
            f"epoch {min(math.floor(state.epoch) + 1, epochs)} of {epochs}, step {done} of "
            f"{total}: loss {self._curves.train_loss:.3f}, {self._pace.tokens_per_s:,.0f} tokens "
            f"a second, {in_words(left_s)} left",
        )

    def on_evaluate(self, *_: Any, **__: Any) -> None:
        """Time the validation, whose like come after the epochs that are left."""
        self._pace.end_validation(time.monotonic())

    def on_save(self, *_: Any, **__: Any) -> None:
        """Leave out what a checkpoint held the training up."""
        self._pace.skip_to(time.monotonic())


def _validation(metrics: Mapping[str, float]) -> tuple[float, dict[str, float]]:
    """The validation loss, and the task type's metrics by name."""
    values = {
        name.removeprefix(VALIDATION): float(value)
        for name, value in metrics.items()
        if name.startswith(VALIDATION)
    }
    return values["loss"], {name: v for name, v in values.items() if name not in NO_METRICS}


@contextmanager
def only_warn(consequence: str) -> Iterator[None]:
    """A server that is away costs what is said here, and not the training."""
    try:
        yield
    except (StoreError, TrackingError) as error:
        logger.warning("%s: %s", consequence, error)
