"""Slots whose holder is gone, runs whose process is gone, and a run that waits for a slot."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from infra.errors import StackError
from infra.local import abandoned
from infra.local.abandoned import AbandonedWork, free_slots_without_holder
from infra.local.parts import WORK_POOL, worker_name
from infra.prefect_api import GPU_LIMIT, PrefectApi
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.stages.slots import GPU_LEASE_S, gpu_slot
from tests.conftest import SCRIPTS, RunningStack
from tests.faults.test_killed_flow import PATIENCE_S, flow_processes, wait_for_checkpoint
from tests.faults.test_stack_faults import pid_of
from tests.integration.test_retrain import write_config, write_reviews

StartTraining = Callable[[str], "subprocess.Popen[str]"]
WITHIN_S = 60.0  # a run without a process is ended, and its slot free


class PatientTransport(httpx.HTTPTransport):
    """Asks again while the server is busy: on SQLite it answers 503 when two writers meet."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        for _ in range(10):
            answer = super().handle_request(request)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                break
            time.sleep(0.2)
        return answer


@pytest.fixture
def prefect(stack: RunningStack) -> Iterator[httpx.Client]:
    """The API of the stack's Prefect server."""
    with httpx.Client(
        base_url=str(stack.settings.prefect_url), auth=stack.login, transport=PatientTransport()
    ) as client:
        yield client


@pytest.fixture
def limit(prefect: httpx.Client) -> Iterator[str]:
    """A concurrency limit of three slots, for this test alone."""
    name = f"limit-{uuid4().hex[:8]}"
    made = prefect.post("/v2/concurrency_limits/", json={"name": name, "limit": 3})
    assert made.is_success, made.text
    yield name
    prefect.delete(f"/v2/concurrency_limits/{name}")


def taken(prefect: httpx.Client, limit: str) -> int:
    return int(prefect.get(f"/v2/concurrency_limits/{limit}").json()["active_slots"])


def lease(prefect: httpx.Client, limit: str, run_id: str) -> str:
    """Take a slot for a flow run, as Prefect's client does."""
    body = {
        "names": [limit], "slots": 1, "mode": "concurrency", "lease_duration": 3600,
        "holder": {"type": "flow_run", "id": run_id},
    }  # fmt: skip
    answer = prefect.post("/v2/concurrency_limits/increment-with-lease", json=body)
    assert answer.is_success, answer.text
    return str(answer.json()["lease_id"])


def make_run(prefect: httpx.Client, state: str) -> str:
    """A run of the line's deployment in some state, which no process belongs to."""
    found = prefect.get("/deployments/name/rollback/bbc-news").json()
    later = {"scheduled_time": (datetime.now(UTC) + timedelta(days=1)).isoformat()}
    body = {"state": {"type": "SCHEDULED", "state_details": later}}
    run = prefect.post(f"/deployments/{found['id']}/create_flow_run", json=body).json()
    if state == "CANCELLING":
        put(prefect, run["id"], "RUNNING")
    if state != "SCHEDULED":
        put(prefect, run["id"], state)
    return str(run["id"])


def put(prefect: httpx.Client, run_id: str, state: str) -> None:
    body = {"state": {"type": state, "name": state.capitalize()}, "force": True}
    answer = prefect.post(f"/flow_runs/{run_id}/set_state", json=body)
    assert answer.json()["status"] == "ACCEPT", answer.text


def state_of(prefect: httpx.Client, run_id: str) -> str:
    return str(prefect.get(f"/flow_runs/{run_id}").json()["state"]["type"])


@pytest.mark.parametrize(
    ("before", "after"),
    [("RUNNING", "CRASHED"), ("PENDING", "CRASHED"), ("CANCELLING", "CANCELLED")],
)
def test_a_run_whose_process_is_gone_is_ended_with_what_it_held(
    stack: RunningStack, prefect: httpx.Client, limit: str, monkeypatch: pytest.MonkeyPatch,
    before: str, after: str,
) -> None:  # fmt: skip
    run_id = make_run(prefect, before)
    lease(prefect, limit, run_id)
    work = AbandonedWork(PrefectApi(stack.settings), WORK_POOL, worker_name(), stack.settings.home)
    assert work.look().runs == ()  # the worker may have just started its process
    monkeypatch.setattr(abandoned, "PATIENCE_S", 0.0)
    monkeypatch.setattr(abandoned, "PENDING_PATIENCE_S", 0.0)
    assert [str(run.id) for run in work.look().runs] == [run_id]
    assert state_of(prefect, run_id) == after
    assert taken(prefect, limit) == 0


