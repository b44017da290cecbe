"""Staging to production by a person: rollback, and promotion against or without a verdict."""

from prefect import flow

from tasks.records.registry import LedgerEntry
from tasks.stages.registry import override_promotion, roll_back


@flow(
    name="rollback",
    flow_run_name="rollback {line}",
    persist_result=True,
    result_serializer="json",
)
def rollback(line: str, by: str = "Prefect UI", reason: str = "no reason was given") -> LedgerEntry:
    """Put the version that was in production before back, after a load test."""
    return roll_back(line, by, reason)


@flow(
    name="promote",
    flow_run_name="promote {line} version {version}",
    persist_result=True,
    result_serializer="json",
)
def promote(line: str, version: int, by: str, reason: str) -> LedgerEntry:
    """Put a version in production by the word of a person, with name and reason."""
    return override_promotion(line, version, by, reason)
