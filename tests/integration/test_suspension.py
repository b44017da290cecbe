"""A flow on a real Prefect server that waits for a person, and what it does when it is resumed.

The flow runs in this process: what the worker adds is tried in test_approval.py.
"""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect import Flow, flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import Pause
from prefect.flow_engine import run_flow
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings
from prefect.states import Crashed, Running

from flows.watch_registry import watch_registry
from infra.errors import PromotionError, SettingsError, StackError
from infra.prefect_api import PrefectApi
from infra.run_queue import page_of
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.notifications.settings import Notifications, NotificationSettings
from tasks.records.judged_version import JudgedVersion
from tasks.records.registry import Decision
from tasks.stages.approval import by_policy_or_person, check_can_wait
from tasks.stages.registry import confirm_production
from tests.conftest import RunningStack
from tests.integration.test_approval_ledger import Asking
from tests.integration.test_notifications import block_to_a_receiver

APPROVE = {"decision": "approve", "name": " Ada ", "reason": "better"}


class Deployed:
    """The end of a retraining as a deployment of its own, of which runs are started here."""

    def __init__(self, line: Asking, client: SyncPrefectClient, api: PrefectApi) -> None:
        self.line, self.client, self.api = line, client, api

    def flow_of(
        self, judged: JudgedVersion, days: float = 7, notifications: Notifications = ()
    ) -> Flow[[], Decision]:
        """What a run does with a candidate; resumed, with that which it asked about."""

        @flow(name=self.line.name, persist_result=False)
        def decides() -> Decision:
            waiting = confirm_production(self.line.name, "refuse")
            return by_policy_or_person(waiting or judged, days, notifications)

        return decides

    def begin(self, decides: Flow[[], Decision]) -> UUID:
        """A run that asks, and is suspended."""
        deployment = self.client.create_deployment(self.client.create_flow(decides), "decides")
        run = self.client.create_flow_run_from_deployment(deployment)
        with pytest.raises(Pause):
            self.go_on(decides, run.id)
        waits = self.api.flow_run(run.id)
        assert waits
        assert (waits.state.type, waits.state.name) == ("PAUSED", "Suspended")
        assert waits.state.waits_until
        return run.id

    def go_on(self, decides: Flow[[], Decision], run: UUID) -> Any:
        return run_flow(decides, flow_run=self.client.read_flow_run(run))

    def artifacts(self, run: UUID) -> list[str]:
        body = {"artifacts": {"flow_run_id": {"any_": [str(run)]}}}
        return sorted(one["key"] for one in self.api._pages("/artifacts/filter", body))


