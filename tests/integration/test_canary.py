"""A canary by the ledger on a real registry and a real store: every way in which it can end."""

import hashlib
import runpy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.errors import IntegrityError, OvertakenError, PromotionError
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.canary.publication import publish_canary
from tasks.records.canary import CanaryLook, CanaryStep
from tasks.records.canary_outcome import CanaryOutcome
from tasks.records.judged_version import JudgedVersion
from tasks.records.registry import Approval, Decision
from tasks.registry.approval import open_requests, request_approval
from tasks.registry.audit import audit_ledger
from tasks.registry.canary import (
    UnderWay,
    canary_of,
    decide_on_look,
    find_canary,
    start_canary,
    stop_canary,
)
from tasks.registry.canary_looks import CANARY, keep_newest_look, newest_look
from tasks.registry.canary_settings import CanarySettings, CanaryStepSettings
from tasks.registry.judged_versions import JUDGED
from tasks.registry.line_state import LineState
from tasks.registry.manual_promotion import override_promotion_of, roll_back_line
from tasks.registry.policy_record import keep_policy
from tasks.registry.promotion import promote_version
from tasks.registry.reconciliation import reconcile_line
from tasks.registry.settings import default_policy
from tasks.verdicts import Verdict
from tests.integration.test_promotion import Line, gate, judgement, report

SAMPLES = runpy.run_path(str(Path(__file__).parents[1] / "unit" / "reporting" / "conftest.py"))
ADA = Approval(approved=True, by="Ada", reason="better on sports")
STEPS = (CanaryStepSettings(share=0), CanaryStepSettings(share=0.25))


class Trying(Line):
    """A line whose policy asks for a canary of two steps."""

    asks = "automatic"

    def judged(self, weights: str, **settings: Any) -> JudgedVersion:
        made = SAMPLES["build_evidence"](passing=True)
        policy = default_policy("macro_f1").model_copy(
            update={"canary": CanarySettings(steps=STEPS, **settings)}
        )
        asked = replace(
            judgement(), approval=self.asks, canary=True,
            policy_sha256=keep_policy(policy, self.store),
        )  # fmt: skip
        champion = self.champion(weights)
        scores = replace(
            made.scores, champion_version=None, comparisons=(),
            anchor_version=champion.version if champion else None,
        )  # fmt: skip
        return JudgedVersion(
            self.add(weights), asked, report(weights), champion, None, scores, made.fairness, None
        )

    @property
    def both(self) -> dict[str, Any]:
        return {"store": self.store, "tracking": self.tracking}

    def start(self, judged: JudgedVersion, approval: Approval | None = None) -> Decision:
        return start_canary(judged, approval, **self.both)

    @property
    def step(self) -> CanaryStep | None:
        """As a server sees it."""
        return canary_of(self.name, **self.both)

    def find(self) -> UnderWay | CanaryOutcome | None:
        return find_canary(self.name, **self.both)

    def under_way(self) -> UnderWay:
        found = self.find()
        assert isinstance(found, UnderWay)
        return found

    def look(self, verdict: Verdict, reason: str = "as seen") -> CanaryLook:
        step = self.under_way().step
        gates = (gate("canary.failure_increase", verdict),)
        return CanaryLook(step, (90, 10), gates, verdict, reason, datetime.now(UTC).isoformat())

    def decide(self, look: CanaryLook, under_way: UnderWay | None = None) -> CanaryOutcome:
        return decide_on_look(look, under_way or self.under_way(), **self.both)

    def see(self, verdict: Verdict, reason: str = "as seen") -> CanaryOutcome:
        return self.decide(self.look(verdict, reason))

    @property
    def actions(self) -> list[str]:
        return [entry.action for entry in self.ledger]


def made_line(name: str, folder: Path, store: ObjectStore, tracking: Tracking) -> Trying:
    line = Trying(f"try-{hashlib.sha256(name.encode()).hexdigest()[:12]}", folder, store, tracking)
    first = line.start(line.judged("w1"))
    assert first.action == "promoted"  # there is nothing yet beside which it could be tried
    return line


@pytest.fixture
def line(
    request: pytest.FixtureRequest, tmp_path: Path, store: ObjectStore, tracking: Tracking
) -> Trying:
    return made_line(request.node.name, tmp_path, store, tracking)


