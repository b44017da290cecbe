"""The page of a watched line: its checks over time, one file, no script, nothing loaded."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tasks.records.monitoring import Alarm, MonitoredValue, WatchedVersion, WatchedWindow, as_hour
from tasks.reporting.gates import SYMBOLS
from tasks.reporting.number_format import count, interval, number, p_value
from tasks.reporting.page import template_of
from tasks.reporting.summaries import markdown_table, plain
from tasks.reporting.timelines import Timeline, timelines_of
from tasks.verdicts import Verdict

TEMPLATE: Final = "monitor_page.html.jinja"
# Rows of the table of windows.
WINDOWS_SHOWN: Final = 48
_WORDS: Final = {
    Verdict.PASS: "No drift in the newest window",
    Verdict.FAIL: "A check fails in the newest window",
    Verdict.UNDETERMINED: "The newest window is undetermined",
}


@dataclass(frozen=True)
class MonitorEvidence:
    """What the page is made of.

    Attributes:
        windows: oldest first, one at least.
        alarms: oldest first.
        rule: when an alarm is raised, in words.

    """

    watched: WatchedVersion
    windows: tuple[WatchedWindow, ...]
    alarms: tuple[Alarm, ...]
    rule: str

    @property
    def newest(self) -> WatchedWindow:
        """The last window that was judged."""
        return self.windows[-1]


@dataclass(frozen=True)
class CheckRow:
    """A check of the newest window in words."""

    name: str
    value: str
    interval: str
    rule: str
    p: str
    rows: str
    verdict: str
    symbol: str
    reason: str


@dataclass(frozen=True)
class WindowRow:
    """A window in words; `alarm` where it raised one."""

    start: str
    rows: str
    version: str
    verdict: str
    symbol: str
    failed: str
    labels: str
    alarm: bool


def headline_of(evidence: MonitorEvidence) -> tuple[Verdict, str]:
    """The verdict that the page shows, and in words: an alarm before what one window says."""
    newest = evidence.newest
    if evidence.alarms and evidence.alarms[-1].start == newest.window.start:
        return Verdict.FAIL, "Alarm: a check failed in several of the last windows"
    return newest.verdict, _WORDS[newest.verdict]


def sentence_of(evidence: MonitorEvidence) -> str:
    """The newest window in a sentence."""
    window = evidence.newest.window
    rows = count(sum(window.rows.values()))
    return (
        f"{window.line} version {window.version}, window of {as_hour(window.start)} "
        f"({window.hours} h): {rows} rows recorded, {count(window.rows_of_version)} of them "
        f"answered by this version, {count(evidence.newest.labelled.rows)} with a label."
    )


def check_rows(one: WatchedWindow) -> list[CheckRow]:
    """The checks of a window, those that fail first."""
    order = (Verdict.FAIL, Verdict.UNDETERMINED, Verdict.PASS)
    return [
        CheckRow(
            check.name, number(check.value), interval(check.low, check.high), check.rule,
            "" if check.p_value is None else p_value(check.p_value), count(check.rows),
            check.verdict.value, SYMBOLS[check.verdict], check.reason,
        )
        for check in sorted(one.checks, key=lambda check: order.index(check.verdict))
    ]  # fmt: skip


def window_rows(evidence: MonitorEvidence) -> list[WindowRow]:
    """The last windows, newest first."""
    raised = {alarm.start for alarm in evidence.alarms}
    rows = []
    for one in reversed(evidence.windows[-WINDOWS_SHOWN:]):
        window = one.window
        rows.append(
            WindowRow(
                as_hour(window.start), count(sum(window.rows.values())), str(window.version),
                one.verdict.value, SYMBOLS[one.verdict], ", ".join(one.failed),
                count(one.labelled.rows), window.start in raised,
            )
        )  # fmt: skip
    return rows


def value_rows(values: Sequence[MonitoredValue]) -> list[tuple[str, str, str, str]]:
    """What was measured of labels: name, number, interval, rows."""
    return [
        (one.name, number(one.value), interval(one.low, one.high), count(one.rows))
        for one in values
    ]


def render_monitor_page(evidence: MonitorEvidence) -> str:
    """The page as HTML; the same records give the same bytes."""
    verdict, title = headline_of(evidence)
    starts = [alarm.start for alarm in evidence.alarms]
    charts: dict[str, list[Timeline]] = {
        "drift": timelines_of(evidence.windows, starts, "drift"),
        "predictions": timelines_of(evidence.windows, starts, "predictions"),
        "labels": [
            *timelines_of(evidence.windows, starts, "quality"),
            *timelines_of(evidence.windows, starts, "fairness"),
        ],
    }
    return template_of(TEMPLATE).render(
        evidence=evidence,
        verdict=verdict.value,
        title=title,
        sentence=sentence_of(evidence),
        charts=charts,
        checks=check_rows(evidence.newest),
        windows=window_rows(evidence),
        values=value_rows(evidence.newest.labelled.values),
        as_hour=as_hour,
        links=None,
    )


def monitor_markdown(evidence: MonitorEvidence, url: str) -> str:
    """The newest window on the page of the Prefect run."""
    verdict, title = headline_of(evidence)
    heads = ("verdict", "check", "number", "95% interval", "limit", "rows", "reason")
    rows = [
        (f"{one.symbol} {one.verdict}", one.name, one.value, one.interval, one.rule, one.rows,
         one.reason)
        for one in check_rows(evidence.newest)
    ]  # fmt: skip
    said = [f"**{SYMBOLS[verdict]} {title}**", plain(sentence_of(evidence)), plain(evidence.rule)]
    if evidence.alarms:
        said.append(f"Last alarm: {plain(evidence.alarms[-1].sentence)}")
    said.append(f"[All windows over time]({url})")
    return "\n\n".join([*said, markdown_table(heads, rows)])
