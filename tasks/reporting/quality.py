"""The candidate's quality as the page shows it, from the comparison to the epochs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tasks.records import Scores, Weights
from tasks.reporting.charts import Bar, Plane, Tick, plain_bar, scale_of, training_plane
from tasks.reporting.figures import (
    count,
    interval,
    is_drawable,
    number,
    share,
    with_unit,
    words_of,
)
from tasks.verdicts import Estimate

_LEAST_SHADE = 15
NO_TICKS: tuple[Tick, ...] = ()


@dataclass(frozen=True)
class EstimateRow:
    """One estimate in words, with its bar on the table's axis.

    Attributes:
        reason: why there is no number, where there is none.

    """

    metric: str
    name: str
    number: str
    interval: str
    n: str
    method: str
    reason: str
    bar: Bar | None


@dataclass(frozen=True)
class EstimateTable:
    """Estimates that share one axis.

    Attributes:
        zero: where 0 stands on the axis; None where the axis does not hold it.
        method: how all of the intervals were made; empty where they differ, and rows say it.

    """

    rows: tuple[EstimateRow, ...]
    ticks: tuple[Tick, ...]
    zero: float | None
    method: str


def estimate_table(estimates: Sequence[Estimate], names: Sequence[str] = ()) -> EstimateTable:
    """Estimates of one unit on one axis, under their own or under these names."""
    drawable = [estimate for estimate in estimates if is_drawable(estimate)]
    differences = any(is_difference(estimate.name) for estimate in estimates)
    scale = scale_of(drawable, include=(0.0,) if differences else ())
    heads = names or [words_of(estimate.name) for estimate in estimates]
    rows = tuple(
        estimate_row(estimate, plain_bar(estimate, scale), name)
        for estimate, name in zip(estimates, heads, strict=True)
    )
    zero = scale.at(0.0) if drawable and differences else None
    methods = {estimate.method for estimate in drawable}
    method = methods.pop() if len(methods) == 1 else ""
    return EstimateTable(rows, scale.ticks if drawable else NO_TICKS, zero, method)


def is_difference(name: str) -> bool:
    """Whether an estimate compares two numbers, so that 0 means no difference."""
    return name.endswith(("_gain", "_gap", "_difference"))


def tables_apart(estimates: Sequence[Estimate]) -> list[EstimateTable]:
    """Differences in one table and levels in another, since one axis can't show both."""
    differences = [e for e in estimates if is_difference(e.name)]
    levels = [e for e in estimates if not is_difference(e.name)]
    return [estimate_table(part) for part in (differences, levels) if part]


def comparison_tables(family: str, estimates: Sequence[Estimate]) -> list[EstimateTable]:
    """The candidate's gains over another model, and both models' own numbers one below the other.

    Args:
        family: ``champion`` or ``baseline``.
        estimates: all that was measured.

    """
    by_name = {estimate.name: estimate for estimate in estimates}
    rival = [e for e in estimates if e.name.startswith(f"{family}.")]
    gains = [e for e in rival if is_difference(e.name)]
    named: dict[str, Estimate] = {}
    for theirs in (e for e in rival if not is_difference(e.name)):
        metric = words_of(theirs.name)
        ours = by_name.get(theirs.name.replace(family, "quality", 1))
        named |= {f"{metric}, candidate": ours} if ours else {}
        named[f"{metric}, {family}"] = theirs
    tables = [estimate_table(gains)] if gains else []
    return [*tables, estimate_table([*named.values()], [*named])] if named else tables


def estimate_row(estimate: Estimate, bar: Bar | None = None, name: str = "") -> EstimateRow:
    """One estimate in words."""
    return EstimateRow(
        metric=estimate.name,
        name=name or words_of(estimate.name),
        number=with_unit(number(estimate.value), estimate.name),
        interval=with_unit(interval(estimate.low, estimate.high), estimate.name),
        n=count(estimate.n),
        method=estimate.method,
        reason=estimate.reason,
        bar=bar,
    )


def split_label(name: str, labels: Sequence[str]) -> tuple[str, str] | None:
    """The label and the metric of a per-class estimate, ``quality.<metric>.<label>``.

    A label may hold dots and spaces, so the longest label that fits is meant.
    """
    _, _, rest = name.partition(".")
    for label in sorted(labels, key=len, reverse=True):
        if rest.endswith(f".{label}"):
            return label, rest.removesuffix(f".{label}")
        if rest.startswith(f"{label}."):
            return label, rest.removeprefix(f"{label}.")
    return None


