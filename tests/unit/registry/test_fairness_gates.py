"""The default gates on groups, which of them rows can decide, and what is said where none can."""

from dataclasses import replace

import pytest
from pydantic import ValidationError

from tasks.records.fairness import Fairness
from tasks.records.gate_rows import GateRows
from tasks.registry.fairness_gates import (
    REMEDY,
    default_fairness_gates,
    notes_on_fairness,
    rows_to_decide,
    split_by_rows,
)
from tasks.registry.policy import judge_policy
from tasks.registry.promotion import why_refused
from tasks.registry.settings import PolicySettings, default_policy
from tasks.verdicts import ALPHA, Gate, Verdict, exact
from tests.unit.registry.test_policy import FAIRNESS, scores, staged

DEFAULT = default_fairness_gates(("gender",), ("gendered_words",), has_one_class=True)
POLICY = default_policy("macro_f1", fairness=DEFAULT)
FLIPS, GAP = "counterfactual.gendered_words.flip_rate", "fairness.gender.accuracy_difference"
OWN = (
    Gate(metric="quality.macro_f1", at_least=0.5),
    Gate(metric="baseline.macro_f1_gain", at_least=-0.1),
    Gate(metric="staging.same_predictions", at_least=1.0),
)


def rows(metric: str, number: int, units: int | None = None) -> GateRows:
    return GateRows(metric, number, number if units is None else units, 30, "women")


def measured(**numbers: float) -> Fairness:
    """Groups of 200 rows, and what was measured of them."""
    estimates = tuple(exact(gate.metric, numbers.get(gate.family, 0.01), 200) for gate in DEFAULT)
    counted = tuple(rows(gate.metric, 200) for gate in DEFAULT)
    return replace(FAIRNESS, estimates=estimates, gate_rows=counted)


def test_a_line_gates_flips_gaps_and_error_rates_by_default() -> None:
    assert {gate.metric: gate.at_most for gate in DEFAULT} == {
        FLIPS: 0.05,
        GAP: 0.10,
        "fairness.gender.false_positive_rate_difference": 0.10,
        "fairness.gender.equal_opportunity_difference": 0.20,
    }
    scored = default_fairness_gates(("gender", "country"), (), has_one_class=False)
    assert [gate.metric for gate in scored] == [
        "fairness.gender.row_score_difference", "fairness.country.row_score_difference",
    ]  # fmt: skip


def test_exclusive_cells_stand_for_an_attribute_that_has_them() -> None:
    found = default_fairness_gates(("gender", "age", "gender_exclusive"), (), has_one_class=False)
    assert [gate.metric.split(".")[1] for gate in found] == ["age", "gender_exclusive"]


def test_of_very_many_attributes_the_family_keeps_its_twenty() -> None:
    many = tuple(f"a{place}" for place in range(30))
    default_policy("macro_f1", fairness=default_fairness_gates(many, many, has_one_class=True))


@pytest.mark.parametrize("share", [1, 3, 20])
@pytest.mark.parametrize("limit", [0.02, 0.05, 0.1, 0.5])
def test_rows_decide_where_the_exact_interval_of_no_error_ends_below_the_threshold(
    limit: float, share: int
) -> None:
    from scipy.stats import binomtest

    def upper(number: int) -> float:
        found = binomtest(0, number).proportion_ci(1 - ALPHA / share, method="exact")
        return float(found.high)

    need = rows_to_decide(Gate(metric=GAP, at_most=limit), share)
    assert upper(need) <= limit < upper(need - 1)
    worst = Gate(metric="fairness.gender.worst_group_accuracy", at_least=1 - limit)
    assert rows_to_decide(worst, share) == need


def test_too_few_rows_or_clusters_leave_a_gate_out_with_what_it_needs() -> None:
    counted = [rows(gate.metric, 500) for gate in DEFAULT[1:]]
    for few, held in ((rows(FLIPS, 71), "71 rows"), (rows(FLIPS, 500, 71), "500 rows in 71 cl")):
        asked, (left_out,) = split_by_rows(POLICY, [few, *counted])
        assert [gate.metric for gate in asked] == [gate.metric for gate in DEFAULT[1:]]
        assert left_out.startswith(f"{FLIPS} (women: {held}")
        assert "86 are needed" in left_out
    assert split_by_rows(POLICY, [rows(FLIPS, 86), *counted])[1] == []


