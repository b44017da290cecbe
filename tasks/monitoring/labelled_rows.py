"""Quality and fairness of a window on the rows whose labels have come.

These rows are a selected sample: people label what they doubt, or what is easy to come by. So it is
said with every number, harm is called only where the interval lies wholly beyond the threshold of
the policy's own gate, and nothing is ever promoted by it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

import numpy as np
import pyarrow as pa

from infra.errors import SettingsError
from infra.store import ObjectStore
from tasks.evaluation.intervals import levels
from tasks.evaluation.label_rows import with_enough_label_rows
from tasks.evaluation.settings import EvaluationSettings
from tasks.fairness.assessment import assess_rows
from tasks.fairness.predictions import ClassAnswers
from tasks.fairness.settings import FairnessSettings
from tasks.monitoring.alarm_rule import share_of_level
from tasks.monitoring.answers import labels_of, shared
from tasks.monitoring.feedback import CameLabels, class_of, latest_labels
from tasks.monitoring.recorded_rows import AnsweredRow
from tasks.monitoring.samples import keys_of, row_name
from tasks.monitoring.settings import MonitorSettings
from tasks.records.monitoring import (
    LabelledRows,
    MonitoredValue,
    WatchedVersion,
    WindowCheck,
)
from tasks.resampling_units import units_of_table
from tasks.task_types.examiner import examiner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import CLUSTER, arrow_type
from tasks.verdicts import Estimate, Gate, Verdict, judge

# Fewer rows with a label tell nothing, whatever their interval says.
MIN_LABELLED: Final = 20
_MOST_TIMES: Final = 1_000
SELECTED: Final = "labels that came are a selected sample of the rows"


@dataclass(frozen=True)
class LabelPolicy:
    """What labels are held against, and how numbers are made of them.

    Attributes:
        gates: of the line's policy, on quality.* and fairness.*, with a threshold of their own.

    """

    gates: tuple[Gate, ...]
    evaluation: EvaluationSettings
    fairness: FairnessSettings


def measure_labelled(
    watched: WatchedVersion,
    answered: Sequence[AnsweredRow],
    came: CameLabels,
    waited_hours: int,
    policy: LabelPolicy,
    settings: MonitorSettings,
    store: ObjectStore,
) -> LabelledRows:
    """Join answers and labels, measure them, and hold them against the gates.

    Args:
        watched: the version that answered.
        answered: the rows with a label, least hash first.
        came: the feedback.
        waited_hours: after the window's end.
        policy: what is held against what.
        settings: of the monitor.
        store: holds the feedback.

    Raises:
        DataError, StoreError: the feedback cannot be read.

    """
    shape = shape_of(watched.task_type)
    if not shape.has_one_class:
        note = (
            f"answers of the task type {watched.task_type} are not held against labels: that asks "
            "for one label a row"
        )
        return LabelledRows(waited_hours, came.rows, 0, 0, _untold(policy, 0, note), (), note)
    joined = _join(watched, answered, came, settings, store)
    rows, unknown = joined.rows, joined.unknown
    if rows.num_rows < MIN_LABELLED:
        note = f"{rows.num_rows} rows with a label; quality is told from {MIN_LABELLED} on"
        checks = _untold(policy, rows.num_rows, note)
        return LabelledRows(waited_hours, came.rows, rows.num_rows, unknown, checks, (), note)
    estimates, note = _measure(watched, joined, policy)
    checks = hold_against(policy.gates, estimates, settings.level_of_labels(len(policy.gates)))
    return LabelledRows(
        waited_hours, came.rows, rows.num_rows, unknown, checks,
        tuple(_value_of(one) for one in estimates if _is_shown(one)), note or SELECTED,
    )  # fmt: skip


@dataclass(frozen=True)
class _Joined:
    """Rows with their true label, and the class ids that were predicted, (N,)."""

    rows: pa.Table
    predicted: "np.ndarray[tuple[int], np.dtype[np.int64]]"
    unknown: int


def _join(
    watched: WatchedVersion,
    answered: Sequence[AnsweredRow],
    came: CameLabels,
    settings: MonitorSettings,
    store: ObjectStore,
) -> _Joined:
    """The rows whose label and answer are of the label set; of several labels the latest."""
    shape, ids = shape_of(watched.task_type), {name: i for i, name in enumerate(watched.labels)}
    requests, places = [row.request_id for row in answered], [row.row for row in answered]
    keys = keys_of(requests, places, settings.seed)
    said = latest_labels(came, keys, settings.seed, store)
    label = shape.labels.name if shape.labels else ""
    kept: list[tuple[AnsweredRow, str, str]] = []
    unknown = 0
    for key, row in zip(keys.tolist(), answered, strict=True):
        true, given = class_of(said.get(key, ""), label), labels_of(row.answer)
        if true in ids and given and given[0] in ids:
            kept.append((row, str(true), given[0]))
        else:
            unknown += 1
    several = shared(row.request_id for row, _, _ in kept)
    columns = {"row_id": pa.array([row_name(row.request_id, row.row) for row, _, _ in kept])}
    for column in shape.inputs:
        values = [row.inputs[column.name] for row, _, _ in kept]
        columns[column.name] = pa.array(values, arrow_type(column.kind))
    columns[str(shape.label_column)] = pa.array([true for _, true, _ in kept], pa.string())
    if several:
        named = [row.request_id if row.request_id in several else None for row, _, _ in kept]
        columns[CLUSTER] = pa.array(named, pa.string())
    predicted = np.array([ids[given] for _, _, given in kept], np.int64)
    return _Joined(pa.table(columns), predicted, unknown)


def _measure(
    watched: WatchedVersion, joined: _Joined, policy: LabelPolicy
) -> tuple[list[Estimate], str]:
    """Quality and fairness with intervals, and what is to be known of them."""
    rows, shape, evaluation = joined.rows, shape_of(watched.task_type), policy.evaluation
    examiner = examiner_of(watched.task_type, watched.labels, TokenLimits(1, 0))
    answers = pa.table({"predicted": pa.array(joined.predicted, pa.int32())})
    measured = with_enough_label_rows(examiner.measure(rows, answers), evaluation.min_label_rows)
    units = units_of_table(rows, cluster=CLUSTER, seed=evaluation.seed)
    named = [("quality", one) for one in measured.measures]
    estimates = levels(named, units, evaluation.repeats, evaluation.seed)
    ids = {name: i for i, name in enumerate(watched.labels)}
    truth = np.array([ids[name] for name in rows[str(shape.label_column)].to_pylist()], np.int64)
    answered = ClassAnswers(truth, joined.predicted, watched.labels, None)
    try:
        fairness = assess_rows(rows, shape, answered, (), _of_texts_alone(policy.fairness), units)
    except SettingsError as error:
        return estimates, f"{SELECTED}; fairness is not told: {error}"
    return [*estimates, *fairness.estimates], ""


def _of_texts_alone(settings: FairnessSettings) -> FairnessSettings:
    """The settings without the attributes of columns that a request does not have."""
    mentioned = set(settings.attributes(()))
    return settings.model_copy(
        update={
            "groups": {name: kept for name, kept in settings.groups.items() if name in mentioned},
            "intersections": tuple(
                pair for pair in settings.intersections if set(pair) <= mentioned
            ),
        }
    )


def hold_against(
    gates: Sequence[Gate], estimates: Sequence[Estimate], level: float
) -> tuple[WindowCheck, ...]:
    """One check a gate: it fails where the interval at the level lies wholly beyond the threshold.

    Args:
        gates: with thresholds of their own.
        estimates: what was measured.
        level: of one tail.

    """
    found = []
    for gate in gates:
        # One by one: the level is divided among all checks already.
        (result,) = judge([gate], estimates, look=share_of_level(level))
        needed = None
        if result.verdict is Verdict.UNDETERMINED:
            needed = _rows_needed(gate, result.value, result.low, result.high, result.n)
        reason = result.reason
        if needed:
            reason += f"; if it is {result.value:.3g}, about {needed:,} rows with a label would do"
        found.append(
            WindowCheck(
                gate.metric, gate.metric, gate.rule, result.value, result.low, result.high, None,
                result.n, result.verdict, reason, needed,
            )
        )  # fmt: skip
    return tuple(found)


def _rows_needed(
    gate: Gate, value: float | None, low: float | None, high: float | None, rows: int
) -> int | None:
    """So many that the interval, which shrinks with their root, leaves the threshold."""
    threshold = gate.lowest if gate.lowest is not None else gate.highest
    if value is None or low is None or high is None or threshold is None:
        return None
    reach = value - low if value > threshold else high - value
    if value == threshold or reach <= 0:
        return None
    times = (reach / (value - threshold)) ** 2
    return ceil(rows * times) if 1 < times <= _MOST_TIMES else None


def _untold(policy: LabelPolicy, rows: int, reason: str) -> tuple[WindowCheck, ...]:
    return tuple(
        WindowCheck(
            gate.metric, gate.metric, gate.rule, None, None, None, None, rows,
            Verdict.UNDETERMINED, reason,
        )
        for gate in policy.gates
    )  # fmt: skip


def _is_shown(estimate: Estimate) -> bool:
    """Numbers of each label and group would fill a page of every hour."""
    return estimate.value is not None and (
        estimate.name.count(".") == 1 or estimate.name.startswith("fairness.")
    )


def _value_of(estimate: Estimate) -> MonitoredValue:
    return MonitoredValue(
        estimate.name, estimate.value, estimate.low, estimate.high, estimate.n, estimate.reason
    )
