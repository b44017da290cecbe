"""Staging to production by a person: rollback, and promotion against or without a verdict."""

from prefect import flow

from flows.own_line import check_own_line
from flows.run_hooks import tell_cancelled, tell_crashed, tell_failed
from tasks.notifications.messages import of_entry
from tasks.notifications.settings import Notifications
from tasks.records.registry import LedgerEntry, Reconciliation
from tasks.registry.settings import OnOutsideMove
from tasks.stages.notifications import announce, run_url
from tasks.stages.outside_moves import settle_outside_moves
from tasks.stages.registry import check_rights, override_promotion, reconcile_aliases, roll_back
from tasks.stages.version_states import show_version_states


@flow(
    name="rollback",
    flow_run_name="rollback {line}",
    persist_result=True,
    result_serializer="json",
    on_failure=[tell_failed],
    on_crashed=[tell_crashed],
    on_cancellation=[tell_cancelled],
)
def rollback(
    line: str,
    by: str = "Prefect UI",
    reason: str = "no reason was given",
    on_outside_move: OnOutsideMove = "refuse",
    notifications: Notifications = (),
) -> LedgerEntry:
    """Put the version that was in production before back, after a load test."""
    check_own_line(line)
    login = check_rights(line, f"rollback {line}")
    settle_outside_moves(line, on_outside_move, notifications)
    entry = roll_back(line, by, reason, on_outside_move, login)
    show_version_states(line)
    announce(of_entry(entry, run_url()), notifications)
    return entry


@flow(
    name="promote",
    flow_run_name="promote {line} version {version}",
    persist_result=True,
    result_serializer="json",
    on_failure=[tell_failed],
    on_crashed=[tell_crashed],
    on_cancellation=[tell_cancelled],
)
def promote(
    line: str,
    version: int,
    by: str,
    reason: str,
    on_outside_move: OnOutsideMove = "refuse",
    notifications: Notifications = (),
) -> LedgerEntry:
    """Put a version in production by the word of a person, with name and reason."""
    check_own_line(line)
    login = check_rights(line, f"promote {line} {version}")
    settle_outside_moves(line, on_outside_move, notifications)
    entry = override_promotion(line, version, by, reason, on_outside_move, login)
    show_version_states(line)
    announce(of_entry(entry, run_url()), notifications)
    return entry


@flow(
    name="reconcile",
    flow_run_name="reconcile {line}",
    persist_result=True,
    result_serializer="json",
    on_failure=[tell_failed],
    on_crashed=[tell_crashed],
    on_cancellation=[tell_cancelled],
)
def reconcile(
    line: str,
    on_outside_move: OnOutsideMove,
    by: str,
    reason: str,
    notifications: Notifications = (),  # noqa: ARG001 - of a run that fails; see `run_hooks`
) -> Reconciliation:
    """Restore or accept aliases that somebody moved in MLflow, with name and reason."""
    check_own_line(line)
    login = check_rights(line, f"reconcile {line}")
    done = reconcile_aliases(line, on_outside_move, by, reason, login)
    show_version_states(line)
    return done
