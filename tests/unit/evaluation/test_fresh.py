"""Test rows that no earlier look has read are measured apart, as a test split of their own."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from infra.errors import IntegrityError
from infra.row_hashes import hashes_of, to_bytes
from infra.store import Artifact
from tasks.evaluation.comparison import Comparator, gains_over
from tasks.evaluation.fresh import Evaluated, FreshRows, measure_fresh
from tasks.evaluation.intervals import levels
from tasks.evaluation.settings import EvaluationSettings
from tasks.records.looks import HeldOut
from tasks.resampling_units import units_of_table
from tasks.task_types.examiner import examiner_of
from tasks.task_types.limits import TokenLimits
from tasks.verdicts import Estimate
from tests.unit.evaluation.conftest import LABELS, Answered

QUICK = EvaluationSettings(repeats=4_000)
EXAMINER = examiner_of("classification", LABELS, TokenLimits(64))


class Store:
    """Holds one object."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def get_bytes(self, uri: str) -> bytes:
        assert uri == "s3://a/fresh"
        return self.data


def evaluated(answer: Callable[..., Answered], champion: Comparator | None) -> Evaluated:
    test, answers = answer(1)
    measured = EXAMINER.measure(test, answers)
    units = units_of_table(test, cluster=None, seed=0)
    estimates = levels([("quality", one) for one in measured.measures], units, 4_000, 0)
    if champion:
        estimates += gains_over(measured, champion, units, QUICK, "champion")
    return Evaluated(test, answers, measured, champion, estimates)


def champion_of(answer: Callable[..., Answered]) -> Comparator:
    test, _ = answer(1)
    _, answers = answer(2)  # knows nothing of these rows
    return Comparator("champion", answers, EXAMINER.measure(test, answers))


def fresh_of(made: Evaluated, fresh: list[int], least: int = 30) -> list[Estimate]:
    rows = made.test["row_id"].to_pylist()
    data = to_bytes(hashes_of([rows[place] for place in fresh]))
    named = FreshRows(HeldOut(Artifact("s3://a/fresh", "0" * 64, len(data)), len(fresh)), least)
    return measure_fresh(named, made, EXAMINER, QUICK, Store(data))  # type: ignore[arg-type]


def test_fresh_rows_are_a_test_split_of_their_own(answer: Callable[..., Answered]) -> None:
    champion = champion_of(answer)
    made = evaluated(answer, champion)
    fresh = list(range(0, 400, 4))
    found = {one.name: one for one in fresh_of(made, fresh)}
    part = pa.array(np.isin(np.arange(400), fresh))
    test, answers = made.test.filter(part), made.answers.filter(part)
    measured = {one.name: one.value for one in EXAMINER.measure(test, answers).measures}
    theirs = {
        one.name: one.value
        for one in EXAMINER.measure(test, champion.answers.filter(part)).measures  # type: ignore[attr-defined]
    }
    for name, value in measured.items():
        assert ("." in name) or found[f"fresh.{name}"].value == pytest.approx(value)
    assert found["fresh.macro_f1_gain"].value == pytest.approx(
        measured["macro_f1"] - theirs["macro_f1"]
    )
    assert found["fresh.macro_f1"].n == found["fresh.macro_f1_gain"].n == 100
    of_all = {one.name: one for one in made.estimates}["quality.macro_f1"].ladder[0]
    ends = found["fresh.macro_f1"].ladder[0]
    assert ends[1] - ends[0] > 1.5 * (of_all[1] - of_all[0])


def test_the_first_look_measures_fresh_rows_once(answer: Callable[..., Answered]) -> None:
    made = evaluated(answer, champion_of(answer))
    found = {one.name: one for one in fresh_of(made, list(range(400)))}
    by_name = {one.name: one for one in made.estimates}
    assert found["fresh.macro_f1"] == replace(by_name["quality.macro_f1"], name="fresh.macro_f1")
    gain = replace(by_name["champion.macro_f1_gain"], name="fresh.macro_f1_gain")
    assert found["fresh.macro_f1_gain"] == gain


@pytest.mark.parametrize("fresh", [0, 29])
def test_too_few_fresh_rows_are_undetermined_with_their_number(
    answer: Callable[..., Answered], fresh: int
) -> None:
    found = {one.name: one for one in fresh_of(evaluated(answer, None), list(range(fresh)))}
    told = found["fresh.macro_f1"]
    assert (told.value, told.n) == (None, fresh)
    assert f"{fresh} of the 400 test rows" in told.reason
    assert "splits.fresh asks 30" in told.reason


def test_a_first_look_at_fewer_rows_than_are_asked_is_undetermined_too(
    answer: Callable[..., Answered],
) -> None:
    found = fresh_of(evaluated(answer, champion_of(answer)), list(range(400)), least=401)
    assert {one.name for one in found} >= {"fresh.macro_f1", "fresh.macro_f1_gain"}
    assert all((one.value, one.n) == (None, 400) for one in found)
    assert all("splits.fresh asks 401" in one.reason for one in found)


def test_a_label_that_fresh_rows_lack_stops_no_run(answer: Callable[..., Answered]) -> None:
    made = evaluated(answer, None)
    labels = made.test["label"].to_pylist()
    found = fresh_of(made, [place for place, label in enumerate(labels) if label != "d"])
    assert {one.name for one in found} >= {"fresh.accuracy", "fresh.macro_f1"}


def test_a_champion_that_says_nothing_leaves_its_gain_undetermined(
    answer: Callable[..., Answered],
) -> None:
    silent = Comparator("champion", reason="the champion cannot be fetched: gone")
    found = {one.name: one for one in fresh_of(evaluated(answer, silent), list(range(100)))}
    assert found["fresh.accuracy"].value is not None
    assert found["fresh.macro_f1_gain"].reason == silent.reason


def test_hashes_of_other_rows_are_refused(answer: Callable[..., Answered]) -> None:
    made = evaluated(answer, None)
    named = FreshRows(HeldOut(Artifact("s3://a/fresh", "0" * 64, 8), 50), 30)
    others = to_bytes(hashes_of([f"x{place}" for place in range(50)]))
    for data, why in ((others, "names rows"), (others[::-1], "was changed")):
        with pytest.raises(IntegrityError, match=why):
            measure_fresh(named, made, EXAMINER, QUICK, Store(data))  # type: ignore[arg-type]
