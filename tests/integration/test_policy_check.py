"""Versions of a real registry judged by a policy, from what is kept of them; nothing is moved."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.commands.cli import main
from infra.errors import TrackingError
from infra.settings import Settings
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.measured_version import ESTIMATES_FILE, estimates_bytes
from tasks.records.registry import Staged
from tasks.registry.policy_check import NEVER_JUDGED, NO_LOOK, OF_MLFLOW, PolicyCheck, check_policy
from tasks.registry.settings import PolicySettings
from tasks.verdicts import Gate, Verdict
from tests.integration.test_approval_ledger import ADA, SAMPLES, Asking

SAME = Gate(metric="staging.same_predictions", at_least=1.0)
WHY = "who the rows are about is of no account here"


def policy(at_least: float = 0.9, *more: Gate) -> PolicySettings:
    asked = (Gate(metric="quality.macro_f1", at_least=at_least), *more, SAME)
    return PolicySettings(gates=asked, fairness_not_gated=WHY)


@pytest.fixture(scope="module")
def line(
    tmp_path_factory: pytest.TempPathFactory, store: ObjectStore, tracking: Tracking
) -> Asking:
    """Version 1 was promoted, version 2 fell before staging, of version 3 nothing is kept."""
    made = Asking("policy-check", tmp_path_factory.mktemp("versions"), store, tracking)
    staged: Staged = SAMPLES["staged_record"]()
    first = replace(made.judged("w1"), staged=staged)
    made.decide(first, ADA)
    second = made.judged("w2")
    made.decide(replace(second, judgement=replace(second.judgement, verdict=Verdict.FAIL)), None)
    made.add("w3")
    return made


def check(line: Asking, asked: PolicySettings, version: int) -> PolicyCheck:
    return check_policy(asked, line.name, version, store=line.store, tracking=line.tracking)


def verdicts(found: PolicyCheck) -> dict[str, Verdict]:
    return {gate.metric: gate.verdict for gate in found.judgement.gates}


def test_a_version_is_judged_by_what_was_measured_of_it(line: Asking) -> None:
    before = (line.aliases, line.ledger, line.tracking.version_tags(line.name, 1))
    assert check(line, policy(0.9), 1).passes
    strict = check(line, policy(0.999), 1)
    assert not strict.passes
    assert verdicts(strict)["quality.macro_f1"] is Verdict.FAIL
    assert (line.aliases, line.ledger, line.tracking.version_tags(line.name, 1)) == before


def test_what_nobody_measured_is_undetermined(line: Asking) -> None:
    memory = Gate(metric="staging.memory_mb", at_most=1000)
    found = check(line, policy(0.9, memory), 1)
    assert verdicts(found)["staging.memory_mb"] is Verdict.UNDETERMINED
    assert not found.passes


def test_a_version_that_was_never_staged_passes_no_gate_on_staging(line: Asking) -> None:
    found = check(line, policy(), 2)
    assert verdicts(found) == {
        "quality.macro_f1": Verdict.PASS, "staging.same_predictions": Verdict.UNDETERMINED,
    }  # fmt: skip
    (gate,) = [gate for gate in found.judgement.gates if gate.metric == SAME.metric]
    assert "never served on staging" in gate.reason


def test_a_version_that_no_run_has_judged_passes_nothing(line: Asking) -> None:
    found = check(line, policy(), 3)
    assert set(verdicts(found).values()) == {Verdict.UNDETERMINED}
    assert found.notes == (NEVER_JUDGED,)


def test_a_version_of_an_earlier_release_is_judged_by_mlflows_numbers(
    line: Asking, tmp_path: Path
) -> None:
    run = line.tracking.open_run(line.name, "earlier", {})
    estimates = SAMPLES["quality_estimates"]()
    (tmp_path / ESTIMATES_FILE).write_bytes(estimates_bytes(439, estimates))
    line.tracking.log_file(run, tmp_path / ESTIMATES_FILE)
    made = line.tracking._client.create_model_version(
        line.name, f"runs:/{run}/model", run_id=run, tags={"assayline.weights_sha256": "w4"}
    )
    found = check(line, policy(0.999), int(made.version))
    assert found.notes == (OF_MLFLOW,)
    # At which level it is to be judged, the look says; there is none of these weights.
    (quality,) = [gate for gate in found.judgement.gates if gate.metric == "quality.macro_f1"]
    assert (quality.verdict, quality.reason) == (Verdict.UNDETERMINED, NO_LOOK)
    assert quality.value == pytest.approx(0.9718, abs=1e-4)


def test_a_version_that_is_not_there_is_an_error(line: Asking) -> None:
    with pytest.raises(TrackingError):
        check(line, policy(), 99)


GATES = [{"metric": "quality.macro_f1", "at_least": 0.9}, SAME.model_dump(exclude_none=True)]


@pytest.fixture
def command(
    line: Asking, tmp_path: Path, mlflow_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., int]:
    """`assayline policy-check` with the given gates; it returns the exit code."""
    for name, value in mlflow_settings.as_environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ASSAYLINE_HOME", str(tmp_path))

    def run(gates: list[Any], *words: str, settings: dict[str, Any] | None = None) -> int:
        path = tmp_path / "policy.yaml"
        path.write_text(yaml.safe_dump({"gates": gates, "fairness_not_gated": WHY}))
        if settings is not None:
            (tmp_path / "line.yaml").write_text(yaml.safe_dump(settings))
            words = (*words, "--config", str(tmp_path / "line.yaml"))
        with pytest.raises(SystemExit) as ended:
            main(["policy-check", str(path), line.name, *words])
        return int(ended.value.code or 0)

    return run


def settings(name: str) -> dict[str, Any]:
    return {"line": name, "source": {"format": "csv", "path": "rows.csv"}}


def test_the_command_says_what_a_policy_makes_of_two_versions(
    line: Asking, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(GATES, "1", settings=settings(line.name)) == 0
    assert command(GATES, "1", "2", settings=settings(line.name)) == 4
    shown = capsys.readouterr().out
    assert f"version 1 of {line.name}: pass" in shown
    assert f"version 2 of {line.name}: undetermined" in shown
    assert "nothing was measured, moved or recorded" in shown
    assert command(GATES, "1", "--json", settings=settings(line.name)) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["version"], found["passes"]) == (1, True)


def test_the_command_refuses_a_gate_that_the_line_cannot_have(
    line: Asking, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = [{"metric": "quality.macro_f11", "at_least": 0.9}, *GATES]
    assert command(wrong, "1", settings=settings(line.name)) == 1
    assert "gates.0.metric: quality.macro_f11 is not measured" in capsys.readouterr().err
    assert command(GATES, "1", settings=settings("another")) == 1
    assert "is of the line another" in capsys.readouterr().err
    assert command(GATES, "99", settings=settings(line.name)) == 1


def test_of_a_line_whose_settings_nobody_knows_the_command_says_so(
    line: Asking, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = [{"metric": "quality.macro_f11", "at_least": 0.9}, *GATES]
    assert command(wrong, "1") == 4
    shown = capsys.readouterr()
    assert f"the settings of {line.name} are not known" in shown.out
    assert "--config FILE" in shown.err
