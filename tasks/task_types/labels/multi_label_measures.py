"""How right sets of labels are: by label, over all labels, and by row."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tasks.resampling import Floats, Ints, exact_ladder
from tasks.task_types.labels.confusion import masses_of_labels, rarest_label
from tasks.task_types.measures import Measure, Measured, Sums, mean_of, of_sums, ratio_of_sums

Flags = NDArray[np.bool_]

# Hits, predicted and true of a wrong and of a right decision that might as well have been seen.
_WRONG: Final = (0.0, 1.0, 1.0)
_RIGHT: Final = (1.0, 1.0, 1.0)


def measure_label_sets(
    truth: Flags, probabilities: Floats, threshold: float, labels: Sequence[str]
) -> Measured:
    """All measures of N rows.

    Args:
        truth: which labels each row has, (N, L).
        probabilities: of each label, (N, L).
        threshold: a label is predicted from this probability on.
        labels: L names.

    """
    predicted = probabilities >= threshold
    counts = np.stack([truth & predicted, predicted, truth], axis=1).astype(np.float64)
    overlap = row_overlap(truth, predicted)
    return Measured(
        measures=(
            *_macro_measures(counts, labels),
            *_micro_measures(counts),
            mean_of("subset_accuracy", (predicted == truth).all(axis=1).astype(np.float64)),
            mean_of("hamming_loss", (predicted != truth).mean(axis=1), greater_is_better=False),
            mean_of("jaccard", overlap),
            mean_of("ranking_average_precision", ranking_precision(truth, probabilities)),
            *(
                one
                for index in range(len(labels))
                for one in _label_measures(truth[:, index], predicted[:, index], labels[index])
            ),
        ),
        row_scores=overlap,
        leading=("macro_f1", "micro_f1", "subset_accuracy"),
    )


def row_overlap(truth: Flags, predicted: Flags) -> Floats:
    """Jaccard index (N,) of the true and the predicted set; 1 where both are empty."""
    union = (truth | predicted).sum(axis=1)
    return np.where(union == 0, 1.0, (truth & predicted).sum(axis=1) / np.maximum(union, 1))


def ranking_precision(truth: Flags, scores: Floats) -> Floats:
    """Label ranking average precision (N,): how far the true labels stand above the others.

    As scikit-learn's ``label_ranking_average_precision_score`` averages it: 1 for a row that has no
    label or all of them, and equal scores rank low (Tsoumakas, Katakis and Vlahavas 2010, Mining
    Multi-label Data, section 5).
    """
    rows, size = truth.shape
    precision = np.ones(rows)
    ranked = np.sort(scores, axis=1)
    for row in np.flatnonzero(truth.any(axis=1) & ~truth.all(axis=1)):
        own = np.sort(scores[row, truth[row]])
        rank = size - np.searchsorted(ranked[row], own)
        rank_among_own = len(own) - np.searchsorted(own, own)
        precision[row] = (rank_among_own / rank).mean()
    return precision


def _precision(sums: Floats) -> Floats:
    return np.asarray(sums[..., 0, :] / sums[..., 1, :])


def _recall(sums: Floats) -> Floats:
    return np.asarray(sums[..., 0, :] / sums[..., 2, :])


def _f1(sums: Floats) -> Floats:
    return np.asarray(2 * sums[..., 0, :] / (sums[..., 1, :] + sums[..., 2, :]))


# From hits, predicted and true, (..., 3, L), to the metric of each label.
_METRICS: Final = {"precision": _precision, "recall": _recall, "f1": _f1}


def _micro_measures(counts: Floats) -> list[Measure]:
    """Of all decisions of all rows together.

    Args:
        counts: hits, predicted and true, (N, 3, L).

    """
    columns = counts.sum(axis=2).T
    _, predicted, true = (column.sum() for column in columns)
    reasons = {
        "precision": "" if predicted else "no row is predicted to have a label",
        "recall": "" if true else "no test row has a label",
        "f1": "" if predicted or true else "no test row has a label or is predicted to have one",
    }
    alike = np.unique(columns, axis=1, return_inverse=True)[1].reshape(-1)

    def value_of(metric: Callable[[Floats], Floats]) -> Callable[[Floats], Floats]:
        return lambda sums: metric(sums[..., None])[..., 0]

    return [
        replace(
            ratio_of_sums(
                f"micro_{name}",
                list(columns),
                value_of(metric),
                pseudo_rows=(_WRONG, _RIGHT),
                alike=alike,
            ),
            reason=reasons[name],
        )
        for name, metric in _METRICS.items()
    ]


def _macro_measures(counts: Floats, labels: Sequence[str]) -> list[Measure]:
    """Means over the labels, each of equal weight.

    The pseudo-rows are one wrong and one right decision of each label.

    Args:
        counts: hits, predicted and true, (N, 3, L).
        labels: L names.

    """
    rows, _, size = counts.shape
    flat, each = counts.reshape(rows, 3 * size), np.eye(size)[:, None, :]  # (L, 1, L)
    pseudo = [each * np.array(decision)[:, None] for decision in (_WRONG, _RIGHT)]  # (L, 3, L)

    def by_unit(units: Ints, count: int) -> Floats:
        kept = units >= 0
        return np.stack(
            [np.bincount(units[kept], column[kept], minlength=count) for column in flat.T], axis=1
        )

    def value_of(metric: Callable[[Floats], Floats]) -> Callable[[Floats], Floats]:
        return lambda sums: np.asarray(metric(sums.reshape(-1, 3, size)).mean(axis=-1))

    true = counts[:, 2].sum(axis=0).astype(np.int64)
    made = [
        of_sums(
            f"macro_{name}",
            Sums(by_unit, np.concatenate(pseudo).reshape(2 * size, -1), value_of(metric)),
            rows,
            pseudo_masses=masses_of_labels(true),
            reason=_why_no_mean(counts, labels, of_predicted=name == "precision"),
            alike=np.unique(flat, axis=0, return_inverse=True)[1].reshape(-1),
        )
        for name, metric in _METRICS.items()
    ]
    return [replace(one, rarest=rarest_label(labels, true)) for one in made]


def _why_no_mean(counts: Floats, labels: Sequence[str], *, of_predicted: bool) -> str:
    """Why a mean over all labels is not defined; empty where it is."""
    missing = np.flatnonzero(~counts[:, 1 if of_predicted else 2].any(axis=0))
    if not len(missing):
        return ""
    return (_uncalled if of_predicted else _absent)(
        ", ".join(repr(labels[i]) for i in missing.tolist())
    )


def _uncalled(label: str) -> str:
    return f"no row is predicted to have the label {label}"


def _absent(label: str) -> str:
    return f"no row has the label {label}"


def _label_measures(truth: Flags, predicted: Flags, label: str) -> list[Measure]:
    """Precision, recall and F1 of one label, as `confusion.label_measures` has them."""
    hits = truth & predicted
    uncalled = "" if predicted.any() else _uncalled(repr(label))
    absent = "" if truth.any() else _absent(repr(label))
    return [
        _share(f"precision.{label}", hits, predicted, uncalled),
        _share(f"recall.{label}", hits, truth, absent),
        _share(f"f1.{label}", hits, truth | predicted, absent, harmonic=True),
    ]


def _share(
    name: str, hits: Flags, concerned: Flags, reason: str, *, harmonic: bool = False
) -> Measure:
    """Share q of hits among the concerned rows, or 2 q / (1 + q) of it."""

    def value(share: Floats) -> Floats:
        return np.asarray(2 * share / (1 + share) if harmonic else share)

    rows = int(concerned.sum())
    ladder = exact_ladder(int(hits.sum()), rows) if rows else ()
    made = ratio_of_sums(
        name,
        [hits.astype(np.float64), concerned.astype(np.float64)],
        lambda sums: value(sums[..., 0] / sums[..., 1]),
        pseudo_rows=[(0.0, 1.0), (1.0, 1.0)],
        alike=concerned.astype(np.int64) + hits,
        closed_form=tuple(
            (float(low), float(high)) for low, high in (value(np.array(ends)) for ends in ladder)
        ),
    )
    return replace(made, reason=reason, rests_on=rows)
