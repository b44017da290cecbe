"""Where the marks of a chart over time stand, in per cent of the plot, gaps included."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from tasks.records.monitoring import WatchedWindow, WindowCheck, as_hour
from tasks.reporting.charts import Scale, Tick, scale_over
from tasks.reporting.number_format import count, interval, number

_MOST_TICKS: Final = 6


@dataclass(frozen=True)
class TimeMark:
    """One window: its number, its interval, and what the check says; y grows downwards."""

    x: float
    y: float
    low: float
    high: float
    verdict: str
    described: str


@dataclass(frozen=True)
class Timeline:
    """A check over time.

    Attributes:
        effect: what the numbers measure; empty where the name says it.
        rule: the limit in words.
        limit: where it stands; None where it is no number.
        marks: windows that have a number.
        gaps: (start, width) of spans without one: nothing was judged, or it could not be told.
        alarms: where alarms stand.

    """

    name: str
    effect: str
    rule: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    marks: tuple[TimeMark, ...]
    limit: float | None
    gaps: tuple[tuple[float, float], ...]
    alarms: tuple[float, ...]


@dataclass(frozen=True)
class Span:
    """The time that all charts of a page show.

    Attributes:
        start: of the first window; end: of the last.

    """

    start: datetime
    end: datetime

    def at(self, moment: datetime) -> float:
        """Where a moment stands."""
        return round(100 * ((moment - self.start) / (self.end - self.start)), 3)

    @property
    def ticks(self) -> tuple[Tick, ...]:
        """Round hours or days."""
        hours = (self.end - self.start) / timedelta(hours=1)
        step = next((s for s in (1, 2, 3, 6, 12, 24, 48, 96, 168) if hours / s <= _MOST_TICKS), 336)
        first = self.start.replace(minute=0)
        first += timedelta(hours=-first.hour % min(step, 24))
        moments = [
            first + timedelta(hours=step * place)
            for place in range(int(hours / step) + 1)
            if first + timedelta(hours=step * place) <= self.end
        ]
        return tuple(Tick(self.at(one), one.strftime("%d %b %H:%M")) for one in moments)


def span_of(windows: Sequence[WatchedWindow]) -> Span:
    """From the first window to the end of the last."""
    return Span(windows[0].window.start, windows[-1].window.end)


def timelines_of(
    windows: Sequence[WatchedWindow], alarms: Sequence[datetime], family: str
) -> list[Timeline]:
    """One chart for each check of a family, in the order of their names' first coming.

    Args:
        windows: oldest first, one at least.
        alarms: starts of the windows that raised one.
        family: for example ``drift``.

    """
    span = span_of(windows)
    names = dict.fromkeys(
        check.name
        for one in windows
        for check in one.checks
        if check.name.partition(".")[0] == family
    )
    return [_timeline(name, windows, alarms, span) for name in names]


def _timeline(
    name: str, windows: Sequence[WatchedWindow], alarms: Sequence[datetime], span: Span
) -> Timeline:
    held = [(one, check) for one in windows for check in one.checks if check.name == name]
    told = [(one, check) for one, check in held if check.value is not None]
    newest = held[-1][1]
    limit = _limit_of(newest.rule)
    ends = [
        end for _, check in told for end in (check.low, check.value, check.high) if end is not None
    ]
    scale = scale_over([*ends, *([] if limit is None else [limit])], margin=0.12)
    return Timeline(
        name=name,
        effect="" if newest.effect == name else newest.effect,
        rule=newest.rule,
        x_ticks=span.ticks,
        y_ticks=tuple(Tick(round(100 - tick.at, 2), tick.label) for tick in scale.ticks),
        marks=tuple(_mark(one, check, scale, span) for one, check in told),
        limit=None if limit is None else round(100 - scale.at(limit), 2),
        gaps=_gaps([one for one, _ in told], span),
        alarms=tuple(span.at(one) for one in alarms if span.start <= one < span.end),
    )


def _limit_of(rule: str) -> float | None:
    try:
        return float(rule.rpartition(" ")[2])
    except ValueError:
        return None


def _mark(one: WatchedWindow, check: WindowCheck, scale: Scale, span: Span) -> TimeMark:
    window, value = one.window, check.value or 0.0
    low = value if check.low is None else check.low
    high = value if check.high is None else check.high
    described = (
        f"{as_hour(window.start)}: {number(value)}, {interval(low, high)}, {count(check.rows)} "
        f"rows, {check.verdict.value}"
    )
    middle = window.start + timedelta(hours=window.hours) / 2
    y, top, bottom = (round(100 - scale.at(end), 2) for end in (value, high, low))
    return TimeMark(span.at(middle), y, bottom, top, check.verdict.value, described)


def _gaps(told: Sequence[WatchedWindow], span: Span) -> tuple[tuple[float, float], ...]:
    """Spans of which nothing is told."""
    found, reached = [], span.start
    for one in told:
        if one.window.start > reached:
            found.append((reached, one.window.start))
        reached = max(reached, one.window.end)
    if reached < span.end:
        found.append((reached, span.end))
    return tuple((span.at(a), round(span.at(b) - span.at(a), 3)) for a, b in found)
