"""A hand that moves production in MLflow is answered within seconds, by MLflow's own webhook.

In a stack of its own: in that of the other tests each promotion would start a look.
"""

import json
import os
import signal
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest

from flows.deployments import ensure_deployments
from infra.errors import StackError, TrackingError
from infra.local.abandoned import RUN_VARIABLE
from infra.local.orphans import processes_of
from infra.local.supervision import Supervisor
from infra.local.webhook_delivery import PATH
from infra.prefect_api import FINAL_STATES, PrefectApi
from infra.settings import load_settings
from infra.store import ObjectStore
from infra.tracking import Tracking
from tests.conftest import RunningStack, free_port, survivors
from tests.faults.lines import Line, new_line

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

NAME = "guarded"
CONFIG = """
line: guarded
source: {format: csv, path: rows.csv, columns: {text: text, label: label}}
registry: {on_outside_move: restore}
"""
# On a machine that does other things beside; alone it takes 6 to 10 seconds.
ANSWERED_WITHIN_S = 180


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A stack whose MLflow tells of aliases that are moved."""
    folder = tmp_path_factory.mktemp("watched")
    ports = ("STORE", "MLFLOW", "PREFECT", "WEBHOOK")
    foreign = ("ASSAYLINE_", "AWS_", "MLFLOW_TRACKING", "PREFECT_")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(foreign)},
        **{f"ASSAYLINE_{part}_PORT": str(free_port()) for part in ports},
        "ASSAYLINE_HOME": str(folder / "home"),
    }
    running = RunningStack(load_settings(folder / "home"), environment, folder)
    try:
        started = running.assayline("up", timeout_s=500)
        assert started.returncode == 0, started.stdout + started.stderr
        assert "MLflow has no webhooks" not in started.stderr
        yield replace(running, settings=load_settings(folder / "home"))
    finally:
        stopped = running.assayline("down")
    assert stopped.returncode == 0, stopped.stderr
    assert survivors(folder / "home") == []


@pytest.fixture(scope="module")
def line(watched: RunningStack) -> Line:
    """A line whose setting restores what is moved, with two promotions and a refused version."""
    config = watched.folder / "guarded.yaml"
    config.write_text(CONFIG)
    (watched.folder / "rows.csv").write_text("text,label\na,b\n")
    ensure_deployments(watched.settings, NAME, config)
    settings = watched.settings
    plan_a_look(watched, "2099-01-01T00:00:00Z")  # which answers nobody before
    made = new_line(NAME, ObjectStore(settings), Tracking(settings), "++-")
    assert until(lambda: states(watched) and set(states(watched)) <= FINAL_STATES)
    return made


def plan_a_look(stack: RunningStack, when: str) -> None:
    """As somebody does in Prefect's UI."""
    deployment = PrefectApi(stack.settings).deployments()[f"watch-registry/{NAME}"]
    state = {"type": "SCHEDULED", "state_details": {"scheduled_time": when}}
    url = f"{stack.settings.prefect_url}/deployments/{deployment.id}/create_flow_run"
    planned = httpx.post(url, json={"state": state}, auth=stack.login)
    assert planned.is_success, planned.text


def until(met: Callable[[], object], seconds: float = ANSWERED_WITHIN_S) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(StackError, TrackingError):  # of servers that are busy
            if met():
                return True
        time.sleep(0.5)
    return False


def states(stack: RunningStack, line: str = NAME) -> list[str]:
    """Of the looks at a line that a schedule did not plan."""
    runs = PrefectApi(stack.settings).flow_runs_tagged("watch-registry", line)
    return [run.state.type for run in runs if not run.auto_scheduled]


def by_client(line: Line, stack: RunningStack, version: int) -> None:
    """With MLflow's own client, as a person's notebook does."""
    line.tracking._client.set_registered_model_alias(NAME, "production", str(version))


def by_rest(line: Line, stack: RunningStack, version: int) -> None:
    """As MLflow's own page does."""
    answer = httpx.post(
        f"{stack.settings.mlflow_url}/api/2.0/mlflow/registered-models/alias",
        json={"name": NAME, "alias": "production", "version": str(version)},
        auth=stack.login,
    )
    assert answer.is_success, answer.text


