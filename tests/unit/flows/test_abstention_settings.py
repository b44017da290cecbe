"""What of a line's abstention is refused before anything is trained, and what gates it brings."""

from typing import Any

import pytest
from pydantic import ValidationError

from flows.config import RetrainConfig
from flows.gate_names import measurable_of
from tests.unit.flows.test_compression_settings import gated
from tests.unit.flows.test_config import MINIMAL

ANSWERED = {"metric": "abstention.coverage", "at_least": 0.5}


def test_a_line_answers_every_row_unless_it_asks() -> None:
    config = RetrainConfig.model_validate(MINIMAL)
    assert config.abstention is None
    assert not any(one.family == "abstention" for one in measurable_of(config))


@pytest.mark.parametrize(
    "gate",
    [
        {"metric": "abstention.selective_risk", "at_most": 0.1},
        {"metric": "abstention.coverage", "at_least": 0.7},
        {"metric": "abstention.gender.coverage_gap.female", "at_least": -0.1},
        {"metric": "abstention.gender_exclusive.coverage.female", "at_least": 0.5},
        {"metric": "abstention.label.set_coverage.sports", "at_least": 0.8},
    ],
)
def test_gates_are_on_what_is_measured(gate: dict[str, Any]) -> None:
    gates = [gate] if gate["metric"] == ANSWERED["metric"] else [ANSWERED, gate]
    line = {**MINIMAL, "policy": gated(*gates), "abstention": {}}
    assert RetrainConfig.model_validate(line).policy.gates[-1].metric == gate["metric"]
    with pytest.raises(ValidationError, match="abstention is not set; add `abstention: "):
        RetrainConfig.model_validate({**line, "abstention": None})


@pytest.mark.parametrize("name", ["abstention.coverage_gap", "abstention.shoes.coverage.left"])
def test_gates_on_what_is_not_measured_are_refused(name: str) -> None:
    gates = gated(ANSWERED, {"metric": name, "at_least": 0.5})
    line = {**MINIMAL, "policy": gates, "abstention": {}}
    with pytest.raises(ValidationError, match=name):
        RetrainConfig.model_validate(line)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"task_type": "tagging"}, "abstention: it is of classification"),
        ({"contract": {"labels": ["a", "abstain"]}}, "rename it with source.label_map"),
        ({"abstention": {"risk": 0}}, "greater than 0"),
        ({"abstention": {"risk_of": "words"}}, "'answers' or 'rows'"),
    ],
)
def test_what_cannot_be_withheld_is_refused(more: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        RetrainConfig.model_validate({**MINIMAL, "abstention": {}, **more})


@pytest.mark.parametrize(
    "gates",
    [
        (),
        ({"metric": "abstention.selective_risk", "at_most": 0.1},),
        ({"metric": "abstention.coverage", "at_most": 0.9},),
        ({"metric": "abstention.coverage", "at_least": 0},),
    ],
)
def test_a_policy_that_lets_a_model_answer_nothing_is_refused(gates: Any) -> None:
    line = {**MINIMAL, "policy": gated(*gates), "abstention": {}}
    said = (
        r"no gate on how many rows are answered.*\{metric: abstention\.coverage, at_least: 0\.5\}"
    )
    with pytest.raises(ValidationError, match=said):
        RetrainConfig.model_validate(line)
    RetrainConfig.model_validate({**line, "abstention": None, "policy": gated()})


def test_a_line_that_names_no_gates_must_answer_half_of_the_rows() -> None:
    for policy in ({}, {"policy": {"margin": 0.01}}):
        line = {**MINIMAL, **policy}
        plain = RetrainConfig.model_validate(line).policy.gates
        withheld = RetrainConfig.model_validate({**line, "abstention": {}}).policy.gates
        (more,) = [gate for gate in withheld if gate not in plain]
        assert (more.metric, more.at_least) == ("abstention.coverage", 0.5)
