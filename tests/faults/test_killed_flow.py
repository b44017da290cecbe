"""kill -9 of a flow's process during training, and the same run again."""

import signal
import subprocess
import time
from pathlib import Path

import httpx
import psutil
import pytest

from infra.prefect_api import GPU_LIMIT
from infra.store import MANIFEST, ObjectStore
from tests.conftest import SCRIPTS, RunningStack
from tests.integration.test_retrain import write_config, write_reviews

pytestmark = pytest.mark.slow

PATIENCE_S = 200


def flow_processes(stack: RunningStack) -> list[psutil.Process]:
    """The flow runs of this stack's worker, as processes."""
    home = str(stack.settings.home.absolute())
    found = []
    for process in psutil.process_iter():
        try:
            is_engine = "prefect.engine" in " ".join(process.cmdline()) or (
                "prefect" in " ".join(process.cmdline())
                and "flow-run" in " ".join(process.cmdline())
            )
            if is_engine and process.environ().get("ASSAYLINE_HOME") == home:
                found.append(process)
        except psutil.Error:
            continue
    return found


def wait_for_checkpoint(store: ObjectStore, run: subprocess.Popen[str]) -> None:
    """Wait until a whole checkpoint is in the store."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        assert run.poll() is None, run.communicate()
        names = store.list(store.uri("checkpoints") + "/")
        if any(name.endswith(MANIFEST) for name in names):
            return
        time.sleep(0.1)
    pytest.fail(f"no checkpoint within {PATIENCE_S} s")


def test_a_killed_run_goes_on_from_its_checkpoint(
    stack: RunningStack, tiny_model: Path, tmp_path: Path
) -> None:
    write_reviews(tmp_path / "reviews.csv", rows_per_topic=60)
    config = write_config(
        tmp_path,
        line="killed",
        base_model={"reference": str(tiny_model)},
        training={"epochs": 24, "learning_rate": 1e-3},
    )
    store = ObjectStore(stack.settings)
    store.delete(store.uri("checkpoints") + "/")  # those of other tests
    command = [SCRIPTS / "assayline", "run", str(config)]
    run = subprocess.Popen(
        command, env=dict(stack.environment), cwd=stack.folder, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    wait_for_checkpoint(store, run)
    killed = flow_processes(stack)
    assert killed
    for process in killed:
        process.send_signal(signal.SIGKILL)
    shown, error = run.communicate(timeout=PATIENCE_S)
    assert run.returncode == 1, shown
    assert "Traceback" not in error

    # The killed run holds its slot until the lease runs out; another lets the next one in at once.
    changed = httpx.patch(
        f"{stack.settings.prefect_url}/v2/concurrency_limits/{GPU_LIMIT}",
        json={"limit": 2},
        auth=stack.login,
    )
    assert changed.is_success, changed.text
    again = stack.assayline("run", str(config))
    assert again.returncode in {0, 4}, again.stdout + again.stderr
    for stage in ("ingest", "validate", "tokenize"):
        assert f"{stage:<22} unchanged" in again.stdout
    assert "training goes on from the checkpoint of step" in again.stdout