def deleted_by_rest(line: Line, stack: RunningStack, version: int) -> None:
    answer = httpx.request(
        "DELETE",
        f"{stack.settings.mlflow_url}/api/2.0/mlflow/registered-models/alias",
        json={"name": NAME, "alias": "production"},
        auth=stack.login,
    )
    assert answer.is_success, answer.text


def test_promotions_of_its_own_are_no_moves_by_hand(line: Line) -> None:
    assert line.moves == [("promoted", None, 1), ("promoted", 1, 2), ("refused", 2, 2)]


@pytest.mark.parametrize("move", [by_client, by_rest, deleted_by_rest])
def test_a_hand_is_undone_and_recorded_within_seconds(
    move: Callable[[Line, RunningStack, int], None],
    line: Line,
    watched: RunningStack,
) -> None:
    before = line.moves
    began = time.monotonic()
    move(line, watched, 3)
    assert until(lambda: len(line.moves) == len(before) + 2)
    print(f"{move.__name__}: answered within {time.monotonic() - began:.1f} s")
    seen = None if move is deleted_by_rest else 3
    assert line.moves[len(before) :] == [("moved outside", 2, seen), ("restored", seen, 2)]
    assert line.ledger[-2].by == "unknown"
    assert line.ledger[-1].by == "policy"
    assert until(lambda: line.aliases == {"production": 2, "previous": 1, "staging": 2})
    # What that look set back is told too, and is no move by hand either.
    time.sleep(3)
    assert until(lambda: set(states(watched)) == {"COMPLETED"})
    assert len(line.moves) == len(before) + 2


def test_a_receiver_that_was_away_loses_nothing(line: Line, watched: RunningStack) -> None:
    """It is stopped, so that MLflow's deliveries find nobody; the scheduled look comes later."""
    assert watched.settings.webhook_url
    process = (Supervisor(watched.settings.home).states() or {})["webhook"]
    before, looks = line.moves, len(states(watched))
    os.kill(process.pid, signal.SIGSTOP)
    try:
        by_client(line, watched, 3)
        time.sleep(2)
        assert line.moves == before
        assert len(states(watched)) == looks
        prefect_api = PrefectApi(watched.settings)
        prefect_api.start_run(prefect_api.deployments()[f"watch-registry/{NAME}"])
        assert until(lambda: len(line.moves) == len(before) + 2)
    finally:
        os.kill(process.pid, signal.SIGCONT)
    assert line.moves[-1] == ("restored", 3, 2)
    assert until(lambda: set(states(watched)) <= FINAL_STATES)


def test_a_request_that_mlflow_did_not_sign_starts_nothing(watched: RunningStack) -> None:
    """A look at a line of which nothing else starts one."""
    shipped = "bbc-news"
    assert f"watch-registry/{shipped}" in PrefectApi(watched.settings).deployments()
    body = json.dumps(
        {
            "entity": "model_version_alias",
            "action": "created",
            "data": {"name": shipped, "alias": "production", "version": "3"},
        }
    )
    headers = {
        "x-mlflow-delivery-id": "1",
        "x-mlflow-timestamp": str(int(time.time())),
        "x-mlflow-signature": "v1,AAAA",
    }
    url = f"{watched.settings.webhook_url}{PATH}"
    assert httpx.post(url, content=body, headers=headers).status_code == 401
    assert httpx.post(url, content=body).status_code == 401
    foreign = {**headers, "host": "evil.example"}
    assert httpx.post(url, content=body, headers=foreign).status_code == 403
    assert states(watched, shipped) == []


def test_what_stands_beside_it(watched: RunningStack) -> None:
    """It is a part like others; its secret is its owner's alone, and in no log."""
    home = watched.settings.home
    shown = watched.assayline("status", "--json")
    parts = {part["name"]: part for part in json.loads(shown.stdout)["parts"]}
    assert parts["webhook"]["state"] == "running"
    keys = home / "webhook.json"
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    secrets = json.loads(keys.read_text()).values()
    holding = [
        path
        for path in home.rglob("*")
        if path.is_file() and any(secret.encode() in path.read_bytes() for secret in secrets)
    ]
    assert {path.relative_to(home) for path in holding} == {
        Path("webhook.json"), Path("parts/mlflow.json"),
    }  # fmt: skip
    assert {stat.S_IMODE(path.stat().st_mode) for path in holding} == {0o600}


