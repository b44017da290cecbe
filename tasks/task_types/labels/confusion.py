"""Metrics of single labels that follow from counts of true and predicted ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tasks.resampling import Floats, Ints, exact_ladder
from tasks.task_types.measures import Measure, Sums, of_sums
from tasks.verdicts import MAX_FAMILY


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


def accuracy(sums: LabelSums) -> Floats:
    """Share of all rows that are hits."""
    return np.asarray(sums.hits.sum(axis=-1) / sums.true.sum(axis=-1))


def macro_precision(sums: LabelSums) -> Floats:
    """Mean over the labels of hits among the predicted."""
    return np.asarray((sums.hits / sums.predicted).mean(axis=-1))


def macro_recall(sums: LabelSums) -> Floats:
    """Mean over the labels of hits among the true."""
    return np.asarray((sums.hits / sums.true).mean(axis=-1))


def macro_f1(sums: LabelSums) -> Floats:
    """Mean over the labels of each label's F1; a label without true rows leaves it undefined."""
    each = 2 * sums.hits / (sums.predicted + sums.true)
    return np.asarray(np.where(sums.true > 0, each, np.nan).mean(axis=-1))


def matthews(sums: LabelSums) -> Floats:
    """Matthews' correlation of labels (Gorodkin 2004, doi:10.1016/j.compbiolchem.2004.09.006)."""
    rows, hits = sums.true.sum(axis=-1), sums.hits.sum(axis=-1)
    covariance = hits * rows - (sums.predicted * sums.true).sum(axis=-1)
    spread = [rows**2 - (each**2).sum(axis=-1) for each in (sums.predicted, sums.true)]
    return np.asarray(covariance / np.sqrt(spread[0] * spread[1]))


Metric = Callable[[LabelSums], Floats]
_MEANS_OF_LABELS = frozenset({macro_f1, macro_precision, macro_recall})


def confusion_matrix(truth: Ints, predicted: Ints, size: int) -> Ints:
    """Rows by (true, predicted) label, shape (L, L)."""
    return np.bincount(truth * size + predicted, minlength=size * size).reshape(size, size)


def overall_measures(truth: Ints, predicted: Ints, labels: Sequence[str]) -> list[Measure]:
    """Metrics over all labels.

    Balanced accuracy is the mean recall, as scikit-learn defines it; micro precision, micro recall
    and micro F1 of single labels are all the accuracy, so that one of them stands for them.
    """
    size, hits = len(labels), int((truth == predicted).sum())
    share = exact_ladder(hits, len(truth))
    matrix = confusion_matrix(truth, predicted, size)
    absent, uncalled = why_no_macro(matrix, labels), why_no_macro(matrix, labels, of_predicted=True)
    one_sided = next(
        (
            f"all test rows {kind} {labels[int(counts.argmax())]!r}, which leaves no correlation"
            for kind, counts in (("have the label", matrix.sum(1)), ("are called", matrix.sum(0)))
            if np.count_nonzero(counts) == 1
        ),
        "",
    )
    table: list[tuple[str, Metric, str]] = [
        ("accuracy", accuracy, ""),
        ("micro_f1", accuracy, ""),
        ("balanced_accuracy", macro_recall, absent),
        ("macro_precision", macro_precision, uncalled),
        ("macro_recall", macro_recall, absent),
        ("macro_f1", macro_f1, absent),
        ("matthews_correlation", matthews, one_sided),
    ]
    sums, masses = _sums_by_label(truth, predicted, size), masses_of_labels(matrix.sum(axis=1))
    rarest = rarest_label(labels, matrix.sum(axis=1))
    made = [
        of_sums(
            name,
            Sums(sums, _pseudo_rows(size), _value_of(metric)),
            len(truth),
            pseudo_masses=masses,
            reason=reason,
            alike=truth * size + predicted,
            closed_form=share if metric is accuracy else (),
        )
        for name, metric, reason in table
    ]
    return [
        replace(one, rarest=rarest) if metric in _MEANS_OF_LABELS else one
        for one, (_, metric, _) in zip(made, table, strict=True)
    ]


