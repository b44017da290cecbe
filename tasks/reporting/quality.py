"""The candidate's own quality as the page shows it: overall, by class, and what it confuses."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tasks.records.evaluation import Scores
from tasks.records.metric_names import is_rewritten, mlflow_metric
from tasks.reporting.charts import Tick, plain_bar, scale_of
from tasks.reporting.estimates import NO_TICKS, EstimateRow, estimate_row
from tasks.reporting.number_format import count, is_drawable, share, words_of
from tasks.verdicts import Estimate

_LEAST_SHADE = 15


def overall_estimates(scores: Scores) -> list[Estimate]:
    """The quality estimates that are of no single class."""
    return [
        estimate
        for estimate in scores.estimates
        if estimate.name.startswith("quality.") and not class_of(estimate.name)
    ]


def is_error(name: str) -> bool:
    """Whether an estimate is a calibration error, which stands beside the calibration."""
    return name.endswith("calibration_error")


def class_of(name: str) -> tuple[str, str] | None:
    """Class and metric of ``quality.<metric>.<class>``, whose class may hold dots and spaces."""
    _, _, rest = name.partition(".")
    metric, _, label = rest.partition(".")
    return (label, metric) if label else None


@dataclass(frozen=True)
class ClassRow:
    """One class's own numbers; a cell is None where the metric was not measured for it.

    Attributes:
        rows: test rows that truly are of the class; empty where classes are not counted by row.

    """

    label: str
    rows: str
    cells: tuple[EstimateRow | None, ...]


@dataclass(frozen=True)
class ClassTable:
    """Quality of each class.

    Attributes:
        metrics: column heads, the order of a row's cells.
        counted: whether the rows of each class are known.
        drawn: index of the metric that is drawn; None where there is no metric.

    """

    metrics: tuple[str, ...]
    rows: tuple[ClassRow, ...]
    counted: bool
    drawn: int | None
    ticks: tuple[Tick, ...]


def class_table(scores: Scores) -> ClassTable:
    """Per-class estimates by class and metric."""
    cells: dict[tuple[str, str], Estimate] = {}
    for estimate in scores.estimates:
        found = class_of(estimate.name)
        if found and estimate.name.startswith("quality."):
            cells[found] = estimate
    metrics = list(dict.fromkeys(metric for _, metric in cells))
    drawn = next((i for i, m in enumerate(metrics) if "f1" in m), 0 if metrics else None)
    scale = scale_of([e for e in cells.values() if is_drawable(e)])
    counts = _rows_by_label(scores)
    rows = tuple(
        ClassRow(
            label,
            counts.get(label, ""),
            tuple(
                estimate_row(cells[label, m], plain_bar(cells[label, m], scale))
                if (label, m) in cells
                else None
                for m in metrics
            ),
        )
        for label in dict.fromkeys([*counts, *(label for label, _ in cells)])
    )
    heads = tuple(words_of(f"quality.{metric}") for metric in metrics)
    return ClassTable(heads, rows, bool(counts), drawn, scale.ticks if cells else NO_TICKS)


def _rows_by_label(scores: Scores) -> dict[str, str]:
    if not scores.confusion:
        return {}
    counts = [count(sum(line)) for line in scores.confusion]
    return dict(zip(scores.labels, counts, strict=True))


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


def weakest_class(scores: Scores) -> EstimateRow | None:
    """The class whose F1 is lowest; None where none was measured."""
    measured: Sequence[Estimate] = [
        estimate
        for estimate in scores.estimates
        if (found := class_of(estimate.name))
        and found[1].endswith("f1")
        and estimate.name.startswith("quality.")
        and is_drawable(estimate)
    ]
    weakest = min(measured, key=lambda estimate: estimate.value or 0.0, default=None)
    return estimate_row(weakest) if weakest else None


def rewritten_names(scores: Scores) -> list[tuple[str, str]]:
    """Measured estimates whose names MLflow does not admit, with the names of their metrics."""
    return [
        (estimate.name, mlflow_metric(estimate.name) or "")
        for estimate in scores.estimates
        if estimate.value is not None and is_rewritten(estimate.name)
    ]
