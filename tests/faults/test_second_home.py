"""A second stack beside another, whose servers' disks are small and run full."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
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
from tests.integration.test_retrain import write_config, write_reviews

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

DISKS = {"store": "256m", "mlflow": "32m", "prefect": "64m"}
FILLER = "filler"
LINE = "small-disks"
# So low that a tiny model passes; each change of the seed trains anew.
GATES = [
    {"metric": "quality.macro_f1", "at_least": 0.01},
    {"metric": "staging.same_predictions", "at_least": 1.0},
]


def mount(folder: Path, size: str) -> None:
    """A disk of its own for a folder, in memory."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(folder)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """Leave no room on the disk of a folder."""
    filler = folder / FILLER
    try:
        with filler.open("wb", buffering=0) as file:
            for block in (1 << 20, 1 << 12):
                try:
                    while True:
                        file.write(bytes(block))
                except OSError:
                    continue
        assert shutil.disk_usage(folder).free < 1 << 12
        yield
    finally:
        filler.unlink()


@pytest.fixture(scope="module")
def second(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A whole stack of another home, on small disks, beside the stack of the session."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("small disks are mounted as root")
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
    mounted: list[Path] = []
    other = replace(stack, environment=environment, folder=folder)
    try:
        for name, size in DISKS.items():
            mount(home / name, size)
            mounted.append(home / name)
        started = other.assayline("up", timeout_s=400)
        assert started.returncode == 0, started.stdout + started.stderr
        yield replace(other, settings=load_settings(home))
    finally:
        stopped = other.assayline("down")
        sweep(home)
        for path in mounted:
            subprocess.run(["umount", "-l", str(path)], check=False)
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
