"""Worlds of rows apart: fresh ones that no look has read, and golden sets of a team's own."""

import numpy as np
import pyarrow as pa

from infra.row_hashes import hashes_of, to_bytes
from infra.store import Artifact
from tasks.evaluation.comparison import Comparator, gains_over
from tasks.evaluation.fresh import Evaluated, FreshRows, measure_fresh
from tasks.evaluation.golden import measure_golden
from tasks.evaluation.intervals import levels
from tasks.evaluation.settings import EvaluationSettings, SliceSettings
from tasks.records.looks import HeldOut
from tasks.resampling import Ints
from tasks.resampling_units import units_of_table
from tasks.task_types.examiner import examiner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import CLUSTER
from tasks.verdicts import Estimate
from tests.simulation.quality_worlds import REPEATS
from tests.simulation.scenarios import Random, Scenario

LABELS = ("a", "b", "c")
EXAMINER = examiner_of("classification", LABELS, TokenLimits(64))
SETTINGS = EvaluationSettings(
    repeats=REPEATS, min_golden_rows=30, slices=SliceSettings(by=("part",), search=False)
)
OURS, THEIRS = 0.9, 0.88
# How much alike the rows of an author are: Beta(a, b) with a + b = ALIKE.
ALIKE = 6.0
NAMES = ("accuracy", "macro_f1")


class Bytes:
    """What a look wrote of its rows, at one address."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def get_bytes(self, _: str) -> bytes:
        """The hashes of the fresh rows."""
        return self._data


def _rows(random: Random, authors: int, rows: int) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Rows, and what the candidate and the champion answer; labels are missed alike."""
    author = np.repeat(np.arange(authors), rows)
    truth = random.integers(0, len(LABELS), len(author))
    table = {
        "row_id": [f"{row:06d}" for row in range(len(author))],
        "text": [f"text {row}" for row in range(len(author))],
        "label": [LABELS[one] for one in truth],
        "part": np.where(author % 2 == 0, "even", "odd").tolist(),
    }
    if rows > 1:
        table[CLUSTER] = [f"author {one}" for one in author]
    said = [_answers(random, truth, author, rows, mean) for mean in (OURS, THEIRS)]
    return pa.table(table), *said


def _answers(random: Random, truth: Ints, author: Ints, rows: int, mean: float) -> pa.Table:
    means = np.full(author[-1] + 1, mean)
    chance = random.beta(ALIKE * means, ALIKE * (1 - means)) if rows > 1 else means
    right = random.random(len(truth)) < chance[author]
    miss = (truth + random.integers(1, len(LABELS), len(truth))) % len(LABELS)
    return pa.table({"predicted": pa.array(np.where(right, truth, miss), pa.int32())})


def fresh(authors: int, rows: int, share: float) -> Scenario:
    """Some of the test rows are fresh; the champion is asked on the same."""

    def drawn(random: Random) -> list[Estimate]:
        test, ours, theirs = _rows(random, authors, rows)
        measured = EXAMINER.measure(test, ours)
        champion = Comparator("champion", theirs, EXAMINER.measure(test, theirs))
        units = units_of_table(test, cluster=CLUSTER, seed=0)
        estimates = levels([("quality", one) for one in measured.measures], units, REPEATS, 0)
        estimates += gains_over(measured, champion, units, SETTINGS, "champion")
        old = int(authors * (1 - share)) * rows
        written = to_bytes(hashes_of(test["row_id"].to_pylist()[old:]))
        part = HeldOut(Artifact("fresh", "0" * 64, len(written)), test.num_rows - old)
        evaluated = Evaluated(test, ours, measured, champion, estimates)
        store = Bytes(written)
        return measure_fresh(FreshRows(part, 30), evaluated, EXAMINER, SETTINGS, store)  # type: ignore[arg-type]

    truths = {f"fresh.{name}": OURS for name in NAMES}
    truths |= {f"fresh.{name}_gain": OURS - THEIRS for name in NAMES}
    kind = f"{authors} rows" if rows == 1 else f"{authors} authors of {rows}"
    return Scenario(f"fresh: {share:.0%} of {kind}", truths, drawn)


def golden(authors: int, rows: int) -> Scenario:
    """A set with its own metrics, gains and slices."""

    def drawn(random: Random) -> list[Estimate]:
        table, ours, theirs = _rows(random, authors, rows)
        measured = EXAMINER.measure(table, ours)
        champion = Comparator("champion", theirs, EXAMINER.measure(table, theirs))
        units = units_of_table(table, cluster=CLUSTER, seed=0)
        shape = shape_of("classification")
        return list(
            measure_golden("golden.team", table, shape, measured, champion, units, SETTINGS)[0]
        )

    truths = {f"golden.team.{name}": OURS for name in NAMES}
    truths |= {f"golden.team.{name}_gain": OURS - THEIRS for name in NAMES}
    truths |= {
        "golden.team.slice.part.odd.accuracy": OURS,
        "golden.team.slice.part.odd.score_gap": 0.0,
    }
    kind = f"{authors} rows" if rows == 1 else f"{authors} authors of {rows}"
    return Scenario(f"golden: {kind}", truths, drawn)


GOLDEN_FRESH = (
    fresh(400, 1, 0.3),
    fresh(100, 6, 0.4),
    golden(120, 1),
    golden(60, 6),
)
