"""A canary on the whole stack: begun by a run, looked at by the worker, promoted or stopped."""

import io
import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.canary import CanaryStep
from tasks.records.recorded_requests import (
    REQUESTS,
    RecordedRow,
    Role,
    hour_folder,
    requests_schema,
)
from tasks.registry.canary import canary_of
from tasks.registry.ledger import read_ledger
from tests.conftest import RunningStack
from tests.integration.test_monitor_stack import asked
from tests.integration.test_retrain import write_config, write_reviews

LINE = "tried-reviews"
REQUESTS_A_STEP = 400
# Wide limits, so that few requests decide: it is the way through the house that is tried here.
POLICY: dict[str, object] = {
    "gates": [
        {"metric": "quality.accuracy", "at_least": 0.05},
        {"metric": "staging.same_predictions", "at_least": 0.99},
    ],
    "fairness_not_gated": "the rows of this test say nothing of people",
    "canary": {
        "steps": [
            {"share": 0, "hours": 0, "requests": 100},
            {"share": 0.5, "hours": 0, "requests": 100},
        ],
        "max_failure_increase": 0.3, "max_slow_increase": 0.3, "settle_s": 0,
    },
}  # fmt: skip


class Tried(NamedTuple):
    """A line with version 1 in production, and where its settings are written anew."""

    stack: RunningStack
    folder: Path

    def retrain(self, learning_rate: float) -> tuple[int, str]:
        """Exit code and output of a run with other training settings."""
        config = write_config(
            self.folder, line=LINE, policy=POLICY,
            training={"epochs": 1, "learning_rate": learning_rate},
        )  # fmt: skip
        done = self.stack.assayline("run", str(config), timeout_s=900)
        return done.returncode, done.stdout + done.stderr

    def canary(self, *words: str) -> dict[str, Any]:
        done = self.stack.assayline("canary", LINE, *words, "--json", timeout_s=600)
        assert done.returncode == 0, done.stdout + done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    @property
    def step(self) -> CanaryStep | None:
        store, tracking = ObjectStore(self.stack.settings), Tracking(self.stack.settings)
        return canary_of(LINE, store=store, tracking=tracking)

    def serve(self, failed: int = 0) -> None:
        """Record what servers would have in the step; the candidate fails some of its requests."""
        step = self.step
        assert step is not None
        tags = Tracking(self.stack.settings).version_tags(LINE, step.production)
        role: Role = "shadow" if step.is_shadow else "canary"
        one = tags["assayline.weights_sha256"]
        rows = [_row(step, place, "production", step.production, one) for place in _PLACES]
        rows += [
            _row(step, place, role, step.version, step.weights_sha256, failed=place < failed)
            for place in _PLACES
        ]
        table = pa.Table.from_pylist([asdict(row) for row in rows], requests_schema())
        content = io.BytesIO()
        pq.write_table(table, content)
        store = ObjectStore(self.stack.settings)
        folder = hour_folder(REQUESTS, LINE, rows[0].received_at)
        name = f"v{step.version}-step{step.number}.parquet"
        store.put_bytes(store.uri(*folder, name), content.getvalue())

    @property
    def actions(self) -> list[str]:
        store, tracking = ObjectStore(self.stack.settings), Tracking(self.stack.settings)
        return [entry.action for entry in read_ledger(store, LINE, tracking)]

    @property
    def production(self) -> int:
        return Tracking(self.stack.settings).aliases(LINE)["production"]


_PLACES = range(REQUESTS_A_STEP)


def _row(
    step: CanaryStep, place: int, role: Role, version: int, weights: str, *, failed: bool = False
) -> RecordedRow:
    # In shadow both are asked the same; else each request is answered by one of them.
    prefix = "r" if step.is_shadow else role
    received = datetime.fromisoformat(step.since) + timedelta(milliseconds=1 + place)
    answer = "null" if failed else json.dumps({"label": "tech", "score": 0.9})
    return RecordedRow(
        f"{prefix}-{step.version}-{step.number}-{place}", 0, received, version, weights, role,
        json.dumps({"text": "a phone"}), answer, None if failed else 0.9, 12.0,
        "failed" if failed else "",
    )  # fmt: skip


