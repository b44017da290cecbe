"""What is asked of answers: labels or their length, and confidence; and what is not."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import ks_2samp

from tasks.drift.measurement import Measurement, judge_checks
from tasks.monitoring.answers import AnswerCounts, length_of
from tasks.monitoring.predictions import measure_predictions, prediction_questions
from tasks.monitoring.settings import CHECKS_WITHOUT_LABELS, MonitorSettings
from tasks.verdicts import Verdict

SETTINGS = MonitorSettings()
QUESTIONS_OF_INPUTS = 5


def counted(answers: list[dict[str, Any]], request_rows: int = 1) -> AnswerCounts:
    """The answers of requests of so many rows each."""
    counts = AnswerCounts(1_000)
    for place, answer in enumerate(answers):
        request = f"r{place // request_rows}" if request_rows > 1 else ""
        counts.count(answer, place * 7_919 % 104_729, request, drawn=True)
    return counts


def written(lengths: list[int], field: str = "text") -> list[dict[str, Any]]:
    return [{field: "x" * length} for length in lengths]


def lengths_of(seed: int, rows: int = 2_000, empty: float = 0.0) -> list[int]:
    random = np.random.default_rng(seed)
    drawn = random.poisson(80, rows) + 1
    drawn[random.random(rows) < empty] = 0
    return drawn.tolist()


def verdicts(before: AnswerCounts, now: AnswerCounts) -> dict[str, Verdict]:
    found: tuple[Measurement, ...] = measure_predictions(before, now, SETTINGS)
    return {one.question.name: judge_checks((one,), 0.001)[0].verdict for one in found}


@pytest.mark.parametrize("field", ["text", "answer", "continuation"])
def test_what_a_model_writes_is_watched_by_its_length(field: str) -> None:
    before = counted(written(lengths_of(1), field))
    same = counted(written(lengths_of(2), field))
    assert verdicts(before, same) == {"predictions.answer_length": Verdict.PASS}
    silent = counted(written(lengths_of(3, empty=0.3), field))
    assert verdicts(before, silent) == {"predictions.answer_length": Verdict.FAIL}
    assert before.empty_share == 0
    assert silent.empty_share == pytest.approx(0.3, abs=0.03)


def test_the_distance_is_that_of_scipy() -> None:
    first, second = lengths_of(4), [length + 5 for length in lengths_of(5, rows=700)]
    (found,) = measure_predictions(counted(written(first)), counted(written(second)), SETTINGS)
    assert found.answer
    value, p_value = found.answer
    reference = ks_2samp(first, second, method="asymp")
    assert value == pytest.approx(reference.statistic, abs=1e-4)
    assert p_value == pytest.approx(reference.pvalue, rel=0.5)


def test_answers_of_one_request_are_drawn_together() -> None:
    """Forty requests of fifty rows each are forty, however many rows they have."""
    before = counted(written(lengths_of(6)))
    now = counted(written(lengths_of(7)), request_rows=50)
    (found,) = measure_predictions(before, now, SETTINGS)
    assert "permutation" in str(found.test)


@pytest.mark.parametrize(
    ("answer", "asked"),
    [
        ({"label": "a", "score": 0.5}, ["label_shares", "confidence"]),
        ({"labels": ["a"]}, ["label_shares"]),
        ({"answer": "one", "start": 1, "score": 0.4}, ["answer_length", "confidence"]),
        ({"answer": "one", "start": 1, "score": 7.4}, ["answer_length"]),  # a logit
        ({"label": "a", "text": "why"}, ["label_shares"]),
        ({"target": 0.5}, []),
        ({"vector": [0.5]}, []),
    ],
)
def test_what_answers_do_not_have_is_not_asked(answer: dict[str, Any], asked: list[str]) -> None:
    """Else a line would be undetermined for ever; and no more is asked than the level counts."""
    side = counted([answer] * 3)
    found = [question.name for question in prediction_questions(SETTINGS, side, AnswerCounts(1))]
    assert found == [f"predictions.{name}" for name in asked]
    assert len(found) <= CHECKS_WITHOUT_LABELS - QUESTIONS_OF_INPUTS


def test_labels_that_stay_away_are_undetermined_and_not_passed() -> None:
    before = counted([{"label": name, "score": 0.5} for name in "ab" * 200])
    assert verdicts(before, counted([{"score": 0.5}] * 400)) == {
        "predictions.label_shares": Verdict.UNDETERMINED,
        "predictions.confidence": Verdict.PASS,
    }
    assert len(prediction_questions(SETTINGS)) == 2


def test_blanks_are_no_answer_and_length_has_an_end() -> None:
    assert length_of({"text": " \n"}) == 0
    assert length_of({"text": "ab "}) == 2
    assert length_of({"text": "x" * 200_000}) == 100_000
    assert length_of({"text": None, "answer": "abc"}) == 3
    assert length_of({"label": "a"}) is None
