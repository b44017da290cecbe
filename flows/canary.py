"""A candidate that is tried on served requests: looked at each ten minutes, up to its decision."""

from dataclasses import replace

from prefect import flow

from flows.own_line import check_own_line
from flows.run_hooks import LOOK_LIMIT_S, tell_cancelled, tell_crashed, tell_failed
from tasks.notifications.messages import of_canary
from tasks.notifications.settings import Notifications
from tasks.records.canary_outcome import CanaryOutcome
from tasks.registry.settings import OnOutsideMove
from tasks.stages.canary import (
    decide_on_look,
    find_canary,
    look_at_canary,
    nothing_is_tried,
    publish_looks,
    stop_canary,
)
from tasks.stages.notifications import announce, run_url
from tasks.stages.outside_moves import settle_outside_moves
from tasks.stages.registry import check_rights
from tasks.stages.run_page import show_canary
from tasks.stages.version_states import show_version_states


@flow(
    name="canary",
    timeout_seconds=LOOK_LIMIT_S,
    flow_run_name="canary {line}",
    persist_result=True,
    result_serializer="json",
    on_failure=[tell_failed],
    on_crashed=[tell_crashed],
    on_cancellation=[tell_cancelled],
)
def canary(
    line: str,
    stop: bool = False,  # noqa: FBT001, FBT002 - a field of the form in Prefect's UI
    by: str = "Prefect UI",
    reason: str = "no reason was given",
    on_outside_move: OnOutsideMove = "refuse",
    notifications: Notifications = (),
    feedback_by: tuple[str, ...] = (),
) -> CanaryOutcome:
    """Look at the canary of a line, and stop it, go on to its next step, or promote its candidate.

    Args:
        line: the model line.
        stop: stop the canary by the word of a person, whatever was seen; its candidate is not
            promoted.
        by: who stops it.
        reason: why it is stopped; it stands in the ledger.
        on_outside_move: the line's setting for moves outside of the ledger.
        notifications: the line's.
        feedback_by: whose labels count, as the line's monitor.feedback_by; none: everybody's.
    """
    check_own_line(line)
    settle_outside_moves(line, on_outside_move, notifications)
    outcome = _stop(line, by, reason) if stop else _look(line, feedback_by)
    if outcome.action:
        show_canary(outcome)
        show_version_states(line)
    if message := of_canary(outcome, run_url()):
        announce(message, notifications)
    return outcome


def _stop(line: str, by: str, reason: str) -> CanaryOutcome:
    """Stop a canary by the word of a person who may decide on the line."""
    login = check_rights(line, f"canary {line} --stop")
    return stop_canary(line, by, reason, login)


def _look(line: str, feedback_by: tuple[str, ...]) -> CanaryOutcome:
    """What the next look at a canary decides; where none goes on, nothing is written."""
    found = find_canary(line)
    if found is None:
        return nothing_is_tried(line)
    if isinstance(found, CanaryOutcome):
        return found
    look = look_at_canary(found, feedback_by)
    outcome = decide_on_look(look, found)
    return replace(outcome, page_url=publish_looks(look, found))