def test_a_candidate_is_tried_step_by_step_and_then_promoted_as_it_was_judged(
    line: Trying,
) -> None:
    judged = line.judged("w2")
    decision = line.start(judged)
    assert decision.action == "canary started"
    assert "in step 1 since" in decision.reason
    assert line.aliases["production"] == 1
    under_way = line.under_way()
    assert under_way.judged == judged
    assert under_way.earlier == ()
    assert under_way.settings.steps == STEPS
    assert line.step == under_way.step
    assert (under_way.step.production, under_way.step.number, under_way.step.share) == (1, 1, 0)

    waits = line.see(Verdict.UNDETERMINED, "12 of 200 requests")
    assert (waits.action, waits.reason, waits.step) == ("goes on", "12 of 200 requests", 1)
    look = line.look(Verdict.PASS)
    assert line.decide(look).action == "canary advanced"
    second = line.step
    assert second is not None
    assert (second.number, second.share, second.started) == (2, 0.25, under_way.step.started)

    assert line.under_way().earlier == (look,)
    done = line.see(Verdict.PASS, "no harm in 400 requests")
    assert (done.action, done.version, done.step) == ("promoted", 2, 2)
    assert line.aliases == {"production": 2, "previous": 1, "staging": 2}
    assert line.step is None
    assert line.find() is None
    *_, began, advanced, promoted = line.ledger
    assert line.actions == ["promoted", "canary started", "canary advanced", "promoted"]
    assert [entry.to_version for entry in (began, advanced, promoted)] == [1, 1, 2]
    assert began.until == advanced.until
    assert (advanced.step, advanced.share, promoted.step) == (2, 0.25, 2)
    assert "the canary passed: no harm in 400 requests" in promoted.reason
    assert began.evidence[JUDGED] == advanced.evidence[JUDGED] == promoted.evidence[JUDGED]
    assert advanced.evidence[CANARY] != promoted.evidence[CANARY]
    assert audit_ledger(line.name, **line.both).disagreement == ""


def test_a_policy_that_asks_for_a_canary_promotes_nothing_without_one(line: Trying) -> None:
    decision = promote_version(line.judged("w2"), **line.both)
    assert decision.action == "refused"
    assert "no canary has passed" in decision.reason
    assert line.aliases["production"] == 1


def test_a_canary_of_another_candidate_promotes_nothing(line: Trying) -> None:
    line.start(line.judged("w2"))
    look = line.look(Verdict.PASS)
    decision = promote_version(line.judged("w3"), None, look, **line.both)
    assert decision.action == "refused"
    assert "no canary has passed" in decision.reason
    assert line.aliases["production"] == 1


def test_harm_stops_a_canary_and_its_candidate_is_not_tried_again_on_the_same_evidence(
    line: Trying,
) -> None:
    judged = line.judged("w2")
    line.start(judged)
    stopped = line.see(Verdict.FAIL, "canary.failure_increase is above 0.01")
    assert (stopped.action, stopped.verdict) == ("canary stopped", Verdict.FAIL)
    assert line.step is None
    assert line.aliases["production"] == 1
    again = line.start(judged)
    assert (again.action, again.reason) == ("canary stopped", stopped.reason)
    assert line.actions == ["promoted", "canary started", "canary stopped"]
    assert line.tracking.version_tags(line.name, 2)["assayline.verdict"] == "fail"


def test_what_is_repeated_after_a_crash_is_written_once(line: Trying) -> None:
    judged = line.judged("w2")
    first = line.start(judged)
    assert line.start(judged) == first
    under_way = line.under_way()
    look = line.look(Verdict.PASS)
    advanced = line.decide(look, under_way)
    again = line.decide(look, under_way)
    assert (again.action, again.ledger_uri) == ("canary advanced", advanced.ledger_uri)
    under_way, look = line.under_way(), line.look(Verdict.PASS)
    promoted = line.decide(look, under_way)
    assert line.decide(look, under_way).ledger_uri == promoted.ledger_uri
    # The run of the line, too, finds what became of it.
    assert line.start(judged).ledger_uri == promoted.ledger_uri
    assert line.actions == ["promoted", "canary started", "canary advanced", "promoted"]


@pytest.mark.slow
def test_a_newer_candidate_that_passes_takes_the_place_of_an_older_one(line: Trying) -> None:
    older = line.judged("w2")
    line.start(older)
    late = line.look(Verdict.PASS)
    under_way = line.under_way()
    assert line.start(line.judged("w3")).action == "canary started"
    assert line.actions[1:] == ["canary started", "canary stopped", "canary started"]
    assert line.ledger[2].reason.startswith("superseded by version 3")
    step = line.step
    assert step is not None
    assert (step.version, step.number) == (3, 1)
    # A look at the older one that comes late decides nothing.
    assert line.decide(late, under_way).action == "canary stopped"
    assert line.start(older).action == "canary stopped"
    assert line.step == step


