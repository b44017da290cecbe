"""Gates that no candidate of a line could be judged by are told, whatever else is wrong."""

import pytest
from pydantic import ValidationError

from flows.config import RetrainConfig

# A gate that the line lacks a setting for, and the words that say which.
LACKS = {
    "recipe.accuracy": "evaluation.seeds is 1",
    "canary.slow_increase": "its thresholds are settings of policy.canary",
    "golden.team.accuracy": "evaluation.golden has no set",
    "behaviour.suite.negation.pass_rate": "evaluation.behaviour has no set",
    "counterfactual.zz.flip_rate": "of counterfactuals are",
    "fairness.shoe_size.accuracy_difference": "it names the attribute 'shoe_size'",
}


def errors_of(name: str, gates: list[dict[str, object]]) -> dict[tuple[object, ...], str]:
    source = {"format": "csv", "path": "rows.csv"}
    policy = {name: gates, "fairness_not_gated": "no row of this test is of a group"}
    with pytest.raises(ValidationError) as refused:
        RetrainConfig.model_validate({"line": "news", "source": source, "policy": policy})
    return {tuple(error["loc"]): error["msg"] for error in refused.value.errors()}


@pytest.mark.parametrize("threshold", [{"at_most": 0.1}, {"at_most": "abc"}, {}])
def test_what_a_line_lacks_is_told_beside_a_threshold_that_is_none(
    threshold: dict[str, object],
) -> None:
    found = errors_of("gates", [{"metric": metric, **threshold} for metric in LACKS])
    for place, said in enumerate(LACKS.values()):
        assert said in found["policy", "gates", place, "metric"]


def test_gates_that_wait_for_rows_are_checked_likewise() -> None:
    wrong = [
        {"metric": metric, "at_most": 0.1}
        for metric in LACKS
        if metric.startswith(("fairness.", "counterfactual."))
    ]
    found = errors_of("fairness_where_decidable", wrong)
    for place, gate in enumerate(wrong):
        said = LACKS[str(gate["metric"])]
        assert said in found["policy", "fairness_where_decidable", place, "metric"]


def test_a_gate_is_told_what_it_lacks_and_not_that_its_name_is_unknown_too() -> None:
    found = errors_of("gates", [{"metric": metric, "at_most": 0.1} for metric in LACKS])
    assert len([loc for loc in found if loc[-1] == "metric"]) == len(LACKS)


def test_the_steps_of_a_canary_have_room_in_its_days() -> None:
    def given(days: float) -> dict[str, object]:
        canary = {"steps": [{"share": 0}, {"share": 0.9, "hours": 71}], "max_days": days}
        policy = {"canary": canary, "fairness_not_gated": "no groups here"}
        return {"line": "news", "source": {"format": "csv", "path": "a.csv"}, "policy": policy}

    with pytest.raises(ValidationError) as refused:
        RetrainConfig.model_validate(given(3))
    (error,) = refused.value.errors()
    assert error["loc"] == ("policy", "canary", "max_days")
    assert "max_days is 3, and its steps last 72 hours at least" in error["msg"]
    RetrainConfig.model_validate(given(3.1))


def test_a_canary_waits_for_no_quality_that_no_label_tells() -> None:
    given = {
        "line": "prices", "task_type": "regression", "source": {"format": "csv", "path": "a.csv"},
        "policy": {"canary": {"max_quality_loss": 0.02}, "fairness_not_gated": "no groups here"},
    }  # fmt: skip
    with pytest.raises(ValidationError) as refused:
        RetrainConfig.model_validate(given)
    (error,) = refused.value.errors()
    assert error["loc"] == ("policy", "canary", "max_quality_loss")
    assert "task type regression are not held against labels in a canary" in error["msg"]
    RetrainConfig.model_validate({**given, "task_type": "classification"})
    harm = {**given, "policy": {**given["policy"], "canary": {"harm_loss": 0.1}}}  # type: ignore[dict-item]
    RetrainConfig.model_validate(harm)
