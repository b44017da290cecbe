"""The runs that are under way or wait, as `assayline status` shows them."""

from collections.abc import Sequence
from dataclasses import asdict

from flows.commands import console
from infra.errors import AssaylineError
from infra.local.parts import WORK_POOL
from infra.local.status import PartStatus
from infra.prefect_api import PrefectApi
from infra.run_queue import OpenRun, open_runs
from infra.settings import Settings

COLUMNS = ("run", "deployment", "state", "stage", "done", "since", "page")
Runs = Sequence[OpenRun]


def runs_now(settings: Settings, parts: Sequence[PartStatus]) -> Runs | None:
    """The runs of the stack's work pool that have not ended; None where Prefect is not up."""
    if not all(part.is_well for part in parts if part.name == "prefect"):
        return None
    try:
        return open_runs(PrefectApi(settings), WORK_POOL)
    except AssaylineError as error:
        console.show_error(error)
        return None


def as_rows(runs: Runs | None) -> list[console.Json] | None:
    """The same for a script."""
    return None if runs is None else [{**asdict(run), "id": str(run.id)} for run in runs]


def show_runs(runs: Runs | None) -> None:
    """Print a table of the runs, and below it what each one that stands still waits for."""
    console.say()
    if runs is None:
        console.say("Prefect is not up, so what runs is not known; `assayline up`", "bad")
    elif not runs:
        console.say("nothing runs or waits; `assayline run CONFIG` begins a run", "quiet")
    else:
        console.show_table(COLUMNS, [_cells(run) for run in runs])
        for run in runs:
            if run.waits:
                console.say(f"{run.name}: {run.waits}")


def _cells(run: OpenRun) -> tuple[str, ...]:
    done = "-" if run.share_done is None else f"{run.share_done:.0%}"
    since = run.since[:16].replace("T", " ")
    return (run.name, run.deployment or "-", run.state, run.stage or "-", done, since, run.page)
