"""What of a line's compression is refused before anything is trained, and its gates."""

import importlib.util
from typing import Any

import pytest
from pydantic import ValidationError

from flows.config import RetrainConfig
from flows.gate_names import measurable_of
from tasks.task_types.networks import NETWORKS, why_no_compression
from tasks.task_types.server import SERVERS, server_of
from tests.unit.flows.test_config import MINIMAL

INT8 = {"method": "onnx_int8"}
PROVEN = [
    {"metric": "quality.macro_f1", "at_least": 0.5},
    {"metric": "staging.same_predictions", "at_least": 1.0},
]


def refusal(**settings: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        RetrainConfig.model_validate({**MINIMAL, **settings})
    return str(refused.value)


def gated(*gates: dict[str, Any]) -> dict[str, Any]:
    return {"gates": [*PROVEN, *gates], "fairness_not_gated": "of something else here"}


def test_a_line_is_served_as_it_was_trained_unless_it_says_otherwise() -> None:
    config = RetrainConfig.model_validate(MINIMAL)
    assert config.compression is None
    assert not any(one.family == "uncompressed" for one in measurable_of(config))


def test_a_method_is_named_and_known() -> None:
    assert "method" in refusal(compression={})
    assert "'onnx_int8_static' or 'onnx_int4_weights'" in refusal(compression={"method": "int4"})
    for wrong in (0, 1.5):
        assert "max_difference" in refusal(compression={**INT8, "max_difference": wrong})


def test_tables_in_eight_bits_are_of_the_method_that_rounds() -> None:
    said = refusal(compression={"method": "onnx", "embeddings": "int8"})
    assert "compression.embeddings is int8" in said
    assert "set the method to onnx_int8" in said
    assert "compression.method is onnx_int8_static" in refusal(
        compression={"method": "onnx_int8_static", "embeddings": "int8"}
    )
    said = refusal(compression={"method": "onnx_int8", "embeddings": "int4"})
    assert "set the method to onnx_int4_weights, or leave embeddings out" in said
    whole = {**MINIMAL, "compression": {**INT8, "embeddings": "int8"}}
    assert RetrainConfig.model_validate(whole).compression


@pytest.mark.parametrize("name", sorted(set(SERVERS.names) - set(NETWORKS)))
def test_other_task_types_are_refused_by_name(name: str) -> None:
    assert f"the task_type is {name}" in why_no_compression(name)


@pytest.mark.parametrize("name", NETWORKS)
def test_each_compressed_task_type_has_a_script_that_answers(name: str) -> None:
    script = server_of(name).for_compressed
    assert script
    assert script.is_file()
    assert NETWORKS[name].auto_class in script.read_text(encoding="utf-8")
    assert not why_no_compression(name)


def test_a_task_type_that_cannot_be_compressed_ends_the_run_at_once() -> None:
    said = refusal(
        compression=INT8, task_type="translation",
        source={"format": "csv", "path": "a.csv", "columns": {"source": "a", "target": "b"}},
    )  # fmt: skip
    assert "the task_type is translation" in said
    assert "leave compression out" in said


def test_what_exports_must_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if "onnx" in name else find(name)
    )
    said = refusal(compression=INT8)
    assert "onnx, onnxruntime, onnxscript are not installed" in said
    assert "install assayline[compression]" in said
    RetrainConfig.model_validate(MINIMAL)


def test_ranges_of_training_rows_are_no_part_of_private_weights() -> None:
    private = {"differential_privacy": {"target_epsilon": 8.0}}
    said = refusal(compression={"method": "onnx_int8_static"}, training=private)
    assert "whose scales are the ranges that training rows reach, without noise" in said
    line = {**MINIMAL, "compression": INT8, "training": private}
    assert RetrainConfig.model_validate(line).compression


def test_calibration_rows_have_bounds() -> None:
    for wrong in (0, 1.5, 20_000):
        assert "calibration_rows" in refusal(compression={**INT8, "calibration_rows": wrong})


def test_gates_on_what_compression_costs_need_one() -> None:
    gate = {"metric": "uncompressed.macro_f1_gain", "at_least": -0.02}
    assert "compression is not set; name compression.method" in refusal(policy=gated(gate))
    line = {**MINIMAL, "policy": gated(gate), "compression": INT8}
    assert RetrainConfig.model_validate(line).policy.gates[-1].family == "uncompressed"


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        ({"metric": "uncompressed.agreement", "at_least": 95}, "did you mean 0.95?"),
        ({"metric": "uncompressed.size_share", "at_least": 0.5}, "did you mean at_most?"),
        ({"metric": "uncompressed.speedup", "at_least": 2}, "did you mean uncompressed.speed_up?"),
        ({"metric": "uncompressed.gender.worst_group_gain", "at_least": -0.1}, "is not measured"),
    ],
)
def test_a_gate_that_nothing_could_be_judged_by_is_refused(gate: dict[str, Any], said: str) -> None:
    assert said in refusal(policy=gated(gate), compression=INT8)


@pytest.mark.parametrize(
    "metric",
    [
        "uncompressed.accuracy_gain",
        "uncompressed.speed_up",
        "uncompressed.slice.length.q1.row_score_gain",
        "uncompressed.gender.worst_group_row_score_gain",
        "uncompressed.gender_exclusive.row_score_gain.female",
    ],
)
def test_what_compression_costs_can_be_gated(metric: str) -> None:
    gate = {"metric": metric, "at_least": -0.1 if "gain" in metric else 0.8}
    line = {**MINIMAL, "policy": gated(gate), "compression": INT8}
    assert RetrainConfig.model_validate(line).policy.gates[-1].metric == metric
