"""Attacks on membership: rates, intervals, and the likelihood ratios of shadow models."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve

from tasks.evaluation.settings import EvaluationSettings
from tasks.probes.memory.attacks import (
    Scored,
    held_against_control,
    judge_attack,
    names_of,
    tpr_estimate,
)
from tasks.probes.memory.shadows import learns, likelihood_ratios
from tasks.records.memory import CALIBRATED, LIRA, LOSS

EVALUATION = EvaluationSettings(repeats=4_000)


def scored(apart: float, rows: int = 300, seed: int = 0) -> Scored:
    random = np.random.default_rng(seed)
    sides = random.normal(apart, 1, rows), random.normal(0, 1, rows)
    return Scored(*sides, [f"{row}" for row in range(2 * rows)])


def test_area_and_rate_are_those_of_scikit_learn() -> None:
    asked = scored(0.8)
    truth = np.repeat([1, 0], 300)
    scores = np.concatenate([asked.members, asked.others])
    found = judge_attack(LOSS, asked, 100, EVALUATION)
    assert found.auc.name == "memory.membership_auc"
    assert found.auc.value == pytest.approx(roc_auc_score(truth, scores))
    false, true, _ = roc_curve(truth, scores)
    assert found.tpr.value == pytest.approx(true[false <= 0.01].max())


def test_learned_rows_are_told_and_rows_alike_are_not() -> None:
    told, guessed = (judge_attack(LOSS, scored(apart), 100, EVALUATION) for apart in (1.5, 0.0))
    assert told.auc.low is not None
    assert guessed.auc.low is not None
    assert guessed.auc.high is not None
    assert told.auc.low > 0.8
    assert guessed.auc.low < 0.5 < guessed.auc.high < 0.6
    assert guessed.tpr.high is not None
    assert guessed.tpr.high < 0.08
    assert told.tpr.high is not None
    assert told.tpr.high > 0.2


def test_few_held_out_rows_bound_the_rate_from_above_alone() -> None:
    found = tpr_estimate("memory.tpr_at_1_fpr", scored(3.0, rows=200), 0.01)
    assert (found.low, found.value is not None and found.value > 0.5) == (0.0, True)
    more = tpr_estimate("memory.tpr_at_1_fpr", scored(3.0, rows=1_000), 0.01)
    assert more.low is not None
    assert more.low > 0.4


@pytest.mark.parametrize(("rows", "bounded"), [(436, False), (437, True)])
def test_a_threshold_has_an_upper_bound_from_437_rows_on(rows: int, bounded: bool) -> None:  # noqa: FBT001
    found = tpr_estimate("memory.tpr_at_1_fpr", scored(9.0, rows=rows), 0.01)
    assert found.low is not None
    assert (found.low > 0) is bounded


def test_too_few_rows_of_a_side_tell_nothing() -> None:
    found = judge_attack(LIRA, scored(1.0, rows=99), 100, EVALUATION)
    assert found.auc.value is found.tpr.value is None
    assert "99 rows of one side and 99 of the other" in found.auc.reason
    assert found.tpr.name == "memory.lira_tpr_at_1_fpr"
    assert names_of(CALIBRATED)[0] == "memory.calibrated_auc"


@pytest.mark.parametrize("apart", [1.0, -1.0])
def test_splits_that_differ_by_themselves_leave_losses_undetermined(apart: float) -> None:
    differs, alike, few = (
        judge_attack(LOSS, scored(by, rows=rows), 100, EVALUATION).auc
        for by, rows in ((apart, 300), (0.0, 300), (apart, 50))
    )
    attacks = [judge_attack(name, scored(1.0), 100, EVALUATION) for name in (LOSS, CALIBRATED)]
    for attack in attacks:
        assert held_against_control(attack, alike) == attack
        assert held_against_control(attack, few) == attack
        told = held_against_control(attack, differs)
        assert told.auc.value is told.tpr.value is None
        assert (told.auc.name, told.tpr.name) == (attack.auc.name, attack.tpr.name)
        assert f"(AUC {differs.value:.3f} [" in told.auc.reason
        assert "differ by themselves" in told.tpr.reason
    by_shadows = judge_attack(LIRA, scored(1.0), 100, EVALUATION)
    assert held_against_control(by_shadows, differs) == by_shadows


def test_rows_without_a_number_are_left_out() -> None:
    members, others = np.array([1.0, np.nan]), np.array([np.nan, 0.0, 2.0])
    kept = Scored(members, others, list("abcde")).defined()
    assert (len(kept.members), len(kept.others), list(kept.row_ids)) == (1, 2, ["a", "d", "e"])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=20, max_size=60), st.floats(0.01, 0.3))
def test_the_interval_holds_its_value_and_widens_with_confidence(
    members: list[float], rate: float
) -> None:
    others = np.linspace(-5, 5, 50)
    asked = Scored(np.array(members), others, [f"{n}" for n in range(len(members) + 50)])
    found = tpr_estimate("memory.tpr_at_1_fpr", asked, rate)
    lows, highs = zip(*found.ladder, strict=True)
    assert all(0 <= low <= found.value <= high <= 1 for low, high in found.ladder)
    assert list(lows) == sorted(lows, reverse=True)
    assert list(highs) == sorted(highs)


def test_each_row_is_learned_by_one_of_two_shadows() -> None:
    rows = [f"{row}" for row in range(200)]
    for pair in (0, 2):
        halves = [[learns(pair + side, row, seed=1) for row in rows] for side in (0, 1)]
        assert all(one != other for one, other in zip(*halves, strict=True))
        assert 70 < sum(halves[0]) < 130
    assert [learns(0, row, 1) for row in rows] != [learns(2, row, 1) for row in rows]


def test_a_likelihood_ratio_reads_the_shadows_that_did_not_learn_the_row() -> None:
    rows = ["a", "b", "c", "d"]
    losses = np.array([0.1, 0.2, 0.3, 0.4])
    of_shadows = np.full((4, 4), 9.0)
    for shadow in range(4):
        for place, row in enumerate(rows):
            if not learns(shadow, row, 0):
                of_shadows[shadow, place] = 0.5
    ratios = likelihood_ratios(losses, of_shadows, rows, 0)
    odds = np.log(np.exp(-losses) / (1 - np.exp(-losses)))
    assert ratios == pytest.approx(odds - np.log(np.exp(-0.5) / (1 - np.exp(-0.5))))
    assert np.isfinite(likelihood_ratios(np.zeros(4), of_shadows, rows, 0)).all()


def test_hard_rows_are_told_apart_only_by_shadows() -> None:
    """Rows differ in how hard they are far more than in whether they were learned."""
    random = np.random.default_rng(0)
    rows = [f"{row}" for row in range(600)]
    hard = random.normal(0, 3, 600)
    learned = np.arange(600) < 300

    def losses(knows: np.ndarray) -> np.ndarray:
        return np.log1p(np.exp(hard - knows + random.normal(0, 0.5, 600)))

    shadows = np.stack(
        [losses(np.array([learns(n, row, 0) for row in rows]) & learned) for n in range(4)]
    )
    own = losses(learned.astype(np.float64))
    ratios = likelihood_ratios(own, shadows, rows, 0)
    by_loss = judge_attack(LOSS, Scored(-own[:300], -own[300:], rows), 100, EVALUATION)
    by_ratio = judge_attack(LIRA, Scored(ratios[:300], ratios[300:], rows), 100, EVALUATION)
    assert by_loss.auc.value is not None
    assert by_ratio.auc.low is not None
    assert by_ratio.auc.low > by_loss.auc.value + 0.15