def failed(stack: RunningStack, run_id: UUID) -> list[dict[str, object]]:
    """The events which tell that a run of the line failed; its monitor may fail meanwhile too."""
    body = {
        "filter": {
            "event": {"name": ["assayline.run.failed"]},
            "resource": {"id": [f"assayline.line.{NAME}"]},
        }
    }
    answer = httpx.post(f"{stack.settings.prefect_url}/events/filter", json=body, auth=stack.login)
    found: list[dict[str, object]] = answer.raise_for_status().json()["events"]
    return [one for one in found if str(run_id) in str(one["related"])]


def test_drift_retrains_the_line_and_a_run_that_fails_is_told(
    line: Line, watched: RunningStack
) -> None:
    """By the automation of prefect.yaml; two rows are too few to train on."""
    drift = {
        "id": str(uuid4()),
        "event": "assayline.drift.detected",
        "occurred": datetime.now(UTC).isoformat(),
        "resource": {"prefect.resource.id": f"assayline.line.{NAME}"},
        "payload": {},
    }
    sent = httpx.post(f"{watched.settings.prefect_url}/events", json=[drift], auth=watched.login)
    assert sent.is_success, sent.text
    prefect_api = PrefectApi(watched.settings)
    assert until(lambda: prefect_api.flow_runs_tagged("retrain", NAME))
    (run,) = prefect_api.flow_runs_tagged("retrain", NAME)
    assert until(lambda: prefect_api.flow_run(run.id).state.type == "FAILED")  # type: ignore[union-attr]
    assert until(lambda: failed(watched, run.id))
    (told,) = failed(watched, run.id)
    assert f"the run retrain {NAME} failed" in str(told["payload"])


@contextmanager
def store_away(stack: RunningStack) -> Iterator[None]:
    """No object store meanwhile, so that a look waits and asks again."""
    supervisor = Supervisor(stack.settings.home)
    with supervisor._rpc() as rpc:
        rpc.stopProcess("store")
    try:
        yield
    finally:
        supervisor.start("store")


def test_a_run_whose_process_is_killed_is_told(line: Line, watched: RunningStack) -> None:
    prefect_api = PrefectApi(watched.settings)
    with store_away(watched):
        run_id = prefect_api.start_run(prefect_api.deployments()[f"watch-registry/{NAME}"])
        # Before it runs its worker knows no flow whose hooks it could call.
        assert until(lambda: "AwaitingRetry" in task_states(watched, run_id))
        for process in processes_of(watched.settings.home):
            if process.environ().get(RUN_VARIABLE) == str(run_id):
                process.kill()
    assert until(lambda: failed(watched, run_id))
    (told,) = failed(watched, run_id)
    assert "crashed" in str(told["payload"])


def test_a_store_that_is_away_for_a_while_fails_no_run(line: Line, watched: RunningStack) -> None:
    """The stage asks again, with longer and longer pauses."""
    prefect_api = PrefectApi(watched.settings)
    with store_away(watched):
        run_id = prefect_api.start_run(prefect_api.deployments()[f"watch-registry/{NAME}"])
        assert until(lambda: "AwaitingRetry" in task_states(watched, run_id))
    assert until(lambda: prefect_api.flow_run(run_id).state.type in FINAL_STATES)  # type: ignore[union-attr]
    ended = prefect_api.flow_run(run_id)
    assert ended
    assert ended.state.type == "COMPLETED", ended.state.message


def task_states(stack: RunningStack, run_id: UUID) -> list[str]:
    body = {"flow_runs": {"id": {"any_": [str(run_id)]}}}
    url = f"{stack.settings.prefect_url}/task_runs/filter"
    return [run["state_name"] for run in httpx.post(url, json=body, auth=stack.login).json()]


def test_without_it_mlflow_calls_nobody(watched: RunningStack) -> None:
    changed = watched.assayline("up", timeout_s=500, ASSAYLINE_WEBHOOK="off")
    assert changed.returncode == 0, changed.stderr
    hooks = httpx.get(
        f"{watched.settings.mlflow_url}/api/2.0/mlflow/webhooks", auth=watched.login
    ).json()
    assert hooks.get("webhooks", []) == []
    assert "webhook" not in (Supervisor(watched.settings.home).states() or {})
    shown = watched.assayline("status", "--json")
    assert shown.returncode == 0
    assert "webhook" not in {part["name"] for part in json.loads(shown.stdout)["parts"]}
