"""From the answers to changed rows to flip rates, score shifts and drops with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import pyarrow as pa

from tasks.evaluation.comparison import Comparator, gains_over
from tasks.evaluation.examining import AskedExaminer
from tasks.evaluation.intervals import levels
from tasks.probes.robustness.answers import Moves, moves_of, shown
from tasks.probes.robustness.drawing import Drawn
from tasks.probes.robustness.rows import changed_columns
from tasks.probes.robustness.settings import DROP, FLIP_RATE, SCORE_SHIFT, RobustnessSettings
from tasks.records.robustness import MovedAnswer, Perturbed
from tasks.resampling_units import Units, units_of_table
from tasks.task_types.answer_columns import ANSWER
from tasks.task_types.measures import Measured, mean_of
from tasks.task_types.rows import CLUSTER, RowShape
from tasks.verdicts import Estimate, undetermined

MOVED_SHOWN: Final = 3
# Characters of a text shown before and behind the first change.
EXCERPT_BEFORE, EXCERPT_AFTER = 40, 80
_CHANGED: Final = "changed"
_GAIN: Final = "_gain"


@dataclass(frozen=True)
class AnsweredRows:
    """The test rows as they are, and what the candidate says of them.

    Attributes:
        shape: of the task type.
        test: the test rows, (N,).
        answers: to them, (N,).
        examiner: of the task type, with the metrics of the line.
        settings: of the probes.
        labels: the label set, in the order of the probabilities.

    """

    shape: RowShape
    test: pa.Table
    answers: pa.Table
    examiner: AskedExaminer
    settings: RobustnessSettings
    labels: tuple[str, ...] = ()

    @cached_property
    def span(self) -> float:
        """Range of the test targets; 0 where the answer is no number."""
        if self.shape.target_column is None:
            return 0.0
        targets = self.test[self.shape.target_column].to_numpy()
        return float(np.ptp(targets))

    @cached_property
    def leading(self) -> tuple[str, ...]:
        """Names of the leading metrics."""
        return self.examiner.measure(self.test, self.answers).leading


def judge_changes(known: AnsweredRows, drawn: Drawn, after: pa.Table) -> Perturbed:
    """What the changed rows of a kind come to, held against the same rows as they are.

    Args:
        known: the test rows with their answers.
        drawn: the changed rows, (M,).
        after: the answers to them, (M,).

    """
    places = [row.place for row in drawn.rows]
    rows, before = (side.take(pa.array(places, pa.int64())) for side in (known.test, known.answers))
    kind, count = drawn.kind, len(drawn.rows)
    told = Perturbed(
        kind=kind.name,
        does=kind.does,
        strength=drawn.strength,
        keeps_answer=kind.keeps_answer,
        changed=count,
        same_tokens=sum(row.same_tokens for row in drawn.rows),
        tried=drawn.tried,
        flip_rate=undetermined("", count, ""),
        score_shift=undetermined("", count, ""),
    )
    if reason := _why_untold(told, before, after, known):
        return _untold(told, drawn.family, reason, known)
    ours, theirs = (known.examiner.measure(rows, side) for side in (before, after))
    moves = moves_of(
        before, after, (ours.row_scores, theirs.row_scores), known.shape,
        known.settings.tolerance, known.span,
    )  # fmt: skip
    flip_rate, score_shift = flips_and_shifts(drawn.family, moves, places, known)
    drops = _drops(drawn.family, ours, theirs, places, known) if kind.keeps_answer else ()
    return replace(
        told,
        flip_rate=flip_rate,
        score_shift=score_shift,
        drops=drops,
        moved=tuple(_moved(known, drawn, before, after, moves)),
    )


def _why_untold(told: Perturbed, before: pa.Table, after: pa.Table, known: AnsweredRows) -> str:
    least = known.settings.min_rows
    if told.changed < least:
        return (
            f"it changes {told.changed:,} of the {told.tried:,} test rows that it was tried on, "
            f"fewer than probes.robustness.min_rows ({least:,})"
        )
    silent = sum(side[ANSWER].null_count for side in (before, after))
    return f"{silent:,} answers to these rows were not given" if silent else ""


def _untold(told: Perturbed, family: str, reason: str, known: AnsweredRows) -> Perturbed:
    names = [f"{one}_{DROP}" for one in known.leading] if told.keeps_answer else []
    flips, shifts, *drops = (
        undetermined(f"{family}.{name}", told.changed, reason)
        for name in (FLIP_RATE, SCORE_SHIFT, *names)
    )
    return replace(told, flip_rate=flips, score_shift=shifts, drops=tuple(drops))


def flips_and_shifts(
    family: str, moves: Moves, places: Sequence[int], known: AnsweredRows
) -> tuple[Estimate, Estimate]:
    """Flip rate and score shift over test rows, each with its interval.

    Args:
        family: what comes before the names.
        moves: of M test rows.
        places: of these among the test rows.
        known: the test rows.

    """
    evaluation = known.examiner.settings
    named = [
        (family, mean_of(FLIP_RATE, moves.flipped.astype(np.float64), greater_is_better=False)),
        (family, mean_of(SCORE_SHIFT, moves.shifts, greater_is_better=False)),
    ]
    units = _units(places, known)
    flip_rate, score_shift = levels(named, units, evaluation.repeats, evaluation.seed)
    return flip_rate, score_shift


def _units(places: Sequence[int], known: AnsweredRows) -> Units:
    evaluation = known.examiner.settings
    rows = known.test.take(pa.array(places, pa.int64()))
    cluster = CLUSTER if evaluation.by_cluster else None
    return units_of_table(rows, cluster=cluster, seed=evaluation.seed)


def _drops(
    family: str, ours: Measured, theirs: Measured, places: Sequence[int], known: AnsweredRows
) -> tuple[Estimate, ...]:
    """How much better the leading metrics are on the rows as they are, on the same draws."""
    changed = Comparator(_CHANGED, measured=theirs)
    gains = gains_over(ours, changed, _units(places, known), known.examiner.settings, family)
    return tuple(replace(one, name=f"{one.name.removesuffix(_GAIN)}_{DROP}") for one in gains)


def _moved(
    known: AnsweredRows, drawn: Drawn, before: pa.Table, after: pa.Table, moves: Moves
) -> list[MovedAnswer]:
    """The rows that flip and move farthest."""
    flipped = np.flatnonzero(moves.flipped)
    most = sorted(flipped.tolist(), key=lambda row: (-moves.shifts[row], row))[:MOVED_SHOWN]
    found = []
    for place in most:
        changed = drawn.rows[place]
        row = known.test.slice(changed.place, 1).to_pylist()[0]
        texts = excerpts(row, {**row, **changed.columns}, known.shape)
        found.append(
            MovedAnswer(
                row["row_id"], shown(before[ANSWER][place].as_py(), known.shape),
                shown(after[ANSWER][place].as_py(), known.shape), *texts,
                float(moves.shifts[place]),
            )
        )  # fmt: skip
    return found


def excerpts(row: dict[str, Any], changed: dict[str, Any], shape: RowShape) -> tuple[str, str]:
    """Both texts of a row around their first difference."""
    for column in changed_columns(shape):
        before, after = (_as_text(side[column.name]) for side in (row, changed))
        if before != after:
            place = next(
                (n for n, (a, b) in enumerate(zip(before, after, strict=False)) if a != b),
                min(len(before), len(after)),
            )
            return _excerpt(before, place), _excerpt(after, place)
    return "", ""


def _as_text(value: str | Sequence[str]) -> str:
    return value if isinstance(value, str) else " ".join(value)


def _excerpt(text: str, place: int) -> str:
    begin, end = max(0, place - EXCERPT_BEFORE), place + EXCERPT_AFTER
    return f"{'…' if begin else ''}{text[begin:end]}{'…' if end < len(text) else ''}"
