"""The recorded rows of a line in production, judged by the hour."""

import logging
from datetime import UTC, datetime

from prefect.context import TaskRunContext

from infra.digests import digest_of
from infra.store import open_store
from infra.tracking import open_tracking
from tasks.evaluation.settings import EvaluationSettings
from tasks.fairness.settings import FairnessSettings
from tasks.monitoring.settings import MonitorSettings, watched_gates
from tasks.notifications.messages import of_drift
from tasks.notifications.settings import Notifications
from tasks.records.monitoring import Alarm, Monitored, WatchedVersion, as_hour
from tasks.records.training import BaseModel
from tasks.registry.settings import PolicySettings
from tasks.reporting.monitor_page import MonitorEvidence
from tasks.stages.caching import look_up
from tasks.stages.notifications import emit, run_url, send
from tasks.stages.page_artifacts import show_link, show_markdown

logger = logging.getLogger(__name__)


@look_up
def find_watched(line: str) -> WatchedVersion | None:
    """Look up the version in production; None where there is none."""
    from tasks.registry.watched import watched_version

    return watched_version(line, store=open_store(), tracking=open_tracking())


def nothing_to_watch(line: str) -> Monitored:
    """What a run comes to where no version is in production."""
    note = f"{line} has no version in production, so that there is nothing to watch"
    logger.info("%s", note)
    return Monitored(line, None, note=note)


@look_up
def judge_windows(
    watched: WatchedVersion,
    base: BaseModel | None,
    settings: MonitorSettings,
    policy: PolicySettings,
    evaluation: EvaluationSettings,
    fairness: FairnessSettings,
    since: str = "",
    notifications: Notifications = (),
) -> Monitored:
    """Judge the windows that are due, raise the alarms that they complete, and show them all."""
    from tasks.monitoring.alarms import keep_alarm
    from tasks.monitoring.judging import Watch
    from tasks.monitoring.labelled_rows import LabelPolicy
    from tasks.monitoring.publication import publish_monitor
    from tasks.monitoring.reference import read_reference
    from tasks.monitoring.running import rule_of, run_monitor

    store = open_store()
    gates = watched_gates((*policy.gates, *policy.fairness_where_decidable))
    labels = LabelPolicy(gates, evaluation, fairness)
    watch = Watch(watched, read_reference(watched, base, settings, store), labels, settings)
    found = run_monitor(watch, datetime.now(UTC), store, since)
    for alarm in found.raised:
        tell_alarm(alarm, notifications)
        keep_alarm(alarm, store)
    if not found.windows:
        return Monitored(watched.line, watched.version, note="no window has ended yet")
    alarms = (*found.alarms, *found.raised)
    evidence = MonitorEvidence(watched, found.windows, alarms, rule_of(watch))
    html, url = publish_monitor(evidence, store=store, tracking=open_tracking())
    _show(evidence, url)
    return Monitored(
        line=watched.line,
        version=watched.version,
        judged=found.judged,
        measured_again=found.again,
        skipped=found.skipped,
        verdict=evidence.newest.verdict,
        alarms=tuple(alarm.sentence for alarm in found.raised),
        page_url=url,
        page_uri=html.uri,
        note=f"{len(found.judged)} windows judged",
    )


def tell_alarm(alarm: Alarm, notifications: Notifications) -> None:
    """Emit the event that the automation answers (`triggers` in prefect.yaml), and send messages.

    Raises:
        StackError: no Prefect server took the event. The alarm is then not recorded, and the next
            run raises it again.

    """
    window = as_hour(alarm.start)
    told = of_drift(
        alarm.line, (f"{alarm.sentence}.",), digest_of([alarm.line, window]), {"run": run_url()},
        alarm.version,
    )  # fmt: skip
    emit(told, {"window": window, "checks": list(alarm.checks)})
    logger.warning("alarm: %s", alarm.sentence)
    send(told, notifications)


def _show(evidence: MonitorEvidence, url: str) -> None:
    """Put the newest window and the way to all of them on the page of the Prefect run."""
    if not TaskRunContext.get():
        return
    from tasks.reporting.monitor_page import monitor_markdown
    from tasks.reporting.summaries import artifact_key

    line = evidence.watched.line
    newest, key = monitor_markdown(evidence, url), artifact_key("monitor", line)
    show_markdown(newest, key, f"The newest window of {line}")
    key = artifact_key("monitor-page", line)
    show_link(url, f"{line}: all windows over time", key, f"Windows of {line} over time")
