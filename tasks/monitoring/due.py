"""Which windows are to be judged now, and of which the labels are to be counted again."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from infra.errors import SettingsError
from infra.store import ObjectStore
from tasks.monitoring.settings import MonitorSettings
from tasks.monitoring.window_records import (
    drop_window,
    labels_uri,
    newest_window,
    read_windows,
    window_uri,
    window_uris,
)
from tasks.records.monitoring import WatchedWindow
from tasks.records.recorded_requests import FEEDBACK, hour_folder

logger = logging.getLogger(__name__)

# How far back a person may ask for windows.
_MOST_SINCE: Final = timedelta(days=366)
# Up to where windows are looked for that a wrong clock has judged; later ones do no harm yet.
_AHEAD: Final = timedelta(days=7)


@dataclass(frozen=True)
class Due:
    """What a run of the monitor is to do.

    Attributes:
        windows: starts of windows that have no record, oldest first.
        skipped: windows before these that have none either.

    """

    windows: tuple[datetime, ...]
    skipped: int = 0


def last_window(now: datetime, settings: MonitorSettings) -> datetime:
    """The start of the newest window that has ended, and whose records have had time to come."""
    settled = now.astimezone(UTC) - timedelta(minutes=settings.settle_minutes)
    begun = settled.hour - settled.hour % settings.window_hours
    running = settled.replace(hour=begun, minute=0, second=0, microsecond=0)
    return running - timedelta(hours=settings.window_hours)


def forget_the_future(
    line: str, now: datetime, settings: MonitorSettings, store: ObjectStore
) -> None:
    """Remove the records of windows that have not ended: a clock was ahead when they were judged.

    They were judged without the rows that were yet to come, and would never be judged anew.
    """
    running = last_window(now, settings) + timedelta(hours=settings.window_hours)
    for one in read_windows(line, running, running + _AHEAD, store):
        if one.window.end <= now:  # a setting made windows longer, or settling
            continue
        logger.warning(
            "%s was judged before its window has ended, by a clock that was ahead (it is %s here); "
            "it is removed, and judged when the window has ended",
            drop_window(one.window, store), now.isoformat(timespec="seconds"),
        )  # fmt: skip


def due_windows(
    line: str, now: datetime, settings: MonitorSettings, store: ObjectStore, since: str = ""
) -> Due:
    """The windows that were missed since the last one that was judged, the newest of them.

    A line that was never watched begins with the newest window. Where the monitor did not run for
    longer than ``catch_up_windows``, the oldest ones stay a gap, which is told, until `since` asks
    for them.

    Args:
        line: that is watched.
        now: the moment.
        settings: of the monitor.
        store: holds the records.
        since: ISO 8601; judge the windows from here on which have no record, in place of those
            since the last one.

    Raises:
        SettingsError: `since` is no moment, lies in the future, or more than a year ago.

    """
    step, last = timedelta(hours=settings.window_hours), last_window(now, settings)
    if since:
        first = _window_of(since, last, settings)
    else:
        first = _after_the_last(line, last, settings, store)
    starts = [first + step * place for place in range(int((last - first) / step) + 1)]
    judged = set(window_uris(line, first, last + step, store))
    missing = [start for start in starts if window_uri(line, start, store) not in judged]
    skipped = max(0, len(missing) - settings.catch_up_windows)
    return Due(tuple(missing[skipped:]), skipped)


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
    if moment < last - _MOST_SINCE:
        raise SettingsError(
            f"since is {since}, which is more than {_MOST_SINCE.days} days ago; right would be a "
            f"moment from {last - _MOST_SINCE} on"
        )
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
    asked = [
        (one.window, wait, one.window.end + timedelta(hours=one.labelled.waited_hours))
        for one in windows
        for wait in settings.label_waits_hours
        if one.window.version == version
        and one.labelled.waited_hours < wait
        and now >= one.window.end + timedelta(hours=wait)
    ]
    if not asked:
        return []
    line, first = asked[0][0].line, min(counted for _, _, counted in asked)
    hours = _feedback_hours(line, first, now, store)
    due = []
    for window, wait, counted in asked:
        until = window.end + timedelta(hours=wait)
        came = any(counted <= hour < until for hour in hours)
        if came and not store.exists(labels_uri(line, window.start, wait, store)):
            due.append((window.start, until, wait))
    return due


def _feedback_hours(
    line: str, since: datetime, until: datetime, store: ObjectStore
) -> list[datetime]:
    """The hours in which feedback came; the store is asked for a day at once."""
    hour, found = since.replace(minute=0, second=0, microsecond=0), []
    folders: set[str] = set()
    listed = ""
    while hour < until:
        folder = store.uri(*hour_folder(FEEDBACK, line, hour))
        day = folder.rpartition("/")[0]
        if day != listed:
            folders, listed = {uri.rpartition("/")[0] for uri in store.list(f"{day}/")}, day
        if folder in folders:
            found.append(hour)
        hour += timedelta(hours=1)
    return found
