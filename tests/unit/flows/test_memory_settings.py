"""Which lines may ask what their model remembers, and gates on what that comes to."""

from typing import Any

import pytest
from pydantic import ValidationError

from flows.config import RetrainConfig
from flows.gate_names import measurable_of
from tests.unit.flows.test_config import MINIMAL

SOURCE = {"format": "csv", "path": "/a.csv", "columns": {"text": "a"}}


def settings(metric: str = "", task_type: str = "causal_lm", **asked: Any) -> dict[str, Any]:
    gates: list[dict[str, Any]] = [
        {"metric": "baseline.bits_per_byte_gain", "at_least": 0.1},
        {"metric": "staging.same_predictions", "at_least": 1.0},
    ]
    if metric:
        gates.append({"metric": metric, "at_most": 0.6})
    return {
        **MINIMAL, "task_type": task_type, "source": SOURCE, "contract": {},
        "probes": {"memory": asked},
        "policy": {"gates": gates, "fairness_not_gated": "of something else here"},
    }  # fmt: skip


def of_classes(**others: Any) -> dict[str, Any]:
    return {**MINIMAL, "probes": {"memory": {"shadows": 2}}, **others}


def refusal(given: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as refused:
        RetrainConfig.model_validate(given)
    return str(refused.value)


@pytest.mark.parametrize("task_type", ["sentence_embedding", "next_sentence", "regression"])
def test_rows_without_a_loss_of_their_own_are_refused(task_type: str) -> None:
    said = refusal({**MINIMAL, "task_type": task_type, "probes": {"memory": {}}})
    assert f"probes.memory is not for task_type {task_type}" in said
    assert "leave it out" in said


def test_parts_are_for_the_task_types_that_have_them() -> None:
    said = refusal({**MINIMAL, "probes": {"memory": {"canaries": {}, "overlap": {}}}})
    assert "probes.memory.canaries is not for task_type classification" in said
    assert "probes.memory.overlap is not for task_type classification" in said
    RetrainConfig.model_validate({**MINIMAL, "probes": {"memory": {}}})
    RetrainConfig.model_validate(settings(canaries={}, overlap={}))


def test_a_compressed_model_has_no_loss() -> None:
    said = refusal({**MINIMAL, "probes": {"memory": {}}, "compression": {"method": "onnx_int8"}})
    assert "the network of an ONNX file has none" in said


@pytest.mark.parametrize(
    "others",
    [
        {"augmentation": {"delete_words": {"share": 0.1}}},
        {"pruning": {"heads": 0.5}},
        {"distillation": {"teacher": {"line": "large"}}},
    ],
    ids=lambda one: next(iter(one)),
)
def test_shadows_learn_their_halves_alone(others: dict[str, Any]) -> None:
    RetrainConfig.model_validate(of_classes())
    assert f"set probes.memory.shadows to 0, or leave {next(iter(others))} out" in refusal(
        of_classes(**others)
    )


def test_as_many_rows_are_asked_as_it_takes() -> None:
    assert "probes.memory.rows is 99, fewer than min_rows (100)" in refusal(settings(rows=99))
    RetrainConfig.model_validate(settings(rows=99, min_rows=99))


def test_shadows_come_in_pairs() -> None:
    assert "3; each two of them learn the two halves" in refusal(settings(shadows=3))


@pytest.mark.parametrize(
    "text",
    [
        "no place", "{digits} before {number}", "{number} {digits} {digits}", "{number} {digit}",
        "{", "{number} {digits:s}", "{number} {{digits}} {digits}", "{number!x} {digits}",
        "{number:.1} {digits}", "{number} {digits!r}", "{number:d} {digits}", "{number} {digits} }",
    ],
)  # fmt: skip
def test_a_canary_has_a_number_and_behind_it_digits(text: str) -> None:
    said = refusal(settings(canaries={"format": text}))
    assert "must hold {number} once and behind it {digits} once" in said or "is no format" in said
    assert "right would be 'Customer {number} has the access code {digits}.'" in said


def test_a_canary_may_hold_braces_and_a_width() -> None:
    RetrainConfig.model_validate(settings(canaries={"format": "{{{number:>6}}} is {digits}{{}}"}))


def test_a_gate_may_be_on_what_is_asked_and_on_nothing_else() -> None:
    for name in ("membership_auc", "tpr_at_1_fpr", "calibrated_auc"):
        RetrainConfig.model_validate(settings(f"memory.{name}"))
    whole = {"canaries": {}, "overlap": {}, "shadows": 2}
    for name, part in (
        ("canary_exposure", "canaries"), ("canaries_extracted", "canaries"),
        ("verbatim_overlap", "overlap"), ("lira_tpr_at_1_fpr", "shadows"),
    ):  # fmt: skip
        RetrainConfig.model_validate(settings(f"memory.{name}", **whole))
        assert f"asks for probes.memory.{part}, which is not set" in refusal(
            settings(f"memory.{name}")
        )
    without = settings("memory.membership_auc")
    del without["probes"]
    assert "probes.memory is not set; set it to {}" in refusal(without)
    assert "memory.membership_auc" in refusal(settings("memory.membership_au"))


def test_more_exposure_than_can_be_seen_is_no_threshold() -> None:
    given = settings(canaries={"alternatives": 63})
    given["policy"]["gates"].append({"metric": "memory.canary_exposure", "at_most": 6.0})
    assert "every model passes" in refusal(given)
    given["policy"]["gates"][-1]["at_most"] = 3.0
    RetrainConfig.model_validate(given)


@pytest.mark.parametrize(
    ("section", "given"),
    [
        ("base_model.scratch", {"base_model": {"scratch": {"architecture": "gpt2"}}}),
        ("distillation", {"distillation": {"teacher": {"line": "large"}}}),
    ],
)
def test_a_base_that_was_made_here_is_no_reference(section: str, given: dict[str, Any]) -> None:
    config = RetrainConfig.model_validate({**settings(), **given})
    named = {one.form for one in measurable_of(config) if one.family == "memory"}
    assert "memory.membership_auc" in named
    assert "memory.calibrated_auc" not in named
    said = refusal({**settings("memory.calibrated_tpr_at_1_fpr"), **given})
    assert f"{section} is set; leave the gate out, or take memory.membership_auc" in said


def test_a_classifier_has_no_reference() -> None:
    config = RetrainConfig.model_validate({**MINIMAL, "probes": {"memory": {}}})
    named = {one.form for one in measurable_of(config) if one.family == "memory"}
    assert named == {"memory.membership_auc", "memory.tpr_at_1_fpr", "memory.control_auc"}
