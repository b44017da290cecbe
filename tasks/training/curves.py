"""What training has come to so far, kept in every checkpoint so that a resumed run goes on."""

import dataclasses
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tasks.records.training import Epoch, TrainingPoint

CURVES_FILE = "curves.json"
# Points of a curve that are kept; neighbours are averaged where there are more.
MAX_POINTS = 200


@dataclass
class Curves:
    """Sums over the steps of the running epoch, and the epochs that are done.

    Attributes:
        loss_sum: training loss, summed over the steps of the running epoch.
        loss_steps: steps in that sum.
        tokens: real tokens that were trained on, in all epochs.
        step_s: seconds spent in training steps.
        total_s: seconds since training began, evaluation and all runs before a crash included,
            as far as a checkpoint recorded them.
        points: at most 2 * MAX_POINTS, each the mean of `steps_a_point` steps but the last.

    """

    loss_sum: float = 0.0
    loss_steps: int = 0
    tokens: int = 0
    step_s: float = 0.0
    total_s: float = 0.0
    epochs: list[Epoch] = field(default_factory=list)
    points: list[TrainingPoint] = field(default_factory=list)
    steps_a_point: int = 1
    _open: list[TrainingPoint] = field(default_factory=list)
    _clock_s: float = field(default_factory=time.monotonic)

    def start_clock(self) -> None:
        """Do not count the time since the last tick."""
        self._clock_s = time.monotonic()

    def tick(self, *, stepping: bool) -> None:
        """Count the time since the last tick, as a training step's or as other work."""
        now = time.monotonic()
        self.total_s += now - self._clock_s
        if stepping:
            self.step_s += now - self._clock_s
        self._clock_s = now

    def add_batch(self, loss: float, tokens: int) -> None:
        """Count a batch: its share of the step's loss, and its real tokens."""
        self.loss_sum += loss
        self.tokens += tokens

    def add_point(self, step: int, loss: float, learning_rate: float, grad_norm: float) -> None:
        """Draw a step into the curve."""
        self._open.append(TrainingPoint(step, loss, learning_rate, grad_norm))
        if len(self._open) < self.steps_a_point:
            return
        self.points.append(_mean_of(self._open))
        self._open.clear()
        if len(self.points) >= 2 * MAX_POINTS:
            self.points = _in_pairs(self.points)
            self.steps_a_point *= 2

    @property
    def curve(self) -> tuple[TrainingPoint, ...]:
        """At most MAX_POINTS points over all steps."""
        points = [*self.points, *([_mean_of(self._open)] if self._open else [])]
        while len(points) > MAX_POINTS:
            points = _in_pairs(points)
        return tuple(points)

    def end_step(self) -> None:
        """Count an optimizer step."""
        self.loss_steps += 1
        self.tick(stepping=True)

    def end_epoch(self, validation_loss: float, metrics: Mapping[str, float]) -> Epoch:
        """Close the running epoch."""
        epoch = Epoch(len(self.epochs) + 1, self.train_loss, validation_loss, dict(metrics))
        self.epochs.append(epoch)
        self.loss_sum, self.loss_steps = 0.0, 0
        self.tick(stepping=False)
        return epoch

    @property
    def train_loss(self) -> float:
        """Mean loss of the running epoch's steps; 0 before the first."""
        return self.loss_sum / self.loss_steps if self.loss_steps else 0.0

    @property
    def tokens_per_s(self) -> float:
        """Real tokens trained on in a second of stepping; 0 before the first step."""
        return self.tokens / self.step_s if self.step_s else 0.0

    def save(self, folder: Path) -> None:
        """Write into a checkpoint folder."""
        values = dataclasses.asdict(self)
        del values["_clock_s"]
        (folder / CURVES_FILE).write_text(json.dumps(values, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "Curves":
        """Read from a checkpoint folder."""
        values = json.loads((folder / CURVES_FILE).read_text(encoding="utf-8"))
        epochs = [Epoch(**epoch) for epoch in values.pop("epochs")]
        points, open_ = (
            [TrainingPoint(**point) for point in values.pop(name)] for name in ("points", "_open")
        )
        return cls(**values, epochs=epochs, points=points, _open=open_)


def _in_pairs(points: list[TrainingPoint]) -> list[TrainingPoint]:
    return [_mean_of(points[start : start + 2]) for start in range(0, len(points), 2)]


def _mean_of(points: list[TrainingPoint]) -> TrainingPoint:
    """Their mean, at the last one's step."""
    return TrainingPoint(
        points[-1].step,
        sum(point.loss for point in points) / len(points),
        points[-1].learning_rate,
        sum(point.grad_norm for point in points) / len(points),
    )
