"""What is told of a student beside its teacher alone: agreement, size and speed."""

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from tasks.evaluation.champion import ScoringInputs
from tasks.evaluation.comparison import Comparator
from tasks.evaluation.intervals import levels
from tasks.evaluation.settings import EvaluationSettings
from tasks.evaluation.timing import estimate_of_ratios, timed_in_turns
from tasks.resampling_units import units_of_table
from tasks.task_types.answer_columns import ANSWER, without_numbers
from tasks.task_types.examiner import Examiner
from tasks.task_types.measures import mean_of_some
from tasks.task_types.rows import CLUSTER
from tasks.verdicts import Estimate, exact, undetermined

FAMILY: Final = "teacher"
AGREEMENT: Final = f"{FAMILY}.agreement"
SIZE_SHARE: Final = f"{FAMILY}.size_share"
SPEED_UP: Final = f"{FAMILY}.speed_up"


def agreement(
    teacher: Comparator, test: pa.Table, answers: pa.Table, settings: EvaluationSettings
) -> Estimate:
    """Share of the rows of their comparison on which both give the same answer, scores apart.

    Args:
        teacher: its answers, to those of the test rows that it has not learned.
        test: all test rows, (N,).
        answers: the student's, to all of them.
        settings: of the evaluation.

    """
    if teacher.reason or not isinstance(teacher.answers, pa.Table):
        return undetermined(AGREEMENT, 0, teacher.reason)
    rows, ours = test, answers
    if teacher.shared:
        kept = pa.array(teacher.shared.kept)
        rows, ours = test.filter(kept), answers.filter(kept)
    pairs = [
        (_said(one), _said(other))
        for one, other in zip(
            ours[ANSWER].to_pylist(), teacher.answers[ANSWER].to_pylist(), strict=True
        )
    ]
    known = np.array([None not in pair for pair in pairs], dtype=np.bool_)
    if not known.any():
        return undetermined(AGREEMENT, 0, "the answers are numbers, of which no two are the same")
    same = np.array([one == other for one, other in pairs], dtype=np.float64)
    cluster = CLUSTER if settings.by_cluster else None
    units = units_of_table(rows, cluster=cluster, seed=settings.seed)
    measure = mean_of_some(AGREEMENT.partition(".")[2], same, known)
    (found,) = levels([(FAMILY, measure)], units, settings.repeats, settings.seed)
    return found


def size_share(student: Path, teacher: Path) -> Estimate:
    """Bytes of the student's files as a share of those of the teacher's."""
    ours, theirs = (sum(file.stat().st_size for file in f.iterdir()) for f in (student, teacher))
    return exact(SIZE_SHARE, ours / theirs, 1)


def speed_up(asked: ScoringInputs, examiner: Examiner, teacher: Path) -> Estimate:
    """How many times faster the student answers the same rows on this machine, texts to answers.

    Args:
        asked: of the student, with all test rows.
        examiner: asks the student.
        teacher: folder of its model.

    """
    return estimate_of_ratios(
        SPEED_UP, [one.ratio for one in timed_in_turns(asked, examiner, teacher)]
    )


def _said(answer: str | None) -> Any:
    """What two answers are compared by; None where there is nothing to compare."""
    found = without_numbers(json.loads(answer)) if answer else None
    if isinstance(found, dict) and isinstance(labels := found.get("labels"), list):
        return {**found, "labels": sorted(labels)}  # each model has its own order of them
    return found or None
