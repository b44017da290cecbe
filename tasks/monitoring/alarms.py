"""The alarm of a window: whether it has one, and whether one was raised a short while ago."""

from collections.abc import Sequence
from datetime import timedelta

from infra.store import ObjectStore
from tasks.monitoring.alarm_rule import failing_checks
from tasks.monitoring.settings import MonitorSettings
from tasks.monitoring.window_records import alarm_uri, keep
from tasks.records.monitoring import Alarm, WatchedWindow, as_hour


def alarm_of(
    windows: Sequence[WatchedWindow], alarms: Sequence[Alarm], settings: MonitorSettings
) -> Alarm | None:
    """The alarm that the newest of the windows completes; None where it completes none.

    In the hours after an alarm no other one is raised, whatever fails; nor is one in those before,
    where labels that came late would have raised it sooner.

    Args:
        windows: oldest first.
        alarms: that were raised already.
        settings: the rule and the cool-down.

    """
    failing = failing_checks(windows, settings.k, settings.n)
    if not failing:
        return None
    newest = windows[-1].window
    cool_down = timedelta(hours=settings.cool_down_hours)
    if any(abs(one.start - newest.start) < cool_down for one in alarms):
        return None
    named = ", ".join(f"{name} (in {times})" for name, times in sorted(failing.items()))
    return Alarm(
        line=newest.line,
        start=newest.start,
        version=newest.version,
        checks=tuple(sorted(failing)),
        sentence=f"{named} of the last {settings.n} windows up to {as_hour(newest.start)}, held "
        f"against version {newest.version}; {settings.k} are an alarm",
    )


def keep_alarm(alarm: Alarm, store: ObjectStore) -> None:
    """Record that an alarm was raised; after it was told, so that none is lost."""
    keep(alarm, alarm_uri(alarm.line, alarm.start, store), store)


def new_alarms(
    windows: Sequence[WatchedWindow],
    alarms: Sequence[Alarm],
    settings: MonitorSettings,
    version: int,
    settings_sha256: str,
) -> list[Alarm]:
    """The alarms that the windows of a version come to and that were not raised, in order.

    They follow from the records alone, so that a run which was killed before its alarm was sent is
    made up for by the next one. Windows that were judged by other settings raise none.

    Args:
        windows: oldest first.
        alarms: that were raised already.
        settings: the rule and the cool-down.
        version: in production now; what another one was held against needs no retraining any more.
        settings_sha256: of the settings that decide now.

    """
    raised: list[Alarm] = []
    for place, one in enumerate(windows):
        if one.window.version != version or one.window.settings_sha256 != settings_sha256:
            continue
        found = alarm_of(windows[: place + 1], [*alarms, *raised], settings)
        if found:
            raised.append(found)
    return raised
