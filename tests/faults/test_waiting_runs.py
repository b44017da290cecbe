"""Two runs that want one slot, Ctrl-C, and servers that go away while a run is followed."""

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from flows.commands.cli import EXIT_CANCELLED, EXIT_INTERRUPTED
from infra.prefect_api import AWAITS_SLOT, GPU_LIMIT, PrefectApi
from infra.store import ObjectStore
from tests.conftest import SCRIPTS, RunningStack
from tests.faults.test_cancelled_flow import ask, slots_taken, state_of, steps_in
from tests.faults.test_killed_flow import flow_processes, wait_for_checkpoint
from tests.faults.test_slots import wait_until
from tests.faults.test_stack_faults import pid_of
from tests.integration.test_retrain import write_config, write_reviews

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

PATIENCE_S = 400.0


class Console:
    """`assayline` as a process, with what it has printed so far."""

    def __init__(self, stack: RunningStack, *words: str) -> None:
        self.process = subprocess.Popen(
            [SCRIPTS / "assayline", *words],
            env=dict(stack.environment), cwd=stack.folder, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.shown: list[str] = []
        self.errors: list[str] = []
        for stream, kept in (
            (self.process.stdout, self.shown),
            (self.process.stderr, self.errors),
        ):
            threading.Thread(target=_keep, args=(stream, kept), daemon=True).start()

    @property
    def text(self) -> str:
        return "".join(self.shown)

    @property
    def error(self) -> str:
        return "".join(self.errors)

    def wait_for_text(self, words: str, within_s: float = PATIENCE_S) -> str:
        """Wait until a line holds these words, and return it."""
        deadline = time.monotonic() + within_s
        while True:
            for line in list(self.shown):
                if words in line:
                    return line
            assert time.monotonic() < deadline, (words, self.text, self.error)
            assert self.process.poll() is None, (words, self.text, self.error)
            time.sleep(0.2)

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def ends_with(self, code: int, within_s: float = PATIENCE_S) -> None:
        """Wait for the end."""
        self.process.wait(timeout=within_s)
        time.sleep(0.5)
        assert self.process.returncode == code, self.text + self.error
        assert "Traceback" not in self.text + self.error


def _keep(stream: Any, kept: list[str]) -> None:
    kept.extend(iter(stream.readline, ""))


Start = Callable[..., Console]


@pytest.fixture
def console(stack: RunningStack) -> Iterator[Start]:
    """Starts `assayline` processes, which do not outlive the test; the limit has one slot.

    No checkpoint is there at first.
    """
    PrefectApi(stack.settings).resize_limit(GPU_LIMIT, 1)  # other tests may have changed it
    store = ObjectStore(stack.settings)
    store.delete(store.uri("checkpoints") + "/")  # those of other tests
    # Where a shell started the tests in the background, they and what they start ignore Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    started: list[Console] = []

    def start(*words: str) -> Console:
        started.append(Console(stack, *words))
        return started[-1]

    yield start
    signal.signal(signal.SIGINT, before)
    for one in started:
        one.process.kill()
    store.delete(store.uri("checkpoints") + "/")


def settings_of(
    folder: Path, tiny_model: Path, line: str, epochs: int, rows_per_topic: int = 60
) -> str:
    write_reviews(folder / "reviews.csv", rows_per_topic)
    return str(
        write_config(
            folder,
            f"{line}.yaml",
            line=line,
            base_model={"reference": str(tiny_model)},
            training={"epochs": epochs, "learning_rate": 1e-3},
        )
    )


def in_training(stack: RunningStack, console: Start, config: str) -> Console:
    """A run of a line, up to its first checkpoint."""
    run = console("run", config)
    wait_for_checkpoint(ObjectStore(stack.settings), run.process)
    return run


def runs_now(stack: RunningStack) -> dict[str, dict[str, Any]]:
    """The runs of `assayline status --json`, by deployment."""
    shown = stack.assayline("status", "--json")
    assert shown.returncode in {0, 3}, shown.stdout + shown.stderr
    return {run["deployment"]: run for run in json.loads(shown.stdout)["runs"] or ()}


def id_in(text: str) -> str:
    found = re.search(r"/runs/flow-run/([0-9a-f-]{36})", text)
    assert found, text
    return found[1]


def ends_of_stages(stack: RunningStack, run_id: str, *stages: str) -> list[datetime]:
    """When these stages of a run ended."""
    body = {"flow_runs": {"id": {"any_": [run_id]}}}
    ends = {
        task["name"].rpartition("-")[0]: datetime.fromisoformat(task["end_time"])
        for task in ask(stack, "task_runs/filter", body)
    }
    return [ends[stage] for stage in stages]


def test_a_killed_run_gives_its_slot_to_the_one_that_waits_and_says_so(
    stack: RunningStack, tiny_model: Path, tmp_path: Path, console: Start
) -> None:
    first = in_training(stack, console, settings_of(tmp_path, tiny_model, "slot-first", 900))
    killed = flow_processes(stack)
    second = console("run", settings_of(tmp_path, tiny_model, "slot-second", 2))
    said = second.wait_for_text("waits for the slot of the limit gpu since ")
    assert "place 1 of 1 in the queue, held by the run retrain slot-first (" in said
    assert id_in(said) == id_in(first.text)

    runs = runs_now(stack)
    holds, waits = runs["retrain/slot-first"], runs["retrain/slot-second"]
    assert (holds["stage"], holds["waits"], holds["state"]) == ("train", None, "Running")
    assert 0 < holds["share_done"] < 1
    assert (waits["stage"], waits["state"]) == ("train", AWAITS_SLOT)
    assert waits["waits"] in said
    assert waits["page"].endswith(id_in(second.text))
    shown = stack.assayline("status").stdout
    assert f"retrain slot-second: {waits['waits']}" in shown

    for process in killed:
        process.send_signal(signal.SIGKILL)
    second.wait_for_text("has a slot of the limit gpu")
    first.ends_with(1)
    assert "error: the run retrain slot-first crashed: " in first.error
    assert "The same command begins again" in first.error
    second.process.wait(timeout=PATIENCE_S)
    assert second.process.returncode in {0, 4}, second.text + second.error
    assert slots_taken(stack) == 0


def test_a_run_keeps_its_slot_up_to_its_evaluation_while_another_waits(
    stack: RunningStack, tiny_model: Path, tmp_path: Path, console: Start
) -> None:
    first = in_training(stack, console, settings_of(tmp_path, tiny_model, "kept-first", 400))
    second = console("run", settings_of(tmp_path, tiny_model, "kept-second", 2))
    second.wait_for_text("held by the run retrain kept-first (")
    for one in (first, second):
        one.process.wait(timeout=PATIENCE_S)
        assert one.process.returncode in {0, 4}, one.text + one.error
    trained, evaluated = ends_of_stages(stack, id_in(first.text), "train", "evaluate")
    (trained_then,) = ends_of_stages(stack, id_in(second.text), "train")
    assert trained < evaluated < trained_then
    assert "waits for the slot" not in first.text
    assert slots_taken(stack) == 0


@contextmanager
def prefect_killed_and_away(stack: RunningStack) -> Iterator[None]:
    """kill -9 of Prefect's server, which comes back only when the block ends.

    supervisord starts another within a second; that one is stopped before it listens.
    """
    killed = pid_of(stack, "prefect")
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: pid_of(stack, "prefect") not in {0, killed}, PATIENCE_S)
    restarted = pid_of(stack, "prefect")
    os.kill(restarted, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(restarted, signal.SIGCONT)


def test_ctrl_c_leaves_the_run_and_a_second_one_cancels_it(
    stack: RunningStack, tiny_model: Path, tmp_path: Path, console: Start
) -> None:
    config = settings_of(tmp_path, tiny_model, "interrupted", 1000, rows_per_topic=240)
    run = in_training(stack, console, config)
    run_id = id_in(run.text)
    run.interrupt()
    run.ends_with(EXIT_INTERRUPTED, 60)
    assert "the run goes on with its worker" in run.text
    assert f"assayline watch {run_id}" in run.text
    assert f"assayline cancel {run_id}" in run.text
    assert state_of(stack, run_id) == "RUNNING"

    watch = console("watch", "--line", "interrupted")
    watch.wait_for_text(f"retrain/interrupted  {stack.settings.prefect_url}"[:-4])
    assert id_in(watch.text) == run_id
    watch.wait_for_text("epoch ")
    with prefect_killed_and_away(stack):
        watch.wait_for_text("Prefect's server does not answer; the run goes on")
    watch.wait_for_text("Prefect's server answers again")
    watch.interrupt()
    watch.wait_for_text("press Ctrl-C again")
    watch.interrupt()
    watch.wait_for_text("Prefect is asked to cancel the run")
    watch.ends_with(EXIT_CANCELLED)
    assert watch.error.startswith("cancelled: the run retrain interrupted was cancelled")
    wait_until(lambda: state_of(stack, run_id) == "CANCELLED", PATIENCE_S)
    wait_until(lambda: slots_taken(stack) == 0, PATIENCE_S)
    assert steps_in(ObjectStore(stack.settings))

    again = console("run", config)
    again.wait_for_text("training goes on from the checkpoint of step")
    cancelled = stack.assayline("cancel", "--line", "interrupted")
    assert cancelled.returncode == 0, cancelled.stderr
    again.ends_with(EXIT_CANCELLED)


def test_a_worker_that_is_down_is_said_and_the_run_begins_when_it_is_back(
    stack: RunningStack, tiny_model: Path, tmp_path: Path, console: Start
) -> None:
    config = settings_of(tmp_path, tiny_model, "without-worker", 1)
    worker = pid_of(stack, "worker")
    os.kill(worker, signal.SIGSTOP)
    try:
        checked = console("check-data", config)
        said = checked.wait_for_text("no worker of the work pool assayline is up")
        assert "the run has not begun for " in said
        assert "no worker" in runs_now(stack)["check-data/without-worker"]["waits"]
    finally:
        os.kill(worker, signal.SIGCONT)
    checked.ends_with(0)
