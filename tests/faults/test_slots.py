"""Slots whose holder is gone, runs whose process is gone, and a run that waits for a slot."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import httpx
import pytest
from prefect import flow, task
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from flows.commands.cli import EXIT_CANCELLED
from infra.errors import StackError
from infra.local import abandoned
from infra.local.abandoned import AbandonedWork, free_slots_without_holder
from infra.local.leases import leases
from infra.local.machine_slots import slots_of_this_machine
from infra.local.parts import WORK_POOL, worker_name
from infra.local.prefect_setup import ensure_slots
from infra.prefect_api import AWAITS_SLOT, GPU_LIMIT, PrefectApi
from infra.run_queue import open_runs
from infra.settings import StackSettings
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.stages.slots import GPU_LEASE_S, Wait, gpu_slot, keep_gpu_slot
from tests.conftest import SCRIPTS, RunningStack
from tests.faults.test_killed_flow import PATIENCE_S, flow_processes, wait_for_checkpoint
from tests.faults.test_stack_faults import CLOSED, pid_of
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


def make_run(prefect: httpx.Client, state: str, after: timedelta = timedelta(days=1)) -> str:
    """A run of the line's deployment in some state, which no process belongs to."""
    found = prefect.get("/deployments/name/rollback/bbc-news").json()
    later = {"scheduled_time": (datetime.now(UTC) + after).isoformat()}
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


