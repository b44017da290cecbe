"""What of a line's pruning is refused as its settings are read, and its gates."""

from typing import Any

import pytest
from pydantic import ValidationError

from flows.config import RetrainConfig
from flows.gate_names import measurable_of
from tests.unit.flows.test_compression_settings import gated, refusal
from tests.unit.flows.test_config import MINIMAL

HALF = {"neurons": 0.5}


def test_nothing_is_cut_away_unless_the_line_says_so() -> None:
    assert RetrainConfig.model_validate(MINIMAL).pruning is None
    settings = RetrainConfig.model_validate({**MINIMAL, "pruning": HALF}).pruning
    assert settings
    assert (settings.layers, settings.recovery_epochs, settings.rows) == (0, 1, 256)


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("neurons", 1, "less than 1"),
        ("neurons", 1.5, "less than 1"),
        ("neurons", -0.1, "greater than or equal to 0"),
        ("neurons", float("nan"), "finite"),
        ("layers", -1, "greater than or equal to 0"),
        ("layers", 1.5, "valid integer"),
        ("rows", 3, "greater than or equal to 16"),
        ("recovery_epochs", 0, "greater than or equal to 1"),
        ("recovery_learning_rate", 0, "greater than 0"),
        ("neurons", 0, "neurons is 0 and layers is 0, so that nothing is cut away"),
    ],
)
def test_numbers_have_bounds(setting: str, value: Any, said: str) -> None:
    assert said in refusal(pruning={**HALF, setting: value})


def test_other_task_types_are_refused() -> None:
    said = refusal(
        pruning=HALF, task_type="translation",
        source={"format": "csv", "path": "a.csv", "columns": {"source": "a", "target": "b"}},
    )  # fmt: skip
    assert "the task_type is translation" in said
    assert "leave pruning out" in said


def test_private_weights_are_not_pruned() -> None:
    private = {"differential_privacy": {"target_epsilon": 8.0}}
    said = refusal(pruning=HALF, training=private)
    assert "what is cut away is told by training rows, without noise" in said


def test_trials_of_a_sweep_are_whole() -> None:
    sweep = {"space": {"training.learning_rate": {"low": 1e-5, "high": 1e-3, "log": True}}}
    said = refusal(pruning=HALF, sweep=sweep)
    assert "leave pruning out of the line whose settings are tried" in said


def test_a_pruned_model_is_gated_beside_itself_before() -> None:
    gate = {"metric": "uncompressed.macro_f1_gain", "at_least": -0.02}
    assert "compression is not set; name compression.method or what pruning" in refusal(
        policy=gated(gate)
    )
    line = {**MINIMAL, "policy": gated(gate), "pruning": HALF}
    config = RetrainConfig.model_validate(line)
    assert config.policy.gates[-1].family == "uncompressed"
    named = {name for one in measurable_of(config) for name in one.names}
    assert "uncompressed.speed_up" in named
    assert "uncompressed.gender.worst_group_row_score_gain" in named


def test_pruning_and_eight_bits_go_together() -> None:
    line = {**MINIMAL, "pruning": HALF, "compression": {"method": "onnx_int8"}}
    config = RetrainConfig.model_validate(line)
    assert config.pruning
    assert config.compression
    with pytest.raises(ValidationError, match="neuron"):
        RetrainConfig.model_validate({**line, "pruning": {"neuron": 0.5}})
