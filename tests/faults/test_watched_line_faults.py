"""Scoring and the monitor of a line in production: cancelled, killed, without servers."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psutil
import pytest

from flows.commands.cli import EXIT_CANCELLED
from infra.prefect_api import FINAL_STATES, PrefectApi
from infra.store import ObjectStore
from infra.tracking import Tracking
from tests.conftest import SCRIPTS, RunningStack
from tests.faults.outages import gone, wait_until
from tests.faults.test_cancelled_flow import ask, slots_taken
from tests.faults.test_killed_flow import flow_processes
from tests.faults.test_servers_gone import POLICY
from tests.integration.test_retrain import write_config, write_reviews

# Eight tests, 12 minutes on two busy cores.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

LINE = "watched-and-scored"
PATIENCE_S = 900
ROWS = 4_000
AWAY_S = 20.0


@pytest.fixture(scope="module")
def in_production(
    stack: RunningStack, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Version 1 of a line whose scoring takes some time."""
    folder = tmp_path_factory.mktemp("watched")
    write_reviews(folder / "reviews.csv", rows_per_topic=40)
    config = write_config(
        folder, line=LINE, base_model={"reference": str(tiny_model)}, policy=POLICY,
        training={"epochs": 1},
        scoring={"columns": {"text": "review"}, "rows_at_once": 64, "workers": 2},
    )  # fmt: skip
    done = stack.assayline("run", str(config), timeout_s=PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr
    without_schedules(stack, f"monitor/{LINE}")
    yield LINE
    stack.assayline("forget", LINE)


def without_schedules(stack: RunningStack, deployment: str) -> None:
    """No run of it comes but those that are asked for."""
    with httpx.Client(base_url=str(stack.settings.prefect_url), auth=stack.login) as prefect:
        found = prefect.get(f"/deployments/name/{deployment}").raise_for_status().json()
        for schedule in found["schedules"]:
            url = f"/deployments/{found['id']}/schedules/{schedule['id']}"
            prefect.delete(url).raise_for_status()


def batch(folder: Path, name: str, rows: int = ROWS) -> Path:
    path = folder / f"{name}.jsonl"
    lines = [json.dumps({"review": f"shares fell {name} {row} " + "and so on " * 20})
             for row in range(rows)]  # fmt: skip
    path.write_text("\n".join(lines))
    return path


def start_scoring(stack: RunningStack, path: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [SCRIPTS / "assayline", "score", LINE, str(path), "--json"],
        env=dict(stack.environment), cwd=stack.folder, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def parts(store: ObjectStore) -> set[str]:
    return {uri for uri in store.list(store.uri("predictions", LINE, "")) if "/part-" in uri}


def running_of(stack: RunningStack, flow: str) -> dict[str, Any]:
    body = {"flow_runs": {"state": {"type": {"any_": ["RUNNING"]}}, "tags": {"all_": [flow, LINE]}}}
    found: list[dict[str, Any]] = ask(stack, "flow_runs/filter", body)
    assert len(found) == 1, found
    return found[0]


def cancel(stack: RunningStack, run_id: str) -> None:
    """As the button of the page does."""
    body = {"state": {"type": "CANCELLING", "name": "Cancelling"}, "force": True}
    ask(stack, f"flow_runs/{run_id}/set_state", body)


def workers(stack: RunningStack) -> list[psutil.Process]:
    """The processes that score, of the flow that runs."""
    return [
        child
        for process in flow_processes(stack)
        for child in process.children(recursive=True)
        if "tasks.serving.scoring.worker_process" in child.cmdline()
    ]


def wait_for_scores(stack: RunningStack, run: "subprocess.Popen[str]", more: int = 4) -> set[str]:
    store = ObjectStore(stack.settings)
    before = parts(store)

    def has_scored() -> bool:
        assert run.poll() is None, run.communicate()
        return len(parts(store) - before) >= more

    wait_until(has_scored, PATIENCE_S)
    return parts(store) - before


def scored_on(stack: RunningStack, path: Path, kept: set[str]) -> None:
    """The same command goes on where the run ended, and every row is scored once."""
    store = ObjectStore(stack.settings)
    stamps = {uri: store.fingerprint(uri) for uri in kept}
    done = stack.assayline("score", LINE, str(path), "--json", timeout_s=PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert (told["rows"], told["rows_put_aside"], len(told["objects"])) == (ROWS, 0, 1)
    assert {uri: store.fingerprint(uri) for uri in kept} == stamps


@pytest.mark.usefixtures("in_production")
@pytest.mark.parametrize("how", ["cancelled in the UI", "SIGTERM", "SIGKILL"])
def test_scoring_that_is_ended_leaves_no_process_no_slot_and_what_it_scored(
    stack: RunningStack, tmp_path: Path, how: str
) -> None:
    store = ObjectStore(stack.settings)
    before, index = slots_taken(stack), store.list(store.uri("scored", LINE))
    path = batch(tmp_path, how.replace(" ", "-"))
    run = start_scoring(stack, path)
    kept = wait_for_scores(stack, run)
    scoring = workers(stack)
    assert len(scoring) == 2
    if how == "cancelled in the UI":
        cancel(stack, running_of(stack, "score")["id"])
    else:
        for process in flow_processes(stack):
            process.send_signal(signal.Signals[how])
    shown, error = run.communicate(timeout=PATIENCE_S)
    assert run.returncode in {1, EXIT_CANCELLED}, shown + error
    assert "Traceback" not in error, error
    _, alive = psutil.wait_procs(scoring, timeout=30)
    assert alive == []
    freed_s = wait_until(lambda: slots_taken(stack) == before, 90)
    print(f"{how}: the slot was free {freed_s:.0f} s after the console had ended")
    assert store.list(store.uri("scored", LINE)) == index, "nothing half is visible"
    scored_on(stack, path, kept)


@pytest.mark.usefixtures("in_production")
@pytest.mark.parametrize("part", ["store", "mlflow", "prefect"])
def test_scoring_goes_on_when_a_server_was_gone(
    stack: RunningStack, tmp_path: Path, part: str
) -> None:
    path = batch(tmp_path, f"without-{part}")
    run = start_scoring(stack, path)
    wait_for_scores(stack, run)
    with gone(stack, part):
        time.sleep(AWAY_S)
    shown, error = run.communicate(timeout=PATIENCE_S)
    assert run.returncode == 0, shown + error
    assert "Traceback" not in error, error
    told = json.loads(shown)
    assert (told["rows"], len(told["objects"])) == (ROWS, 1)


def task_states(stack: RunningStack, run_id: UUID) -> list[str]:
    body = {"flow_runs": {"id": {"any_": [str(run_id)]}}}
    url = f"{stack.settings.prefect_url}/task_runs/filter"
    return [run["state_name"] for run in httpx.post(url, json=body, auth=stack.login).json()]


@pytest.mark.usefixtures("in_production")
@pytest.mark.parametrize("then", ["cancelled", "back"])
def test_a_monitor_without_a_store_waits_for_it_and_can_be_cancelled(
    stack: RunningStack, then: str
) -> None:
    prefect_api = PrefectApi(stack.settings)

    def has_ended() -> bool:
        found = prefect_api.flow_run(run_id)
        assert found
        return found.state.type in FINAL_STATES

    with gone(stack, "store"):
        run_id = prefect_api.start_run(prefect_api.deployments()[f"monitor/{LINE}"])
        wait_until(lambda: "AwaitingRetry" in task_states(stack, run_id), PATIENCE_S)
        if then == "cancelled":
            cancel(stack, str(run_id))
            print(f"cancelled within {wait_until(has_ended, PATIENCE_S):.0f} s")
    wait_until(has_ended, PATIENCE_S)
    ended = prefect_api.flow_run(run_id)
    assert ended
    assert ended.state.type == ("CANCELLED" if then == "cancelled" else "COMPLETED")
    assert Tracking(stack.settings).aliases(LINE)["production"] == 1