def test_a_policy_whose_rows_decide_nothing_promotes_nothing_and_says_what_to_add() -> None:
    judgement = judge_policy(POLICY, scores(), FAIRNESS, staged())
    assert judgement.verdict is Verdict.UNDETERMINED
    assert all(gate.verdict is Verdict.PASS for gate in judgement.gates)
    assert REMEDY in judgement.fairness_not_gated
    assert "fairness_not_gated:" in why_refused(judgement, None)


def test_a_list_of_gates_without_fairness_is_undetermined_until_it_says_why() -> None:
    bare = PolicySettings(gates=OWN)
    found = scores(x=exact("quality.macro_f1", 0.9, 600))
    judgement = judge_policy(bare, found, measured(), staged())
    assert judgement.verdict is Verdict.UNDETERMINED
    assert "the policy has no gate on fairness" in judgement.fairness_not_gated
    reasoned = bare.model_copy(update={"fairness_not_gated": "rows are about stones"})
    judgement = judge_policy(reasoned, found, measured(), staged())
    assert judgement.verdict is Verdict.PASS
    assert judgement.fairness_not_gated == "rows are about stones"
    assert why_refused(judgement, None) == ""


def test_a_gate_that_rows_decide_is_asked_whatever_reason_there_is() -> None:
    reasoned = POLICY.model_copy(update={"fairness_not_gated": "rows are about stones"})
    judgement = judge_policy(reasoned, scores(), measured(fairness=0.4), staged())
    assert judgement.verdict is Verdict.FAIL
    assert judgement.fairness_not_gated == ""
    assert GAP in why_refused(judgement, None)


def test_what_rows_decide_does_not_depend_on_any_answer() -> None:
    for numbers in ({}, {"fairness": 0.9, "counterfactual": 1.0}):
        judgement = judge_policy(POLICY, scores(), measured(**numbers), staged())
        assert {gate.metric for gate in DEFAULT} <= {gate.metric for gate in judgement.gates}
        assert judgement.notes == ()
    assert judgement.verdict is Verdict.FAIL


def test_a_failure_is_not_softened_by_fairness_that_was_not_gated() -> None:
    found = scores(x=exact("quality.macro_f1", 0.1, 600))
    assert (
        judge_policy(PolicySettings(gates=OWN), found, FAIRNESS, staged()).verdict is Verdict.FAIL
    )


def test_before_training_it_is_said_what_will_be_gated_and_what_will_not() -> None:
    enough = [rows(gate.metric, 500) for gate in DEFAULT]
    said, cut = notes_on_fairness(POLICY, enough)
    assert "tokenization.max_length" in cut
    assert said == f"fairness is gated by {', '.join(gate.metric for gate in DEFAULT)}"
    said, more = notes_on_fairness(POLICY, enough[1:])
    assert FLIPS not in said
    assert more.startswith(f"not asked, as the test rows could not decide: {FLIPS} (")
    (said,) = notes_on_fairness(POLICY, [])
    assert "No candidate will be promoted so" in said
    assert REMEDY in said
    reasoned = PolicySettings(gates=OWN, fairness_not_gated="rows are about stones")
    assert notes_on_fairness(reasoned, []) == ("fairness is not gated: rows are about stones",)


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ({"gates": OWN, "fairness_not_gated": "  none   "}, "at least 10 characters"),
        (
            {"gates": (*OWN, DEFAULT[0]), "fairness_not_gated": "rows are about stones"},
            "leave one of the two out",
        ),
        ({"gates": OWN, "fairness_where_decidable": OWN[:1]}, "no gate on fairness"),
    ],
)
def test_a_policy_that_contradicts_itself_is_refused(policy: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        PolicySettings(**policy)  # type: ignore[arg-type]
