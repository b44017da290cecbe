"""What of a line's sweep is refused before it begins, and the lines that its trials are."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

import flows.sweep as sweeping
from flows.commands.sweep_command import sweep as sweep_command
from flows.commands.sweep_command import write_line
from flows.commands.watch import OUR_LOGGERS
from flows.config import RetrainConfig, load_config
from flows.settings_fields import kinds_of
from flows.sweep_checks import (
    is_rising,
    line_of_trial,
    lines_at_corners,
    metric_of_sweep,
    whole_numbers,
)
from infra.errors import SettingsError
from tasks.stages.sweep import say
from tests.unit.flows.test_config import MINIMAL

RATES = {"low": 1e-5, "high": 1e-3, "log": True}
SPACE: dict[str, Any] = {"training.learning_rate": RATES, "training.batch_size": [8, 16]}


def line(space: dict[str, Any] | None = None, **changes: Any) -> RetrainConfig:
    content = {**MINIMAL, "sweep": {"space": space or SPACE}, **changes}
    return RetrainConfig.model_validate(content)


def refusal(space: dict[str, Any], **changes: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        line(space, **changes)
    return str(refused.value)


def test_a_line_sweeps_nothing_unless_it_says_so() -> None:
    assert RetrainConfig.model_validate(MINIMAL).sweep is None


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({"training.learning_rat": RATES}, "this is none; list its choices"),
        ({"training.learning_rat": [1e-4, 1e-5]}, "there is no setting training.learning_rat"),
        ({"training.learning_rate": {"low": 0.1, "high": 2}}, "less than or equal to 1"),
        ({"training.epochs": [1, 0]}, "greater than or equal to 1"),
        ({"training.epochs": {"low": 1, "high": 2.5}}, "whole numbers alone"),
        ({"training.epochs": {"low": 1, "high": 4, "step": 1.5}}, "whole numbers alone"),
        ({"training.method": {"low": 1, "high": 2}}, "this is none; list its choices"),
        ({"training.seed": [1, 2]}, "the best of several seeds is luck"),
        ({"training": [{"seed": 1}, {"seed": 2}]}, "the best of several seeds is luck"),
        ({"splits.train": [0.5, 0.8]}, "makes a model of the same rows"),
        ({"policy.gates": [[], [1]]}, "makes a model of the same rows"),
        ({"distillation.student_layers": [[0], [2, 0]]}, "rise"),
    ],
)
def test_what_no_line_can_be_is_refused(space: dict[str, Any], said: str) -> None:
    assert said in refusal(space)


def test_a_range_is_refused_for_either_end() -> None:
    said = refusal({"training.dropout": {"low": -0.5, "high": 1.5}})
    assert "greater than or equal to 0" in said
    assert "input_value=-0.5" in said
    assert "less than 1" in said
    assert "input_value=1.5" in said


def test_settings_that_do_not_go_together_are_refused() -> None:
    said = refusal({"training.method": ["full", "lora"], "training.layer_decay": [1, 0.9]})
    assert "layer_decay 0.9 has no effect with method lora" in said
    assert "with training.method 'lora', training.layer_decay 0.9" in said
    assert "1 validation error " in said
    together = {"training": [{"method": "full", "layer_decay": 0.9}, {"method": "lora"}]}
    assert line(together).sweep


def test_all_faults_of_a_space_are_said_at_once_and_each_once() -> None:
    said = refusal(
        {"training.epochs": [0, 1], "training.batch_size": [0, 8], "tokenization.stride": [0, -1]}
    )
    assert "3 validation errors" in said
    for name in ("training.epochs", "training.batch_size", "tokenization.stride"):
        assert said.count(f"sweep.space.`{name}`") == 1


def test_a_line_that_is_wrong_itself_says_its_own_fault_alone() -> None:
    said = refusal(SPACE, training={"epochs": 0})
    assert "training.epochs" in said
    assert "sweep.space" not in said
    said = refusal(SPACE, training={"method": "lora", "layer_decay": 0.9})
    assert "sweep.space" not in said


@pytest.mark.parametrize(
    ("metric", "said"),
    [("f2", "macro_f1, accuracy"), ("f1", "macro_f1, accuracy"), ("chrf", "macro_f1, accuracy")],
)
def test_a_metric_is_one_that_the_task_type_has(metric: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        line(sweep={"space": SPACE, "metric": metric})


def test_the_metric_is_the_leading_one_and_its_better_side_is_known() -> None:
    config = line()
    assert config.sweep
    assert metric_of_sweep("classification", config.sweep) == "macro_f1"
    assert metric_of_sweep("regression", config.sweep) == "rmse"
    named = config.sweep.model_copy(update={"metric": "log_loss"})
    assert metric_of_sweep("classification", named) == "log_loss"
    assert is_rising("classification", "macro_f1")
    assert not is_rising("classification", "log_loss")
    assert not is_rising("regression", "rmse")
    assert is_rising("regression", "r2")


def test_ranges_of_whole_numbers_are_told_by_the_setting() -> None:
    config = line(
        {
            "training.epochs": {"low": 1, "high": 3},
            "training.weight_decay": {"low": 0, "high": 1},
            "training.early_stopping_epochs": {"low": 1, "high": 2},
            "training.average_decay": {"low": 0.5, "high": 0.9}, "training.batch_size": [8, 16],
        }
    )  # fmt: skip
    assert config.sweep
    assert whole_numbers(config, config.sweep) == {
        "training.epochs", "training.early_stopping_epochs",
    }  # fmt: skip
    assert kinds_of(RetrainConfig, "training.average_decay") == {float, type(None)}
    assert kinds_of(RetrainConfig, "base_model.scratch.layers") == {int}
    assert not kinds_of(RetrainConfig, "training.nothing")


def test_a_trial_is_the_line_with_its_settings_and_without_a_sweep() -> None:
    config = line(training={"epochs": 3, "learning_rate": 1e-4})
    trial = line_of_trial(config, {"training.learning_rate": 5e-4, "tokenization.max_length": 64})
    assert trial.sweep is None
    assert (trial.training.epochs, trial.training.learning_rate) == (3, 5e-4)
    assert trial.tokenization.max_length == 64
    assert trial.policy == config.policy
    assert line_of_trial(config, {}) == config.model_copy(update={"sweep": None})


def test_the_corners_are_lines() -> None:
    config = line()
    assert config.sweep
    found = lines_at_corners(config, config.sweep)
    assert {(one.training.learning_rate, one.training.batch_size) for one in found} == {
        (1e-5, 8), (1e-5, 16), (1e-3, 8), (1e-3, 16),
    }  # fmt: skip


def test_what_prefect_keeps_of_a_line_is_the_same_line() -> None:
    config = line({"base_model": [{"reference": "a"}, {"reference": "b"}], **SPACE})
    kept = json.loads(json.dumps(config.model_dump(mode="json", exclude_unset=True)))
    assert RetrainConfig.model_validate(kept) == config


def test_local_base_models_are_found_beside_the_file(tmp_path: Path) -> None:
    for name in ("small", "large"):
        (tmp_path / name).mkdir()
    tried = {"base_model.reference": ["small", "large", "an/id"]}
    path = tmp_path / "line.yaml"
    path.write_text(yaml.safe_dump({**MINIMAL, "sweep": {"space": tried}}))
    found = load_config(path).sweep
    assert found
    assert found.space["base_model.reference"].choices == (
        str(tmp_path / "small"), str(tmp_path / "large"), "an/id",
    )  # fmt: skip
    whole = {"base_model": {"choices": [{"reference": "small"}, {"reference": "an/id"}]}}
    path.write_text(yaml.safe_dump({**MINIMAL, "sweep": {"space": whole}}))
    found = load_config(path).sweep
    assert found
    assert found.space["base_model"].choices == (
        {"reference": str(tmp_path / "small")}, {"reference": "an/id"},
    )  # fmt: skip


def test_the_taken_point_is_written_as_a_line_that_loads(tmp_path: Path) -> None:
    path, policy = tmp_path / "line.yaml", tmp_path / "policy.yaml"
    gates = [
        {"metric": "quality.macro_f1", "at_least": 0.5},
        {"metric": "staging.same_predictions", "at_least": 1.0},
    ]
    not_gated = "the rows say nothing of people"
    policy.write_text(yaml.safe_dump({"gates": gates, "fairness_not_gated": not_gated}))
    content = {**MINIMAL, "training": {"epochs": 3}, "policy": "policy.yaml"}
    path.write_text(yaml.safe_dump({**content, "sweep": {"space": SPACE}}))
    new = tmp_path / "below" / "taken.yaml"
    new.parent.mkdir()
    write_line(path, {"training.learning_rate": 5e-4}, new)
    before, after = load_config(path), load_config(new)
    assert after == line_of_trial(before, {"training.learning_rate": 5e-4})
    assert after.source.path == str(tmp_path / "rows.csv")
    with pytest.raises(SettingsError, match="name a new file"):
        write_line(path, {}, new)


def test_the_command_refuses_before_anything_starts(tmp_path: Path) -> None:
    path = tmp_path / "line.yaml"
    path.write_text(yaml.safe_dump(MINIMAL))
    with pytest.raises(SettingsError, match="has no section `sweep`"):
        sweep_command(path)
    with pytest.raises(SettingsError, match="--status starts nothing"):
        sweep_command(path, status=True, run=True)
    with pytest.raises(SettingsError, match="there is such a file"):
        sweep_command(path, write=path)


def test_the_flow_refuses_a_line_without_a_sweep() -> None:
    with pytest.raises(SettingsError, match=r"reviews have no section `sweep`.*space"):
        sweeping._settings_of(RetrainConfig.model_validate(MINIMAL))


def test_what_a_sweep_says_is_shown_on_the_console(caplog: pytest.LogCaptureFixture) -> None:
    """Prefect loads a flow's module under a name of its own, whose log lines nobody shows."""
    with caplog.at_level(logging.INFO):
        say("trial 1 of 2: 100% done")
    (record,) = caplog.records
    assert record.name.startswith(OUR_LOGGERS)
    assert record.getMessage() == "trial 1 of 2: 100% done"
    assert not hasattr(sweeping, "logger")


def test_a_sweep_reads_no_test_rows() -> None:
    """Neither are they looked at nor scored: what does either is not even imported."""
    judging = {"evaluate", "record_look", "name_held_out", "score_golden", "assess", "register"}
    assert not judging & set(vars(sweeping))


@pytest.mark.parametrize(
    ("section", "settings"),
    [("augmentation", {"word_swap": {"share": 0.1}}), ("compression", {"method": "onnx"})],
)
def test_what_trials_leave_out_is_refused(section: str, settings: dict[str, Any]) -> None:
    said = refusal({"training.epochs": {"choices": [1, 2]}}, **{section: settings})
    assert f"and {section} is set: the point that is taken would not be what runs then" in said
