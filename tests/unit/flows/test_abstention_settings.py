"""What of a line's abstention is refused before anything is trained, and what gates it brings."""

from typing import Any

import pytest
from pydantic import ValidationError

from flows.config import RetrainConfig
from flows.gate_names import measurable_of
from tests.unit.flows.test_compression_settings import gated
from tests.unit.flows.test_config import MINIMAL


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
    line = {**MINIMAL, "policy": gated(gate), "abstention": {}}
    assert RetrainConfig.model_validate(line).policy.gates[-1].metric == gate["metric"]
    with pytest.raises(ValidationError, match="abstention is not set; add `abstention: "):
        RetrainConfig.model_validate({**line, "abstention": None})


@pytest.mark.parametrize("name", ["abstention.coverage_gap", "abstention.shoes.coverage.left"])
def test_gates_on_what_is_not_measured_are_refused(name: str) -> None:
    line = {**MINIMAL, "policy": gated({"metric": name, "at_least": 0.5}), "abstention": {}}
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
