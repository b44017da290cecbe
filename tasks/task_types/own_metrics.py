"""Metrics of other distributions, which a line asks for by name: docs/own-metrics.md.

An entry point of the group ``assayline.metrics`` names an `OwnMetric`. Its function gives each row
a score; the mean of them has an interval, is compared with baseline and champion, and may be gated
like every metric of the project.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from infra.catalogue import Catalogue
from infra.errors import SettingsError

if TYPE_CHECKING:
    import pyarrow as pa

    from tasks.resampling import Floats
    from tasks.task_types.examiner import Examiner
    from tasks.task_types.measures import Measure, Measured

# From N rows and the answers to them, Arrow tables, to N scores; NaN of a row that does not count.
RowScores = Callable[["pa.Table", "pa.Table"], Sequence[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnMetric:
    """A metric that is the mean of a score of each row.

    Attributes:
        scores: function of the test rows and the answers to them; see `RowScores`.
        task_types: names of those whose rows and answers it can read.
        low: the least score that a row can have; may be minus infinity.
        high: the most; may be infinity. Of scores without a bound fewer than 100 rows tell nothing.
        greater_is_better: which side is better.

    """

    scores: RowScores
    task_types: tuple[str, ...]
    low: float = 0.0
    high: float = 1.0
    greater_is_better: bool = True


# How the numbers of a comparison with another model end.
_TAKEN: Final = ("_gain", "_ratio")

OWN_METRICS: Final[Catalogue[OwnMetric]] = Catalogue(
    chosen_by="own_metrics", group="assayline.metrics", entries={}
)


def own_metric(name: str, task_type: str) -> OwnMetric:
    """A metric of another distribution, for a task type.

    Raises:
        SettingsError: none is installed of this name, the name is one that other numbers have, it
            cannot be loaded, or it is of other task types.

    """
    if "." in name or name.endswith(_TAKEN):
        raise SettingsError(
            f"the metric {name!r} would be taken for another number: names with a dot are of one "
            f"label or group, and names that end in {' or '.join(_TAKEN)} are of the comparison "
            "with another model; rename the entry point"
        )
    if name not in OWN_METRICS.names:
        near = get_close_matches(name, OWN_METRICS.names, n=1)
        there = ", ".join(OWN_METRICS.names) or "none"
        meant = f"; did you mean {near[0]}?" if near else "."
        raise SettingsError(
            f"no metric {name!r} is installed{meant} Of the entry points assayline.metrics there "
            f"are: {there}"
        )
    found = OWN_METRICS.load(name)
    if not isinstance(found, OwnMetric):
        raise SettingsError(f"the entry point {name} of assayline.metrics names no OwnMetric")
    if task_type not in found.task_types:
        raise SettingsError(
            f"the metric {name} is of task type {', '.join(found.task_types)}, and this line is of "
            f"{task_type}"
        )
    return found


def add_own_metrics(
    measured: "Measured",
    names: Sequence[str],
    examiner: "Examiner",
    rows: "pa.Table",
    answers: "pa.Table",
) -> "Measured":
    """What is measured, with metrics of other distributions behind it.

    Args:
        measured: of these answers.
        names: of the metrics.
        examiner: of the task type.
        rows: N test rows.
        answers: to them.

    Raises:
        SettingsError: a metric is not installed, fails, or gives other than a score a row.

    """
    own = [_measure(name, own_metric(name, examiner.name), rows, answers) for name in names]
    return replace(
        measured,
        measures=(*measured.measures, *own),
        leading=(*measured.leading, *(one.name for one in own)),
    )


def _measure(name: str, own: OwnMetric, rows: "pa.Table", answers: "pa.Table") -> "Measure":
    import numpy as np

    from tasks.task_types.measures import mean_of_some, unbounded_ratio

    scores, rises = _scores(name, own, rows, answers), own.greater_is_better
    counted = np.isfinite(scores)
    if np.isfinite(own.low) and np.isfinite(own.high):
        found = mean_of_some(
            name, scores, counted, low=own.low, high=own.high, greater_is_better=rises
        )
    else:
        known, here = np.where(counted, scores, 0.0), counted.astype(np.float64)
        found = unbounded_ratio(name, known, here, greater_is_better=rises)
    return found if counted.any() else replace(found, reason=f"{name} counts none of the rows")


def _scores(name: str, own: OwnMetric, rows: "pa.Table", answers: "pa.Table") -> "Floats":
    import numpy as np

    try:
        scores = np.asarray(own.scores(rows, answers), dtype=np.float64)
    except Exception as error:
        raise SettingsError(
            f"the metric {name} of evaluation.own_metrics failed: {type(error).__name__}: {error}. "
            f"The rows have the columns {rows.column_names}, the answers {answers.column_names}"
        ) from error
    if scores.shape != (rows.num_rows,):
        raise SettingsError(
            f"the metric {name} gave an array of shape {scores.shape}; right would be one score "
            f"for each of the {rows.num_rows} rows"
        )
    outside = np.flatnonzero((scores < own.low) | (scores > own.high) | np.isinf(scores))
    if len(outside):
        row = int(outside[0])
        raise SettingsError(
            f"the metric {name} gave row {row + 1} the score {scores[row]:g}, and says that scores "
            f"lie between {own.low:g} and {own.high:g}; NaN stands for a row that does not count"
        )
    return scores
