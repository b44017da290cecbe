"""From the recorded rows of a window to its record."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np

from infra.digests import digest_of
from infra.errors import DataError
from infra.store import ObjectStore
from tasks.drift.checks import LABEL_SHARES as DRIFT_LABEL_SHARES
from tasks.drift.checks import measure_sides, questions_of
from tasks.drift.measurement import Measurement, Question, judge_checks
from tasks.drift.row_samples import RowSample, read_row_sample
from tasks.monitoring.answers import AnswerCounts
from tasks.monitoring.feedback import CameLabels, find_labels
from tasks.monitoring.inputs import write_inputs
from tasks.monitoring.labelled_rows import LabelPolicy, measure_labelled
from tasks.monitoring.predictions import measure_predictions, prediction_questions
from tasks.monitoring.recorded_rows import RecordedInputs, WindowRows, read_window
from tasks.monitoring.reference import Reference
from tasks.monitoring.samples import LeastKeys
from tasks.monitoring.settings import DECIDE_NOTHING, MonitorSettings
from tasks.records.data import DriftCheck
from tasks.records.monitoring import LabelledRows, WatchedVersion, Window, WindowCheck
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import RowShape
from tasks.verdicts import combine

# What the checks of drift say of p, which here is corrected by the level alone.
_CORRECTED: Final = " after correction"
NO_ROWS: Final = "nothing was recorded in this window"


@dataclass(frozen=True)
class Watch:
    """A line in production, what it is compared with, and how."""

    watched: WatchedVersion
    reference: Reference
    policy: LabelPolicy
    settings: MonitorSettings

    @property
    def level(self) -> float:
        """The level at which one check of one window is called."""
        return self.settings.level(len(self.policy.gates))

    @property
    def settings_sha256(self) -> str:
        """Of all settings that decide what a check of a window says."""
        decide = self.settings.model_dump(mode="json", exclude=set(DECIDE_NOTHING))
        policy, how = self.policy, self.policy.evaluation
        measured = [how.min_label_rows, how.repeats, how.seed]
        return digest_of([decide, policy.gates, policy.fairness, measured])


def judge_window(watch: Watch, start: datetime, now: datetime, store: ObjectStore) -> Window:
    """Judge the recorded rows of a window.

    A window whose records cannot be read says so, and is undetermined: one bad object must not
    hide the windows after it.

    Args:
        watch: the line.
        start: of the window, UTC.
        now: labels that came from here on are not counted.
        store: holds the records.

    Raises:
        BaseModelError: the base model cannot embed a text.
        StoreError: the store cannot be asked.

    """
    settings, shape = watch.settings, shape_of(watch.watched.task_type)
    try:
        came = find_labels(
            watch.watched.line, start, now, settings.seed, store, settings.feedback_by
        )
        found = read_window(watch.watched, start, settings, store, came.keys)
        labelled = _measure_labels(watch, found, came, start, now, store)
        rows = found.sampled_inputs(shape)
        measured = _measure(watch, found, rows, shape)
    except DataError as error:
        found = WindowRows(AnswerCounts(1), LeastKeys(1), LeastKeys(1))
        labelled = LabelledRows(0, 0, 0, 0, (), (), str(error))
        rows, measured = [], _Measured(_all_untold(watch, shape, str(error)), None)
    return _record(watch, start, found, rows, measured, labelled)


def measure_labels_again(
    watch: Watch, start: datetime, until: datetime, store: ObjectStore
) -> LabelledRows:
    """Quality and fairness of a window by the labels that came up to an hour.

    Raises:
        StoreError: the store cannot be asked.

    """
    settings, line = watch.settings, watch.watched.line
    try:
        came = find_labels(line, start, until, settings.seed, store, settings.feedback_by)
        found = read_window(watch.watched, start, settings, store, came.keys)
        return _measure_labels(watch, found, came, start, until, store)
    except DataError as error:
        return LabelledRows(_hours_after(watch, start, until), 0, 0, 0, (), (), str(error))


def _measure_labels(
    watch: Watch,
    found: WindowRows,
    came: CameLabels,
    start: datetime,
    until: datetime,
    store: ObjectStore,
) -> LabelledRows:
    answered = found.labelled_rows(shape_of(watch.watched.task_type))
    waited = _hours_after(watch, start, until)
    return measure_labelled(
        watch.watched, answered, came, waited, watch.policy, watch.settings, store
    )


def _hours_after(watch: Watch, start: datetime, until: datetime) -> int:
    end = start + timedelta(hours=watch.settings.window_hours)
    return max(0, int((until - end).total_seconds() // 3_600))


@dataclass(frozen=True)
class _Measured:
    measurements: tuple[Measurement, ...]
    inputs: RowSample | None


def _measure(
    watch: Watch, found: WindowRows, rows: Sequence[RecordedInputs], shape: RowShape
) -> _Measured:
    """Every question that these rows can answer."""
    settings = watch.settings
    if found.total < settings.min_rows:
        said = f"{found.total} rows were recorded" if found.total else NO_ROWS
        reason = f"{said}; monitor.min_rows is {settings.min_rows}"
        return _Measured(_all_untold(watch, shape, reason, found.total), None)
    inputs, sample = _measure_inputs(watch, rows, shape)
    return _Measured((*inputs, *_measure_answers(watch, found)), sample)


def _measure_inputs(
    watch: Watch, rows: Sequence[RecordedInputs], shape: RowShape
) -> tuple[tuple[Measurement, ...], RowSample | None]:
    asked, before = _input_questions(watch, shape), watch.reference.inputs
    if isinstance(before, str):
        return tuple(one.untold(before, (0, len(rows))) for one in asked.values()), None
    if not rows:
        reason = f"no recorded row has the inputs of {shape.task_type}"
        return tuple(one.untold(reason) for one in asked.values()), None
    settings = watch.settings
    with tempfile.TemporaryDirectory(prefix="window-") as folder:
        path = write_inputs(rows, shape, Path(folder) / "inputs.parquet")
        now = read_row_sample(path, shape, max_rows=settings.max_rows, seed=settings.seed)
    found = measure_sides(before, now, asked, watch.reference.base_folder, settings.drift)
    return found.measurements, now


def _measure_answers(watch: Watch, found: WindowRows) -> tuple[Measurement, ...]:
    before, now = watch.reference.answers, found.answers
    if isinstance(before, str):
        asked = prediction_questions(watch.settings, now)
        return tuple(one.untold(before, (0, now.rows)) for one in asked)
    if now.rows < watch.settings.min_rows:
        reason = (
            f"version {watch.watched.version} answered {now.rows} of {found.total} recorded rows; "
            f"monitor.min_rows is {watch.settings.min_rows}"
        )
        asked = prediction_questions(watch.settings, before, now)
        return tuple(one.untold(reason, (before.rows, now.rows)) for one in asked)
    return measure_predictions(before, now, watch.settings)


def _input_questions(watch: Watch, shape: RowShape) -> dict[str, Question]:
    """Those of drift, without that of labels: a request has none."""
    has_model = watch.reference.base_folder is not None
    asked = questions_of(watch.settings.drift, shape, has_model=has_model)
    return {name: one for name, one in asked.items() if name != DRIFT_LABEL_SHARES}


def _all_untold(
    watch: Watch, shape: RowShape, reason: str, rows: int = 0
) -> tuple[Measurement, ...]:
    before = watch.reference.answers
    known = () if isinstance(before, str) else (before,)
    of_answers = prediction_questions(watch.settings, *known)
    asked = (*_input_questions(watch, shape).values(), *of_answers)
    return tuple(one.untold(reason, (0, rows)) for one in asked)


def _record(
    watch: Watch,
    start: datetime,
    found: WindowRows,
    rows: Sequence[RecordedInputs],
    measured: _Measured,
    labelled: LabelledRows,
) -> Window:
    watched, settings, level = watch.watched, watch.settings, watch.level
    # Each is judged at the level alone: it is so small because there are so many.
    judged = [judge_checks((one,), level)[0] for one in measured.measurements]
    checks = tuple(map(_check_of, judged))
    return Window(
        line=watched.line,
        start=start,
        hours=settings.window_hours,
        version=watched.version,
        weights_sha256=watched.weights_sha256,
        data_sha256=watched.clean.sha256,
        scores_sha256=watched.scores.sha256,
        settings_sha256=watch.settings_sha256,
        rows=dict(sorted(found.rows.items())),
        rows_of_version=found.answers.rows,
        rows_read=len(rows),
        unreadable=found.unreadable,
        level=level,
        label_shares=_label_shares(watch.reference.answers, found.answers),
        mean_confidence=_mean_confidence(watch.reference.answers, found.answers),
        median_length=_median_length(watch.reference.inputs, measured.inputs),
        latency_p95_ms=found.latency_p95_ms(),
        checks=checks,
        verdict=combine(check.verdict for check in checks),
        labelled=labelled,
        unanswered=found.unanswered,
        empty_answers=_empty_answers(watch.reference.answers, found.answers),
    )


def _check_of(one: DriftCheck) -> WindowCheck:
    return WindowCheck(
        one.name, one.effect, f"below {one.limit:g}", one.effect_size, one.low, one.high,
        one.p_value, one.rows_now, one.verdict, one.reason.replace(_CORRECTED, ""), one.rows_needed,
    )  # fmt: skip


def _label_shares(before: AnswerCounts | str, now: AnswerCounts) -> dict[str, tuple[float, float]]:
    if isinstance(before, str) or not (before.labels and now.labels):
        return {}
    totals = before.labels.total(), now.labels.total()
    return {
        label: (
            round(before.labels[label] / totals[0], 6),
            round(now.labels[label] / totals[1], 6),
        )
        for label in sorted({*before.labels, *now.labels})
    }


def _mean_confidence(before: AnswerCounts | str, now: AnswerCounts) -> tuple[float, float] | None:
    if isinstance(before, str):
        return None
    was, is_now = before.mean_confidence, now.mean_confidence
    return None if was is None or is_now is None else (was, is_now)


def _empty_answers(before: AnswerCounts | str, now: AnswerCounts) -> tuple[float, float] | None:
    if isinstance(before, str):
        return None
    was, is_now = before.empty_share, now.empty_share
    return None if was is None or is_now is None else (was, is_now)


def _median_length(before: RowSample | str, now: RowSample | None) -> tuple[float, float] | None:
    if isinstance(before, str) or now is None or not before.rows:
        return None
    return _median(before.length_counts), _median(now.length_counts)


def _median(counts: dict[int, int]) -> float:
    values = np.array(sorted(counts))
    below = np.array([counts[int(value)] for value in values]).cumsum()
    return float(values[np.searchsorted(below, below[-1] / 2)])
