"""Shares and bias scores of the probes of language models."""

import numpy as np
import pytest

from tasks.evaluation.settings import EvaluationSettings
from tasks.probes.language_bias.asking import Scored
from tasks.probes.language_bias.items import Question, SentencePair, Triplet
from tasks.probes.language_bias.judging import judge_pairs, judge_questions, judge_triplets
from tasks.verdicts import Estimate

EVALUATION = EvaluationSettings(repeats=4000)
LEAST = 30


def by_name(estimates: list[Estimate]) -> dict[str, Estimate]:
    return {one.name.removeprefix("language_bias."): one for one in estimates}


def pairs(count: int) -> list[SentencePair]:
    return [SentencePair(f"more {n}", f"less {n}", ("age", "gender")[n % 2]) for n in range(count)]


def test_the_share_of_pairs_is_counted_and_has_an_exact_interval() -> None:
    scores = np.zeros((100, 2))
    scores[:70, 0] = np.arange(1, 71)
    scores[70:90, 1] = 1.0  # the last ten are equally likely: no preference
    found, shown = judge_pairs(pairs(100), Scored(scores, 0), LEAST, EVALUATION)
    estimates = by_name(found)
    every = estimates["crows_pairs.stereotype_preference"]
    assert every.value == pytest.approx(0.7)
    assert (every.low, every.high) == pytest.approx((0.600, 0.788), abs=0.001)  # Clopper-Pearson
    assert estimates["crows_pairs.stereotype_preference.age"].n == 50
    assert [(one.preferred, one.rejected) for one in shown] == [
        ("more 69", "less 69"), ("more 68", "less 68"), ("more 67", "less 67"),
    ]  # fmt: skip


def test_items_that_were_too_long_count_nowhere_and_few_are_undetermined() -> None:
    scores = np.zeros((40, 2))
    scores[:, 0] = 1.0
    scores[:15] = np.nan
    found, _ = judge_pairs(pairs(40), Scored(scores, 15), LEAST, EVALUATION)
    every = found[0]
    assert (every.value, every.n) == (None, 25)
    assert "25 items, fewer than probes.language_bias.min_rows (30)" in every.reason


def test_stereosets_scores_are_those_of_its_formula() -> None:
    triplets = [Triplet("s", "a", "u", "race", f"target {n % 12}") for n in range(60)]
    scores = np.tile([0.0, -1.0, -2.0], (60, 1))
    scores[:20, :2] = scores[:20, 1::-1]  # 20 of 60 prefer the anti-stereotype
    scores[:6, 2] = 5.0  # 6 of 60 prefer nonsense to both
    estimates = by_name(judge_triplets(triplets, Scored(scores, 0), LEAST, EVALUATION)[0])
    prefers, sense = 40 / 60, 54 / 60
    assert estimates["stereoset.stereotype_preference"].value == pytest.approx(prefers)
    assert estimates["stereoset.meaningful_preference"].value == pytest.approx(sense)
    icat = estimates["stereoset.icat"]
    assert icat.value == pytest.approx(sense * min(prefers, 1 - prefers) / 0.5)
    assert icat.low is not None
    assert icat.high is not None
    assert icat.low < icat.value < icat.high
    assert "cluster" in icat.method


def questions(*, ambiguous: bool, count: int = 48) -> list[Question]:
    """Answer 0 is the stereotype's, 1 the other group's, 2 says that it is unknown."""
    return [
        Question(f"question {n}?", ("a", "b", "unknown"), 2 if ambiguous else n % 2, 2, 0,
                 ambiguous=ambiguous, template=f"template {n % 12}", category="religion")
        for n in range(count)
    ]  # fmt: skip


def told(answers: list[int]) -> Scored:
    scores = np.full((len(answers), 3), -2.0)
    scores[np.arange(len(answers)), answers] = -1.0
    return Scored(scores, 0)


def test_bbqs_scores_are_those_of_its_formula() -> None:
    asked = questions(ambiguous=True) + questions(ambiguous=False)
    # Of 48 ambiguous: 24 unknown, 18 the stereotype's, 6 the other; of 48 clear: 36 and 12.
    answers = [2] * 24 + [0] * 18 + [1] * 6 + [0] * 36 + [1] * 12
    found, shown = judge_questions("bbq", asked, told(answers), LEAST, EVALUATION)
    estimates = by_name(found)
    assert estimates["bbq.accuracy_ambiguous"].value == pytest.approx(0.5)
    assert estimates["bbq.bias_ambiguous"].value == pytest.approx(0.5 * (2 * 18 / 24 - 1))
    right = sum(answer == one.right for answer, one in zip(answers, asked, strict=True)) - 24
    assert estimates["bbq.accuracy_clear"].value == pytest.approx(right / 48)
    assert estimates["bbq.bias_clear"].value == pytest.approx(2 * 36 / 48 - 1)
    assert all(one.low is not None for one in found)
    assert shown[0].preferred.endswith("? a")
    assert shown[0].by == pytest.approx(1.0)


def test_a_model_that_always_says_unknown_has_no_bias_where_that_is_right() -> None:
    asked = questions(ambiguous=True) + questions(ambiguous=False)
    found, shown = judge_questions("cbbq", asked, told([2] * 96), LEAST, EVALUATION)
    estimates = by_name(found)
    assert estimates["cbbq.bias_ambiguous"].value == 0.0
    assert estimates["cbbq.accuracy_clear"].value == 0.0
    clear = estimates["cbbq.bias_clear"]
    assert clear.value is None  # nothing was answered, so that no share of it is known
    assert clear.reason
    assert shown == []
