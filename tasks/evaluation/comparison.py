"""The candidate against another model on the same rows."""

from dataclasses import dataclass

from tasks.evaluation.confusion import (
    Metric,
    accuracy,
    cells_with_pseudo_row,
    confusion_matrix,
    macro_f1,
    sums_of_matrix,
    sums_of_weights,
)
from tasks.evaluation.quality import why_no_macro
from tasks.evaluation.settings import EvaluationSettings
from tasks.resampling import Floats, Ints, estimate_from_draws, generator, resample
from tasks.verdicts import Estimate, undetermined

GAINS: dict[str, Metric] = {"accuracy_gain": accuracy, "macro_f1_gain": macro_f1}


@dataclass(frozen=True)
class Rival:
    """What another model says of the test rows.

    Attributes:
        name: family of the estimates: ``baseline`` or ``champion``.
        predicted: class ids, shape (N,); None where it says nothing.
        reason: why it says nothing; empty otherwise.

    """

    name: str
    predicted: Ints | None
    reason: str = ""


def gain_estimates(
    truth: Ints,
    predicted: Ints,
    rival: Rival,
    labels: tuple[str, ...],
    settings: EvaluationSettings,
) -> list[Estimate]:
    """Candidate minus rival in accuracy and macro F1, by paired bootstrap.

    Both models are drawn with the same rows (cells of true label and both predictions), so what is
    hard for both cancels out.
    """
    if rival.predicted is None:
        return [undetermined(f"{rival.name}.{gain}", len(truth), rival.reason) for gain in GAINS]
    return [
        _gain(f"{rival.name}.{gain}", metric, truth, (predicted, rival.predicted), labels, settings)
        for gain, metric in GAINS.items()
    ]


def _gain(
    name: str,
    metric: Metric,
    truth: Ints,
    predicted: tuple[Ints, Ints],
    labels: tuple[str, ...],
    settings: EvaluationSettings,
) -> Estimate:
    size = len(labels)
    ours, theirs = (confusion_matrix(truth, column, size) for column in predicted)
    if metric is macro_f1 and (reason := why_no_macro(ours, labels)):
        return undetermined(name, len(truth), reason)
    cells = cells_with_pseudo_row(truth, predicted, size)

    def statistic(weights: Floats) -> Floats:
        first, second = (
            metric(sums_of_weights(weights, cells.truth, column, size))
            for column in cells.predicted
        )
        return first - second

    value = float(metric(sums_of_matrix(ours)) - metric(sums_of_matrix(theirs)))
    draws = resample(cells.masses, statistic, settings.repeats, generator(settings.seed, name))
    return estimate_from_draws(name, value, draws, len(truth))
