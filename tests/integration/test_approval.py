"""A person's approval: a run waits in Prefect, and goes on when somebody has decided.

On the whole stack: through the worker, with clicks in the real Prefect UI, and from the terminal.
Without the worker, and so in seconds, test_suspension.py tries what else may become of a run.
"""

import json
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml

from infra.prefect_api import GPU_LIMIT, PrefectApi
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.registry import LedgerEntry
from tasks.registry.ledger import read_ledger
from tasks.registry.looks import read_looks
from tests.chromium import CHROMIUM, Page, browser, with_words
from tests.conftest import RunningStack
from tests.integration.test_retrain import GATES, write_config, write_reviews

LINE = "reviews-to-approve"
POLICY = {"gates": GATES, "approval": "by a person"}
AWAITS_APPROVAL, REFUSED = 6, 4
# Suspended, a run has no process; the worker and the servers need a moment to see it.
SETTLES_WITHIN_S = 60.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


class Waiting:
    """A line whose policy asks a person, and the run of a candidate that waits."""

    def __init__(self, stack: RunningStack) -> None:
        self.stack, self.api = stack, PrefectApi(stack.settings)
        self.store, self.tracking = ObjectStore(stack.settings), Tracking(stack.settings)
        self.file = stack.folder / "to-approve.yaml"

    def begin(self, seed: int, **policy: Any) -> str:
        """Retrain with another seed, so that there is another candidate; the run that waits."""
        (self.stack.folder / "asks.yaml").write_text(yaml.safe_dump(POLICY | policy))
        write_config(
            self.stack.folder, self.file.name, line=LINE, policy="asks.yaml",
            training={"epochs": 2, "learning_rate": 3e-4, "seed": seed},
        )  # fmt: skip
        done = self.stack.assayline("run", str(self.file), timeout_s=800)
        assert done.returncode == AWAITS_APPROVAL, done.stdout + done.stderr
        (run,) = self.suspended
        assert f"assayline approve {run}" in done.stderr
        assert f"/runs/flow-run/{run}" in done.stderr
        return run

    @property
    def suspended(self) -> list[str]:
        runs = self.api.flow_runs_tagged("assayline", LINE)
        return [str(run.id) for run in runs if run.state.name == "Suspended"]

    @property
    def ledger(self) -> tuple[LedgerEntry, ...]:
        return read_ledger(self.store, LINE, self.tracking)

    def tasks_of(self, run: str) -> list[str]:
        """The names of a run's task runs, and whether each was a look-up."""
        body = {"flow_runs": {"id": {"any_": [run]}}}
        found = self.api._pages("/task_runs/filter", body)
        return [one["name"].rpartition("-")[0] for one in found]

    def artifacts_of(self, run: str) -> dict[str, str]:
        body = {"artifacts": {"flow_run_id": {"any_": [run]}}}
        return {one["key"]: str(one["data"]) for one in self.api._pages("/artifacts/filter", body)}

    def state_of(self, run: str) -> str:
        found = self.api.flow_run(UUID(run))
        assert found
        return found.state.type

    def until(self, run: str, state: str) -> None:
        deadline = time.monotonic() + SETTLES_WITHIN_S
        while self.state_of(run) != state:
            assert time.monotonic() < deadline, self.state_of(run)
            time.sleep(0.5)


@pytest.fixture(scope="module")
def line(stack: RunningStack) -> Waiting:
    write_reviews(stack.folder / "reviews.csv")
    return Waiting(stack)


