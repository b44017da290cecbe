"""A line in production is watched: recorded rows by the hour, against what its version learned."""

from typing import Any

from prefect import flow
from prefect.runtime import flow_run

from flows.own_line import check_own_line
from flows.registered_settings import RegisteredConfig
from flows.run_hooks import READING_LIMIT_S, tell_cancelled, tell_crashed, tell_failed
from tasks.records.monitoring import Monitored
from tasks.stages.monitoring import find_watched, judge_windows, nothing_to_watch
from tasks.stages.outside_moves import settle_outside_moves
from tasks.stages.tokenization import pin_base_model


def _run_name() -> str:
    config: Any = flow_run.parameters["config"]
    return f"monitor {config['line'] if isinstance(config, dict) else config.line}"


@flow(
    name="monitor",
    flow_run_name=_run_name,
    persist_result=True,
    result_serializer="json",
    timeout_seconds=READING_LIMIT_S,
    on_failure=[tell_failed],
    on_crashed=[tell_crashed],
    on_cancellation=[tell_cancelled],
)
def monitor(*, since: str = "", config: RegisteredConfig) -> Monitored:
    """Judge the windows of recorded rows that are due; an alarm is answered by a retraining.

    Args:
        since: judge also earlier windows that have no record, from this moment on, for example
            2026-11-28T05:00Z; empty: those since the last one that was judged.
        config: the line's settings; its name is that of the deployment.
    """
    check_own_line(config.line, config.task_type)
    settle_outside_moves(config.line, config.registry.on_outside_move, config.notifications)
    watched = find_watched(config.line)
    if watched is None:
        return nothing_to_watch(config.line)
    return judge_windows(
        watched, pin_base_model(config.base_model), config.monitor, config.policy,
        config.evaluation, config.fairness, since, config.notifications,
    )  # fmt: skip