@pytest.mark.usefixtures("in_stack")
def test_a_stage_that_waits_says_for_whom_and_gives_up(
    prefect: httpx.Client, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    run_id = make_run(prefect, "SCHEDULED")
    name = prefect.get(f"/flow_runs/{run_id}").json()["name"]
    held = lease(prefect, GPU_LIMIT, run_id)
    monkeypatch.setenv("ASSAYLINE_GPU_WAIT_S", "1")
    caplog.set_level("INFO", logger="tasks.stages.slots")
    try:
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
def in_stack(stack: RunningStack, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process as one of the stack's: the servers' addresses, and Prefect's client."""
    PrefectApi(stack.settings).resize_limit(GPU_LIMIT, 1)  # other tests may have changed it
    monkeypatch.chdir(stack.folder)
    monkeypatch.setenv("ASSAYLINE_HOME", str(stack.settings.home))
    changed = {PREFECT_API_URL: stack.settings.prefect_url,
               PREFECT_API_AUTH_STRING: ":".join(stack.login)}  # fmt: skip
    with temporary_settings(changed):
        yield


def waits(client: SyncPrefectClient, stack: RunningStack, run_id: str) -> Wait:
    return Wait(client, stack.settings, UUID(run_id))


def queue_up(wait: Wait) -> None:
    """Have a run look for a slot once, and say that it waits."""
    limit = wait._limit()
    assert limit
    assert not wait._is_my_turn(limit)
    wait._tell_or_give_up(limit)


class Rivals(NamedTuple):
    """Three runs: one holds the slot until it is let go, the others began in this order."""

    holder: str
    first: str
    second: str
    let_go: Callable[[], object]


@pytest.fixture
def rivals(prefect: httpx.Client) -> Iterator[Rivals]:
    runs = [make_run(prefect, "RUNNING") for _ in range(3)]
    held = {"lease_id": lease(prefect, GPU_LIMIT, runs[0])}

    def let_go() -> object:
        return prefect.post("/v2/concurrency_limits/decrement-with-lease", json=held)

    yield Rivals(*runs, let_go)
    let_go()
    for run_id in runs:
        put(prefect, run_id, "CANCELLED")


@pytest.mark.usefixtures("in_stack")
def test_the_run_that_began_first_is_given_the_slot_whoever_asks_first(
    stack: RunningStack, prefect: httpx.Client, rivals: Rivals
) -> None:
    holder, first, second, let_go = rivals
    with get_client(sync_client=True) as client, ExitStack() as stays:
        early, late = waits(client, stack, first), waits(client, stack, second)
        queue_up(late)
        queue_up(early)
        queue_up(late)
        seen = prefect.get(f"/flow_runs/{second}").json()["state"]
        assert (seen["type"], seen["name"]) == ("RUNNING", AWAITS_SLOT)
        assert "place 2 of 2 in the queue" in seen["message"]
        assert f"/runs/flow-run/{holder}) since " in seen["message"]
        let_go()
        limit = late._limit()
        assert limit
        assert not late._is_my_turn(limit)
        early.take(stays)
        assert prefect.get(f"/flow_runs/{first}").json()["state"]["name"] == "Running"
        queue_up(late)
        assert "place 1 of 1" in prefect.get(f"/flow_runs/{second}").json()["state"]["message"]
    assert taken(prefect, GPU_LIMIT) == 0


@pytest.mark.usefixtures("in_stack")
def test_a_run_that_was_killed_while_it_waited_is_in_no_queue(
    stack: RunningStack, prefect: httpx.Client, rivals: Rivals
) -> None:
    with get_client(sync_client=True) as client:
        queue_up(waits(client, stack, rivals.first))
        put(prefect, rivals.first, "CRASHED")
        rivals.let_go()
        with ExitStack() as stays:
            waits(client, stack, rivals.second).take(stays)
            assert taken(prefect, GPU_LIMIT) == 1


@pytest.mark.usefixtures("in_stack")
def test_the_stages_of_a_block_keep_one_slot_between_them(prefect: httpx.Client) -> None:
    with keep_gpu_slot():
        assert taken(prefect, GPU_LIMIT) == 0  # stages that are skipped need none
        for _ in range(2):
            with gpu_slot():
                assert taken(prefect, GPU_LIMIT) == 1
            assert taken(prefect, GPU_LIMIT) == 1
    assert taken(prefect, GPU_LIMIT) == 0


@pytest.mark.usefixtures("in_stack")
def test_a_server_that_is_away_as_a_slot_is_given_back_ends_nothing(
    stack: RunningStack, prefect: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    before = {lease.id for lease in leases(stack.settings.home)}  # of other tests
    with ExitStack() as away, gpu_slot():
        assert taken(prefect, GPU_LIMIT) == 1
        away.enter_context(temporary_settings({PREFECT_API_URL: f"{CLOSED}/api"}))
    assert "it is free again when its lease runs out, within 60 s" in caplog.text
    left = [one for one in leases(stack.settings.home) if one.is_live and one.id not in before]
    for one in left:
        prefect.post("/v2/concurrency_limits/decrement-with-lease", json={"lease_id": str(one.id)})
    assert (len(left), taken(prefect, GPU_LIMIT)) == (1, 0)


@pytest.mark.usefixtures("in_stack")
def test_what_a_stage_fails_by_is_told_also_where_its_slot_cannot_be_given_back(
    stack: RunningStack, prefect: httpx.Client
) -> None:
    def fail() -> None:
        with ExitStack() as away, gpu_slot():
            away.enter_context(temporary_settings({PREFECT_API_URL: f"{CLOSED}/api"}))
            raise ZeroDivisionError

    before = {lease.id for lease in leases(stack.settings.home)}
    with pytest.raises(ZeroDivisionError):
        fail()
    for one in leases(stack.settings.home):
        if one.id in before:
            continue
        prefect.post("/v2/concurrency_limits/decrement-with-lease", json={"lease_id": str(one.id)})
    assert taken(prefect, GPU_LIMIT) == 0


@pytest.mark.usefixtures("in_stack")
def test_a_server_that_goes_away_as_a_slot_is_taken_is_no_refusal(
    stack: RunningStack, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What takes the slot has a client of its own, which was not connected before."""
    monkeypatch.setattr("tasks.stages.slots.GPU_LIMIT", limit)
    away = temporary_settings({PREFECT_API_URL: f"{CLOSED}/api"})
    with get_client(sync_client=True) as client, ExitStack() as held, away:
        wait = Wait(client, stack.settings)
        with pytest.raises(httpx.ConnectError):
            wait._enter_slot(held)  # `take` asks again after that


@pytest.mark.usefixtures("in_stack")
def test_the_end_of_a_task_gives_back_nothing_that_its_block_keeps(prefect: httpx.Client) -> None:
    """Prefect ends the leases that a task took when the task ends."""
    seen = []

    @task
    def stage() -> None:
        with gpu_slot():
            seen.append(taken(prefect, GPU_LIMIT))

    @flow
    def run() -> None:
        with keep_gpu_slot():
            for _ in range(2):
                stage()
                seen.append(taken(prefect, GPU_LIMIT))

    run()
    assert seen == [1, 1, 1, 1]
    assert taken(prefect, GPU_LIMIT) == 0


def test_the_limit_is_measured_once_and_set_where_the_settings_name_its_size(
    stack: RunningStack, prefect: httpx.Client
) -> None:
    api = PrefectApi(stack.settings)

    def size_after(**given: int | None) -> int:
        ensure_slots(api, StackSettings.model_validate(given))
        found = api.limit(GPU_LIMIT)
        assert found
        return found.limit

    try:
        assert size_after(trainings_at_once=3) == 3
        assert size_after() == 3  # also where somebody set it in the UI
        assert prefect.delete(f"/v2/concurrency_limits/{GPU_LIMIT}").is_success
        assert size_after() == slots_of_this_machine()
    finally:
        assert size_after(trainings_at_once=1) == 1


def test_a_run_that_has_not_begun_says_for_whom_and_can_be_cancelled(
    stack: RunningStack, prefect: httpx.Client
) -> None:
    api = PrefectApi(stack.settings)
    running = make_run(prefect, "RUNNING")
    waiting = make_run(prefect, "SCHEDULED", after=timedelta(seconds=90))
    try:
        (seen,) = [run for run in open_runs(api, WORK_POOL) if str(run.id) == waiting]
        assert seen.deployment == "rollback/bbc-news"
        assert seen.waits
        assert f"/runs/flow-run/{running}), of the same deployment" in seen.waits
        cancelled = stack.assayline("cancel", seen.page, "--json")
        assert cancelled.returncode == 0, cancelled.stderr
        assert json.loads(cancelled.stdout)["state"] == "Cancelled"
        again = stack.assayline("cancel", waiting)
        assert again.returncode == 1
        assert "has ended already: Cancelled" in again.stderr
        watched = stack.assayline("watch", waiting)
        assert watched.returncode == EXIT_CANCELLED
        assert watched.stderr.startswith("cancelled: the run ")
    finally:
        put(prefect, running, "CANCELLED")


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
    assert run.returncode in {1, EXIT_CANCELLED}
    assert "Traceback" not in error
    assert Tracking(stack.settings).aliases(line) == {}
    assert stack.assayline("up").returncode == 0
