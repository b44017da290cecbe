"""What became of runs that asked for approval, as the Prefect server knows it."""

from typing import TYPE_CHECKING, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ValidationError

from infra.errors import PromotionError
from infra.mlflow_logins import MlflowLogins
from infra.prefect_api import PrefectApi
from infra.settings import load_settings
from tasks.notifications.messages import of_closed_request
from tasks.notifications.settings import Notifications
from tasks.records.registry import Approval, LedgerEntry
from tasks.registry.ledger import Recorded
from tasks.registry.rights import login_of_code
from tasks.stages.caching import look_up
from tasks.stages.notifications import announce, run_url

if TYPE_CHECKING:
    from tasks.registry.approval import WaitingRun

APPROVE: Final = "approve"


class _Answer(BaseModel):
    """What the form of a run that waits takes; see `tasks.stages.approval.ApprovalForm`."""

    decision: Literal["approve", "reject"]
    name: str
    reason: str
    code: str = ""


def form_key(request: Recorded, time: int = 1) -> str:
    """The key that the run of a request is suspended with, when it asks for the so manieth time."""
    key = f"approval-{request.number}"
    return key if time <= 1 else f"{key}-{time}"


def find_waiting_run(request: Recorded) -> "WaitingRun":
    """The state of the run that made a request, since when, and what a person said in its form.

    An answer of which it is not known whose it is, or that its login may not give, is none.
    """
    from tasks.registry.approval import WaitingRun

    prefect_api, run_id = PrefectApi(load_settings()), UUID(request.entry.run)
    found = prefect_api.flow_run(run_id)
    if found is None:
        return WaitingRun("")
    return WaitingRun(found.state.type, found.state.timestamp, _answer_of(request, prefect_api))


def _answer_of(request: Recorded, prefect_api: PrefectApi) -> Approval | None:
    """What was said in the newest form that somebody answered."""
    run_id, said, time = UUID(request.entry.run), None, 1
    while (given := prefect_api.answer_of(run_id, form_key(request, time))) is not None:
        said, time = given, time + 1
    if said is None:
        return None
    try:
        form = _Answer.model_validate(said)
        login = login_of_code(
            request.entry.line, str(run_id), form.code, MlflowLogins(load_settings())
        )
    except (ValidationError, PromotionError):  # the run's end alone is told
        return None
    return Approval(form.decision == APPROVE, form.name.strip(), form.reason.strip(), login)


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
