"""Commands from other folders than that of the stack, and a line that is forgotten."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from flows.deployments import ensure_deployments
from infra.prefect_api import PrefectApi
from infra.store import ObjectStore
from tests.conftest import SCRIPTS, RunningStack, free_port

LINE = "to-be-forgotten"


def call(
    stack: RunningStack, folder: Path, *words: str, **variables: str
) -> "subprocess.CompletedProcess[str]":
    """Call the console command in a folder and a shell that know of no stack."""
    shell = {n: value for n, value in stack.environment.items() if not n.startswith("ASSAYLINE_")}
    own = shell | variables
    return subprocess.run(
        [SCRIPTS / "assayline", *words], cwd=folder, env=own, capture_output=True, text=True,
        timeout=200, check=False,
    )  # fmt: skip


def test_the_stack_is_found_from_another_folder(stack: RunningStack, tmp_path: Path) -> None:
    home = stack.settings.home
    found = call(stack, tmp_path, "status", "--json")
    assert found.returncode == 0, found.stdout + found.stderr
    assert json.loads(found.stdout)["home"] == str(home)
    again = call(stack, tmp_path, "up", ASSAYLINE_WEBHOOK="off")
    assert again.returncode == 0, again.stdout + again.stderr
    assert f"the stack in {home} runs, since" in again.stdout
    assert "started" not in again.stdout
    assert not list(tmp_path.iterdir())
    refused = call(stack, tmp_path, "run", "nothing.yaml")
    assert refused.stderr == f"error: no settings file at {tmp_path / 'nothing.yaml'}\n"


def test_another_home_is_told_whose_ports_it_wants(stack: RunningStack, tmp_path: Path) -> None:
    ports = {name: port for name, port in stack.environment.items() if name.endswith("_PORT")}
    other = call(stack, tmp_path, "--home", "second", "up", **ports)
    assert other.returncode == 1
    assert f"beside this one runs the stack in {stack.settings.home}, since" in other.stdout
    assert f"`assayline down --home {stack.settings.home}` stops that stack" in other.stderr
    shown = call(stack, tmp_path, "status", "--json", "--home", "second")
    assert shown.returncode == 3
    assert json.loads(shown.stdout)["home"] == str(tmp_path / "second")


@pytest.mark.slow
def test_a_line_is_forgotten_and_not_while_it_runs(stack: RunningStack, tmp_path: Path) -> None:
    config = tmp_path / "line.yaml"
    config.write_text(yaml.safe_dump({"line": LINE, "source": {"format": "csv", "path": "a.csv"}}))
    assert ensure_deployments(stack.settings, LINE, config)
    prefect_api = PrefectApi(stack.settings)
    standing = {n: one for n, one in prefect_api.deployments().items() if one.name == LINE}
    assert len(standing) >= 6
    retrain = f"/deployments/{standing[f'retrain/{LINE}'].id}"
    planned = {"type": "SCHEDULED", "state_details": {"scheduled_time": "2100-01-01T00:00:00Z"}}
    run = prefect_api._post(f"{retrain}/create_flow_run", {"state": planned})
    refused = call(stack, tmp_path, "forget", LINE)
    assert refused.returncode == 1
    assert f"is not forgotten while a run of it is going on or waits: {run['name']}" in (
        refused.stderr
    )
    assert standing.items() <= prefect_api.deployments().items()
    prefect_api._send("DELETE", f"/flow_runs/{run['id']}").raise_for_status()

    done = call(stack, tmp_path, "forget", LINE)
    assert done.returncode == 0, done.stderr
    assert all(f"removed  {name}" in done.stdout for name in standing)
    assert "kept     0 version(s), 0 entries of its ledger" in done.stdout
    assert f"assayline run {config} brings it back" in done.stdout
    assert not [one for one in prefect_api.deployments().values() if one.name == LINE]
    assert not list(stack.settings.home.rglob(f"*{LINE}*.prefect.*"))
    nothing = call(stack, tmp_path, "forget", LINE)
    assert nothing.returncode == 1
    assert f"there is no line {LINE}" in nothing.stderr


def test_a_line_that_has_a_broken_ledger_alone_is_told_so(
    stack: RunningStack, tmp_path: Path
) -> None:
    store = ObjectStore(stack.settings)
    entry = store.uri("ledger", "broken-ledger", "00000001.json")
    store.put_bytes(entry, b"{}")
    done = call(stack, tmp_path, "forget", "broken-ledger")
    store.delete(entry)
    assert done.returncode == 0, done.stderr
    assert "kept     0 version(s), its ledger, and their reports" in done.stdout
    assert "its ledger is not as it was written: `assayline ledger broken-ledger`" in done.stdout


@pytest.mark.slow
def test_a_schedule_made_in_the_ui_stays(stack: RunningStack, tmp_path: Path) -> None:
    line = "scheduled-by-hand"
    config = tmp_path / "line.yaml"
    config.write_text(yaml.safe_dump({"line": line, "source": {"format": "csv", "path": "a.csv"}}))
    assert ensure_deployments(stack.settings, line, config)
    prefect_api = PrefectApi(stack.settings)
    retrain = f"/deployments/{prefect_api.deployments()[f'retrain/{line}'].id}"
    weekly = {"schedule": {"cron": "0 3 * * 1", "timezone": "UTC"}, "active": True}
    prefect_api._post(f"{retrain}/schedules", [weekly])  # type: ignore[arg-type]
    config.write_text(f"{config.read_text()}splits: {{salt: another}}\n", encoding="utf-8")
    renewed = ensure_deployments(stack.settings, line, config)
    assert renewed
    assert renewed.renewed
    kept = prefect_api._get_or_none(retrain)
    assert kept["parameters"]["config"]["splits"] == {"salt": "another"}
    assert [one["schedule"]["cron"] for one in kept["schedules"]] == ["0 3 * * 1"]
    # The runs that the schedule has planned do not keep a line from being forgotten, and no
    # registration brings it back.
    assert call(stack, tmp_path, "forget", line).returncode == 0
    assert line not in stack.assayline("up").stdout


@pytest.mark.slow
def test_a_line_of_the_project_is_to_be_removed_there_too(
    stack: RunningStack, tmp_path: Path
) -> None:
    done = call(stack, tmp_path, "forget", "zh-reviews", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert "retrain/zh-reviews" in told["deployments"]
    assert told["named_in"].endswith("/prefect.yaml")
    assert told["way_back"] == "assayline up"
    assert "retrain/zh-reviews" not in PrefectApi(stack.settings).deployments()
    again = call(stack, tmp_path, "forget", "zh-reviews")
    assert "still names it: remove zh-reviews from `lines`" in again.stdout
    assert stack.assayline("up").returncode == 0
    assert "retrain/zh-reviews" in PrefectApi(stack.settings).deployments()


@pytest.mark.slow
def test_of_two_stacks_a_command_asks_which(stack: RunningStack, tmp_path: Path) -> None:
    ports = {f"ASSAYLINE_{part}_PORT": str(free_port()) for part in ("STORE", "MLFLOW", "PREFECT")}
    environment = {**stack.environment, **ports, "ASSAYLINE_HOME": str(tmp_path / "second")}
    second = RunningStack(stack.settings, environment, tmp_path)
    try:
        assert second.assayline("up").returncode == 0
        asked = call(stack, tmp_path, "status")
        assert asked.returncode == 1
        assert "2 stacks run, and nothing here says which one is meant" in asked.stderr
        assert f"--home {tmp_path / 'second'}" in asked.stderr
        chosen = call(stack, tmp_path, "status", "--home", str(stack.settings.home))
        assert chosen.returncode == 0, chosen.stdout
    finally:
        assert second.assayline("down").returncode == 0
    assert call(stack, tmp_path, "status").returncode == 0
