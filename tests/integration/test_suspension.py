"""A flow on a real Prefect server that waits for a person, and what it does when it is resumed.

The flow runs in this process: what the worker adds is tried in test_approval.py.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import Pause
from prefect.flow_engine import run_flow
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings
from prefect.states import Running

from infra.errors import PromotionError, SettingsError, StackError
from infra.prefect_api import PrefectApi
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.registry import Decision
from tasks.stages.approval import by_policy_or_person, check_can_wait
from tests.conftest import RunningStack
from tests.integration.test_approval_ledger import Asking


@pytest.fixture
def line(stack: RunningStack, tmp_path: Path) -> Asking:
    settings = stack.settings
    return Asking("suspended", tmp_path, ObjectStore(settings), Tracking(settings))


@pytest.fixture
def client(stack: RunningStack, monkeypatch: pytest.MonkeyPatch) -> Iterator[SyncPrefectClient]:
    """Prefect's client, in a process whose settings are those of the stack."""
    monkeypatch.setenv("ASSAYLINE_HOME", str(stack.settings.home))
    login = ":".join(stack.login)
    where = {PREFECT_API_URL: stack.settings.prefect_url, PREFECT_API_AUTH_STRING: login}
    with temporary_settings(where), get_client(sync_client=True) as one:
        yield one


def test_a_run_suspends_and_decides_once_it_is_resumed(
    stack: RunningStack, line: Asking, client: SyncPrefectClient
) -> None:
    judged = line.judged("w1")

    @flow(name="decides", persist_result=False)
    def decides() -> Decision:
        return by_policy_or_person(judged, 7, ())

    deployment = client.create_deployment(client.create_flow(decides), "decides")
    run = client.create_flow_run_from_deployment(deployment)
    api = PrefectApi(stack.settings)

    with pytest.raises(Pause):
        run_flow(decides, flow_run=client.read_flow_run(run.id))
    waits = api.flow_run(run.id)
    assert waits
    assert (waits.state.type, waits.state.name) == ("PAUSED", "Suspended")
    assert waits.state.waits_until
    assert line.aliases == {}
    shown = {one["key"] for one in api._pages("/artifacts/filter", _of(run.id))}
    assert shown == {"approval-suspended", "report-suspended", "version-suspended"}

    for answer in ({}, {"decision": "perhaps", "name": "Ada", "reason": "so"},
                   {"decision": "approve", "name": "", "reason": "so"}):  # fmt: skip
        with pytest.raises(StackError, match="does not resume"):
            api.resume_flow_run(run.id, answer)
    api.resume_flow_run(run.id, {"decision": "approve", "name": " Ada ", "reason": "better"})
    run_flow(decides, flow_run=client.read_flow_run(run.id))
    assert line.aliases["production"] == 1
    assert [(one.action, one.by) for one in line.ledger] == [
        ("awaiting approval", "policy"), ("promoted", "Ada"),
    ]  # fmt: skip
    # Shown once, and asked once.
    assert len(api._pages("/artifacts/filter", _of(run.id))) == len(shown)
    with pytest.raises(StackError, match="not paused"):
        api.resume_flow_run(run.id, {"decision": "reject", "name": "Ada", "reason": "after all"})


@pytest.mark.parametrize(("days", "said"), [(7, "without an answer"), (1 / 86_400, "")])
def test_who_sets_a_run_going_without_an_answer_promotes_nothing(
    stack: RunningStack, client: SyncPrefectClient, tmp_path: Path, days: float, said: str
) -> None:
    store, tracking = ObjectStore(stack.settings), Tracking(stack.settings)
    line = Asking("unanswered-late" if said == "" else "unanswered", tmp_path, store, tracking)
    judged = line.judged("w1")

    @flow(name="unanswered", persist_result=False)
    def decides() -> Decision:
        return by_policy_or_person(judged, days)

    deployment = client.create_deployment(client.create_flow(decides), "decides")
    run = client.create_flow_run_from_deployment(deployment)
    with pytest.raises(Pause):
        run_flow(decides, flow_run=client.read_flow_run(run.id))
    time.sleep(0 if said else 2)
    client.set_flow_run_state(run.id, Running(), force=True)
    if said:
        with pytest.raises(PromotionError, match=said):
            run_flow(decides, flow_run=client.read_flow_run(run.id))
        assert [one.action for one in line.ledger] == ["awaiting approval"]
    else:
        run_flow(decides, flow_run=client.read_flow_run(run.id))
        assert [(one.action, one.by) for one in line.ledger][1:] == [("rejected", "policy")]
    assert line.aliases == {}


def _of(run: UUID) -> dict[str, dict[str, dict[str, list[str]]]]:
    return {"artifacts": {"flow_run_id": {"any_": [str(run)]}}}


def test_outside_of_a_deployment_nobody_is_waited_for() -> None:
    with pytest.raises(SettingsError, match="suspends runs of a deployment alone"):
        check_can_wait("by a person")
    check_can_wait("automatic")
