"""How fast two models answer the same rows on one machine, in turns."""

import math
import time
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from tasks.evaluation.champion import ScoringInputs, examiner_of_version
from tasks.task_types.examiner import Examiner
from tasks.task_types.kept_models import keep_models
from tasks.verdicts import ALPHA, MAX_FAMILY, Estimate

# Rows that both are timed on, spread evenly over those that there are.
TIMED_ROWS: Final = 64
# Pairs of timings: at most so many, and after the first few none that would take longer.
LEAST_ROUNDS, MOST_ROUNDS, TIMING_S = 7, 15, 30.0


class Turn(NamedTuple):
    """Seconds in which either model answered the same rows, one right after the other."""

    own_s: float
    other_s: float
    rows: int

    @property
    def ratio(self) -> float:
        """How many times faster the first one was."""
        return self.other_s / self.own_s


def timed_in_turns(asked: ScoringInputs, examiner: Examiner, other: Path) -> list[Turn]:
    """Ask a model and another one in turns, texts to answers.

    Both are loaded, and asked once uncounted. A load that lasts slows both, and so hardly moves
    the ratio of a turn.

    Args:
        asked: of the one, with all rows.
        examiner: asks it.
        other: folder of the other model.

    """
    places = np.linspace(0, asked.rows.num_rows - 1, min(TIMED_ROWS, asked.rows.num_rows))
    rows = asked.rows.take(pa.array(np.unique(places.astype(int))))
    theirs = examiner_of_version(asked, other)
    turns: list[Turn] = []
    with keep_models():
        both_s = 0.0
        for one, folder in ((examiner, asked.candidate), (theirs, other)):
            one.predict(folder, rows.slice(0, 1))  # which loads it
            both_s += _seconds(one, folder, rows)
        # What writes may take minutes for as many rows; of fewer the least rounds fit.
        fitting = max(1, int(rows.num_rows * TIMING_S / (LEAST_ROUNDS * both_s)))
        rows = rows.slice(0, fitting)
        begun_s = time.perf_counter()
        while len(turns) < LEAST_ROUNDS or (
            len(turns) < MOST_ROUNDS and time.perf_counter() - begun_s < TIMING_S
        ):
            own_s = _seconds(examiner, asked.candidate, rows)
            turns.append(Turn(own_s, _seconds(theirs, other, rows), rows.num_rows))
    return turns


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
