"""Batches of rows, scored by the version in production."""

from prefect import flow

from flows.own_line import check_own_line
from flows.run_hooks import tell_cancelled, tell_crashed, tell_failed
from tasks.notifications.settings import Notifications
from tasks.records.scoring import ScoringRun
from tasks.serving.scoring.settings import ScoringSettings
from tasks.stages.scoring import find_inputs, find_production, score_inputs


@flow(
    name="score",
    flow_run_name="score {line}",
    persist_result=True,
    result_serializer="json",
    on_failure=[tell_failed],
    on_crashed=[tell_crashed],
    on_cancellation=[tell_cancelled],
)
def score(
    line: str,
    inputs: list[str],
    settings: ScoringSettings | None = None,
    changes: ScoringSettings | None = None,
    notifications: Notifications = (),  # noqa: ARG001 - of a run that fails; see `run_hooks`
) -> ScoringRun:
    """Score files, folders or objects of a store; what is scored already is left as it is.

    Args:
        line: whose version in production scores them.
        inputs: files, folders and globs, on the worker's machine or as s3://bucket/key.
        settings: the line's, from its settings file.
        changes: what this run shall do otherwise.
        notifications: the line's.
    """
    check_own_line(line)
    chosen = (settings or ScoringSettings()).changed_by(changes)
    production = find_production(line)
    objects = find_inputs(inputs, chosen)
    return score_inputs(production, objects, chosen)