@pytest.fixture
def deployed(
    stack: RunningStack,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> Iterator[Deployed]:
    """A line of the stack, in a process whose settings are those of the stack."""
    monkeypatch.setenv("ASSAYLINE_HOME", str(stack.settings.home))
    line = Asking(
        f"suspended-{abs(hash(request.node.name))}", tmp_path,
        ObjectStore(stack.settings), Tracking(stack.settings),
    )  # fmt: skip
    login = ":".join(stack.login)
    where = {PREFECT_API_URL: stack.settings.prefect_url, PREFECT_API_AUTH_STRING: login}
    with temporary_settings(where), get_client(sync_client=True) as client:
        yield Deployed(line, client, PrefectApi(stack.settings))


def test_a_run_suspends_and_decides_once_it_is_resumed(deployed: Deployed) -> None:
    line, api = deployed.line, deployed.api
    decides = deployed.flow_of(line.judged("w1"))
    run = deployed.begin(decides)
    assert line.aliases == {}
    shown = deployed.artifacts(run)
    assert shown == [f"{kind}-{line.name}" for kind in ("approval", "report", "version")]
    for answer in (
        {},
        APPROVE | {"decision": "perhaps"},
        APPROVE | {"name": ""},
        APPROVE | {"reason": " "},
    ):
        with pytest.raises(StackError, match="does not resume"):
            api.resume_flow_run(run, answer)
    api.resume_flow_run(run, APPROVE)
    deployed.go_on(decides, run)
    assert line.aliases["production"] == 1
    assert [(one.action, one.by) for one in line.ledger] == [
        ("awaiting approval", "policy"), ("promoted", "Ada"),
    ]  # fmt: skip
    assert [key for key in deployed.artifacts(run) if key in shown] == shown  # shown once
    with pytest.raises(StackError, match="not paused"):
        api.resume_flow_run(run, APPROVE | {"decision": "reject"})


def test_who_is_asked_is_told_once_where_to_decide(deployed: Deployed, stack: RunningStack) -> None:
    """Through a real block, to a real receiver; resumed, the run asks nobody again."""
    line = deployed.line
    with block_to_a_receiver(stack, "who-decides") as received:
        asked = NotificationSettings(block="apprise-url/who-decides", events=("approval.pending",))
        decides = deployed.flow_of(line.judged("w1"), notifications=(asked,))
        run = deployed.begin(decides)
        deployed.api.resume_flow_run(run, APPROVE)
        deployed.go_on(decides, run)
    ((_, told),) = received.posts
    assert told["title"] == f"{line.name} version 1 waits for approval"
    assert f"run: {page_of(deployed.api.url, run)}" in str(told["message"])
    assert "It is rejected if nobody has decided by" in str(told["message"])


def test_production_that_moved_meanwhile_is_not_taken_over(deployed: Deployed) -> None:
    line = deployed.line
    first, second = line.judged("w1"), line.judged("w2")
    decides = deployed.flow_of(first)
    run = deployed.begin(decides)
    automatic = replace(second.judgement, approval="automatic")
    assert line.decide(replace(second, judgement=automatic), None).action == "promoted"
    deployed.api.resume_flow_run(run, APPROVE)
    decision = deployed.go_on(decides, run)
    assert decision.action == "refused"
    assert "assayline (Ada) approved it (better)" in decision.reason
    assert "somebody moved production meanwhile" in decision.reason
    assert line.aliases["production"] == 2
    assert line.ledger[-1].approval == "approved"


@pytest.mark.slow
def test_who_is_cancelled_was_not_rejected_and_asks_again(deployed: Deployed) -> None:
    line = deployed.line
    decides = deployed.flow_of(line.judged("w1"))
    first = deployed.begin(decides)
    deployed.api.cancel_flow_run(first)
    second = deployed.begin(decides)
    assert [(one.action, one.run) for one in line.ledger] == [
        ("awaiting approval", str(first)), ("withdrawn", ""), ("awaiting approval", str(second)),
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("decision", ["approve", "reject"])
def test_a_persons_word_is_not_lost_with_the_run_that_it_set_going(
    deployed: Deployed, decision: str
) -> None:
    """It crashes before it has recorded it; the look at the registry, or a later run, tells it."""
    line = deployed.line
    decides = deployed.flow_of(line.judged("w1"), days=5 / 86_400)
    run = deployed.begin(decides)
    deployed.api.resume_flow_run(run, APPROVE | {"decision": decision})
    deployed.client.set_flow_run_state(run, Crashed(message="killed"), force=True)
    time.sleep(6)  # its time is over too
    watch_registry(line.name)
    (_, closed) = line.ledger
    if decision == "approve":
        assert (closed.action, closed.by) == ("withdrawn", "policy")
        assert "approved it (better), and the run ended as CRASHED" in closed.reason
    else:
        assert (closed.action, closed.by) == ("rejected", "Ada")
    assert line.aliases == {}
    watch_registry(line.name)
    assert len(line.ledger) == 2


@pytest.mark.slow
def test_a_request_whose_time_is_over_is_closed_and_told_by_the_next_look(
    deployed: Deployed, stack: RunningStack
) -> None:
    line = deployed.line
    decides = deployed.flow_of(line.judged("w1"), days=1 / 86_400)
    deployed.begin(decides)
    time.sleep(2)
    with block_to_a_receiver(stack, "too-late") as received:
        asked = (NotificationSettings(block="apprise-url/too-late"),)
        for _ in range(2):
            watch_registry(line.name, "refuse", asked)
    assert [(one.action, one.by) for one in line.ledger][1:] == [("rejected", "policy")]
    ((_, told),) = received.posts
    assert told["title"] == f"{line.name} version 1 rejected"
    assert "nobody approved it until" in str(told["message"])


@pytest.mark.slow
@pytest.mark.parametrize(("days", "said"), [(7, "without an answer"), (1 / 86_400, "")])
def test_who_sets_a_run_going_without_an_answer_promotes_nothing(
    deployed: Deployed, days: float, said: str
) -> None:
    line = deployed.line
    decides = deployed.flow_of(line.judged("w1"), days)
    run = deployed.begin(decides)
    time.sleep(0 if said else 2)
    deployed.client.set_flow_run_state(run, Running(), force=True)
    if said:
        with pytest.raises(PromotionError, match=said):
            deployed.go_on(decides, run)
        assert [one.action for one in line.ledger] == ["awaiting approval"]
    else:
        deployed.go_on(decides, run)
        assert [(one.action, one.by) for one in line.ledger][1:] == [("rejected", "policy")]
    assert line.aliases == {}


def test_outside_of_a_deployment_nobody_is_waited_for() -> None:
    with pytest.raises(SettingsError, match="suspends runs of a deployment alone"):
        check_can_wait("by a person")
    check_can_wait("automatic")
