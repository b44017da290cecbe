"""The look at a line's source between its retrainings: new data starts one."""

from prefect import flow

from flows.own_line import check_own_line
from flows.registered_settings import RegisteredDataConfig
from flows.run_hooks import READING_LIMIT_S, tell_cancelled, tell_crashed, tell_failed
from tasks.notifications.settings import Notifications
from tasks.records.source_use import SourceLook
from tasks.stages.ingestion import pin_source
from tasks.stages.source_watch import retrain_on_new_source


@flow(
    name="watch-source",
    flow_run_name="watch source of {config.line}",
    persist_result=True,
    result_serializer="json",
    timeout_seconds=READING_LIMIT_S,
    on_failure=[tell_failed],
    on_crashed=[tell_crashed],
    on_cancellation=[tell_cancelled],
)
def watch_source(
    config: RegisteredDataConfig,
    notifications: Notifications = (),  # noqa: ARG001 - of a run that fails; see `run_hooks`
) -> SourceLook:
    """Start `retrain/LINE` where its source is another one than the newest retraining read.

    Args:
        config: what the line's data are.
        notifications: the line's.
    """
    check_own_line(config.line, config.task_type)
    source = pin_source(config.line, config.source)
    return retrain_on_new_source(config.line, source, config.source)
