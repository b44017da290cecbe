"""One run of the monitor: what is due is judged, labels are counted again, alarms are found."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from infra.store import ObjectStore
from tasks.monitoring.alarms import new_alarms
from tasks.monitoring.due import due_labels, due_windows, forget_the_future, last_window
from tasks.monitoring.judging import Watch, judge_window, measure_labels_again
from tasks.monitoring.settings import CHECKS_WITHOUT_LABELS, MonitorSettings
from tasks.monitoring.window_records import (
    keep,
    labels_uri,
    read_alarms,
    read_windows,
    window_uri,
)
from tasks.records.monitoring import Alarm, WatchedWindow, as_hour
from tasks.verdicts import Verdict

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Judged:
    """What a run judged, and what the line's windows are now.

    Attributes:
        windows: those that the page shows, oldest first.
        alarms: raised before, in the same span.
        raised: new ones, whose events are yet to be sent.
        judged: starts of the windows that this run judged; again: whose labels it counted anew.
        skipped: windows that stay a gap.

    """

    windows: tuple[WatchedWindow, ...]
    alarms: tuple[Alarm, ...]
    raised: tuple[Alarm, ...]
    judged: tuple[str, ...]
    again: tuple[str, ...]
    skipped: int


def run_monitor(watch: Watch, now: datetime, store: ObjectStore, since: str = "") -> Judged:
    """Judge the windows that are due, and find the alarms that they complete.

    Args:
        watch: the line.
        now: the moment.
        store: holds all records.
        since: judge the windows from this moment on that have no record; empty: those since the
            last one.

    Raises:
        BaseModelError: the base model cannot embed a text.
        IntegrityError: a record of the monitor cannot be read.
        SettingsError: `since` is no moment.
        StoreError: the store cannot be asked.

    """
    settings, line = watch.settings, watch.watched.line
    forget_the_future(line, now, settings, store)
    due = due_windows(line, now, settings, store, since)
    if due.skipped:
        logger.warning(
            "%s: %d windows before %s were not judged in time and stay a gap "
            "(monitor.catch_up_windows is %d)",
            line, due.skipped, due.windows[0] if due.windows else "now", settings.catch_up_windows,
        )  # fmt: skip
    for start in due.windows:
        window = judge_window(watch, start, now, store)
        keep(window, window_uri(line, start, store), store)
        rows = f"{sum(window.rows.values()):,}"
        logger.info("%s: window of %s, %s rows: %s", line, as_hour(start), rows, window.verdict)
        _say_what_failed(WatchedWindow(window, window.labelled))
    windows = _windows(line, now, settings, store)
    again = []
    for start, until, wait in due_labels(windows, now, watch.watched.version, settings, store):
        labelled = measure_labels_again(watch, start, until, store)
        keep(labelled, labels_uri(line, start, wait, store), store)
        again.append(as_hour(start))
    windows = _windows(line, now, settings, store) if again else windows
    first = last_window(now, settings) - _reach(settings)
    alarms = read_alarms(line, first - timedelta(hours=settings.cool_down_hours), now, store)
    raised = new_alarms(windows, alarms, settings, watch.watched.version, watch.settings_sha256)
    return Judged(
        windows, tuple(alarms), tuple(raised), tuple(map(as_hour, due.windows)), tuple(again),
        due.skipped,
    )  # fmt: skip


def _windows(
    line: str, now: datetime, settings: MonitorSettings, store: ObjectStore
) -> tuple[WatchedWindow, ...]:
    last = last_window(now, settings)
    return tuple(read_windows(line, last - _reach(settings), now, store))


def _reach(settings: MonitorSettings) -> timedelta:
    """How far back windows are read: for the page, for the rule, and for labels that come."""
    hours = settings.window_hours
    shown = (max(settings.chart_windows, settings.catch_up_windows + settings.n) - 1) * hours
    return timedelta(hours=max(shown, max(settings.label_waits_hours, default=0) + hours))


def _say_what_failed(one: WatchedWindow) -> None:
    for check in one.checks:
        if check.verdict is Verdict.FAIL:
            logger.warning("%s fails: %s %s", check.name, check.effect, check.reason)


def rule_of(watch: Watch) -> str:
    """When an alarm is raised, in words."""
    settings = watch.settings
    checks = CHECKS_WITHOUT_LABELS + len(watch.policy.gates)
    return (
        f"An alarm is raised where one check fails in {settings.k} of the last {settings.n} "
        f"windows of {settings.window_hours} h. Each of {checks} checks is called at the level "
        f"{watch.level:.2g}, so that a year in which nothing changes has an alarm with a "
        f"probability of at most {settings.false_alarms_a_year:g}; after an alarm none is raised "
        f"for {settings.cool_down_hours} h."
    )
