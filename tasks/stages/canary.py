"""A candidate that is tried on served requests: its start, the looks at it, what they decide."""

import logging
from datetime import UTC, datetime

from prefect.context import TaskRunContext
from prefect.runtime import flow_run

from infra.errors import AssaylineError
from infra.store import open_store
from infra.tracking import open_tracking
from tasks.records.canary import CanaryLook
from tasks.records.canary_outcome import CanaryOutcome
from tasks.records.judged_version import JudgedVersion
from tasks.records.registry import Approval, Decision
from tasks.registry.canary import UnderWay
from tasks.stages.caching import look_up
from tasks.stages.page_artifacts import show_markdown

logger = logging.getLogger(__name__)


@look_up
def start_canary(judged: JudgedVersion, approval: Approval | None = None) -> Decision:
    """Begin to try a version whose policy asks for it; refuse it where a gate is in the way."""
    from tasks.registry.canary import start_canary as start

    return start(judged, approval, store=open_store(), tracking=open_tracking())


@look_up
def find_canary(line: str) -> UnderWay | CanaryOutcome | None:
    """Look up the canary that goes on; one whose version in production was moved is stopped."""
    from tasks.registry.canary import find_canary as find

    return find(line, store=open_store(), tracking=open_tracking())


def nothing_is_tried(line: str) -> CanaryOutcome:
    """What a run comes to where no canary goes on."""
    note = f"no candidate of {line} is tried"
    logger.info("%s", note)
    return CanaryOutcome(line, None, "", note)


@look_up
def look_at_canary(under_way: UnderWay, feedback_by: tuple[str, ...]) -> CanaryLook:
    """Compare the candidate with production on the requests of its step, and show what is seen.

    Args:
        under_way: the canary.
        feedback_by: whose labels count; none: everybody's.

    """
    from tasks.canary.judging import judge_step
    from tasks.registry.canary_looks import keep_newest_look
    from tasks.registry.production import compared_in

    store, step = open_store(), under_way.step
    versions = compared_in(step, store=store, tracking=open_tracking())
    look = judge_step(step, under_way.settings, versions, feedback_by, datetime.now(UTC), store)
    keep_newest_look(look, store)
    _show(look, under_way)
    return look


def publish_looks(look: CanaryLook, under_way: UnderWay) -> str:
    """Put the page on the looks in MLflow; what is decided stands even if it cannot be shown.

    Returns:
        Its address; empty where it cannot be written.

    """
    try:
        return publish_canary(look, under_way)
    except AssaylineError as error:
        logger.warning("the page on the canary of %s is not written: %s", look.step.line, error)
        return ""


@look_up
def publish_canary(look: CanaryLook, under_way: UnderWay) -> str:
    """Write the page on the looks at a canary; returns its address in MLflow."""
    from tasks.canary.publication import publish_canary as publish

    return publish(look, under_way.earlier, store=open_store(), tracking=open_tracking())[1]


@look_up
def decide_on_look(look: CanaryLook, under_way: UnderWay) -> CanaryOutcome:
    """Stop the canary, begin its next step, promote its candidate, or leave it where it is."""
    from tasks.registry.canary import decide_on_look as decide

    return decide(look, under_way, store=open_store(), tracking=open_tracking())


@look_up
def stop_canary(line: str, by: str, reason: str, login: str = "") -> CanaryOutcome:
    """Stop the canary by a person's word."""
    from tasks.registry.canary import stop_canary as stop

    run = str(flow_run.id or "")
    return stop(
        line, by, reason, store=open_store(), tracking=open_tracking(), run=run, login=login
    )


def _show(look: CanaryLook, under_way: UnderWay) -> None:
    """Put the look on the page of the Prefect run."""
    if not TaskRunContext.get():
        return
    from tasks.reporting.canary_summary import look_markdown
    from tasks.reporting.summaries import artifact_key

    line = look.step.line
    described = f"The canary of {line} version {look.step.version}"
    show_markdown(look_markdown(look, under_way.sentences), artifact_key("canary", line), described)
