"""A whole sweep on real servers: killed twice and resumed, judged once, and the same as another."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from flows.config import load_config
from infra.local.parts import prefect_environment
from infra.module_source import ROOT
from infra.prefect_api import GPU_LIMIT
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.sweep import Trial
from tasks.registry.looks import read_looks
from tasks.sweep.study import newest_study
from tests.conftest import SCRIPTS, RunningStack
from tests.faults.test_killed_flow import flow_processes
from tests.integration.test_distilled_line import policy, write_config, write_topics

# Two dozen trials on a machine that does something else meanwhile.
RUN_S = 1_500
pytestmark = [pytest.mark.slow, pytest.mark.timeout(2 * RUN_S)]

LINE = "topics-swept"
TRIALS = 12
KILLED_AFTER = (3, 8)
SWEEP = {
    "space": {
        "training.learning_rate": {"low": 5e-4, "high": 2e-2, "log": True},
        "training.batch_size": [4, 8, 16],
        "training.epochs": {"low": 1, "high": 3},
    },
    "trials": TRIALS, "startup_trials": 5, "cheapest_within": 0.02, "machine_hour_cost": 3.0,
}  # fmt: skip
HERE = """
import dataclasses, json, sys
from pathlib import Path
from flows.config import load_config
from flows.sweep import sweep
outcome = sweep(config=load_config(Path(sys.argv[1])))
Path(sys.argv[2]).write_text(json.dumps(dataclasses.asdict(outcome.result)))
"""


def trials_of(stack: RunningStack) -> tuple[Trial, ...]:
    found = newest_study(stack.settings.sweeps_database, LINE)
    return found.trials if found else ()


def give_slots(stack: RunningStack, slots: int) -> None:
    """A killed run holds its slot until the lease runs out; another lets the next one in."""
    changed = httpx.patch(
        f"{stack.settings.prefect_url}/v2/concurrency_limits/{GPU_LIMIT}",
        json={"limit": slots},
        auth=stack.login,
    )
    assert changed.is_success, changed.text


def kill_after(stack: RunningStack, config: Path, finished: int) -> None:
    """Begin or resume the sweep, and kill its process once so many trials are finished."""
    run = subprocess.Popen(
        [SCRIPTS / "assayline", "sweep", str(config)], env=dict(stack.environment),
        cwd=stack.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    deadline = time.monotonic() + RUN_S
    while len(trials_of(stack)) < finished:
        assert run.poll() is None, run.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(1.5)  # somewhere in the next trial
    killed = flow_processes(stack)
    assert killed
    for process in killed:
        process.send_signal(signal.SIGKILL)
    shown, _ = run.communicate(timeout=RUN_S)
    assert run.returncode == 1, shown


def task_runs(stack: RunningStack, name: str) -> list[str]:
    """The last states of the tasks of a name in all trials of the line, of finished ones."""
    asked = {
        "task_runs": {"name": {"like_": f"{name}-"}},
        "flow_runs": {"tags": {"all_": [f"line:{LINE}"]}},
        "flows": {"name": {"any_": ["sweep-trial"]}},
        "limit": 200,
    }
    found = httpx.post(
        f"{stack.settings.prefect_url}/task_runs/filter", json=asked, auth=stack.login
    )
    assert found.is_success, found.text
    return [str(row["state_name"]) for row in found.json()]


def trial_runs(stack: RunningStack) -> list[dict[str, Any]]:
    asked = {
        "flow_runs": {"tags": {"all_": [f"line:{LINE}"]}},
        "flows": {"name": {"any_": ["sweep-trial"]}},
    }
    found = httpx.post(
        f"{stack.settings.prefect_url}/flow_runs/filter", json=asked, auth=stack.login
    )
    return list(found.json())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    made = tmp_path_factory.mktemp("swept")
    write_topics(made / "topics.csv")
    write_config(
        made, "line.yaml", tiny_model, line=LINE, policy=policy(), sweep=SWEEP,
        splits={"train": 0.4, "validation": 0.3, "test": 0.3},
    )  # fmt: skip
    return made


@pytest.fixture(scope="module")
def shown(stack: RunningStack, folder: Path) -> str:
    """What `assayline sweep` printed at its end, after it was killed twice."""
    config = folder / "line.yaml"
    for number, finished in enumerate(KILLED_AFTER):
        give_slots(stack, 2 + number)
        kill_after(stack, config, finished)
    give_slots(stack, 4)
    done = stack.assayline(
        "sweep", str(config), "--write", str(folder / "taken.yaml"), timeout_s=RUN_S
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_killed_sweep_goes_on_and_makes_no_finished_trial_again(
    stack: RunningStack, shown: str
) -> None:
    assert "goes on after" in shown
    assert f"{TRIALS} of {TRIALS} trials were made" in shown
    assert [one.number for one in trials_of(stack)] == list(range(1, TRIALS + 1))
    runs = trial_runs(stack)
    numbers = [run["parameters"]["number"] for run in runs if run["state_type"] == "COMPLETED"]
    assert sorted(numbers) == list(range(1, TRIALS + 1))
    crashed = [run["name"] for run in runs if run["state_type"] != "COMPLETED"]
    assert len(crashed) <= len(KILLED_AFTER)
    assert {run["state_type"] for run in runs} <= {"COMPLETED", "CRASHED"}
    settings = {str(one.settings) for one in trials_of(stack)}
    assert task_runs(stack, "train").count("Completed") <= len(settings) + len(KILLED_AFTER)


def test_no_look_at_test_rows_was_made(stack: RunningStack, shown: str) -> None:
    assert "no test row was read" in shown
    looks = read_looks(LINE, store=ObjectStore(stack.settings), tracking=Tracking(stack.settings))
    assert looks == ()
    assert LINE not in Tracking(stack.settings).lines()


def test_another_sweep_that_is_left_alone_comes_to_the_same(
    stack: RunningStack, folder: Path, shown: str
) -> None:
    """With a database of its own, so that it begins anew; each trial is found in the cache."""
    del shown
    before = task_runs(stack, "train").count("Completed")
    out = folder / "undisturbed.json"
    done = subprocess.run(
        [sys.executable, "-c", HERE, str(folder / "line.yaml"), str(out)],
        env={
            **stack.environment,
            **prefect_environment(stack.settings.home, ROOT, stack.settings),
            "ASSAYLINE_SWEEPS_DATABASE_URL": f"sqlite:///{folder / 'another.db'}",
        },
        cwd=ROOT, capture_output=True, text=True, timeout=RUN_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(out.read_text())
    mine = trials_of(stack)
    assert [one["settings"] for one in found["trials"]] == [one.settings for one in mine]
    assert [one["quality"]["value"] for one in found["trials"]] == [
        one.quality.value for one in mine if one.quality
    ]
    taken = load_config(folder / "taken.yaml").training
    winner = found["trials"][found["taken"] - 1]["settings"]
    assert taken.learning_rate == winner["training.learning_rate"]
    assert taken.batch_size == winner["training.batch_size"]
    assert task_runs(stack, "train").count("Completed") == before, "a trial like one before is free"


def test_the_same_command_again_makes_nothing(
    stack: RunningStack, folder: Path, shown: str
) -> None:
    del shown
    before = len(trial_runs(stack))
    done = stack.assayline("sweep", str(folder / "line.yaml"), "--json", timeout_s=RUN_S)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(json.loads(done.stdout)["result"]["trials"]) == TRIALS
    assert len(trial_runs(stack)) == before
    status = stack.assayline("sweep", str(folder / "line.yaml"), "--status")
    assert f"{TRIALS} of {TRIALS} trials, begun" in status.stdout


def test_test_rows_judge_the_taken_point_once(
    stack: RunningStack, folder: Path, shown: str
) -> None:
    del shown
    done = stack.assayline("sweep", str(folder / "line.yaml"), "--run", timeout_s=RUN_S)
    assert done.returncode in {0, 4}, done.stdout + done.stderr
    assert f"{'train':<22} unchanged" in done.stdout
    looks = read_looks(LINE, store=ObjectStore(stack.settings), tracking=Tracking(stack.settings))
    assert len(looks) == 1
    written = yaml.safe_load((folder / "taken.yaml").read_text())
    assert "sweep" not in written


def test_a_space_that_no_line_can_be_starts_nothing(
    stack: RunningStack, folder: Path, tiny_model: Path
) -> None:
    wrong = {**SWEEP, "space": {"training.epochs": [0, 1], "training.method": ["full", "half"]}}
    path = write_config(folder, "wrong.yaml", tiny_model, line=LINE, policy=policy(), sweep=wrong)
    done = stack.assayline("sweep", str(path))
    assert done.returncode == 1
    for said in ("has 2 wrong setting(s)", "sweep.space.training.epochs: ", "seen: 'half'"):
        assert said in done.stderr
    assert "Traceback" not in done.stderr
