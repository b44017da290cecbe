"""What of a line's probes is refused before anything is trained, and their gates."""

from typing import Any

import pytest
from pydantic import ValidationError

from flows.config import RetrainConfig
from flows.gate_names import measurable_of
from tests.unit.flows.test_config import MINIMAL

PROVEN = [
    {"metric": "quality.macro_f1", "at_least": 0.5},
    {"metric": "staging.same_predictions", "at_least": 1.0},
]


def settings(metric: str = "", side: str = "at_most", **robustness: Any) -> dict[str, Any]:
    made: dict[str, Any] = {**MINIMAL, "probes": {"robustness": robustness}}
    if metric:
        gates = [*PROVEN, {"metric": metric, side: 0.05}]
        made["policy"] = {"gates": gates, "fairness_not_gated": "of something else here"}
    return made


def refusal(given: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as refused:
        RetrainConfig.model_validate(given)
    return str(refused.value)


def test_nothing_is_probed_unless_it_is_asked_for() -> None:
    config = RetrainConfig.model_validate(MINIMAL)
    assert config.probes.robustness is None
    assert not any(one.family == "robustness" for one in measurable_of(config))


def test_kinds_and_strengths_are_known_and_rise() -> None:
    said = refusal(settings(kinds=["typos", "tipos"]))
    assert "['tipos'] are no kinds of changes" in said
    assert "full_width" in said
    assert "names a kind twice" in refusal(settings(kinds=["ocr", "ocr"]))
    for wrong in ([0.2, 0.05], [0.1, 0.1], [0.1, 0.10001]):
        assert "right would be [0.05, 0.2]" in refusal(settings(strengths=wrong))
    assert "strengths" in refusal(settings(strengths=[0.1, 1.2]))


@pytest.mark.parametrize(
    "metric",
    [
        "robustness.typos.flip_rate", "robustness.typos.at_5.flip_rate",
        "robustness.typos.at_2_5.score_shift", "robustness.upper_case.flip_rate",
        "robustness.ocr.macro_f1_drop", "robustness.attack.flip_rate",
    ],
)  # fmt: skip
def test_what_keeps_the_right_answer_can_be_a_gate(metric: str) -> None:
    RetrainConfig.model_validate(settings(metric, strengths=[0.025, 0.05, 0.2], attack={}))


def test_gates_that_nothing_would_measure_are_refused_with_what_would_be_right() -> None:
    off = {**settings("robustness.typos.flip_rate"), "probes": {}}
    assert "probes.robustness is not set" in refusal(off)
    said = refusal(settings("robustness.negation.flip_rate"))
    assert "another answer may be right" in said
    said = refusal(settings("robustness.ocr.flip_rate", kinds=["typos"]))
    assert "probes.robustness.kinds leaves out" in said
    assert "robustness.attack is not set" in refusal(settings("robustness.attack.flip_rate"))
    said = refusal(settings("robustness.typo.flip_rate"))
    assert "did you mean robustness.typos.flip_rate" in said
    assert "robustness.typos.at_20.flip_rate is not measured" in refusal(
        settings("robustness.typos.at_20.flip_rate")
    )
    said = refusal(settings("robustness.typos.flip_rate", "at_least"))
    assert "did you mean at_most" in said


def test_task_types_without_a_right_answer_are_refused() -> None:
    chat = {**settings(), "task_type": "chat"}
    assert "probes.robustness is not for task_type chat" in refusal(chat)
    tags = {**settings(attack={}), "task_type": "tagging"}
    assert "probes.robustness.attack is not for task_type tagging" in refusal(tags)


def test_gates_on_kinds_are_a_corrected_family() -> None:
    kinds = ["typos", "ocr", "length"]
    gates = [
        {"metric": f"robustness.{kind}.at_{n}.flip_rate", "at_most": 0.5}
        for kind in kinds
        for n in range(1, 8)
    ]
    asked = settings(kinds=kinds, strengths=[n / 100 for n in range(1, 9)])
    policy = {"gates": [*PROVEN, *gates], "fairness_not_gated": "of something else here"}
    assert "at most 20" in refusal({**asked, "policy": policy}).replace("\n", " ")
