"""Counts of true and predicted labels, and the macro averages that follow from them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tasks.resampling import Floats, Ints, collapse


@dataclass(frozen=True)
class LabelSums:
    """Rows, or weights of rows, by label; each of shape (..., L).

    Attributes:
        hits: truly of the label and predicted as it.
        predicted: predicted as the label.
        true: truly of the label.

    """

    hits: Floats
    predicted: Floats
    true: Floats


def macro_precision(sums: LabelSums) -> Floats:
    """Mean over the labels of hits among the predicted."""
    return np.asarray((sums.hits / sums.predicted).mean(axis=-1))


def macro_recall(sums: LabelSums) -> Floats:
    """Mean over the labels of hits among the true."""
    return np.asarray((sums.hits / sums.true).mean(axis=-1))


def macro_f1(sums: LabelSums) -> Floats:
    """Mean over the labels of each label's F1, as scikit-learn averages it."""
    return np.asarray((2 * sums.hits / (sums.predicted + sums.true)).mean(axis=-1))


def accuracy(sums: LabelSums) -> Floats:
    """Share of all rows that are hits."""
    return np.asarray(sums.hits.sum(axis=-1) / sums.true.sum(axis=-1))


Metric = Callable[[LabelSums], Floats]


def confusion_matrix(truth: Ints, predicted: Ints, size: int) -> Ints:
    """Rows by (true, predicted) label, shape (L, L)."""
    return np.bincount(truth * size + predicted, minlength=size * size).reshape(size, size)


def sums_of_matrix(matrix: Ints) -> LabelSums:
    """The sums of a confusion matrix."""
    counts = matrix.astype(np.float64)
    return LabelSums(counts.diagonal(), counts.sum(axis=0), counts.sum(axis=1))


@dataclass(frozen=True)
class PredictionCells:
    """Distinct combinations of the true label and of one or two models' predictions.

    Attributes:
        truth: shape (C,).
        predicted: one array of shape (C,) a model.
        masses: rows and pseudo-rows, shape (C,).

    """

    truth: Ints
    predicted: tuple[Ints, ...]
    masses: Floats


def cells_with_pseudo_row(truth: Ints, predicted: tuple[Ints, ...], size: int) -> PredictionCells:
    """Collapse rows and add one pseudo-row, so that what was never seen stays possible.

    For one model half of the pseudo-row is right and half wrong; for two, each model is right in
    the half in which the other is wrong. Both halves are spread evenly over the true labels, and
    each wrong prediction is the next label, so that no label's precision is favoured.
    """
    found = collapse([truth, *predicted])
    labels = np.arange(size)
    wrong = (labels + 1) % size
    halves = [(labels,), (wrong,)] if len(predicted) == 1 else [(labels, wrong), (wrong, labels)]
    return PredictionCells(
        truth=np.concatenate([found.columns[0], labels, labels]),
        predicted=tuple(
            np.concatenate([column, *(half[model] for half in halves)])
            for model, column in enumerate(found.columns[1:])
        ),
        masses=np.concatenate([found.counts, np.full(2 * size, 0.5 / size)]),
    )


def sums_of_weights(weights: Floats, truth: Ints, predicted: Ints, size: int) -> LabelSums:
    """The sums under weights of the cells, shape (r, C) to (r, L)."""
    is_true = np.eye(size)[truth]  # (C, L)
    is_predicted = np.eye(size)[predicted]
    return LabelSums(
        hits=weights @ (is_true * is_predicted),
        predicted=weights @ is_predicted,
        true=weights @ is_true,
    )
