"""Thresholds on scores: what they answer, what they promise, and where there is none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from infra.errors import DataError
from tasks.abstention.checks import check_enough, check_labels, least_rows
from tasks.abstention.settings import AbstentionSettings
from tasks.abstention.thresholds import (
    risk_control_threshold,
    selective_threshold,
    set_threshold,
    threshold_for,
)


def of_rows(risk: float) -> AbstentionSettings:
    return AbstentionSettings(risk=risk, risk_of="rows")


def test_a_model_that_is_always_right_answers_all() -> None:
    scores = np.linspace(0.5, 1, 200)
    right = np.ones(200, np.bool_)
    assert selective_threshold(scores, right, 0.05, 0.1) == 0.0
    assert risk_control_threshold(scores, right, 0.05) == 0.0


def test_one_error_among_the_least_sure_is_left_out() -> None:
    # 99 rows at a risk of 2% may have one wrong answer: (99 + 1) * 0.02 - 1.
    scores = np.linspace(0.01, 0.99, 99)
    right = np.ones(99, np.bool_)
    right[[0, 5]] = False
    found = risk_control_threshold(scores, right, 0.02)
    assert found is not None
    assert found == pytest.approx((scores[0] + scores[1]) / 2)
    assert (~right[scores >= found]).sum() == 1


@given(
    st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=1, max_size=80),
    st.sampled_from([0.05, 0.1, 0.3, 0.6]),
)
@settings(max_examples=60, deadline=None)
def test_risk_control_is_the_least_threshold_of_its_rule(
    rows: list[tuple[int, bool]], risk: float
) -> None:
    """By brute force over all thresholds between two scores: (wrong + 1) / (N + 1) <= risk."""
    scores = np.array([score / 30 for score, _ in rows])
    right = np.array([right for _, right in rows])
    distinct = np.unique(scores)
    places = [0.0, *((distinct[:-1] + distinct[1:]) / 2)]
    kept = [
        place
        for place in places
        if ((scores >= place) & ~right).sum() + 1 <= risk * (len(rows) + 1) + 1e-9
    ]
    found = risk_control_threshold(scores, right, risk)
    assert (found is None) == (not kept)
    if found is not None:
        assert (scores >= found).tolist() == (scores >= min(kept)).tolist()


@given(
    st.lists(st.tuples(st.integers(0, 60), st.booleans()), min_size=4, max_size=120),
    st.sampled_from([0.1, 0.3, 0.5]),
)
@settings(max_examples=60, deadline=None)
def test_what_is_answered_is_shown_by_its_binomial_tail(
    rows: list[tuple[int, bool]], risk: float
) -> None:
    scores = np.array([score / 60 for score, _ in rows])
    right = np.array([right for _, right in rows])
    found = selective_threshold(scores, right, risk, 0.2)
    if found is None:
        return
    answered = scores >= found
    wrong = int((answered & ~right).sum())
    assert answered.any()
    assert binom.cdf(wrong, answered.sum(), risk) <= 0.2 / 4
    # No score lies at the threshold itself, where rounding would decide.
    assert found == 0.0 or found not in scores


@pytest.mark.parametrize("risk", [0.01, 0.05, 0.2])
def test_the_least_rows_are_those_of_which_all_right_ones_show_the_risk(risk: float) -> None:
    for asked in (AbstentionSettings(risk=risk), of_rows(risk)):
        least = least_rows(asked)
        for rows, is_shown in ((least, True), (least - 1, False)):
            found = threshold_for(np.linspace(0.1, 0.9, rows), np.ones(rows, np.bool_), asked)
            assert (found is not None) == is_shown
        check_enough(least, asked)
        with pytest.raises(DataError, match=rf"{least} validation rows.* there are {least - 1}"):
            check_enough(least - 1, asked)


def test_a_label_must_not_be_called_as_the_answer() -> None:
    with pytest.raises(DataError, match="'abstain', which is what a model with abstention answers"):
        check_labels(("a", "abstain"))
    check_labels(("a", "b"))


def test_wrong_at_its_surest_has_no_threshold() -> None:
    scores, right = np.linspace(0.1, 0.9, 100), np.ones(100, np.bool_)
    right[-30:] = False
    assert selective_threshold(scores, right, 0.05, 0.1) is None
    assert risk_control_threshold(scores, ~right, 0.005) is None


def test_sets_take_the_probability_of_the_asked_rank() -> None:
    probabilities = np.linspace(0.01, 0.99, 99)[:, None] * [1, 0] + [0, 0.005]
    truth = np.zeros(99, np.int64)
    # The 90th of 99 from above: ceil(100 * 0.9).
    assert set_threshold(probabilities, truth, 0.9) == pytest.approx(0.1)
    assert set_threshold(probabilities[:5], truth[:5], 0.9) == 0.0


def _world(random: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray]:
    scores = random.beta(4, 1.5, rows)
    return scores, random.random(rows) < 0.4 + 0.6 * scores


def test_the_guarantees_hold_over_many_draws() -> None:
    """Selective risk is exceeded in at most the error of draws; the risk of rows on average."""
    random = np.random.default_rng(0)
    new_scores, new_right = _world(random, 200_000)
    beyond, of_rows_means = [], []
    for _ in range(300):
        scores, right = _world(random, 300)
        found = selective_threshold(scores, right, 0.12, 0.2)
        if found is not None:
            answered = new_scores >= found
            beyond.append(bool((~new_right[answered]).mean() > 0.12))
        controlled = risk_control_threshold(scores, right, 0.08)
        assert controlled is not None
        of_rows_means.append(float((~new_right & (new_scores >= controlled)).mean()))
    assert len(beyond) > 150
    assert np.mean(beyond) < 0.2 + 2 * (0.2 * 0.8 / len(beyond)) ** 0.5
    # Wrong answers are dense, so that it lies within a part in N + 1 below the risk.
    assert 0.08 - 2 / 301 < np.mean(of_rows_means) < 0.08 + 0.002
