"""Which windows are to be judged now, and of which the labels are to be counted again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from infra.errors import SettingsError
from infra.store import ObjectStore
from tasks.monitoring.settings import MonitorSettings
from tasks.monitoring.window_records import labels_uri, newest_window, window_uri
from tasks.records.monitoring import WatchedWindow
from tasks.records.recorded_requests import FEEDBACK, hour_folder


@dataclass(frozen=True)
class Due:
    """What a run of the monitor is to do.

    Attributes:
        windows: starts of windows that were not judged, oldest first.
        skipped: windows before these that stay a gap.

    """

    windows: tuple[datetime, ...]
    skipped: int = 0


def last_window(now: datetime, settings: MonitorSettings) -> datetime:
    """The start of the newest window that has ended, and whose records have had time to come."""
    settled = now.astimezone(UTC) - timedelta(minutes=settings.settle_minutes)
    begun = settled.hour - settled.hour % settings.window_hours
    running = settled.replace(hour=begun, minute=0, second=0, microsecond=0)
    return running - timedelta(hours=settings.window_hours)


def due_windows(
    line: str, now: datetime, settings: MonitorSettings, store: ObjectStore, since: str = ""
) -> Due:
    """The windows that were missed since the last one that was judged, the newest of them.

    A line that was never watched begins with the newest window. Where the monitor did not run for
    longer than ``catch_up_windows``, the oldest ones stay a gap, which is told.

    Args:
        line: that is watched.
        now: the moment.
        settings: of the monitor.
        store: holds the records.
        since: ISO 8601; judge the windows from here on which have no record, in place of those
            since the last one.

    Raises:
        SettingsError: `since` is no moment, or lies in the future.

    """
    step, last = timedelta(hours=settings.window_hours), last_window(now, settings)
    most = settings.catch_up_windows
    if since:
        first = _window_of(since, last, settings)
    else:
        first = _after_the_last(line, last, settings, store)
    count = int((last - first) / step) + 1
    skipped = max(0, count - most)
    starts = [first + step * place for place in range(skipped, max(count, 0))]
    return Due(tuple(s for s in starts if not store.exists(window_uri(line, s, store))), skipped)


def _window_of(since: str, last: datetime, settings: MonitorSettings) -> datetime:
    try:
        moment = datetime.fromisoformat(since)
    except ValueError as error:
        raise SettingsError(
            f"since is {since!r}; right would be a moment such as 2026-11-28T05:00Z"
        ) from error
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    if moment > last + timedelta(hours=settings.window_hours):
        raise SettingsError(f"since is {since}, and the last window that ended is of {last}")
    begun = moment.hour - moment.hour % settings.window_hours
    return moment.replace(hour=begun, minute=0, second=0, microsecond=0)


def _after_the_last(
    line: str, last: datetime, settings: MonitorSettings, store: ObjectStore
) -> datetime:
    """Where the windows go on; the newest one where there is none before."""
    step = timedelta(hours=settings.window_hours)
    newest = newest_window(line, last - step * settings.catch_up_windows, last + step, store)
    if newest is None:
        return last
    # In windows of another length, maybe, where the setting has changed.
    begun = newest.end.hour + -newest.end.hour % settings.window_hours
    return newest.end.replace(hour=0) + timedelta(hours=begun)


def due_labels(
    windows: Sequence[WatchedWindow],
    now: datetime,
    version: int,
    settings: MonitorSettings,
    store: ObjectStore,
) -> list[tuple[datetime, datetime, int]]:
    """Windows whose labels are to be counted again, up to when, and how many hours that is.

    Only where feedback came since they were counted, and of the version that answered.
    """
    due = []
    for one in windows:
        window, counted = one.window, one.labelled.waited_hours
        for wait in settings.label_waits_hours:
            until = window.end + timedelta(hours=wait)
            if window.version != version or wait <= counted or now < until:
                continue
            if store.exists(labels_uri(window.line, window.start, wait, store)):
                continue
            if _has_feedback(window.line, window.end + timedelta(hours=counted), until, store):
                due.append((window.start, until, wait))
    return due


def _has_feedback(line: str, since: datetime, until: datetime, store: ObjectStore) -> bool:
    hour = since.replace(minute=0, second=0, microsecond=0)
    while hour < until:
        if store.list(store.uri(*hour_folder(FEEDBACK, line, hour)) + "/"):
            return True
        hour += timedelta(hours=1)
    return False