@dataclass(frozen=True)
class ClassRow:
    """One label's own numbers; a cell is None where the metric was not measured for it."""

    label: str
    rows: str
    cells: tuple[EstimateRow | None, ...]


@dataclass(frozen=True)
class ClassTable:
    """Quality of each label.

    Attributes:
        metrics: column heads, the order of a row's cells.
        drawn: index of the metric that is drawn; None where there is no metric.

    """

    metrics: tuple[str, ...]
    rows: tuple[ClassRow, ...]
    drawn: int | None
    ticks: tuple[Tick, ...]


def class_table(scores: Scores) -> ClassTable:
    """Per-class estimates by label and metric."""
    cells: dict[tuple[str, str], Estimate] = {}
    for estimate in scores.estimates:
        found = split_label(estimate.name, scores.labels)
        if found and estimate.name.startswith("quality."):
            cells[found] = estimate
    metrics = list(dict.fromkeys(metric for _, metric in cells))
    drawn = next((i for i, m in enumerate(metrics) if "f1" in m), 0 if metrics else None)
    scale = scale_of([e for e in cells.values() if is_drawable(e)])
    rows = tuple(
        ClassRow(
            label,
            count(sum(scores.confusion[index])),
            tuple(
                estimate_row(cells[label, m], plain_bar(cells[label, m], scale))
                if (label, m) in cells
                else None
                for m in metrics
            ),
        )
        for index, label in enumerate(scores.labels)
    )
    heads = tuple(words_of(f"quality.{metric}") for metric in metrics)
    return ClassTable(heads, rows, drawn, scale.ticks if cells else NO_TICKS)


def is_error(name: str) -> bool:
    """Whether an estimate is an error, best at 0, which can't share the axis of the others."""
    return name.endswith("_error")


def overall_estimates(scores: Scores) -> list[Estimate]:
    """The quality estimates that are of no single label."""
    return [
        estimate
        for estimate in scores.estimates
        if estimate.name.startswith("quality.") and not split_label(estimate.name, scores.labels)
    ]


@dataclass(frozen=True)
class Cell:
    """One cell of the confusion matrix.

    Attributes:
        shade: 0 to 100, by the square root of the share of its row, so that few errors show.

    """

    rows: str
    share: str
    shade: int
    correct: bool


def confusion_cells(scores: Scores) -> tuple[tuple[Cell, ...], ...]:
    """The confusion matrix, true labels down and predicted labels across."""
    return tuple(
        tuple(
            Cell(
                rows=count(rows),
                share=share(rows, sum(line)),
                shade=_shade(rows, sum(line)),
                correct=true == predicted,
            )
            for predicted, rows in enumerate(line)
        )
        for true, line in enumerate(scores.confusion)
    )


def _shade(rows: int, total: int) -> int:
    return round(_LEAST_SHADE + (100 - _LEAST_SHADE) * math.sqrt(rows / total)) if rows else 0


def frequent_errors(scores: Scores, limit: int = 3) -> list[str]:
    """The most frequent confusions in words."""
    errors = [
        (rows, true, predicted)
        for true, line in enumerate(scores.confusion)
        for predicted, rows in enumerate(line)
        if rows and true != predicted
    ]
    errors.sort(key=lambda error: (-error[0], error[1], error[2]))
    return [
        f"{scores.labels[true]} taken for {scores.labels[predicted]}: {count(rows)}"
        for rows, true, predicted in errors[:limit]
    ]


def loss_plane(weights: Weights) -> Plane:
    """Training and validation loss per epoch."""
    series = {
        "training": [epoch.train_loss for epoch in weights.epochs],
        "validation": [epoch.validation_loss for epoch in weights.epochs],
    }
    return training_plane(weights.epochs, weights.best_epoch, series)


def metric_plane(weights: Weights) -> Plane:
    """Validation metrics per epoch."""
    names = dict.fromkeys(name for epoch in weights.epochs for name in epoch.validation_metrics)
    series = {
        words_of(name): [epoch.validation_metrics.get(name, math.nan) for epoch in weights.epochs]
        for name in names
    }
    return training_plane(weights.epochs, weights.best_epoch, series)
