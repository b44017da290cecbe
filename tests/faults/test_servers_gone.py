"""A server of the stack is gone for a minute while a run is at work, and comes back."""

import subprocess
import time
from pathlib import Path

import pytest

from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.registry.ledger import read_ledger
from tests.conftest import SCRIPTS, RunningStack
from tests.faults.outages import GONE_S, gone
from tests.faults.test_killed_flow import wait_for_checkpoint
from tests.integration.test_retrain import write_config, write_reviews

# Three minutes for each server on two busy cores.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

PATIENCE_S = 900
# It is the way through the house that is tried here, and no model.
POLICY = {
    "gates": [
        {"metric": "quality.accuracy", "at_least": 0.05},
        {"metric": "staging.same_predictions", "at_least": 0.99},
    ],
    "fairness_not_gated": "the rows of this test say nothing of people",
}


def start_run(stack: RunningStack, config: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [SCRIPTS / "assayline", "run", str(config)],
        env=dict(stack.environment), cwd=stack.folder, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.parametrize("part", ["store", "mlflow", "prefect"])
def test_a_run_goes_on_when_a_server_was_gone_for_a_minute_in_training(
    stack: RunningStack, tiny_model: Path, tmp_path: Path, part: str
) -> None:
    line = f"without-{part}"
    write_reviews(tmp_path / "reviews.csv", rows_per_topic=60)
    config = write_config(
        tmp_path, line=line, base_model={"reference": str(tiny_model)}, policy=POLICY,
        training={"epochs": 60, "learning_rate": 1e-3, "checkpoint_every_s": 5},
    )  # fmt: skip
    store = ObjectStore(stack.settings)
    store.delete(store.uri("checkpoints") + "/")  # those of other tests
    run = start_run(stack, config)
    wait_for_checkpoint(store, run)
    began = time.monotonic()
    with gone(stack, part):
        time.sleep(GONE_S)
    print(f"{part} was gone for {time.monotonic() - began:.0f} s")
    shown, error = run.communicate(timeout=PATIENCE_S)
    assert run.returncode == 0, shown + error
    assert "Traceback" not in error
    tracking = Tracking(stack.settings)
    assert tracking.aliases(line)["production"] == 1
    assert [one.action for one in read_ledger(store, line, tracking)] == ["promoted"]
