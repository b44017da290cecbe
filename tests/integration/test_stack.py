"""The embedded stack as a user gets it: all up, private, furnished, and quick the next time."""

import io
import json
import os
import resource
import stat
import time
from pathlib import Path
from typing import cast

import httpx
import psutil
import pytest
import yaml
from rich.console import Console

from flows.commands.runs import RunFailedError, run_deployment
from infra.errors import StackError
from infra.local.deployments import register
from infra.local.parts import prefect_environment
from infra.local.supervision import Supervisor
from infra.prefect_api import PrefectApi
from infra.settings import load_settings
from infra.store import ObjectStore
from infra.tracking import Tracking
from tests.conftest import RunningStack, survivors

FLOW = """
import logging
import os
from pydantic import BaseModel
from prefect import flow, task
from infra import signed_results  # found without this by an installed project's entry point


class Config(BaseModel):
    line: str
    rows: list[int]


@task(persist_result=True, result_serializer="json")
def add(rows):
    logging.getLogger("tasks.adding").info("rows are %s", rows)
    return sum(rows)


@flow(name="adding")
def adding(config: Config):
    if not config.rows:
        raise ValueError("no rows; add some")
    return add(config.rows)


@flow(name="going-back")
def going_back(line: str):
    pass
"""
STEPS = """
from pathlib import Path
import yaml


def load_line(path):
    return {"config": yaml.safe_load(Path(path).read_text())}
"""


def pids(stack: RunningStack) -> dict[str, int]:
    states = Supervisor(stack.settings.home).states()
    assert states
    return {name: state.pid for name, state in states.items()}


def parts(stack: RunningStack) -> dict[str, dict[str, object]]:
    shown = stack.assayline("status", "--json")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    return {part["name"]: part for part in json.loads(shown.stdout)["parts"]}


def test_every_part_runs_and_logs(stack: RunningStack) -> None:
    seen = parts(stack)
    assert set(seen) == {"store", "mlflow", "prefect", "worker"}
    for part in seen.values():
        assert part["state"] == "running"
        assert Path(str(part["log"])).stat().st_size > 0


def test_files_with_secrets_are_their_owners_alone(stack: RunningStack) -> None:
    home = stack.settings.home
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    secret = stack.settings.store_secret_access_key
    assert secret
    holding = [
        path
        for path in home.rglob("*")
        if path.is_file() and secret.get_secret_value().encode() in path.read_bytes()
    ]
    assert {"keys.json", "stack.env"} <= {path.name for path in holding}
    assert {stat.S_IMODE(path.stat().st_mode) for path in holding} == {0o600}


def test_no_command_line_holds_a_secret(stack: RunningStack) -> None:
    secret = stack.settings.store_secret_access_key
    assert secret
    commands = [" ".join(psutil.Process(pid).cmdline()) for pid in survivors(stack.settings.home)]
    assert len(commands) >= 5
    assert not [command for command in commands if secret.get_secret_value() in command]


def test_everything_listens_on_loopback_only(stack: RunningStack) -> None:
    listening = {
        entry.laddr.ip
        for pid in survivors(stack.settings.home)
        for entry in psutil.Process(pid).net_connections(kind="tcp")
        if entry.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}


def test_a_second_up_is_quick_and_starts_nothing(stack: RunningStack) -> None:
    before = pids(stack)
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    again = stack.assayline("up", "--json")
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert again.returncode == 0, again.stderr
    assert {part["how"] for part in json.loads(again.stdout)["parts"].values()} == {"running"}
    assert pids(stack) == before
    # Of processor time, since a clock on the wall would measure what else the machine does.
    assert now.ru_utime + now.ru_stime - spent.ru_utime - spent.ru_stime < 4


def test_the_settings_are_found_by_other_commands(stack: RunningStack) -> None:
    settings = load_settings(stack.settings.home)
    ObjectStore(settings).check()
    assert settings.mlflow_url
    assert httpx.get(f"{settings.mlflow_url}/health").text == "OK"


