"""A policy in a file of its own: read beside the line's, refused whole, with what is in short."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.config import RetrainConfig, load_config, load_line, load_policy
from infra.errors import SettingsError
from infra.local.deployments import _shaping_files
from tasks.registry.policy_record import policy_bytes
from tasks.registry.settings import PolicySettings

SAME = {"metric": "staging.same_predictions", "at_least": 1.0}
QUALITY = {"metric": "quality.macro_f1", "at_least": 0.8}
WHY = "parts lists of machines, which name no people"
STRICT: dict[str, Any] = {
    "gates": [QUALITY, SAME],
    "staging_gates": [{"metric": "quality.macro_f1", "at_least": 0.6}],
    "margin": 0.01,
    "budgets": {"latency_p95_ms": 200, "memory_mb": 1500},
    "approval": "by a person",
    "approval_days": 3,
    "fairness_not_gated": WHY,
}


def line(folder: Path, policy: Any, name: str = "line.yaml") -> Path:
    source = {"format": "csv", "path": "rows.csv", "columns": {"text": "text", "label": "label"}}
    path = folder / name
    path.write_text(yaml.safe_dump({"line": "reviews", "source": source, "policy": policy}))
    return path


def policy_file(folder: Path, content: Any = STRICT) -> Path:
    (folder / "policies").mkdir(exist_ok=True)
    path = folder / "policies" / "strict.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_a_file_beside_the_lines_says_the_same_as_the_policy_inline(tmp_path: Path) -> None:
    policy_file(tmp_path)
    of_file = load_config(line(tmp_path, "policies/strict.yaml")).policy
    inline = load_config(line(tmp_path, STRICT, "inline.yaml")).policy
    assert of_file == inline
    assert policy_bytes(of_file) == policy_bytes(inline)
    assert of_file.approval == "by a person"


def test_margin_and_budgets_are_gates(tmp_path: Path) -> None:
    policy = load_config(line(tmp_path, STRICT)).policy
    assert [(gate.metric, gate.rule) for gate in policy.gates][2:] == [
        ("champion.macro_f1_gain", "at least -0.01"),
        ("anchor.macro_f1_gain", "at least -0.01"),
        ("staging.latency_p95_ms", "at most 200"),
        ("staging.memory_mb", "at most 1500"),
    ]
    # A run's parameters are the settings as they were checked: nothing is added twice.
    settings = load_line(str(line(tmp_path, STRICT)), "reviews")["config"]
    again = type(load_config(line(tmp_path, STRICT))).model_validate(settings)
    assert again.policy == policy


def test_margin_and_budgets_replace_those_of_a_line_that_names_no_gates(tmp_path: Path) -> None:
    short = {"margin": 0.05, "budgets": {"size_mb": 100}}
    gates = {g.metric: g.rule for g in load_config(line(tmp_path, short)).policy.gates}
    assert gates["champion.macro_f1_gain"] == "at least -0.05"
    assert gates["staging.size_mb"] == "at most 100"
    assert gates["staging.latency_p95_ms"] == "at most 1000"


@pytest.mark.parametrize("written", ["0.01", "1e-2", " 0.01 "])
def test_a_number_in_quotes_is_short_for_the_same_gates(tmp_path: Path, written: str) -> None:
    """YAML reads 1e-2 as text, and pydantic reads that as the number that it says."""
    budgets = {"latency_p95_ms": "200", "memory_mb": "1.5e3"}
    quoted = STRICT | {"margin": written, "budgets": budgets}
    assert load_config(line(tmp_path, quoted)).policy == load_config(line(tmp_path, STRICT)).policy


def test_a_policy_that_was_checked_already_is_short_for_the_same_gates(tmp_path: Path) -> None:
    config = load_config(line(tmp_path, STRICT))
    short = {name: value for name, value in STRICT.items() if name != "staging_gates"}
    checked = PolicySettings.model_validate(short)
    made = RetrainConfig(line=config.line, source=config.source, policy=checked)
    assert made.policy.gates == config.policy.gates


@pytest.mark.parametrize("wrong", [float("inf"), float("nan")])
def test_a_margin_or_budget_that_is_no_finite_number_is_named(tmp_path: Path, wrong: float) -> None:
    short = {"margin": wrong, "budgets": {"size_mb": wrong}}
    with pytest.raises(SettingsError) as refused:
        load_config(line(tmp_path, short))
    assert "\n  policy.margin: Input should be a finite number" in str(refused.value)
    assert "\n  policy.budgets.size_mb: Input should be a finite number" in str(refused.value)


def test_a_margin_beside_another_threshold_is_refused(tmp_path: Path) -> None:
    gates = [QUALITY, SAME, {"metric": "champion.macro_f1_gain", "at_least": -0.3}]
    with pytest.raises(SettingsError, match=r"champion\.macro_f1_gain has 2 gates"):
        load_config(line(tmp_path, STRICT | {"gates": gates}))


WRONG: dict[str, Any] = {
    "gates": [{"metric": "quality.macro_f", "at_least": 0.8}, SAME],
    "staging_gates": [{"metric": "staging.size_mb", "at_most": 10}],
    "budgets": {"latency_ms": 20, "memory_mb": -1},
    "margin": -0.5,
    "approval": "by ada",
    "approval_days": 900,
    "approver": "ada",
}
SAID = (
    "gates.0.metric: quality.macro_f is not measured",
    "staging_gates.0.metric: staging.size_mb is measured on staging",
    "budgets.latency_ms: unknown setting",
    "budgets.memory_mb: Input should be greater than 0",
    "margin: Input should be greater than or equal to 0",
    "approval: Input should be 'automatic' or 'by a person'",
    "approval_days: Input should be less than or equal to 90",
    "approver: unknown setting",
)


def test_all_that_is_wrong_with_a_policy_file_is_said_at_once(tmp_path: Path) -> None:
    path = policy_file(tmp_path, WRONG)
    with pytest.raises(SettingsError) as refused:
        load_config(line(tmp_path, "policies/strict.yaml"))
    for said in SAID:
        assert f"\n  policy.{said}" in str(refused.value)
    assert "line.yaml, whose policy is policies/strict.yaml, has" in str(refused.value)
    of_line = load_config(line(tmp_path, {}))
    with pytest.raises(SettingsError) as refused:
        load_policy(path, of_line, "classification")
    for said in SAID:
        assert f"\n  {said}" in str(refused.value)


def test_of_a_line_that_nobody_knows_a_policy_is_read_alone(tmp_path: Path) -> None:
    policy = load_policy(policy_file(tmp_path), None, "classification")
    assert policy == load_config(line(tmp_path, STRICT)).policy


@pytest.mark.parametrize(
    ("policy", "said"),
    [("policies/other.yaml", "no policy file at"), ("rows", "must hold policy such as `gates")],
)
def test_a_policy_file_that_is_not_there_or_is_none_is_named(
    tmp_path: Path, policy: str, said: str
) -> None:
    (tmp_path / "rows").write_text("- a\n- list\n")
    with pytest.raises(SettingsError, match=said):
        load_config(line(tmp_path, policy))


@pytest.mark.parametrize("named", ["policies/strict.yaml", "~/policies/strict.yaml"])
def test_a_changed_policy_file_registers_the_line_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    policy = policy_file(tmp_path)
    step = {"flows.config.load_line": {"path": str(line(tmp_path, named))}}
    prefect = tmp_path / "prefect.yaml"
    prefect.write_text(yaml.safe_dump({"deployments": [{"build": [step]}]}))
    assert policy in list(_shaping_files(prefect, tmp_path))