@pytest.mark.parametrize(
    "how",
    ["in MLflow", *(pytest.param(how, marks=pytest.mark.slow) for how in ("rollback", "by hand"))],
)
def test_a_canary_whose_production_is_moved_is_stopped_and_may_begin_anew(
    line: Trying, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The load test has tests of its own; these versions hold no model.
    monkeypatch.setattr("tasks.registry.manual_promotion.load_test", lambda *_, **__: None)
    override_promotion_of(line.name, line.add("w2").version, "Ada", "new", **line.both)
    judged = line.judged("w3")
    line.start(judged)
    under_way, late = line.under_way(), line.look(Verdict.PASS)
    assert line.step is not None
    if how == "rollback":
        roll_back_line(line.name, "Bob", "in doubt", **line.both)
    elif how == "by hand":
        override_promotion_of(line.name, 1, "Bob", "in doubt", **line.both)
    else:
        line.tracking._client.set_registered_model_alias(line.name, "production", "1")
    assert line.step is None  # at once, whoever looks when
    if how == "in MLflow":
        waits = line.find()
        assert isinstance(waits, CanaryOutcome)
        assert waits.action == "undecided"
        with pytest.raises(PromotionError, match="moved outside of the ledger"):
            line.decide(late, under_way)
        reconcile_line(line.name, "restore", "Ada", "no", **line.both)
        assert line.step is None
    stopped = line.find()
    assert isinstance(stopped, CanaryOutcome)
    assert stopped.action == "canary stopped"
    assert "production was moved from version 2 to version 1" in stopped.reason
    assert line.find() is None
    assert line.decide(late, under_way).action == "canary stopped"
    if how == "in MLflow":
        assert line.start(judged).action == "canary started"
    else:
        with pytest.raises(PromotionError, match="somebody moved production meanwhile"):
            line.start(judged)
        assert line.start(line.judged("w4")).action == "canary started"


@pytest.mark.slow
@pytest.mark.parametrize("verdict", [Verdict.UNDETERMINED, Verdict.PASS])
def test_a_canary_that_is_undecided_when_its_time_is_over_is_stopped(
    line: Trying, verdict: Verdict
) -> None:
    """One whose first step passes has another one to come, in which it would be asked nothing."""
    line.start(line.judged("w2", max_days=1e-6))
    assert line.step is None  # nothing is asked of it after its time
    stopped = line.see(verdict, "12 of 200 requests")
    assert (stopped.action, stopped.verdict) == ("canary stopped", verdict)
    assert stopped.reason == "undecided after 1e-06 days: 12 of 200 requests"
    assert line.aliases["production"] == 1


@pytest.mark.slow
def test_a_person_stops_a_canary_once(line: Trying) -> None:
    with pytest.raises(PromotionError, match="has no canary that goes on"):
        stop_canary(line.name, "Ada", "complaints", **line.both)
    line.start(line.judged("w2"))
    with pytest.raises(PromotionError, match="needs a name and a reason"):
        stop_canary(line.name, "Ada", " ", **line.both)
    first = stop_canary(line.name, "Ada", "complaints", **line.both, run="run-1")
    assert stop_canary(line.name, "Ada", "complaints", **line.both, run="run-1") == first
    assert line.actions == ["promoted", "canary started", "canary stopped"]
    assert (line.ledger[-1].by, line.ledger[-1].reason) == ("Ada", "complaints")


@pytest.mark.slow
def test_a_person_approves_before_the_canary_and_is_named_by_the_promotion(
    line: Trying, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "asks", "by a person")
    judged = line.judged("w2")
    assert line.start(judged).action == "refused"  # nobody was asked
    judged = line.judged("w3")
    asked = request_approval(judged, "run-1", 7, **line.both)
    assert asked is not None
    assert line.start(judged, ADA).action == "canary started"
    assert not open_requests(LineState(line.name, line.store, line.tracking).history)
    assert request_approval(judged, "run-2", 7, **line.both) is None  # nobody is asked twice
    # A deployment job that waits for the tag is not to begin with what is tried.
    assert "approved" not in line.tracking.version_tags(line.name, 3)
    line.see(Verdict.PASS)
    assert line.see(Verdict.PASS).action == "promoted"
    entry = line.ledger[-1]
    assert (entry.by, entry.approval) == ("Ada", "approved")
    assert entry.reason.startswith("better on sports (all 2 gates pass)")
    assert entry.reason.count("all 2 gates pass") == 1
    assert line.tracking.version_tags(line.name, 3)["approved"] == "true"


@pytest.mark.slow
def test_a_person_is_asked_anew_where_production_was_moved_in_the_canary(
    line: Trying, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run of the line may come before the look that records that the canary is stopped."""
    monkeypatch.setattr(line, "asks", "by a person")
    judged = line.judged("w2")
    line.start(judged, ADA)
    line.tracking._client.delete_registered_model_alias(line.name, "production")
    assert isinstance(line.find(), CanaryOutcome)
    reconcile_line(line.name, "restore", "Ada", "no", **line.both)
    assert request_approval(judged, "run-2", 7, **line.both) is not None
    assert line.start(judged, ADA).action == "canary started"
    assert line.actions[-2:] == ["canary stopped", "canary started"]


@pytest.mark.slow
def test_files_that_were_changed_meanwhile_are_not_promoted(line: Trying) -> None:
    from tests.registered import files_of

    line.start(line.judged("w2"))
    line.see(Verdict.PASS)
    uri = files_of(line.name, 2, line.store, line.tracking)[0]
    line.store.put_bytes(uri, b"others")
    with pytest.raises(IntegrityError):
        line.see(Verdict.PASS)
    assert line.aliases["production"] == 1
    assert line.actions[-1] == "canary advanced"


@pytest.mark.slow
def test_two_runs_that_decide_at_the_same_moment_write_one_entry(
    line: Trying, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.start(line.judged("w2"))
    under_way, look = line.under_way(), line.look(Verdict.PASS)
    original, seen = line.tracking.write_once, []

    def after_another(*args: Any) -> Any:
        if not seen:
            seen.append(True)
            assert stop_canary(line.name, "Ada", "complaints", **line.both).step == 1
        return original(*args)

    monkeypatch.setattr(line.tracking, "write_once", after_another)
    with pytest.raises(OvertakenError, match="canary stopped version 2, by Ada"):
        line.decide(look, under_way)
    assert line.actions == ["promoted", "canary started", "canary stopped"]
    assert line.decide(look, under_way).action == "canary stopped"


@pytest.mark.slow
def test_the_newest_look_is_kept_for_who_asks(line: Trying) -> None:
    assert newest_look(line.name, line.store) is None
    line.start(line.judged("w2"))
    look = line.look(Verdict.UNDETERMINED)
    keep_newest_look(look, line.store)
    assert newest_look(line.name, line.store) == look
    line.store.put_bytes(line.store.uri("canary-looks", "newest", f"{line.name}.json"), b"{}")
    assert newest_look(line.name, line.store) is None


@pytest.mark.slow
def test_the_page_on_the_looks_is_linked_from_the_version(line: Trying) -> None:
    line.start(line.judged("w2"))
    line.decide(line.look(Verdict.PASS, "shadow was fine"))
    under_way, look = line.under_way(), line.look(Verdict.UNDETERMINED, "12 of 200 requests")
    html, url = publish_canary(look, under_way.earlier, **line.both)
    assert line.tracking.version_tags(line.name, 2)["assayline.canary"] == url
    page = line.store.get_bytes(html.uri).decode()
    assert "12 of 200 requests" in page
    assert "shadow was fine" in page


@pytest.mark.slow
def test_a_policy_that_was_changed_in_the_store_moves_nothing(line: Trying) -> None:
    judged = line.judged("w2")
    line.start(judged)
    uri = line.store.uri("policies", f"{judged.judgement.policy_sha256}.json")
    line.store.put_bytes(uri, line.store.get_bytes(uri).replace(b"0.25", b"0.75"))
    with pytest.raises(IntegrityError, match="was changed after it was written"):
        line.find()
    assert line.actions == ["promoted", "canary started"]


@pytest.mark.slow
def test_a_step_outlives_its_server_and_says_until_when(line: Trying) -> None:
    line.start(line.judged("w2"))
    entry = line.ledger[-1]
    until = datetime.fromisoformat(entry.until)
    began = datetime.fromisoformat(entry.at)
    assert abs(until - began - timedelta(days=7)) < timedelta(minutes=1)
