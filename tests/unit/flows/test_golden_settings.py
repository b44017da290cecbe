"""Wrong settings of golden sets and behaviour suites, all of them at once."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.config import RetrainConfig, load_config
from infra.errors import SettingsError

FILE = {"format": "csv", "path": "rows.csv"}
GATES = [
    {"metric": "quality.macro_f1", "at_least": 0.5},
    {"metric": "staging.same_predictions", "at_least": 1.0},
]


def loaded(folder: Path, *gates: str, **given: Any) -> RetrainConfig:
    path = folder / "line.yaml"
    asked = [*GATES, *({"metric": metric, "at_least": 0.5} for metric in gates)]
    base = {"line": "reviews", "source": FILE, "policy": {"gates": asked}}
    path.write_text(yaml.safe_dump(base | given, sort_keys=False))
    return load_config(path)


def refused(folder: Path, *gates: str, **given: Any) -> str:
    with pytest.raises(SettingsError) as error:
        loaded(folder, *gates, **given)
    return str(error.value)


def test_golden_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    evaluation = {"golden": {"team": FILE}, "behaviour": {"suite": {"source": FILE}}}
    config = loaded(
        tmp_path, "golden.team.macro_f1", "golden.team.macro_f1_gain",
        "behaviour.suite.pass_rate", "behaviour.suite.not (a). word.pass_rate",
        evaluation=evaluation,
    )  # fmt: skip
    for _, _, source in config.golden_sets.sources():
        assert getattr(source, "path", "") == str(tmp_path / "rows.csv")
    assert config.behaviour_gates == (
        "behaviour.suite.pass_rate", "behaviour.suite.not (a). word.pass_rate",
    )  # fmt: skip
    assert config.evaluation.of_test_rows == config.evaluation.model_copy(
        update={"golden": {}, "behaviour": {}}
    )


def test_gates_on_sets_that_there_are_not_are_refused_at_once(tmp_path: Path) -> None:
    message = refused(
        tmp_path, "golden.tem.macro_f1", "behaviour.suite.negation", "golden.team",
        evaluation={"golden": {"team": FILE}},
    )  # fmt: skip
    assert "policy.gates.2.metric: golden.tem.macro_f1 is not measured" in message
    assert "evaluation.golden has team" in message
    assert "behaviour.suite.negation is not measured: evaluation.behaviour has no set" in message
    assert "policy.gates.4.metric: golden.team is not measured" in message


def test_a_golden_source_that_holds_no_such_rows_is_refused(tmp_path: Path) -> None:
    evaluation = {
        "golden": {"team": FILE | {"columns": {"txt": "a"}}, "weighed": FILE | {"weight": 1}},
    }
    message = refused(tmp_path, evaluation=evaluation)
    assert "evaluation.golden.team" in message
    assert "classification has no column 'txt'" in message
    assert "evaluation.golden.weighed" in message


def test_a_suite_needs_rows_that_are_right_or_wrong(tmp_path: Path) -> None:
    evaluation = {"behaviour": {"suite": {"source": FILE}}}
    message = refused(tmp_path, task_type="regression", evaluation=evaluation)
    assert "a row of regression is more or less right" in message


def test_a_wrong_key_of_a_golden_source_is_named_as_the_user_wrote_it(tmp_path: Path) -> None:
    message = refused(tmp_path, evaluation={"golden": {"team": FILE | {"pth": "x"}}})
    assert "evaluation.golden.team.pth" in message