def test_a_run_with_a_process_is_left_alone(
    stack: RunningStack, prefect: httpx.Client, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(abandoned, "PATIENCE_S", 0.0)
    run_id = make_run(prefect, "RUNNING")
    lease(prefect, limit, run_id)
    work = AbandonedWork(PrefectApi(stack.settings), WORK_POOL, worker_name(), stack.settings.home)
    command = ["sleep", "60"]
    with subprocess.Popen(command, env={**os.environ, abandoned.RUN_VARIABLE: run_id}) as process:
        try:
            assert [work.look().runs, work.look().runs] == [(), ()]
            assert (state_of(prefect, run_id), taken(prefect, limit)) == ("RUNNING", 1)
        finally:
            process.kill()
    put(prefect, run_id, "COMPLETED")
    work.look()
    assert taken(prefect, limit) == 0


def test_slots_without_a_lease_are_freed_and_leased_ones_are_kept(
    stack: RunningStack, prefect: httpx.Client, limit: str
) -> None:
    """A server that kept its leases in memory, or died before it wrote one, leaves such slots."""
    run_id = make_run(prefect, "SCHEDULED")
    held = lease(prefect, limit, run_id)
    body = {"names": [limit], "slots": 2, "mode": "concurrency"}
    assert prefect.post("/v2/concurrency_limits/increment", json=body).is_success
    assert taken(prefect, limit) == 3
    free_slots_without_holder(PrefectApi(stack.settings), stack.settings.home)
    assert taken(prefect, limit) == 1
    prefect.post("/v2/concurrency_limits/decrement-with-lease", json={"lease_id": held})
    put(prefect, run_id, "CANCELLED")


def test_a_stage_that_waits_says_for_whom_and_gives_up(
    stack: RunningStack, prefect: httpx.Client, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    run_id = make_run(prefect, "SCHEDULED")
    name = prefect.get(f"/flow_runs/{run_id}").json()["name"]
    held = lease(prefect, GPU_LIMIT, run_id)
    monkeypatch.chdir(stack.folder)
    monkeypatch.setenv("ASSAYLINE_HOME", str(stack.settings.home))
    monkeypatch.setenv("ASSAYLINE_GPU_WAIT_S", "1")
    changed = {PREFECT_API_URL: stack.settings.prefect_url,
               PREFECT_API_AUTH_STRING: ":".join(stack.login)}  # fmt: skip
    caplog.set_level("INFO", logger="tasks.stages.slots")
    try:
        with temporary_settings(changed):
            with pytest.raises(StackError) as refused, gpu_slot():
                pytest.fail("there is no slot")
            prefect.post("/v2/concurrency_limits/decrement-with-lease", json={"lease_id": held})
            with gpu_slot():
                assert taken(prefect, GPU_LIMIT) == 1
            assert taken(prefect, GPU_LIMIT) == 0
    finally:
        prefect.post("/v2/concurrency_limits/decrement-with-lease", json={"lease_id": held})
        put(prefect, run_id, "CANCELLED")
    assert "within 1 s (ASSAYLINE_GPU_WAIT_S)" in str(refused.value)
    for said in (str(refused.value), caplog.text):
        assert f"held by the run {name} (assayline, bbc-news, rollback; scheduled; " in said
        assert f"/runs/flow-run/{run_id}" in said


@pytest.fixture
def start_training(
    stack: RunningStack, tiny_model: Path, tmp_path: Path
) -> Iterator[StartTraining]:
    """Starts a run of a line that trains for a long time, and waits for its checkpoint."""
    store = ObjectStore(stack.settings)
    started = []

    def start(line: str) -> "subprocess.Popen[str]":
        store.delete(store.uri("checkpoints") + "/")  # those of other tests
        write_reviews(tmp_path / "reviews.csv", rows_per_topic=60)
        config = write_config(
            tmp_path,
            line=line,
            base_model={"reference": str(tiny_model)},
            training={"epochs": 900, "learning_rate": 1e-3},
        )
        run = subprocess.Popen(
            [SCRIPTS / "assayline", "run", str(config)],
            env=dict(stack.environment), cwd=stack.folder, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        started.append(run)
        wait_for_checkpoint(store, run)
        return run

    yield start
    for run in started:
        run.kill()
        run.communicate()
    store.delete(store.uri("checkpoints") + "/")


def running_of(prefect: httpx.Client, line: str) -> str:
    """The id of the line's run."""
    body = {
        "flow_runs": {"state": {"type": {"any_": ["RUNNING"]}}},
        "deployments": {"name": {"any_": [line]}},
    }
    (found,) = prefect.post("/flow_runs/filter", json=body).json()
    return str(found["id"])


def wait_until(what: Any, within_s: float) -> float:
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < within_s
        time.sleep(0.5)
    return time.monotonic() - began


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_server_and_worker_killed_in_training_lose_no_slot(
    stack: RunningStack, prefect: httpx.Client, start_training: StartTraining
) -> None:
    run = start_training("slot-kept")
    run_id = running_of(prefect, "slot-kept")
    assert taken(prefect, GPU_LIMIT) == 1
    os.kill(pid_of(stack, "prefect"), signal.SIGKILL)
    for process in flow_processes(stack):
        process.send_signal(signal.SIGKILL)
    os.kill(pid_of(stack, "worker"), signal.SIGKILL)
    killed = time.monotonic()
    again = stack.assayline("up")
    assert again.returncode == 0, again.stderr
    up_s = time.monotonic() - killed
    wait_until(lambda: state_of(prefect, run_id) == "CRASHED", WITHIN_S)
    crashed_s = time.monotonic() - killed
    wait_until(lambda: taken(prefect, GPU_LIMIT) == 0, WITHIN_S)
    freed_s = time.monotonic() - killed
    print(f"up after {up_s:.0f} s, CRASHED after {crashed_s:.0f} s, free after {freed_s:.0f} s")
    assert freed_s < WITHIN_S
    _, error = run.communicate(timeout=PATIENCE_S)
    assert run.returncode == 1
    assert "Traceback" not in error
    assert Tracking(stack.settings).aliases("slot-kept") == {}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_that_lost_its_worker_ends_as_such_whenever_it_dies(
    stack: RunningStack, prefect: httpx.Client, start_training: StartTraining
) -> None:
    """Its process goes on without a worker, until it writes to the pipe that the worker read."""
    run = start_training("orphaned")
    run_id = running_of(prefect, "orphaned")
    os.kill(pid_of(stack, "worker"), signal.SIGKILL)
    assert stack.assayline("up").returncode == 0
    for process in flow_processes(stack):
        process.send_signal(signal.SIGKILL)
    wait_until(lambda: state_of(prefect, run_id) in {"CRASHED", "FAILED"}, WITHIN_S)
    wait_until(lambda: taken(prefect, GPU_LIMIT) == 0, WITHIN_S)
    _, error = run.communicate(timeout=PATIENCE_S)
    assert run.returncode == 1
    assert "Traceback" not in error
    assert Tracking(stack.settings).aliases("orphaned") == {}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", ["flow", "worker"])
def test_sigterm_ends_a_run_as_such_and_frees_its_slot(
    stack: RunningStack, prefect: httpx.Client, start_training: StartTraining, part: str
) -> None:
    line = f"ended-{part}"
    run = start_training(line)
    run_id = running_of(prefect, line)
    if part == "flow":
        for process in flow_processes(stack):
            process.send_signal(signal.SIGTERM)
    else:
        os.kill(pid_of(stack, "worker"), signal.SIGTERM)
    ended = {"CRASHED", "FAILED", "CANCELLED"}
    wait_until(lambda: state_of(prefect, run_id) in ended, WITHIN_S + GPU_LEASE_S)
    wait_until(lambda: taken(prefect, GPU_LIMIT) == 0, GPU_LEASE_S)
    _, error = run.communicate(timeout=PATIENCE_S)
    assert run.returncode == 1
    assert "Traceback" not in error
    assert Tracking(stack.settings).aliases(line) == {}
    assert stack.assayline("up").returncode == 0
