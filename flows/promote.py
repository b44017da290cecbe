"""Staging to production by a person: rollback, and promotion against or without a verdict."""

from prefect import flow

from flows.own_line import check_own_line
from tasks.records.registry import LedgerEntry, Reconciliation
from tasks.registry.settings import OnOutsideMove
from tasks.stages.registry import override_promotion, reconcile_aliases, roll_back


@flow(
    name="rollback",
    flow_run_name="rollback {line}",
    persist_result=True,
    result_serializer="json",
)
def rollback(
    line: str,
    by: str = "Prefect UI",
    reason: str = "no reason was given",
    on_outside_move: OnOutsideMove = "refuse",
) -> LedgerEntry:
    """Put the version that was in production before back, after a load test."""
    check_own_line(line)
    return roll_back(line, by, reason, on_outside_move)


@flow(
    name="promote",
    flow_run_name="promote {line} version {version}",
    persist_result=True,
    result_serializer="json",
)
def promote(
    line: str, version: int, by: str, reason: str, on_outside_move: OnOutsideMove = "refuse"
) -> LedgerEntry:
    """Put a version in production by the word of a person, with name and reason."""
    check_own_line(line)
    return override_promotion(line, version, by, reason, on_outside_move)


@flow(
    name="reconcile",
    flow_run_name="reconcile {line}",
    persist_result=True,
    result_serializer="json",
)
def reconcile(line: str, on_outside_move: OnOutsideMove, by: str, reason: str) -> Reconciliation:
    """Restore or accept aliases that somebody moved in MLflow, with name and reason."""
    check_own_line(line)
    return reconcile_aliases(line, on_outside_move, by, reason)
