"""kill -9 as each stage of a run begins: of the run itself, and of each server."""

import os
import signal
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from infra.local.supervision import Supervisor
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.registry.ledger import read_ledger
from tasks.registry.version_tags import WEIGHTS_TAG
from tests.conftest import RunningStack
from tests.faults.outages import wait_until
from tests.faults.test_killed_flow import flow_processes
from tests.faults.test_servers_gone import POLICY, start_run
from tests.integration.test_retrain import write_config, write_reviews

# The first took 10 minutes on two busy cores, the others 2 to 4 each.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

PATIENCE_S = 900
# Shorter than what a stage does before its result is kept.
LOOKS_EVERY_S = 0.003
STAGES = (
    "ingest", "validate", "check_labels", "represent", "measure_drift", "measure_split_shift",
    "count_held_out", "name_held_out", "tokenize", "train", "evaluate", "find_label_errors",
    "assess", "score_counterfactuals", "register", "stage", "write_report",
)  # fmt: skip


class Version(NamedTuple):
    """What became of a line: the actions of its ledger, its aliases, its versions, and weights."""

    actions: tuple[str, ...]
    aliases: dict[str, int]
    versions: list[int]
    weights_sha256: str


def config_of(line: str, folder: Path, tiny_model: Path, rows_per_topic: int) -> Path:
    """Settings of a line; stages of lines with as many rows are skipped in all but the first."""
    write_reviews(folder / "reviews.csv", rows_per_topic)
    return write_config(
        folder, f"{line}.yaml", line=line, base_model={"reference": str(tiny_model)},
        policy=POLICY, training={"epochs": 2, "learning_rate": 1e-3},
    )  # fmt: skip


def begun(line: str, stack: RunningStack) -> list[tuple[str, str]]:
    """When which stages began, in this order; see `tasks.stages.reasons`.

    It reads the folder of the store, and not the store: that is faster, and goes on without it.
    """
    folder = stack.settings.home / "store" / stack.settings.artifacts_bucket / "stage-runs" / line
    return sorted((path.name, path.parent.name) for path in folder.glob("*/*.json"))


def version_of(line: str, stack: RunningStack) -> Version:
    store, tracking = ObjectStore(stack.settings), Tracking(stack.settings)
    actions = tuple(entry.action for entry in read_ledger(store, line, tracking))
    versions = sorted(tracking.versions(line))
    weights = tracking.version_tags(line, versions[-1])[WEIGHTS_TAG]
    return Version(actions, tracking.aliases(line), versions, weights)


def processes_of(stack: RunningStack) -> list[psutil.Process]:
    """The processes of the run that has just been started."""
    found: list[psutil.Process] = []

    def has_begun() -> bool:
        found[:] = flow_processes(stack)
        return bool(found)

    wait_until(has_begun, PATIENCE_S)
    return found


def kill_as_it_begins(
    stage: str, line: str, run: "subprocess.Popen[str]", stack: RunningStack
) -> None:
    before = begun(line, stack)
    processes = processes_of(stack)
    while stage not in {name for _, name in begun(line, stack)[len(before) :]}:
        assert run.poll() is None, run.communicate()
        time.sleep(LOOKS_EVERY_S)
    for process in processes:
        with suppress(psutil.NoSuchProcess):  # it ended with another of them
            process.kill()


def test_a_run_that_is_killed_at_every_stage_comes_to_the_same_version(
    stack: RunningStack, tiny_model: Path, tmp_path: Path
) -> None:
    line = "killed-everywhere"
    config = config_of(line, tmp_path, tiny_model, 41)
    for stage in STAGES:
        began = time.monotonic()
        wait_until(lambda: not flow_processes(stack), PATIENCE_S)
        run = start_run(stack, config)
        kill_as_it_begins(stage, line, run, stack)
        shown, error = run.communicate(timeout=PATIENCE_S)
        assert run.returncode == 1, shown + error
        assert "Traceback" not in error, error
        assert "production" not in Tracking(stack.settings).aliases(line)
        print(f"{stage}: killed and told within {time.monotonic() - began:.0f} s")
    done = stack.assayline("run", str(config), timeout_s=PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr
    for stage in STAGES[:-1]:
        assert f"{stage:<22} unchanged" in done.stdout, f"{stage}: {done.stdout}"
    again = [stage for _, stage in begun(line, stack)]
    assert {stage: again.count(stage) for stage in again} == dict.fromkeys(STAGES, 2), (
        "each was killed before its result was kept, and nothing that was kept was done again"
    )
    killed = version_of(line, stack)
    assert (killed.actions, killed.versions) == (("promoted",), [1])
    whole = config_of("never-killed", tmp_path, tiny_model, 41)
    done = stack.assayline("run", str(whole), "--refresh", timeout_s=PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr
    assert version_of("never-killed", stack) == killed


def running_pid(part: str, stack: RunningStack) -> int | None:
    """None where it is being started: supervisord gives up what ends four times in its start."""
    state = (Supervisor(stack.settings.home).states() or {})[part]
    return state.pid if state.state == "RUNNING" else None


def kill_at_each(
    part: str, line: str, stack: RunningStack, run: "subprocess.Popen[str]"
) -> list[list[str]]:
    """Kill a server as each stage begins, and leave it alone as a stage is tried again.

    Returns:
        For each kill the stages that had begun since the one before; they are several where the
        server was not back yet.

    """
    kills: list[list[str]] = []
    while run.poll() is None:
        seen = {stage for each in kills for stage in each}
        new = [stage for _, stage in begun(line, stack) if stage not in seen]
        if new and (pid := running_pid(part, stack)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                kills.append(new)
        time.sleep(LOOKS_EVERY_S)
    return kills


@pytest.mark.parametrize(("part", "rows"), [("prefect", 42), ("mlflow", 43), ("store", 44)])
def test_a_run_in_which_a_server_is_killed_at_every_stage_ends_right(
    stack: RunningStack, tiny_model: Path, tmp_path: Path, part: str, rows: int
) -> None:
    line = f"killed-{part}"
    run = start_run(stack, config_of(line, tmp_path, tiny_model, rows))
    kills: list[list[str]] = []
    killer = threading.Thread(target=lambda: kills.extend(kill_at_each(part, line, stack, run)))
    killer.start()
    try:
        shown, error = run.communicate(timeout=PATIENCE_S)
    finally:
        run.kill()
        killer.join()
    print(f"{part} was killed as these began: {', '.join('+'.join(each) for each in kills)}")
    assert run.returncode == 0, shown + error
    assert "Traceback" not in error
    wait_until(lambda: running_pid(part, stack), 60)
    version = version_of(line, stack)
    assert (version.actions, version.versions) == (("promoted",), [1])
    assert version.aliases["production"] == 1
    assert {*STAGES} == {stage for each in kills for stage in each}
    assert len(kills) >= len(STAGES) / 3