def test_prefect_has_pool_limit_and_results_block(stack: RunningStack) -> None:
    url = stack.settings.prefect_url
    pool = httpx.get(f"{url}/work_pools/assayline", auth=stack.login).json()
    limit = httpx.get(f"{url}/v2/concurrency_limits/gpu", auth=stack.login).json()
    block = PrefectApi(stack.settings).block("assayline-results", "results")
    assert pool["type"] == "process"
    assert "env" in pool["base_job_template"]["variables"]["properties"]
    assert (limit["limit"], limit["active"]) == (1, True)
    assert block is not None
    assert block["bucket_name"] == stack.settings.results_bucket


def test_the_user_interfaces_answer(stack: RunningStack) -> None:
    for url in (stack.settings.mlflow_url, (stack.settings.prefect_url or "")[: -len("/api")]):
        page = httpx.get(url or "", auth=stack.login, follow_redirects=True)
        assert page.status_code == 200
        assert "text/html" in page.headers["content-type"]


def test_the_users_own_prefect_profile_is_left_alone(stack: RunningStack, tmp_path: Path) -> None:
    again = stack.assayline("up", HOME=str(tmp_path))
    assert again.returncode == 0, again.stderr
    assert not list(tmp_path.iterdir())


def test_status_shows_the_aliases_of_each_line(
    stack: RunningStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", stack.login[0])
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", stack.login[1])
    client = MlflowClient(stack.settings.mlflow_url, stack.settings.mlflow_url)
    client.create_registered_model("a-line")
    for _ in range(2):
        client.create_model_version("a-line", source="s3://assayline-mlflow/nothing")
    client.set_registered_model_alias("a-line", "production", 1)
    client.set_registered_model_alias("a-line", "candidate", 2)
    try:
        as_json = json.loads(stack.assayline("status", "--json").stdout)
        text = stack.assayline("status").stdout
    finally:
        client.delete_registered_model("a-line")
    assert as_json["lines"]["a-line"] == {"production": 1, "candidate": 2}
    differs = "production names version 1 in MLflow, and by the ledger it is no version"
    assert differs in as_json["disagreements"]["a-line"]
    assert differs in text
    row = next(line.split() for line in text.splitlines() if line.startswith("a-line"))
    assert row == ["a-line", "v2", "-", "v1", "-"]  # candidate, staging, production, previous


@pytest.fixture(scope="module")
def project(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of two deployments, one of which takes its parameters from a file by a step."""
    folder = tmp_path_factory.mktemp("project")
    package = folder / f"trial_{os.getpid()}"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "adding.py").write_text(FLOW, encoding="utf-8")
    (package / "steps.py").write_text(STEPS, encoding="utf-8")
    (folder / "line.yaml").write_text("{line: sums, rows: [1, 2, 3]}", encoding="utf-8")
    pool = {"name": "assayline"}
    adding = {
        "name": "sums",
        "entrypoint": f"{package.name}/adding.py:adding",
        "work_pool": pool,
        "schedules": [{"cron": "0 3 * * 1", "timezone": "UTC"}],
        "build": [{f"{package.name}.steps.load_line": {"id": "line", "path": "line.yaml"}}],
        "parameters": {"config": "{{ line.config }}"},
    }
    back = {
        "name": "sums",
        "entrypoint": f"{package.name}/adding.py:going_back",
        "work_pool": pool,
        "parameters": {"line": "sums"},
    }
    step = {"prefect.deployments.steps.set_working_directory": {"directory": str(folder)}}
    content = {"name": "trial", "pull": [step], "deployments": [adding, back]}
    (folder / "prefect.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def prefect_api(stack: RunningStack, project: Path) -> PrefectApi:
    """The stack's Prefect server, with the project's deployments."""
    prefect_api = PrefectApi(stack.settings)
    registration = register_project(stack, project, prefect_api)
    assert registration == (("adding/sums", "going-back/sums"), True)
    return prefect_api


def register_project(
    stack: RunningStack, project: Path, prefect_api: PrefectApi
) -> tuple[tuple[str, ...], bool]:
    ours = prefect_environment(stack.settings.home, project, stack.settings)
    (project / "logs").mkdir(exist_ok=True)
    environment = {**stack.environment, **ours}
    done = register(project / "prefect.yaml", project, prefect_api, environment, project)
    return done.names, done.renewed


@pytest.mark.usefixtures("prefect_api")
def test_a_deployment_runs_with_the_parameters_of_its_file(stack: RunningStack) -> None:
    shown = Console(file=io.StringIO(), width=200)
    outcome = run_deployment(stack.settings, "adding/sums", {}, int, shown)
    assert outcome.result == 6
    assert not outcome.unchanged
    printed = cast("io.StringIO", shown.file).getvalue()
    assert "✓ add" in printed
    assert "rows are [1, 2, 3]" in printed
    assert outcome.url in printed
    results = ObjectStore(stack.settings).list(f"s3://{stack.settings.results_bucket}/")
    assert results


@pytest.mark.usefixtures("prefect_api")
def test_a_failed_run_says_why(stack: RunningStack) -> None:
    parameters = {"config": {"line": "sums", "rows": []}}
    with pytest.raises(RunFailedError, match=r"^no rows; add some$"):
        run_deployment(stack.settings, "adding/sums", parameters, int, Console(file=io.StringIO()))


@pytest.mark.usefixtures("prefect_api")
def test_a_deployment_that_does_not_exist_is_named(stack: RunningStack) -> None:
    with pytest.raises(StackError, match="adding/nothing"):
        run_deployment(stack.settings, "adding/nothing", {}, int, Console(file=io.StringIO()))


def test_the_ui_asks_this_server(stack: RunningStack) -> None:
    assert stack.settings.prefect_url
    address = stack.settings.prefect_url.removesuffix("/api")
    assert httpx.get(f"{address}/ui-settings").json()["api_url"] == stack.settings.prefect_url


def test_a_schedule_plans_runs(stack: RunningStack, prefect_api: PrefectApi) -> None:
    deployment = prefect_api.deployments()["adding/sums"]
    wanted = {
        "deployments": {"id": {"any_": [str(deployment.id)]}},
        "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}},
    }
    deadline = time.monotonic() + 60
    url = f"{prefect_api.url}/flow_runs/filter"
    while not httpx.post(url, json=wanted, auth=stack.login).json():
        assert time.monotonic() < deadline, "Prefect's scheduler planned no run"
        time.sleep(1)


def test_registering_again_does_nothing_until_something_changes(
    stack: RunningStack, prefect_api: PrefectApi, project: Path
) -> None:
    names, renewed = register_project(stack, project, prefect_api)
    assert (names, renewed) == (("adding/sums", "going-back/sums"), False)

    (project / "line.yaml").write_text("{line: sums, rows: [4]}", encoding="utf-8")
    content = yaml.safe_load((project / "prefect.yaml").read_text(encoding="utf-8"))
    del content["deployments"][1]
    (project / "prefect.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    assert register_project(stack, project, prefect_api) == (("adding/sums",), True)
    assert "going-back/sums" not in prefect_api.deployments()
    url = f"{prefect_api.url}/deployments/name/adding/sums"
    found = httpx.get(url, auth=stack.login).json()
    assert found["parameters"] == {"config": {"line": "sums", "rows": [4]}}


def test_tracking_reaches_the_stacks_mlflow_and_its_artifacts(
    stack: RunningStack, tmp_path: Path
) -> None:
    tracking = Tracking(stack.settings)
    run = tracking.open_run("a-line", "key", {})
    (tmp_path / "a.txt").write_text("words", encoding="utf-8")
    tracking.log_file(run, tmp_path / "a.txt")
    bucket = f"s3://{stack.settings.mlflow_bucket}/"
    assert [uri for uri in ObjectStore(stack.settings).list(bucket) if uri.endswith("/a.txt")]
