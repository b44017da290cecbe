"""What is told of a candidate beside one other model alone: agreement, size and speed.

The other model is the teacher of a student, or a compressed model as it was before.
"""

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
from tasks.task_types.answer_columns import ANSWER, comparable
from tasks.task_types.examiner import Examiner
from tasks.task_types.measures import mean_of_some
from tasks.task_types.rows import CLUSTER
from tasks.verdicts import Estimate, exact, undetermined

AGREEMENT: Final = "agreement"
SIZE_SHARE: Final = "size_share"
SPEED_UP: Final = "speed_up"


def agreement(
    other: Comparator, test: pa.Table, answers: pa.Table, settings: EvaluationSettings
) -> Estimate:
    """Share of the rows of their comparison on which both give the same answer, scores apart.

    Args:
        other: its answers, to those of the test rows that it has not learned; its name is the
            family of the estimate.
        test: all test rows, (N,).
        answers: the candidate's, to all of them.
        settings: of the evaluation.

    """
    name = f"{other.name}.{AGREEMENT}"
    if other.reason or not isinstance(other.answers, pa.Table):
        return undetermined(name, 0, other.reason)
    rows, ours = test, answers
    if other.shared:
        kept = pa.array(other.shared.kept)
        rows, ours = test.filter(kept), answers.filter(kept)
    pairs = [
        (_said(one), _said(other))
        for one, other in zip(
            ours[ANSWER].to_pylist(), other.answers[ANSWER].to_pylist(), strict=True
        )
    ]
    known = np.array([None not in pair for pair in pairs], dtype=np.bool_)
    if not known.any():
        return undetermined(name, 0, "the answers are numbers, of which no two are the same")
    same = np.array([one == other for one, other in pairs], dtype=np.float64)
    cluster = CLUSTER if settings.by_cluster else None
    units = units_of_table(rows, cluster=cluster, seed=settings.seed)
    measure = mean_of_some(AGREEMENT, same, known)
    (found,) = levels([(other.name, measure)], units, settings.repeats, settings.seed)
    return found


def size_share(candidate: Path, other: Path, family: str) -> Estimate:
    """Bytes of the candidate's files as a share of those of the other model's."""
    ours, theirs = (sum(file.stat().st_size for file in f.iterdir()) for f in (candidate, other))
    return exact(f"{family}.{SIZE_SHARE}", ours / theirs, 1)


def speed_up(asked: ScoringInputs, examiner: Examiner, other: Path, family: str) -> Estimate:
    """How many times faster the candidate answers the same rows on this machine, texts to answers.

    Args:
        asked: of the candidate, with all test rows.
        examiner: asks the candidate.
        other: folder of the other model.
        family: of the estimate's name.

    """
    ratios = [one.ratio for one in timed_in_turns(asked, examiner, other)]
    return estimate_of_ratios(f"{family}.{SPEED_UP}", ratios)


def _said(answer: str | None) -> Any:
    """What two answers are compared by; None where there is nothing to compare."""
    return (comparable(answer) or None) if answer else None
