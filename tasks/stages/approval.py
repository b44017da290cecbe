"""A person's approval in the Prefect run: the run suspends, and goes on when somebody has decided.

Suspended, a run has no process, holds no slot, and waits on Prefect's server alone. Resumed, its
flow starts anew and finds its own request in the ledger (`tasks.registry.approval`), so that it
decides at once on what was measured before.
"""

import math
from datetime import UTC, datetime
from typing import Literal

from prefect import get_run_logger
from prefect.context import FlowRunContext
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput
from prefect.runtime import deployment, flow_run
from pydantic import Field, ValidationError

from infra.errors import PromotionError, SettingsError
from infra.mlflow_logins import MlflowLogins
from infra.run_queue import page_of
from infra.settings import load_settings
from tasks.notifications.messages import Message, of_pending_approval
from tasks.notifications.settings import Notifications
from tasks.records.judged_version import JudgedVersion
from tasks.records.registry import Approval, Decision
from tasks.registry.approval import nobody_approved
from tasks.registry.ledger import AWAITING, BY_POLICY, Recorded
from tasks.registry.rights import login_of_code
from tasks.registry.settings import BY_A_PERSON
from tasks.reporting.approval import request_words
from tasks.reporting.summaries import plain
from tasks.stages.canary import start_canary
from tasks.stages.notifications import announce, run_url
from tasks.stages.registry import promote, request_approval
from tasks.stages.run_page import show_request
from tasks.stages.waiting_runs import APPROVE, form_key


class ApprovalForm(RunInput):
    """What a person says of a candidate; the form of the run in Prefect's UI."""

    decision: Literal["approve", "reject"] = Field(
        description="approve: the candidate is put in production, or tried in a canary first where "
        "the policy asks for one. reject: it never is, and production stays as it is."
    )
    name: str = Field(
        min_length=1, max_length=100, pattern=r"\S", description="Who decides; your name."
    )
    reason: str = Field(
        min_length=1, max_length=1_000, pattern=r"\S", description="Why; it stands in the ledger."
    )
    code: str = Field(
        default="",
        max_length=100,
        description="Where several people have a login at MLflow: what `assayline approval-code` "
        "gave you for this run, which tells whose decision this is.",
    )


def check_can_wait(approval: str) -> None:
    """Refuse a run that is to wait for a person and cannot, before anything is trained.

    Raises:
        SettingsError: it is a run of no deployment, which Prefect does not suspend.

    """
    if approval == BY_A_PERSON and not deployment.id:
        raise SettingsError(
            f"policy.approval is {BY_A_PERSON}, and Prefect suspends runs of a deployment alone; "
            "start the line's deployment (`assayline run CONFIG`, or the button in Prefect's UI)"
        )


def by_policy_or_person(
    judged: JudgedVersion, days: float, notifications: Notifications
) -> Decision:
    """Promote a judged version if its gates pass, and a person approves it where the policy asks.

    Where the policy asks for a canary, that begins in the place of the promotion.

    Args:
        judged: the version.
        days: for which a person is waited for.
        notifications: through which it is told that a candidate waits.

    """
    asked = judged.judgement.approval == BY_A_PERSON
    request = request_approval(judged, days) if asked else None
    if request and request.entry.run != flow_run.id:
        return _waits_elsewhere(judged, request)
    approval = _ask(judged, request, notifications) if request else None
    return start_canary(judged, approval) if judged.judgement.canary else promote(judged, approval)


def _ask(judged: JudgedVersion, request: Recorded, notifications: Notifications) -> Approval:
    """Suspend the run until somebody has decided; at once where it was resumed.

    Raises:
        prefect.exceptions.Pause: the run is suspended; its process ends.
        PromotionError: the run was set going, and nobody has answered.

    """
    until, times_asked = request.entry.until, _times_asked(request)
    if not times_asked:
        show_request(judged, until)
        announce(_pending(judged, until), notifications)
    return _answer(judged, request, times_asked)


def _answer(judged: JudgedVersion, request: Recorded, asked: int, refused: str = "") -> Approval:
    """What the last form says; who may not decide, or does not say who it is, is asked anew."""
    until = request.entry.until
    words = request_words(judged, until)
    again = f"{words}\n\n**{plain(refused)}**" if refused else words
    left_s = (datetime.fromisoformat(until) - datetime.now(UTC)).total_seconds()
    try:
        answer = suspend_flow_run(
            wait_for_input=ApprovalForm.with_initial_data(description=again),
            timeout=max(1, math.ceil(left_s)),
            key=form_key(request, asked + bool(refused)),
        )
    except ValidationError as error:  # somebody set the run going by another way than the form
        if left_s <= 0:
            return Approval(approved=False, by=BY_POLICY, reason=nobody_approved(until))
        raise PromotionError(
            f"the run goes on without an answer to whether version {judged.version.version} of "
            f"{judged.version.line} is approved. Nothing was promoted; start the line again, and "
            "answer by Resume on the page of its run or by `assayline approve`"
        ) from error
    line, run = judged.version.line, str(flow_run.id)
    try:
        login = login_of_code(line, run, answer.code, MlflowLogins(load_settings()))
    except PromotionError as error:
        get_run_logger().warning("the decision by %s is not taken: %s", answer.name, error)
        return _answer(judged, request, asked, refused=str(error))
    approved = answer.decision == APPROVE
    return Approval(approved, answer.name.strip(), answer.reason.strip(), login)


def _pending(judged: JudgedVersion, until: str) -> Message:
    version = judged.version
    return of_pending_approval(
        version.line,
        version.version,
        judged.judgement.verdict.value,
        (f"It is rejected if nobody has decided by {until[:16].replace('T', ' ')} UTC.",),
        {"run": run_url(), "report": judged.report.url, "version": version.url},
    )


def _times_asked(request: Recorded) -> int:
    """How often this run has suspended for this request before; if it has, it goes on now."""
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    keys = (run.empirical_policy.pause_keys or set()) if run else set()
    asked = 0
    while form_key(request, asked + 1) in keys:
        asked += 1
    return asked


def _waits_elsewhere(judged: JudgedVersion, request: Recorded) -> Decision:
    """The same candidate waits in another run: nobody is asked twice."""
    version, entry = judged.version, request.entry
    server = load_settings().prefect_url or ""
    page = page_of(server.rstrip("/"), entry.run)
    return Decision(
        version.line, version.version, AWAITING,
        f"it awaits approval until {entry.until[:16].replace('T', ' ')} UTC in the run {page}",
        judged.judgement, request.uri, version.url, judged.report.url, judged.report.html.uri,
    )  # fmt: skip
