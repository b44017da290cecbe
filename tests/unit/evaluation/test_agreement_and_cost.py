"""A candidate beside one other model: agreement, size, and how many times faster it answers."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import ttest_1samp

from tasks.evaluation.agreement_and_cost import agreement, size_share
from tasks.evaluation.comparison import Comparator, Shared
from tasks.evaluation.settings import EvaluationSettings
from tasks.evaluation.timing import estimate_of_ratios
from tasks.resampling import exact_ladder
from tasks.resampling_units import units_of_table
from tasks.task_types.measures import Measured

SETTINGS = EvaluationSettings()
ROWS = pa.table({"row_id": [str(number) for number in range(40)]})


def answers(labels: list[str], score: float) -> pa.Table:
    return pa.table({"answer": [json.dumps({"label": one, "score": score}) for one in labels]})


def test_agreement_is_a_share_with_its_exact_interval() -> None:
    ours = answers(["a"] * 40, 0.9)
    teacher = Comparator("teacher", answers(["a"] * 37 + ["b"] * 3, 0.4))
    found = agreement(teacher, ROWS, ours, SETTINGS)
    assert (found.name, found.value, found.n) == ("teacher.agreement", 37 / 40, 40)
    assert found.ladder == exact_ladder(37, 40)


def test_agreement_is_of_the_rows_that_the_teacher_has_not_learned() -> None:
    kept = np.array([True] * 30 + [False] * 10)
    shared = Shared(
        kept, Measured((), np.ones(30), ()), units_of_table(ROWS.slice(0, 30), cluster=None, seed=0)
    )
    teacher = Comparator("teacher", answers(["a"] * 15 + ["b"] * 15, 0.5), shared=shared)
    found = agreement(teacher, ROWS, answers(["a"] * 40, 0.5), SETTINGS)
    assert (found.value, found.n) == (0.5, 30)


def test_agreement_with_a_teacher_that_says_nothing_is_undetermined() -> None:
    found = agreement(Comparator("teacher", reason="gone"), ROWS, answers(["a"] * 40, 1), SETTINGS)
    assert (found.value, found.reason) == (None, "gone")
    numbers = pa.table({"answer": ['{"target": 1.5}'] * 40})
    found = agreement(Comparator("teacher", numbers), ROWS, numbers, SETTINGS)
    assert found.value is None
    assert "no two are the same" in found.reason


def test_sets_of_labels_agree_in_any_order() -> None:
    one, other = (pa.table({"answer": [json.dumps({"labels": s})] * 40}) for s in ("ab", "ba"))
    lists = [
        pa.table({"answer": [json.dumps({"labels": list(order)})] * 40}) for order in ("ab", "ba")
    ]
    assert agreement(Comparator("teacher", lists[0]), ROWS, lists[1], SETTINGS).value == 1
    assert agreement(Comparator("teacher", one), ROWS, other, SETTINGS).value == 0


def test_the_share_of_the_size_is_that_of_all_files(tmp_path: Path) -> None:
    for name, sizes in (("student", (30, 10)), ("teacher", (100, 60))):
        (tmp_path / name).mkdir()
        for number, size in enumerate(sizes):
            (tmp_path / name / str(number)).write_bytes(b"x" * size)
    found = size_share(tmp_path / "student", tmp_path / "teacher", "teacher")
    assert (found.name, found.value) == ("teacher.size_share", 0.25)
    assert (found.low, found.high) == (0.25, 0.25)


def test_the_interval_of_a_speed_up_is_student_s_t() -> None:
    ratios = [2.0, 2.2, 1.9, 2.05, 2.4, 1.8, 2.1]
    found = estimate_of_ratios("teacher.speed_up", ratios)
    known = ttest_1samp(np.log(ratios), 0).confidence_interval(0.95)
    assert found.value == pytest.approx(np.prod(ratios) ** (1 / 7))
    assert (found.low, found.high) == pytest.approx((np.exp(known.low), np.exp(known.high)))
    narrow, wide = found.ladder[0], found.ladder[-1]
    assert wide[0] < narrow[0] < narrow[1] < wide[1]
