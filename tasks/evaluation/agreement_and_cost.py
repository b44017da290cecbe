"""What is told of a candidate beside one other model alone: agreement, size and speed.

The other model is the teacher of a student, or a compressed model as it was before.
"""

import json
import math
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from tasks.evaluation.champion import ScoringInputs, examiner_of_version
from tasks.evaluation.comparison import Comparator
from tasks.evaluation.intervals import levels
from tasks.evaluation.settings import EvaluationSettings
from tasks.resampling_units import units_of_table
from tasks.task_types.answer_columns import ANSWER, without_numbers
from tasks.task_types.examiner import Examiner
from tasks.task_types.kept_models import keep_models
from tasks.task_types.measures import mean_of_some
from tasks.task_types.rows import CLUSTER
from tasks.verdicts import ALPHA, MAX_FAMILY, Estimate, exact, undetermined

AGREEMENT: Final = "agreement"
SIZE_SHARE: Final = "size_share"
SPEED_UP: Final = "speed_up"
# Test rows that both are timed on, spread evenly over them.
TIMED_ROWS: Final = 64
# Pairs of timings: at most so many, and after the first few none that would take longer.
LEAST_ROUNDS, MOST_ROUNDS, TIMING_S = 7, 15, 30.0


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

    Both are loaded, and asked once uncounted. Then they are asked in turns, and each turn gives
    a ratio of times. The interval is Student's t of their logarithms, around the geometric mean.

    Args:
        asked: of the candidate, with all test rows.
        examiner: asks the candidate.
        other: folder of the other model.
        family: of the estimate's name.

    """
    places = np.linspace(0, asked.rows.num_rows - 1, min(TIMED_ROWS, asked.rows.num_rows))
    rows = asked.rows.take(pa.array(np.unique(places.astype(int))))
    theirs = examiner_of_version(asked, other)
    ratios: list[float] = []
    with keep_models():
        both_s = 0.0
        for one, folder in ((examiner, asked.candidate), (theirs, other)):
            one.predict(folder, rows.slice(0, 1))  # which loads it
            both_s += _seconds(one, folder, rows)
        # What writes may take minutes for as many rows; of fewer the least rounds fit.
        fitting = max(1, int(rows.num_rows * TIMING_S / (LEAST_ROUNDS * both_s)))
        rows = rows.slice(0, fitting)
        begun_s = time.perf_counter()
        while len(ratios) < LEAST_ROUNDS or (
            len(ratios) < MOST_ROUNDS and time.perf_counter() - begun_s < TIMING_S
        ):
            own_s = _seconds(examiner, asked.candidate, rows)
            ratios.append(_seconds(theirs, other, rows) / own_s)
    return estimate_of_ratios(f"{family}.{SPEED_UP}", ratios)


def estimate_of_ratios(name: str, ratios: list[float]) -> Estimate:
    """The geometric mean of paired ratios, with Student's t of their logarithms.

    Args:
        name: of the estimate.
        ratios: above 0, at least two.

    """
    from scipy.stats import t

    logs = np.log(ratios)
    mean, error = float(logs.mean()), float(logs.std(ddof=1) / math.sqrt(len(logs)))
    shares = np.arange(1, MAX_FAMILY + 1)
    reach = t.ppf(1 - ALPHA / 2 / shares, len(logs) - 1) * error
    ladder = tuple((math.exp(mean - far), math.exp(mean + far)) for far in reach.tolist())
    method = f"Student's t over the logarithms of {len(logs)} paired timings"
    return Estimate(name, math.exp(mean), len(logs), ladder, method)


def _seconds(examiner: Examiner, folder: Path, rows: pa.Table) -> float:
    begun_s = time.perf_counter()
    examiner.predict(folder, rows)
    return time.perf_counter() - begun_s


def _said(answer: str | None) -> Any:
    """What two answers are compared by; None where there is nothing to compare."""
    found = without_numbers(json.loads(answer)) if answer else None
    if isinstance(found, dict) and isinstance(labels := found.get("labels"), list):
        return {**found, "labels": sorted(labels)}  # each model has its own order of them
    return found or None
