"""How good the predictions are: accuracy, macro and per-label precision, recall and F1."""

import numpy as np

from tasks.evaluation.confusion import (
    Metric,
    cells_with_pseudo_row,
    confusion_matrix,
    macro_f1,
    macro_precision,
    macro_recall,
    sums_of_matrix,
    sums_of_weights,
)
from tasks.evaluation.settings import EvaluationSettings
from tasks.resampling import (
    Floats,
    Ints,
    estimate_from_draws,
    estimate_of_proportion,
    generator,
    jeffreys_ladder,
    resample,
)
from tasks.verdicts import Estimate, undetermined


def label_estimates(
    family: str, truth: Ints, predicted: Ints, labels: tuple[str, ...]
) -> list[Estimate]:
    """Precision, recall and F1 of each label, undetermined where no row can tell.

    Values are scikit-learn's. F1 = 2 TP / (2 TP + FP + FN) = 2 q / (1 + q), where q is the share of
    hits among the rows that are or are called the label; so the interval of q gives that of F1.
    """
    estimates = []
    matrix = confusion_matrix(truth, predicted, len(labels))
    for index, label in enumerate(labels):
        hits = int(matrix[index, index])
        true, called = int(matrix[index].sum()), int(matrix[:, index].sum())
        absent = f"the test split has no row with the label {label!r}"
        name = f"{family}.precision.{label}"
        estimates.append(
            estimate_of_proportion(name, hits, called)
            if called
            else undetermined(name, 0, f"no test row is predicted as {label!r}")
        )
        name = f"{family}.recall.{label}"
        estimates.append(
            estimate_of_proportion(name, hits, true) if true else undetermined(name, 0, absent)
        )
        name = f"{family}.f1.{label}"
        estimates.append(
            _f1_estimate(name, hits, true + called - hits)
            if true
            else undetermined(name, 0, absent)
        )
    return estimates


def _f1_estimate(name: str, hits: int, concerned: int) -> Estimate:
    ladder = tuple(
        (2 * low / (1 + low), 2 * high / (1 + high))
        for low, high in jeffreys_ladder(hits, concerned)
    )
    value = 2 * hits / (concerned + hits)
    ladder = tuple((min(low, value), max(high, value)) for low, high in ladder)
    return Estimate(name, value, concerned, ladder, "Bayesian bootstrap, closed form")


def macro_estimates(
    family: str,
    truth: Ints,
    predicted: Ints,
    labels: tuple[str, ...],
    settings: EvaluationSettings,
) -> list[Estimate]:
    """Accuracy, and precision, recall and F1 averaged over the labels, each with equal weight."""
    hits = int((truth == predicted).sum())
    return [
        estimate_of_proportion(f"{family}.accuracy", hits, len(truth)),
        *(
            _macro_estimate(
                f"{family}.{metric.__name__}", metric, truth, predicted, labels, settings
            )
            for metric in (macro_precision, macro_recall, macro_f1)
        ),
    ]


def _macro_estimate(
    name: str,
    metric: Metric,
    truth: Ints,
    predicted: Ints,
    labels: tuple[str, ...],
    settings: EvaluationSettings,
) -> Estimate:
    matrix = confusion_matrix(truth, predicted, len(labels))
    if reason := why_no_macro(matrix, labels, of_predicted=metric is macro_precision):
        return undetermined(name, len(truth), reason)
    cells = cells_with_pseudo_row(truth, (predicted,), len(labels))

    def statistic(weights: Floats) -> Floats:
        return metric(sums_of_weights(weights, cells.truth, cells.predicted[0], len(labels)))

    draws = resample(cells.masses, statistic, settings.repeats, generator(settings.seed, name))
    return estimate_from_draws(name, float(metric(sums_of_matrix(matrix))), draws, len(truth))


def why_no_macro(matrix: Ints, labels: tuple[str, ...], *, of_predicted: bool = False) -> str:
    """Why an average over all labels is not defined; empty where it is."""
    if missing := _named(labels, matrix.sum(axis=1)):
        return f"the test split has no row with the label {missing}"
    if of_predicted and (missing := _named(labels, matrix.sum(axis=0))):
        return f"no test row is predicted as {missing}, so its precision is not defined"
    return ""


def _named(labels: tuple[str, ...], counts: Ints) -> str:
    return ", ".join(repr(labels[index]) for index in np.flatnonzero(counts == 0))