@pytest.fixture(scope="module")
def tried(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tried]:
    folder = tmp_path_factory.mktemp("tried")
    write_reviews(folder / "reviews.csv", rows_per_topic=60)
    line = Tried(stack, folder)
    code, said = line.retrain(3e-4)
    assert code == 0, said  # there is nothing yet beside which it could be tried
    deployment = asked(stack, "GET", f"/deployments/name/canary/{LINE}")
    (schedule,) = deployment["schedules"]
    assert schedule["schedule"]["interval"] == 600
    asked(stack, "DELETE", f"/deployments/{deployment['id']}/schedules/{schedule['id']}")
    yield line
    stack.assayline("forget", LINE)


@pytest.mark.slow
@pytest.mark.timeout(4800)
def test_a_candidate_is_tried_and_promoted_and_another_one_is_stopped_for_harm(
    tried: Tried,
) -> None:
    assert tried.canary("--once")["action"] == ""
    assert tried.actions == ["promoted"]

    code, said = tried.retrain(4e-4)
    assert code == 7, said
    assert "version 2 canary started" in said
    assert "models:/tried-reviews@production stays version 1" in said
    status = tried.stack.assayline("status")
    assert "version 2 is tried beside version 1: step 1 since" in status.stdout
    assert tried.canary()["look"] is None

    waits = tried.canary("--once")
    assert (waits["action"], waits["step"], waits["verdict"]) == ("goes on", 1, "undetermined")
    shown = tried.stack.assayline("canary", LINE).stdout
    assert "step 1 of 2 since" in shown
    assert "undetermined: " in shown

    tried.serve()
    assert tried.canary("--once")["action"] == "canary advanced"
    tried.serve()
    done = tried.canary("--once")
    assert (done["action"], done["verdict"]) == ("promoted", "pass")
    assert tried.production == 2
    version = Tracking(tried.stack.settings).version_tags(LINE, 2)
    assert version["assayline.canary"] == done["page_url"]
    assert tried.actions == ["promoted", "canary started", "canary advanced", "promoted"]
    ledger = tried.stack.assayline("ledger", LINE).stdout
    assert "canary advanced (step 2, 50%)" in " ".join(ledger.split())
    # The line's own run finds what was decided, and decides nothing again.
    assert tried.retrain(4e-4)[0] == 0

    assert tried.retrain(5e-4)[0] == 7
    tried.serve(failed=REQUESTS_A_STEP)
    stopped = tried.canary("--once")
    assert (stopped["action"], stopped["verdict"]) == ("canary stopped", "fail")
    assert "canary.failure_increase fails" in stopped["reason"]
    assert tried.production == 2
    assert tried.step is None
    code, said = tried.retrain(5e-4)
    assert code == 4, said
    assert "version 3 canary stopped" in said

    body = {"filter": {"event": {"prefix": ["assayline.canary."]}}}
    events = asked(tried.stack, "POST", "/events/filter", body)["events"]
    of_line = [e for e in events if e["resource"]["prefect.resource.id"].endswith(LINE)]
    assert sorted(event["event"] for event in of_line) == [
        "assayline.canary.advanced", "assayline.canary.started", "assayline.canary.started",
        "assayline.canary.stopped",
    ]  # fmt: skip
    for key in (f"canary-{LINE}", f"canary-decision-{LINE}"):
        assert asked(tried.stack, "GET", f"/artifacts/{key}/latest")["data"]


@pytest.mark.slow
@pytest.mark.timeout(4800)
def test_a_person_stops_a_canary_by_the_console(tried: Tried) -> None:
    assert tried.retrain(6e-4)[0] == 7
    before = tried.production
    stopped = tried.canary("--stop", "--by", "Ada", "--reason", "complaints")
    assert (stopped["action"], stopped["reason"]) == ("canary stopped", "complaints")
    assert tried.production == before
    again = tried.stack.assayline("canary", LINE, "--stop", "--reason", "complaints")
    assert again.returncode == 1
    assert "has no canary that goes on" in again.stderr
    assert tried.canary("--once")["version"] is None
