"""A request for approval and what becomes of it, on a real registry and a real store."""

import runpy
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from infra.errors import IntegrityError
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.judged_version import JudgedVersion
from tasks.records.registry import Approval, Decision
from tasks.registry.approval import (
    WaitingRun,
    open_requests,
    request_approval,
    waiting_version,
)
from tasks.registry.judged_versions import JUDGED
from tasks.registry.ledger import Recorded
from tasks.registry.line_state import LineState
from tasks.registry.manual_promotion import roll_back_line
from tasks.registry.promotion import promote_version
from tests.integration.test_promotion import Line, judgement, report

SAMPLES = runpy.run_path(str(Path(__file__).parents[1] / "unit" / "reporting" / "conftest.py"))
ADA = Approval(approved=True, by="Ada", reason="better on sports")
GRACE = Approval(approved=False, by="Grace", reason="worse on tech")


class Asking(Line):
    """A line whose policy asks a person."""

    def judged(self, weights: str) -> JudgedVersion:
        made = SAMPLES["build_evidence"](passing=True)
        asks = replace(judgement(), approval="by a person", policy_sha256="p" * 64)
        scores = replace(
            made.scores, champion_version=None, anchor_version=self.anchor(weights), comparisons=()
        )
        return JudgedVersion(
            self.add(weights), asks, report(weights), self.champion(weights), None, scores,
            made.fairness, None,
        )  # fmt: skip

    def anchor(self, weights: str) -> int | None:
        found = self.champion(weights)
        return found.version if found else None

    def ask(self, judged: JudgedVersion, run: str = "run-1", days: float = 7) -> Recorded | None:
        return request_approval(judged, run, days, store=self.store, tracking=self.tracking)

    def decide(self, judged: JudgedVersion, approval: Approval | None) -> Decision:
        return promote_version(judged, approval, store=self.store, tracking=self.tracking)

    def waiting(self, run: str, state: str) -> JudgedVersion | None:
        found = LineState(self.name, self.store, self.tracking)
        return waiting_version(
            found,
            run,
            lambda _: WaitingRun(state, datetime.now(UTC)),
            store=self.store,
            tracking=self.tracking,
        )

    @property
    def actions(self) -> list[str]:
        return [entry.action for entry in self.ledger]


@pytest.fixture
def line(
    request: pytest.FixtureRequest, tmp_path: Path, store: ObjectStore, tracking: Tracking
) -> Asking:
    return Asking(f"ask-{abs(hash(request.node.name))}", tmp_path, store, tracking)


def test_what_nobody_was_asked_about_is_not_promoted(line: Asking) -> None:
    decision = line.decide(line.judged("w1"), None)
    assert decision.action == "refused"
    assert "nobody has approved it" in decision.reason
    assert line.aliases == {}


def test_an_approved_candidate_is_promoted_by_who_approved_it(line: Asking) -> None:
    judged = line.judged("w1")
    asked = line.ask(judged)
    assert asked
    assert line.aliases == {}
    assert line.ask(judged, run="another") == asked  # nobody is asked twice
    # The run that was resumed finds all that it was about, whatever has become of it since.
    assert line.waiting("run-1", "RUNNING") == judged
    assert line.waiting("another", "PAUSED") is None
    assert line.decide(judged, ADA).action == "promoted"
    waits, made = line.ledger
    assert (waits.run, waits.to_version, waits.by) == ("run-1", None, "policy")
    assert (made.by, made.approval, made.to_version) == ("Ada", "approved", 1)
    assert made.evidence["policy"] == "p" * 64
    tags = line.tracking.version_tags(line.name, 1)
    assert (tags["approved"], tags["Approval_Check"]) == ("true", "Approved")
    # Done again after a crash, it is the same decision.
    assert line.decide(judged, ADA).action == "promoted"
    assert line.ask(judged) is None
    assert len(line.ledger) == 2


def test_a_rejected_candidate_stays_out(line: Asking) -> None:
    judged = line.judged("w1")
    line.ask(judged)
    assert line.decide(judged, GRACE).action == "rejected"
    assert line.ask(judged) is None
    again = line.decide(judged, None)
    assert (again.action, again.reason.split(" (")[0]) == ("rejected", "worse on tech")
    assert line.aliases == {}
    assert line.tracking.version_tags(line.name, 1)["approved"] == "false"


def test_production_that_was_moved_meanwhile_is_not_taken_over(line: Asking) -> None:
    first, second = line.judged("w1"), line.judged("w2")
    line.ask(first)
    line.ask(second, run="run-2")
    assert line.decide(first, ADA).action == "promoted"
    decision = line.decide(second, ADA)
    assert decision.action == "refused"
    assert "somebody moved production meanwhile" in decision.reason
    assert line.aliases["production"] == 1
    assert line.ledger[-1].approval == "approved"
    assert not open_requests(LineState(line.name, line.store, line.tracking).history)


def test_whom_a_person_rejects_is_called_rejected_whatever_else_is_in_the_way(
    line: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody rolled the same weights back while it waited."""
    assert line.decide(line.judged("w1"), ADA).action == "promoted"
    waiting = line.judged("w2")
    line.ask(waiting)
    assert line.decide(line.judged("w2"), ADA).action == "promoted"
    # The load test has tests of its own; these versions hold no model.
    monkeypatch.setattr("tasks.registry.manual_promotion.load_test", lambda *_, **__: None)
    roll_back_line(line.name, "Ada", "worse", store=line.store, tracking=line.tracking)
    decision = line.decide(waiting, GRACE)
    assert decision.action == "refused"
    assert "rolled the same weights back" in decision.reason
    assert line.ledger[-1].approval == "rejected"
    assert line.tracking.version_tags(line.name, waiting.version.version)["approved"] == "false"


@pytest.mark.parametrize(
    ("state", "days", "action", "why"),
    [
        ("FAILED", -1, "rejected", "nobody approved it until"),
        ("CANCELLED", 7, "withdrawn", "ended as CANCELLED before anybody had decided"),
    ],
)
def test_the_next_run_records_what_became_of_a_request(
    line: Asking, state: str, days: float, action: str, why: str
) -> None:
    judged = line.judged("w1")
    line.ask(judged, days=days)
    assert line.waiting("run-2", state) is None
    entry = line.ledger[-1]
    assert (entry.action, entry.by, entry.to_version) == (action, "policy", None)
    assert why in entry.reason
    assert entry.approval == ("rejected" if action == "rejected" else "")
    # What was withdrawn may be asked again, and what was rejected not.
    assert (line.ask(judged, run="run-2") is None) == (action == "rejected")


def test_a_changed_record_of_what_was_judged_promotes_nothing(line: Asking) -> None:
    asked = line.ask(line.judged("w1"))
    assert asked
    uri = line.store.uri("judged", f"{asked.entry.evidence[JUDGED]}.json")
    line.store.put_bytes(uri, line.store.get_bytes(uri).replace(b'"pass"', b'"fail"'))
    with pytest.raises(IntegrityError, match="was changed after it was written"):
        line.waiting("run-1", "RUNNING")
