"""The look at a line's aliases between its runs: on a schedule, and when MLflow tells of a move."""

from prefect import flow

from flows.own_line import check_own_line
from flows.run_hooks import LOOK_LIMIT_S, tell_cancelled, tell_crashed, tell_failed
from tasks.notifications.settings import Notifications
from tasks.records.registry import AliasCheck
from tasks.registry.alias_check import PATIENCE_S
from tasks.registry.settings import OnOutsideMove
from tasks.stages.outside_moves import settle_outside_moves
from tasks.stages.version_states import show_version_states
from tasks.stages.waiting_runs import settle_requests


@flow(
    name="watch-registry",
    flow_run_name="watch registry {line}",
    persist_result=True,
    result_serializer="json",
    timeout_seconds=LOOK_LIMIT_S,
    on_failure=[tell_failed],
    on_crashed=[tell_crashed],
    on_cancellation=[tell_cancelled],
)
def watch_registry(
    line: str, on_outside_move: OnOutsideMove = "refuse", notifications: Notifications = ()
) -> AliasCheck:
    """See whether somebody moved production in MLflow, and act by the line's setting.

    A candidate that waits for a person's approval is rejected here too, once its time is over.
    """
    check_own_line(line)
    found = settle_outside_moves(line, on_outside_move, notifications, PATIENCE_S)
    if found.done != "undecided":  # of a line where nothing may be decided yet, nothing is
        settle_requests(line, notifications)
    if found.moved:
        show_version_states(line)
    return found