def label_measures(truth: Ints, predicted: Ints, labels: Sequence[str]) -> list[Measure]:
    """Precision, recall and F1 of each label.

    F1 = 2 TP / (2 TP + FP + FN) = 2 q / (1 + q), where q is the share of hits among the rows that
    are or are called the label; so the interval of q gives that of F1.
    """
    found = []
    for index, label in enumerate(labels):
        true, called = truth == index, predicted == index
        absent = "" if true.any() else f"no row has the label {label!r}"
        uncalled = "" if called.any() else f"no row is predicted as {label!r}"
        hits = true & called
        found += [
            _share(f"precision.{label}", hits, called, uncalled),
            _share(f"recall.{label}", hits, true, absent),
            _share(f"f1.{label}", hits, true | called, absent, harmonic=True),
        ]
    return found


def why_no_macro(matrix: Ints, labels: Sequence[str], *, of_predicted: bool = False) -> str:
    """Why an average over all labels is not defined; empty where it is."""
    if missing := _named(labels, matrix.sum(axis=1)):
        return f"no row has the label {missing}"
    if of_predicted and (missing := _named(labels, matrix.sum(axis=0))):
        return f"no row is predicted as {missing}, so its precision is not defined"
    return ""


def rarest_label(labels: Sequence[str], rows: Ints) -> tuple[str, int]:
    """The label of fewest rows, (L,), and how many it has."""
    place = int(rows.argmin())
    return labels[place], int(rows[place])


def _named(labels: Sequence[str], counts: Ints) -> str:
    return ", ".join(repr(labels[int(index)]) for index in np.flatnonzero(counts == 0))


def masses_of_labels(rows: Ints) -> tuple[float, ...]:
    """Masses (2 L,) of one wrong and one right pseudo-row of each label, 1 of either kind in all.

    A mean over labels errs most by its rarest ones, so these need the pseudo-rows (compare the
    prior of Takahashi et al. 2022, doi:10.1007/s10489-021-02635-5): each label has the share that
    it has in the variance of the mean, which falls with its rows, (L,).
    """
    variances = 1 / np.maximum(rows, 1)
    return tuple(float(share) for share in np.tile(variances / variances.sum(), 2))


def _value_of(metric: Metric) -> Callable[[Floats], Floats]:
    """The metric of sums (r, 3 L)."""

    def value(sums: Floats) -> Floats:
        hits, predicted, true = np.split(sums, 3, axis=-1)
        return metric(LabelSums(hits, predicted, true))

    return value


def _sums_by_label(truth: Ints, predicted: Ints, size: int) -> Callable[[Ints, int], Floats]:
    def by_unit(units: Ints, count: int) -> Floats:
        kept = units >= 0
        columns = [
            np.bincount(units[rows] * size + labels[rows], minlength=count * size)
            for rows, labels in (
                (kept & (truth == predicted), truth),
                (kept, predicted),
                (kept, truth),
            )
        ]
        return np.concatenate([c.reshape(count, size) for c in columns], axis=1).astype(np.float64)

    return by_unit


def _pseudo_rows(size: int) -> Floats:
    """One wrong and one right row of each label, as (2 L, 3 L).

    Each wrong prediction is the next label, so that no label's precision is favoured.
    """
    one, none = np.eye(size), np.zeros((size, size))
    wrong = np.concatenate([none, np.roll(one, 1, axis=1), one], axis=1)
    right = np.concatenate([one, one, one], axis=1)
    return np.concatenate([wrong, right])


def _share(
    name: str, hits: Ints, concerned: Ints, reason: str, *, harmonic: bool = False
) -> Measure:
    """Hits among the concerned rows, or 2 q / (1 + q) of that share q."""

    def value(sums: Floats) -> Floats:
        share = sums[..., 0] / sums[..., 1]
        return np.asarray(2 * share / (1 + share) if harmonic else share)

    def by_unit(units: Ints, count: int) -> Floats:
        kept = units >= 0
        columns = [np.bincount(units[kept & rows], minlength=count) for rows in (hits, concerned)]
        return np.stack(columns, axis=1).astype(np.float64)

    rows = int(concerned.sum())
    ladder = exact_ladder(int(hits.sum()), rows) if rows else ((0.0, 1.0),) * MAX_FAMILY
    if harmonic:
        ladder = tuple((2 * low / (1 + low), 2 * high / (1 + high)) for low, high in ladder)
    return of_sums(
        name,
        Sums(by_unit, np.array([[0.0, 1.0], [1.0, 1.0]]), value),
        len(hits),
        pseudo_masses=(1.0, 1.0),
        reason=reason,
        alike=concerned.astype(np.int64) + hits,
        closed_form=ladder,
        rests_on=rows,
    )
