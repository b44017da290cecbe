"""What is measured of predicted relations.

Micro F1 counts a pair where it bears a relation, or is said to, as TACRED's scorer does (Zhang et
al. 2017, doi:10.18653/v1/D17-1004): `no_relation` is no relation. Macro F1 is the official score of
SemEval-2010 Task 8 (Hendrickx et al. 2010, aclanthology.org/S10-1006): the mean F1 of the
relations, both directions of a relation taken together, where one that is predicted in the wrong
direction is wrong; without `no_relation`.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from tasks.resampling import Floats, Ints
from tasks.task_types.labels.confusion import (
    LabelSums,
    label_measures,
    macro_f1,
    macro_precision,
    macro_recall,
    masses_of_labels,
    rarest_label,
)
from tasks.task_types.measures import Measure, Sums, mean_of, of_sums, ratio_of_sums
from tasks.task_types.relations.relation_labels import NO_RELATION, relation_of

LEADING = ("micro_f1", "macro_f1")


def relation_measures(truth: Ints, predicted: Ints, labels: Sequence[str]) -> list[Measure]:
    """Micro and macro F1 with their precision and recall, accuracy, and all of each label.

    Args:
        truth: class ids, (N,).
        predicted: likewise.
        labels: the label set.

    """
    is_right = truth == predicted
    return [
        *_micro(truth, predicted, labels),
        *_macro(truth, predicted, labels),
        mean_of("accuracy", is_right.astype(np.float64)),
        *label_measures(truth, predicted, labels),
    ]


def _micro(truth: Ints, predicted: Ints, labels: Sequence[str]) -> list[Measure]:
    """Over all pairs: right relations, predicted ones and true ones."""
    none = labels.index(NO_RELATION) if NO_RELATION in labels else -1
    true, called = truth != none, predicted != none
    right = true & (truth == predicted)
    absent = "" if true.any() else "no row bears a relation"
    uncalled = "" if called.any() else "no row is predicted to bear a relation"
    columns = [column.astype(np.float64) for column in (right, called, true)]
    return [
        replace(
            ratio_of_sums(
                name,
                columns,
                value,
                pseudo_rows=[(0.0, 1.0, 1.0), (1.0, 1.0, 1.0)],
                alike=right * 4 + called * 2 + true,
            ),
            reason=reason,
            rests_on=int(counted.sum()),
        )
        for name, value, reason, counted in (
            ("micro_f1", _f1, absent, true | called),
            ("micro_precision", _precision, uncalled, called),
            ("micro_recall", _recall, absent, true),
        )
    ]


def _f1(sums: Floats) -> Floats:
    return np.asarray(2 * sums[..., 0] / (sums[..., 1] + sums[..., 2]))


def _precision(sums: Floats) -> Floats:
    return np.asarray(sums[..., 0] / sums[..., 1])


def _recall(sums: Floats) -> Floats:
    return np.asarray(sums[..., 0] / sums[..., 2])


def _macro(truth: Ints, predicted: Ints, labels: Sequence[str]) -> list[Measure]:
    """Means over the relations, each of equal weight."""
    names = sorted({relation_of(label) for label in labels if label != NO_RELATION})
    places = {name: place for place, name in enumerate(names)}
    # -1 of no relation.
    relation = np.array([places.get(relation_of(label), -1) for label in labels], dtype=np.int64)
    true, called = relation[truth], relation[predicted]
    hits = np.where(truth == predicted, true, -1)
    size = len(names)
    rows, calls = (np.bincount(of[of >= 0], minlength=size) for of in (true, called))
    absent = _lacking("no row bears the relation", names, rows)
    uncalled = _lacking("no row is predicted to bear the relation", names, calls)
    sums, pseudo = _sums_by_relation(hits, called, true, size), _pseudo_rows(size)
    return [
        replace(
            of_sums(
                name,
                Sums(sums, pseudo, _value_of(metric)),
                len(truth),
                pseudo_masses=masses_of_labels(rows),
                reason=reason,
                alike=truth * len(labels) + predicted,
            ),
            rarest=rarest_label(names, rows) if names else None,
        )
        for name, metric, reason in (
            ("macro_f1", macro_f1, absent),
            ("macro_precision", macro_precision, absent or uncalled),
            ("macro_recall", macro_recall, absent),
        )
    ]


def _lacking(told: str, names: Sequence[str], rows: Ints) -> str:
    if not names:
        return "the label set names no relation"
    lacking = [repr(name) for name, count in zip(names, rows, strict=True) if not count]
    return f"{told} {', '.join(lacking)}" if lacking else ""


def _value_of(metric: Callable[[LabelSums], Floats]) -> Callable[[Floats], Floats]:
    def value(sums: Floats) -> Floats:
        hits, predicted, true = np.split(sums, 3, axis=-1)
        return metric(LabelSums(hits, predicted, true))

    return value


def _sums_by_relation(
    hits: Ints, called: Ints, true: Ints, size: int
) -> Callable[[Ints, int], Floats]:
    """Hits, predicted and true rows (U, 3 K) of each unit; relations are numbered, -1 is none."""

    def by_unit(units: Ints, count: int) -> Floats:
        columns = []
        for relations in (hits, called, true):
            kept = (units >= 0) & (relations >= 0)
            cells = units[kept] * size + relations[kept]
            columns.append(np.bincount(cells, minlength=count * size).reshape(count, size))
        return np.concatenate(columns, axis=1).astype(np.float64)

    return by_unit


def _pseudo_rows(size: int) -> Floats:
    """One wrong and one right row of each relation, (2 K, 3 K); the wrong one is the next."""
    one, none = np.eye(size), np.zeros((size, size))
    wrong = np.concatenate([none, np.roll(one, 1, axis=1), one], axis=1)
    return np.concatenate([wrong, np.concatenate([one, one, one], axis=1)])
