"""How often drift is called, over many simulated retrainings."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import kstest

from tasks.drift.checks import (
    DOMAIN_CLASSIFIER,
    EMBEDDINGS,
    LABEL_SHARES,
    TEXT_LENGTH,
    UNKNOWN_TOKENS,
    VOCABULARY,
    questions_of,
    sample_texts,
)
from tasks.drift.domain_classifier import make_features, measure_domains
from tasks.drift.embeddings import measure_embeddings
from tasks.drift.labels import measure_labels
from tasks.drift.lengths import measure_lengths
from tasks.drift.measurement import Measurement, judge_checks
from tasks.drift.permutations import Permutations
from tasks.drift.row_samples import SampledRow
from tasks.drift.settings import DriftSettings
from tasks.drift.unknown_tokens import measure_unknown
from tasks.drift.words import count_words, measure_vocabulary
from tasks.records.data import DriftCheck
from tasks.task_types.row_shapes import shape_of
from tasks.verdicts import Verdict
from tests.unit.drift.made_samples import made_rows, made_side

pytestmark = pytest.mark.slow

RATE = 0.05
REPEATS = 210
# Rows that went, stayed and came: all are new, most stayed, or rows were only added.
RETRAININGS = ((50, 0, 50), (15, 50, 35), (0, 65, 35))
PERMUTED = (VOCABULARY, UNKNOWN_TOKENS, DOMAIN_CLASSIFIER, EMBEDDINGS)


def measure(before: list[SampledRow], now: list[SampledRow], seed: int) -> list[Measurement]:
    """All checks, with word counts in the place of the base model's tokens and embeddings."""
    asked = questions_of(DriftSettings(), shape_of("classification"))
    permutations = Permutations(299, seed)
    sides = made_side(before), made_side(now)
    drawn = sample_texts(sides[0].sample, sides[1].sample, sides[0].keys)
    counts = count_words(drawn.texts)
    vectors = counts.table[:, :-1].toarray()
    unknown = np.stack([vectors[:, ::7].sum(axis=1), vectors.sum(axis=1)], axis=1)
    features, members = make_features(counts), drawn.membership
    return [
        measure_labels(asked[LABEL_SHARES], *sides, permutations),
        measure_lengths(asked[TEXT_LENGTH], *sides),
        measure_vocabulary(asked[VOCABULARY], counts, members, permutations),
        measure_unknown(asked[UNKNOWN_TOKENS], unknown, members, permutations),
        measure_domains(
            asked[DOMAIN_CLASSIFIER], features, drawn.keys, members, permutations
        ).measurement,
        measure_embeddings(asked[EMBEDDINGS], vectors, members, permutations),
    ]


@dataclass(frozen=True)
class Simulated:
    p_values: dict[str, NDArray[np.float64]]
    checks: list[tuple[DriftCheck, ...]]


@pytest.fixture(scope="module")
def without_drift() -> Simulated:
    measured = []
    for repeat in range(REPEATS):
        went, stayed, came = RETRAININGS[repeat % len(RETRAININGS)]
        rows = made_rows(np.random.default_rng(repeat), went + stayed + came)
        measured.append(measure(rows[: went + stayed], rows[went:], repeat))
    names = [one.question.name for one in measured[0]]
    p_values = {
        name: np.array([ones[place].answer[1] for ones in measured])
        for place, name in enumerate(names)
    }
    return Simulated(p_values, [judge_checks(ones, RATE) for ones in measured])


def test_without_drift_a_significant_check_is_as_rare_as_the_rate_says(
    without_drift: Simulated,
) -> None:
    significant = [
        any(check.p_adjusted < RATE for check in checks) for checks in without_drift.checks
    ]
    error = (RATE * (1 - RATE) / REPEATS) ** 0.5
    assert np.mean(significant) <= RATE + 2.5 * error


def test_without_drift_a_call_of_drift_is_rarer_still(without_drift: Simulated) -> None:
    called = [
        any(check.verdict is Verdict.FAIL for check in checks) for checks in without_drift.checks
    ]
    assert np.mean(called) <= RATE


@pytest.mark.parametrize("name", PERMUTED)
def test_permutation_p_values_are_uniform_without_drift(
    without_drift: Simulated, name: str
) -> None:
    assert kstest(without_drift.p_values[name], "uniform").pvalue > 0.005


@pytest.mark.parametrize("name", [LABEL_SHARES, TEXT_LENGTH])
def test_asymptotic_p_values_are_not_too_small_without_drift(
    without_drift: Simulated, name: str
) -> None:
    assert kstest(without_drift.p_values[name], "uniform", alternative="greater").pvalue > 0.005


@pytest.mark.parametrize("retraining", [(200, 0, 200), (0, 200, 200)])
def test_planted_drift_is_called(retraining: tuple[int, int, int]) -> None:
    went, stayed, came = retraining
    for repeat in range(5):
        random = np.random.default_rng(repeat)
        old, new = made_rows(random, went + stayed), made_rows(random, came, other=True)
        checks = judge_checks(measure(old, [*old[went:], *new], repeat), RATE)
        drifted = {check.name for check in checks if check.verdict is Verdict.FAIL}
        assert drifted >= {LABEL_SHARES, TEXT_LENGTH, EMBEDDINGS}
        # With half of the rows kept the area is near its limit.
        passed = {check.name for check in checks if check.verdict is Verdict.PASS}
        assert DOMAIN_CLASSIFIER not in passed
        assert all(check.p_adjusted < RATE for check in checks if check.name != UNKNOWN_TOKENS)


def test_few_odd_rows_among_many_kept_ones_are_significant_but_no_drift() -> None:
    random = np.random.default_rng(0)
    old, new = made_rows(random, 400), made_rows(random, 20, other=True)
    checks = judge_checks(measure(old, [*old, *new], 0), RATE)
    assert all(check.verdict is not Verdict.FAIL for check in checks)
    significant = {check.name for check in checks if check.p_adjusted < RATE}
    assert significant >= {LABEL_SHARES, TEXT_LENGTH, EMBEDDINGS}
