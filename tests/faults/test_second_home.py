"""A second stack beside another, whose servers' disks are small and run full."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from flows.commands.watch import BEGINS_WITHIN_S
from infra.local.orphans import sweep
from infra.prefect_api import PrefectApi
from infra.settings import load_settings
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.registry.ledger import read_ledger
from tests.conftest import SCRIPTS, RunningStack, free_port, survivors
from tests.faults.small_disks import full, mounted
from tests.integration.test_retrain import write_config, write_reviews

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

DISKS = {"store": "256m", "mlflow": "32m", "prefect": "64m"}
LINE = "small-disks"
# So low that a tiny model passes; each change of the seed trains anew.
GATES = [
    {"metric": "quality.macro_f1", "at_least": 0.01},
    {"metric": "staging.same_predictions", "at_least": 1.0},
]


@pytest.fixture(scope="module")
def second(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A whole stack of another home, on small disks, beside the stack of the session."""
    folder = tmp_path_factory.mktemp("second")
    home = folder / "home"
    home.mkdir(mode=0o700)
    environment = {
        **stack.environment,
        "ASSAYLINE_HOME": str(home),
        "ASSAYLINE_STORE_PORT": str(free_port()),
        "ASSAYLINE_MLFLOW_PORT": str(free_port()),
        "ASSAYLINE_PREFECT_PORT": str(free_port()),
    }
    other = replace(stack, environment=environment, folder=folder)
    with ExitStack() as disks:
        for name, size in DISKS.items():
            disks.enter_context(mounted(home / name, size))
        try:
            started = other.assayline("up", timeout_s=400)
            assert started.returncode == 0, started.stdout + started.stderr
            yield replace(other, settings=load_settings(home))
        finally:
            stopped = other.assayline("down")
            sweep(home)
        assert stopped.returncode == 0, stopped.stderr
        assert survivors(home) == []


def settings_of(other: RunningStack, tiny_model: Path, seed: int) -> str:
    """The file of the line; each seed trains anew."""
    if not (other.folder / "reviews.csv").exists():
        write_reviews(other.folder / "reviews.csv", rows_per_topic=30)
    config = write_config(
        other.folder,
        line=LINE,
        base_model={"reference": str(tiny_model)},
        training={"epochs": 1, "seed": seed},
        policy={"gates": GATES, "fairness_not_gated": "this is about disks alone"},
    )
    return str(config)


def run(other: RunningStack, tiny_model: Path, seed: int) -> "subprocess.CompletedProcess[str]":
    """Retrain the line with a seed."""
    return other.assayline("run", settings_of(other, tiny_model, seed), timeout_s=400)


def production(other: RunningStack) -> int | None:
    return Tracking(other.settings).aliases(LINE).get("production")


def test_two_stacks_on_one_machine_do_not_mix(
    stack: RunningStack, second: RunningStack, tiny_model: Path
) -> None:
    done = run(second, tiny_model, seed=1)
    assert done.returncode == 0, done.stdout + done.stderr
    assert production(second) == 1
    assert LINE not in Tracking(stack.settings).lines()
    assert f"retrain/{LINE}" not in PrefectApi(stack.settings).deployments()
    assert not ObjectStore(stack.settings).list(f"s3://{stack.settings.artifacts_bucket}/{LINE}")
    assert read_ledger(ObjectStore(stack.settings), LINE) == ()
    # The login of one opens nothing of the other.
    for mine, other in ((stack, second), (second, stack)):
        asked = httpx.post(f"{other.settings.prefect_url}/flows/filter", json={}, auth=mine.login)
        assert asked.status_code == 401
        search = f"{other.settings.mlflow_url}/api/2.0/mlflow/registered-models/search"
        assert httpx.get(search, auth=mine.login).status_code == 401
    # A third that forgets to set its ports is told whose they are.
    taken = {**second.environment, "ASSAYLINE_HOME": str(second.folder / "third")}
    refused = replace(second, environment=taken).assayline("up")
    assert refused.returncode == 1
    for part in ("STORE", "MLFLOW", "PREFECT"):
        assert f"set ASSAYLINE_{part}_PORT to a free port" in refused.stderr
    assert survivors(second.folder / "third") == []


@pytest.mark.parametrize("part", ["store", "mlflow"])
def test_a_full_disk_fails_the_run_and_nothing_moves(
    second: RunningStack, tiny_model: Path, part: str
) -> None:
    seed = 2 + list(DISKS).index(part)
    first = run(second, tiny_model, seed=1)
    assert first.returncode == 0, first.stdout + first.stderr
    before = production(second)
    assert before
    with full(second.settings.home / part):
        failed = run(second, tiny_model, seed=seed)
        assert failed.returncode == 1, failed.stdout + failed.stderr
        assert failed.stderr.count("error: ") == 1, failed.stderr
        assert "Traceback" not in failed.stderr
        assert "full disk" in failed.stderr or "disk full" in failed.stderr
    again = run(second, tiny_model, seed=seed)
    assert again.returncode == 0, again.stdout + again.stderr
    entries = read_ledger(ObjectStore(second.settings), LINE)
    assert [entry.to_version for entry in entries][-2:] == [before, production(second)]


def test_a_full_disk_under_prefect_holds_the_run_back_and_says_so(
    second: RunningStack, tiny_model: Path
) -> None:
    first = run(second, tiny_model, seed=1)
    assert first.returncode == 0, first.stdout + first.stderr
    before = production(second)
    command = [SCRIPTS / "assayline", "run", settings_of(second, tiny_model, 9)]
    with full(second.settings.home / "prefect"):
        waiting = subprocess.Popen(
            command, env=dict(second.environment), cwd=second.folder, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(timeout=BEGINS_WITHIN_S + 30)
        assert production(second) == before
    shown, error = waiting.communicate(timeout=400)
    assert waiting.returncode == 0, shown + error
    assert "the run has not begun for" in shown
    assert production(second) != before
