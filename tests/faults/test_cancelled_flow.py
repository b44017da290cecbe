"""A run that is cancelled in Prefect while it trains: a checkpoint first, and the slot is free."""

import subprocess
import time
from typing import Any

import httpx
import pytest

from flows.commands.cli import EXIT_CANCELLED
from infra.prefect_api import GPU_LIMIT
from infra.store import MANIFEST, ObjectStore
from tasks.stages.slots import GPU_LEASE_S
from tests.conftest import SCRIPTS, RunningStack
from tests.faults.test_killed_flow import PATIENCE_S, wait_for_checkpoint
from tests.integration.test_retrain import write_config, write_reviews

# Prefect's runner looks for cancelled runs every few seconds, and a step ends before it heeds it.
FREE_WITHIN_S = GPU_LEASE_S / 2


def ask(stack: RunningStack, path: str, body: dict[str, Any]) -> Any:
    url = f"{stack.settings.prefect_url}/{path}"
    answer = httpx.post(url, json=body, auth=stack.login, timeout=30)
    assert answer.is_success, answer.text
    return answer.json()


def slots_taken(stack: RunningStack) -> int:
    url = f"{stack.settings.prefect_url}/v2/concurrency_limits/{GPU_LIMIT}"
    return int(httpx.get(url, auth=stack.login, timeout=30).json()["active_slots"])


def state_of(stack: RunningStack, run_id: str) -> str:
    url = f"{stack.settings.prefect_url}/flow_runs/{run_id}"
    return str(httpx.get(url, auth=stack.login, timeout=30).json()["state"]["type"])


def steps_in(store: ObjectStore) -> list[int]:
    ends = [uri for uri in store.list(store.uri("checkpoints") + "/") if uri.endswith(MANIFEST)]
    return sorted(int(uri.split("/step-")[1].split("/")[0]) for uri in ends)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_cancelled_run_keeps_its_steps_and_frees_its_slot(
    stack: RunningStack, tiny_model: Any, tmp_path: Any
) -> None:
    write_reviews(tmp_path / "reviews.csv", rows_per_topic=60)
    config = write_config(
        tmp_path,
        line="cancelled",
        base_model={"reference": str(tiny_model)},
        training={"epochs": 900, "learning_rate": 1e-3, "checkpoint_every_s": 3600},
    )
    store = ObjectStore(stack.settings)
    store.delete(store.uri("checkpoints") + "/")  # those of other tests
    before = slots_taken(stack)
    run = subprocess.Popen(
        [SCRIPTS / "assayline", "run", str(config)],
        env=dict(stack.environment), cwd=stack.folder, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    wait_for_checkpoint(store, run)  # of the end of the first epoch
    assert slots_taken(stack) == before + 1
    running = {"flow_runs": {"state": {"type": {"any_": ["RUNNING"]}}}}
    (found,) = ask(stack, "flow_runs/filter", running)
    told_s = time.monotonic()
    cancelling = {"state": {"type": "CANCELLING", "name": "Cancelling"}, "force": True}
    ask(stack, f"flow_runs/{found['id']}/set_state", cancelling)
    while slots_taken(stack) > before:
        assert time.monotonic() - told_s < FREE_WITHIN_S, "the slot is still taken"
        time.sleep(0.2)
    freed_s = time.monotonic() - told_s
    while state_of(stack, found["id"]) != "CANCELLED":
        assert time.monotonic() - told_s < PATIENCE_S, state_of(stack, found["id"])
        time.sleep(0.5)
    cancelled_s = time.monotonic() - told_s
    shown, error = run.communicate(timeout=PATIENCE_S)
    assert run.returncode == EXIT_CANCELLED
    assert error.startswith("cancelled: the run retrain cancelled was cancelled")
    assert "Traceback" not in shown + error
    steps = steps_in(store)
    print(f"slot free after {freed_s:.1f} s, cancelled after {cancelled_s:.1f} s; steps {steps}")
    assert steps
