"""How training went, over epochs and over steps."""

import math
from dataclasses import dataclass

from tasks.records.training import Weights
from tasks.reporting.charts import Plane, step_plane, training_plane
from tasks.reporting.metrics import is_better_lower, metric_of
from tasks.reporting.number_format import words_of


@dataclass(frozen=True)
class Curve:
    """A chart of training.

    Attributes:
        id: in the page.
        y_name: what stands on the upright axis.
        over: ``epoch`` or ``step``.

    """

    id: str
    title: str
    y_name: str
    over: str
    plane: Plane

    @property
    def described(self) -> str:
        """The chart in words."""
        if self.over == "epoch":
            return "The same numbers stand in the table below."
        (line,) = self.plane.lines
        return f"From {line.dots[0].described} to {line.dots[-1].described}."


def training_curves(weights: Weights) -> list[Curve]:
    """Losses and validation metrics by epoch; loss, learning rate and gradient norm by step."""
    curves = []
    if weights.epochs:
        curves = [Curve("loss", "Loss", "loss", "epoch", loss_plane(weights))]
        curves += metric_curves(weights)
    return curves + step_curves(weights)


def loss_plane(weights: Weights) -> Plane:
    """Training and validation loss per epoch."""
    series = {
        "training": [epoch.train_loss for epoch in weights.epochs],
        "validation": [epoch.validation_loss for epoch in weights.epochs],
    }
    return training_plane(weights.epochs, weights.best_epoch, series)


def metric_curves(weights: Weights) -> list[Curve]:
    """Validation metrics per epoch, a chart for each scale."""
    names = dict.fromkeys(name for epoch in weights.epochs for name in epoch.validation_metrics)
    scales: dict[str, list[str]] = {}
    for name in names:
        scales.setdefault(metric_of(name).scale, []).append(name)
    curves = []
    for number, of_scale in enumerate(scales.values(), start=1):
        series = {
            words_of(name): [e.validation_metrics.get(name, math.nan) for e in weights.epochs]
            for name in of_scale
        }
        falls = all(map(is_better_lower, of_scale))
        title = "Validation metrics" + (", lower is better" if falls else "")
        one = next(iter(series)) if len(series) == 1 else "metric"
        plane = training_plane(weights.epochs, weights.best_epoch, series)
        curves.append(Curve(f"metrics-{number}", title, one, "epoch", plane))
    return curves


def step_curves(weights: Weights) -> list[Curve]:
    """What the optimizer did, step by step; none where no step was recorded."""
    points = weights.curve
    if not points:
        return []
    steps = [point.step for point in points]
    drawn = (
        ("step-loss", "Training loss by step", "loss", [p.loss for p in points]),
        ("learning-rate", "Learning rate", "learning rate", [p.learning_rate for p in points]),
        ("grad-norm", "Gradient norm", "norm", [p.grad_norm for p in points]),
    )
    return [
        Curve(id_, title, name, "step", step_plane(steps, name, values))
        for id_, title, name, values in drawn
        if any(map(math.isfinite, values))
    ]
