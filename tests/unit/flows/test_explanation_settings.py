"""What of a line's explanation is refused before anything is trained, and what gates it brings."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from flows import explanation_checks, serving_checks
from flows.config import RetrainConfig, load_config
from flows.gate_names import measurable_of
from tests.unit.flows.test_compression_settings import gated
from tests.unit.flows.test_config import MINIMAL

OCCLUSION = {"methods": ["occlusion"]}


def test_a_line_explains_nothing_unless_it_asks() -> None:
    config = RetrainConfig.model_validate(MINIMAL)
    assert config.explanation is None
    assert not any(one.family == "explanation" for one in measurable_of(config))


def test_gates_name_the_methods_that_are_asked() -> None:
    name = "explanation.occlusion.comprehensiveness_gain"
    line = {
        **MINIMAL,
        "policy": gated({"metric": name, "at_least": 0.0}),
        "explanation": OCCLUSION,
    }
    assert RetrainConfig.model_validate(line).policy.gates[-1].family == "explanation"
    for explanation in (None, {"methods": ["attention_rollout"]}):
        with pytest.raises(ValidationError, match="explanation"):
            RetrainConfig.model_validate({**line, "explanation": explanation})


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"task_type": "translation"}, "and of question_answering; leave explanation out"),
        (
            {"task_type": "tagging", "explanation": {"rationales": {"path": "a.jsonl"}}},
            "tagging labels no texts",
        ),
        ({"compression": {"method": "onnx"}}, "set methods to \\[occlusion\\]"),
        ({"explanation": {"methods": ["occlusion", "occlusion"]}}, "names a method twice"),
        ({"explanation": {"shares": [0.5, 0.2]}}, "must rise"),
        ({"explanation": {"shares": [1.0]}}, "the share 1 is none"),
        ({"explanation": {"identity_attributes": ["shoes"]}}, "no term list for"),
    ],
)
def test_what_cannot_be_explained_is_refused(more: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        RetrainConfig.model_validate({**MINIMAL, "explanation": {}, **more})


def test_a_missing_captum_is_told_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explanation_checks, "find_spec", lambda _: None)
    with pytest.raises(ValidationError, match=r"install assayline\[explanation\]"):
        RetrainConfig.model_validate({**MINIMAL, "explanation": {}})
    config = RetrainConfig.model_validate({**MINIMAL, "explanation": OCCLUSION})
    assert config.explanation is not None


@pytest.mark.parametrize(
    ("explanations", "more", "said"),
    [
        ({}, {"task_type": "tagging"}, "leave serving.explanations out"),
        ({"method": "attention_rollout"}, {"compression": {"method": "onnx"}}, "set method to occ"),
        ({"max_texts": 20}, {}, "would be refused always"),
        ({"method": "guessing"}, {}, "explanations.method"),
    ],
)
def test_answers_that_nobody_can_explain_are_not_promised(
    explanations: dict[str, Any], more: dict[str, Any], said: str
) -> None:
    line = {**MINIMAL, "serving": {"explanations": explanations}, **more}
    with pytest.raises(ValidationError, match=said):
        RetrainConfig.model_validate(line)


def test_a_served_line_explains_by_captum_only_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    by_captum = {**MINIMAL, "serving": {"explanations": {"method": "integrated_gradients"}}}
    assert RetrainConfig.model_validate(by_captum).serving.explanations is not None
    assert RetrainConfig.model_validate(MINIMAL).serving.explanations is None
    monkeypatch.setattr(serving_checks, "find_spec", lambda _: None)
    with pytest.raises(ValidationError, match="set method to occlusion"):
        RetrainConfig.model_validate(by_captum)
    RetrainConfig.model_validate({**MINIMAL, "serving": {"explanations": {}}})


def test_rationales_lie_beside_the_lines_file(tmp_path: Path) -> None:
    line = {**MINIMAL, "explanation": {"rationales": {"path": "marked.jsonl"}}}
    (tmp_path / "line.yaml").write_text(yaml.safe_dump(line))
    config = load_config(tmp_path / "line.yaml")
    assert config.explanation is not None
    assert config.explanation.rationales is not None
    assert config.explanation.rationales.path == str(tmp_path / "marked.jsonl")