def fill_in(page: Page, decision: str, name: str, reason: str) -> None:
    """The form of Prefect's UI; its choice is a list of the browser's own."""
    page.click(with_words("button", "Resume"))
    page.wait_for("Who decides; your name")
    choice = "[...document.querySelectorAll('select')].find(s => [...s.options].some(o => o.value"
    choice += f" === {json.dumps(decision)}))"
    page.ask(
        f"(() => {{ const s = {choice}; s.value = {json.dumps(decision)};"
        " s.dispatchEvent(new Event('input', {bubbles: true}));"
        " s.dispatchEvent(new Event('change', {bubbles: true})); })()"
    )
    for place, text in enumerate((name, reason)):
        page.click(f"document.querySelectorAll('textarea')[{place}]")
        page.write(text)


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")
def test_a_click_in_prefects_page_promotes_and_repeats_nothing(
    line: Waiting, tmp_path: Path
) -> None:
    run = line.begin(seed=1)
    assert line.tracking.aliases(LINE) == {"candidate": 1, "staging": 1}
    assert [(one.action, one.run) for one in line.ledger] == [("awaiting approval", run)]
    assert "approved" not in line.tracking.version_tags(LINE, 1)
    limit = line.api.limit(GPU_LIMIT)
    assert limit
    assert limit.active_slots == 0
    shown = line.stack.assayline("status")
    assert f"assayline approve {run}" in shown.stdout
    shown_there = line.artifacts_of(run)
    assert "quality.macro\\_f1" in shown_there[f"approval-{LINE}"]
    assert "Against the champion" in shown_there[f"approval-{LINE}"]
    assert shown_there[f"report-{LINE}"]
    before = line.tasks_of(run)
    assert "train" in before

    # The same candidate is not asked about twice.
    again = line.stack.assayline("run", str(line.file))
    assert again.returncode == AWAITS_APPROVAL, again.stdout + again.stderr
    assert run in again.stdout
    assert len(line.ledger) == 1

    # A source that changes meanwhile changes nothing for who waits.
    source = line.stack.folder / "reviews.csv"
    kept = source.read_text(encoding="utf-8")
    source.write_text(kept + "a row that came later,tech,uk\n", encoding="utf-8")
    pages = json.loads(line.stack.assayline("open", "--json").stdout)
    (prefect,) = [page for page in pages if page["server"] == "prefect"]
    with browser(tmp_path / "profile") as page:
        page.open(prefect["opens"])
        page.until("location.protocol === 'http:'")
        page.wait_for("Work Pools")
        page.open(f"{prefect['address']}/runs/flow-run/{run}")
        page.wait_for("Suspended")
        fill_in(page, "approve", "Ada Lovelace", "better on sports, and no group is worse")
        page.picture(tmp_path / "approval-form.png")
        while line.state_of(run) == "PAUSED":  # SQLite may be locked at a moment: click again
            page.click(with_words("button", "Submit"))
            time.sleep(3)
    source.write_text(kept, encoding="utf-8")

    ended = line.stack.assayline("watch", run)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "version 1 promoted: better on sports" in ended.stdout
    after = line.tasks_of(run)
    assert sorted(after) == sorted(
        [*before, "check_aliases", "confirm_production", "request_approval", "promote"]
    )
    assert len(read_looks(LINE, store=line.store, tracking=line.tracking)) == 1
    assert line.tracking.aliases(LINE)["production"] == 1
    entry = line.ledger[-1]
    assert (entry.action, entry.by, entry.approval) == ("promoted", "Ada Lovelace", "approved")
    assert entry.evidence["policy"] == line.ledger[0].evidence["policy"]
    tags = line.tracking.version_tags(LINE, 1)
    assert (tags["approved"], tags["Approval_Check"]) == ("true", "Approved")


def test_who_rejects_keeps_it_out_for_good(line: Waiting) -> None:
    run = line.begin(seed=2)
    nameless = line.stack.assayline("reject", run, "--name", " ", "--reason", "worse")
    assert nameless.returncode == 1
    assert "--name is empty" in nameless.stderr
    assert line.suspended == [run]
    before = line.tracking.aliases(LINE)
    done = line.stack.assayline("reject", LINE, "--name", "Grace", "--reason", "worse on tech")
    assert done.returncode == REFUSED, done.stdout + done.stderr
    assert line.tracking.aliases(LINE) == before
    entry = line.ledger[-1]
    assert (entry.action, entry.by, entry.approval) == ("rejected", "Grace", "rejected")
    assert entry.reason.startswith("worse on tech")
    tags = line.tracking.version_tags(LINE, entry.candidate_version)
    assert (tags["approved"], tags["Approval_Check"]) == ("false", "Rejected")
    # Nothing has changed since: the decision stands, and nobody is asked again.
    again = line.stack.assayline("run", str(line.file))
    assert again.returncode == REFUSED, again.stdout + again.stderr
    assert "worse on tech" in again.stdout
    assert line.suspended == []
    too_late = line.stack.assayline("approve", LINE, "--reason", "after all")
    assert too_late.returncode == 1
    assert "waits for approval" in too_late.stderr


def test_what_nobody_approves_in_time_is_rejected_by_the_next_run(line: Waiting) -> None:
    run = line.begin(seed=3, approval_days=15 / 86_400)
    line.until(run, "FAILED")
    assert line.ledger[-1].action == "awaiting approval"
    late = line.stack.assayline("approve", run, "--reason", "looks good")
    assert late.returncode == 1
    assert "does not wait for approval" in late.stderr
    done = line.stack.assayline("run", str(line.file))
    assert done.returncode == REFUSED, done.stdout + done.stderr
    entry = line.ledger[-1]
    assert (entry.action, entry.by, entry.approval) == ("rejected", "policy", "rejected")
    assert "nobody approved it until" in entry.reason
    assert line.tracking.version_tags(LINE, entry.candidate_version)["approved"] == "false"
