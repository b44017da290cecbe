"""The command `assayline monitor`: the windows of a line in production, shown or judged now."""

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import Parameter
from rich.console import Console

from flows.commands import console
from flows.commands.line_commands import AsJson
from infra.settings import load_settings

if TYPE_CHECKING:
    from tasks.records.monitoring import Alarm, Monitored, WatchedWindow

Once = Annotated[
    bool, Parameter(negative="", help="Judge the windows that are due now, through the worker.")
]
Since = Annotated[
    str | None,
    Parameter(
        help="The same, and those from this moment on that have no record: 2026-11-28T05:00Z. UTC, "
        "as the records are, where no offset stands."
    ),
]
# What is shown without a run.
SHOWN_HOURS: Final = 48


def monitor(line: str, *, once: Once = False, since: Since = None, as_json: AsJson = False) -> int:
    """Show the windows of a line in production, or judge those that are due now.

    Without --once or --since, what the hourly runs of monitor/LINE found in the last two days.

    Args:
        line: the model line.
    """
    if once or since:
        return _start(line, since or "", as_json=as_json)
    from infra.store import ObjectStore
    from tasks.monitoring.window_records import newest_window, read_alarms, read_windows

    store, now = ObjectStore(load_settings()), datetime.now(UTC)
    first = now - timedelta(hours=SHOWN_HOURS)
    windows = read_windows(line, first, now, store)
    if not windows and not as_json:
        newest = newest_window(line, first, now, store)
        last = f"the last one is of {newest.start}" if newest else "nor before"
        console.say(
            f"no window of {line} was judged in the last {SHOWN_HOURS} h, {last}; "
            f"`assayline monitor {line} --once` judges what is due",
            "quiet",
        )
        return 0
    _show(windows, read_alarms(line, first, now, store), as_json=as_json)
    return 0


def _start(line: str, since: str, *, as_json: bool) -> int:
    from flows.commands.runs import run_deployment
    from tasks.records.monitoring import Monitored

    settings = load_settings()
    progress = Console(stderr=as_json, highlight=False)
    outcome = run_deployment(settings, f"monitor/{line}", {"since": since}, Monitored, progress)
    show_monitored(outcome.result, outcome.url, as_json=as_json)
    return 0


def show_monitored(found: "Monitored", run_url: str, *, as_json: bool) -> None:
    """Show what a run of the monitor came to."""
    from dataclasses import asdict

    if as_json:
        console.show_json(asdict(found) | {"run_url": run_url})
        return
    console.say(found.note)
    if found.skipped:
        console.say(f"{found.skipped} older windows were not judged in time and stay a gap", "bad")
    if found.verdict:
        console.say(
            f"newest window: {found.verdict.value}",
            "good" if found.verdict.value == "pass" else "bad",
        )
    for alarm in found.alarms:
        console.say(f"alarm: {alarm}", "bad")
    for what, where in {"run": run_url, "page": found.page_url}.items():
        if where:
            console.say(f"{what:<8} {where}")


def _show(windows: "list[WatchedWindow]", alarms: "list[Alarm]", *, as_json: bool) -> None:
    from pydantic import TypeAdapter

    from tasks.records.monitoring import Alarm, WatchedWindow, as_hour

    if as_json:
        told = TypeAdapter(list[WatchedWindow]).dump_json(windows)
        raised = TypeAdapter(list[Alarm]).dump_json(alarms)
        console.show_json({"windows": json.loads(told), "alarms": json.loads(raised)})
        return
    rows = [
        (
            as_hour(one.window.start), f"{sum(one.window.rows.values()):,}",
            f"{one.labelled.rows:,}", f"v{one.window.version}", one.verdict.value,
            ", ".join(one.failed),
        )
        for one in windows
    ]  # fmt: skip
    console.show_table(("window", "rows", "labels", "version", "verdict", "failed"), rows)
    for alarm in alarms:
        console.say(f"alarm of {as_hour(alarm.start)}: {alarm.sentence}", "bad")
