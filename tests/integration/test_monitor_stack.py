"""The monitor on the whole stack: the alarm of one line is answered by its own retraining, once."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.registry.ledger import read_ledger
from tasks.registry.watched import watched_version
from tests.conftest import RunningStack
from tests.integration.test_retrain import write_config, write_reviews
from tests.recorded_traffic import Asked, write_requests

LINE = "watched-reviews"
# Two shifted windows of the last three are an alarm, as often as two hundred rows may say so.
MONITOR: dict[str, object] = {
    "k": 2, "n": 3, "false_alarms_a_year": 0.9, "permutations": 999, "cool_down_hours": 12,
    "settle_minutes": 0, "embedding_rows": 50, "max_rows": 300,
}  # fmt: skip

# It is the way from drift to a retraining that is tried here, and no model.
POLICY: dict[str, object] = {
    "gates": [
        {"metric": "quality.accuracy", "at_least": 0.05},
        {"metric": "staging.same_predictions", "at_least": 0.99},
    ],
    "fairness_not_gated": "the rows of this test say nothing of people",
}


@pytest.fixture(scope="module")
def in_production(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Version 1 of a line of one's own, without the hourly runs that would come between."""
    folder = tmp_path_factory.mktemp("watched")
    write_reviews(folder / "reviews.csv", rows_per_topic=60)
    config = write_config(
        folder, line=LINE, monitor=MONITOR, policy=POLICY,
        training={"epochs": 2, "learning_rate": 3e-4}, registry={"on_outside_move": "restore"},
    )  # fmt: skip
    done = stack.assayline("run", str(config), timeout_s=900)
    assert done.returncode == 0, done.stdout + done.stderr
    deployment = asked(stack, "GET", f"/deployments/name/monitor/{LINE}")
    for schedule in deployment["schedules"]:
        asked(stack, "DELETE", f"/deployments/{deployment['id']}/schedules/{schedule['id']}")
    yield LINE
    stack.assayline("forget", LINE)


def asked(stack: RunningStack, method: str, path: str, body: object = None) -> Any:
    url = f"{stack.settings.prefect_url}{path}"
    answer = httpx.request(method, url, json=body, auth=stack.login)
    answer.raise_for_status()
    return answer.json() if answer.content else None


def retrainings(stack: RunningStack) -> list[dict[str, Any]]:
    """The runs of retrain/LINE, oldest first, but for the one that made version 1."""
    deployment = asked(stack, "GET", f"/deployments/name/retrain/{LINE}")
    body = {"deployments": {"id": {"any_": [deployment["id"]]}}, "sort": "START_TIME_ASC"}
    found = asked(stack, "POST", "/flow_runs/filter", body)
    return [run for run in found if "automation" in str(run["created_by"]).lower()]


def shift(stack: RunningStack, hour: datetime) -> None:
    """Requests of an hour that are none of the line's topics."""
    store, tracking = ObjectStore(stack.settings), Tracking(stack.settings)
    watched = watched_version(LINE, store=store, tracking=tracking)
    assert watched
    text = "gluten free pancakes with maple syrup and blueberries for breakfast " * 8
    rows = [
        Asked({"text": f"{text}{number}"}, {"label": "tech", "score": 0.35})
        for number in range(300)
    ]
    write_requests(
        store, LINE, hour, rows, version=watched.version, weights_sha256=watched.weights_sha256
    )


def wait_for_retrainings(stack: RunningStack, number: int, timeout_s: float = 600) -> list[Any]:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = retrainings(stack)
        if len(found) >= number and all(run["state_type"] == "COMPLETED" for run in found):
            return found
        time.sleep(2)
    pytest.fail(f"{len(retrainings(stack))} retrainings by automation: {retrainings(stack)}")


@pytest.mark.slow
@pytest.mark.timeout(2400)
@pytest.mark.usefixtures("in_production")
def test_drift_is_answered_by_a_retraining_and_the_cool_down_holds(stack: RunningStack) -> None:
    last = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    for hours in (2, 1):
        shift(stack, last - timedelta(hours=hours))
    since = (last - timedelta(hours=2)).isoformat()
    done = stack.assayline("monitor", LINE, "--since", since, "--json", timeout_s=900)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert len(found["judged"]) >= 3
    assert found["judged"][0] == (last - timedelta(hours=2)).strftime("%Y-%m-%dT%H:00Z")
    assert len(found["alarms"]) == 1
    assert "drift.vocabulary (in 2)" in found["alarms"][0]

    (run,) = wait_for_retrainings(stack, 1)
    assert set(run["tags"]) >= {"assayline", LINE, "retrain"}
    # The event is there with its reason, on the line's own resource.
    body = {"filter": {"event": {"name": ["assayline.drift.detected"]}}}
    (event,) = asked(stack, "POST", "/events/filter", body)["events"]
    assert event["resource"]["prefect.resource.id"] == f"assayline.line.{LINE}"
    assert event["payload"]["checks"]

    # The same drift an hour on is no new alarm: it cools down.
    shift(stack, last)
    folder = last.strftime("%Y/%m/%d/%H")
    store = ObjectStore(stack.settings)
    store.delete(store.uri("monitor", LINE, f"{folder}.json"))
    done = stack.assayline("monitor", LINE, "--since", since, "--json", timeout_s=900)
    found = json.loads(done.stdout)
    assert found["judged"][:1] == [last.strftime("%Y-%m-%dT%H:00Z")]
    assert found["verdict"] is not None
    assert found["alarms"] == []
    time.sleep(10)
    assert len(retrainings(stack)) == 1

    shown = stack.assayline("monitor", LINE)
    assert shown.returncode == 0, shown.stderr
    assert "drift.vocabulary" in shown.stdout
    assert "alarm of" in shown.stdout
    # On the run's page there is what the newest window came to, and the way to all of them.
    for key in (f"monitor-{LINE}", f"monitor-page-{LINE}"):
        assert asked(stack, "GET", f"/artifacts/{key}/latest")["data"]


@pytest.mark.slow
@pytest.mark.timeout(2400)
@pytest.mark.usefixtures("in_production")
def test_an_alias_that_a_hand_moved_is_set_back_before_windows_are_judged(
    stack: RunningStack,
) -> None:
    store, tracking = ObjectStore(stack.settings), Tracking(stack.settings)
    before = tracking.aliases(LINE)
    assert "previous" not in before
    tracking.set_alias(LINE, "previous", 1)
    done = stack.assayline("monitor", LINE, "--once", "--json", timeout_s=900)
    assert done.returncode == 0, done.stdout + done.stderr
    assert tracking.aliases(LINE) == before
    actions = [entry.action for entry in read_ledger(store, LINE, tracking)]
    assert actions[-2:] == ["moved outside", "restored"]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_line_without_a_version_in_production_says_so(stack: RunningStack) -> None:
    done = stack.assayline("monitor", "bbc-news", "--once", "--json", timeout_s=900)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert (found["version"], found["judged"], found["page_url"]) == (None, [], "")
    assert "nothing to watch" in found["note"]
    shown = stack.assayline("monitor", "bbc-news")
    assert (shown.returncode, "no window of bbc-news" in shown.stdout) == (0, True)
