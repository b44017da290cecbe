"""What became of runs that asked for approval, as the Prefect server knows it."""

from typing import Final, Literal
from uuid import UUID

from pydantic import BaseModel, ValidationError

from infra.prefect_api import PrefectApi
from infra.settings import load_settings
from tasks.notifications.messages import of_closed_request
from tasks.notifications.settings import Notifications
from tasks.records.registry import Approval, LedgerEntry
from tasks.registry.approval import WaitingRun
from tasks.registry.ledger import Recorded
from tasks.stages.caching import look_up
from tasks.stages.notifications import announce, run_url

APPROVE: Final = "approve"


class _Answer(BaseModel):
    """What the form of a run that waits takes; see `tasks.stages.approval.ApprovalForm`."""

    decision: Literal["approve", "reject"]
    name: str
    reason: str


def form_key(request: Recorded) -> str:
    """The key that the run of a request is suspended with."""
    return f"approval-{request.number}"


def find_waiting_run(request: Recorded) -> WaitingRun:
    """The state of the run that made a request, since when, and what a person said in its form."""
    prefect_api, run_id = PrefectApi(load_settings()), UUID(request.entry.run)
    found = prefect_api.flow_run(run_id)
    if found is None:
        return WaitingRun("")
    answer = None
    try:
        said = prefect_api.answer_of(run_id, form_key(request))
        if said is not None:
            given = _Answer.model_validate(said)
            answer = Approval(given.decision == APPROVE, given.name.strip(), given.reason.strip())
    except ValidationError:
        answer = None  # of a form that this release does not know: the run's end alone is told
    return WaitingRun(found.state.type, found.state.timestamp, answer)


@look_up
def close_ended_requests(line: str) -> tuple[LedgerEntry, ...]:
    """Record what became of requests for approval whose run ended, or whose time is over."""
    from infra.store import open_store
    from infra.tracking import open_tracking
    from tasks.registry.approval import close_requests, open_requests
    from tasks.registry.line_state import LineState

    store, tracking = open_store(), open_tracking()
    requests = open_requests(LineState(line, store, tracking).history)
    return close_requests(requests, find_waiting_run, store=store, tracking=tracking)


def settle_requests(line: str, notifications: Notifications) -> None:
    """Close the requests that nobody can answer any more, and tell of each."""
    for entry in close_ended_requests(line):
        announce(of_closed_request(entry, run_url()), notifications)
