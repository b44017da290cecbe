"""The commands on one run: watch and cancel."""

from dataclasses import asdict, is_dataclass
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from cyclopts import Parameter
from rich.console import Console

from flows.commands import console
from flows.commands.line_commands import AsJson
from infra.errors import StackError
from infra.prefect_api import FINAL_STATES, FlowRun, PrefectApi
from infra.settings import Settings, load_settings

if TYPE_CHECKING:
    from flows.commands.runs import Outcome

LOOKS = ("watch-registry/", "watch-source/", "canary/")

Line = Annotated[str | None, Parameter(help="Take the latest run of this line.")]


def watch(run: str | None = None, /, *, line: Line = None, as_json: AsJson = False) -> int:
    """Show a run that goes on, up to its end and what came of it; one that has ended at once.

    Ctrl-C and the exit codes are those of `assayline run`.

    Args:
        run: its name, its id or the address of its page; the latest run if left out.
    """
    from flows.commands.runs import watch_run

    settings = load_settings()
    api = PrefectApi(settings)
    found = find_run(api, run, line)
    deployment = _deployment_of(api, found)
    progress = Console(stderr=as_json, highlight=False)
    outcome = watch_run(settings, found.id, deployment or found.name, progress)
    return _show(settings, deployment or "", outcome, as_json=as_json)


def cancel(run: str | None = None, /, *, line: Line = None, as_json: AsJson = False) -> int:
    """Cancel a run; a training keeps a checkpoint first.

    Args:
        run: its name, its id or the address of its page; if left out, a run of the line. Of
            several that is the latest which has not ended.
    """
    from flows.commands.runs import cancel_run

    if run is None and line is None:
        raise StackError(
            "say which run: `assayline cancel RUN` with its name or id, as `assayline status` "
            "shows it, or `assayline cancel --line LINE`"
        )
    api = PrefectApi(load_settings())
    found = find_run(api, run, line, open_first=True)
    if found.state.type in FINAL_STATES:
        raise StackError(f"the run {found.name} has ended already: {found.state.name}")
    cancel_run(api, found.id)
    now = api.flow_run(found.id) or found
    if as_json:
        console.show_json({"id": str(found.id), "name": found.name, "state": now.state.name})
    else:
        console.say(f"{found.name} ({found.id}): {now.state.name.lower()}", "good")
    return 0


def find_run(
    api: PrefectApi, run: str | None, line: str | None, *, open_first: bool = False
) -> FlowRun:
    """The run that a person means.

    Args:
        api: the Prefect server.
        run: its id, the address of its page, or its name, of which the latest is taken.
        line: of all runs, if `run` is left out, or of those of this name.
        open_first: take the latest that has not ended, if there is one.

    Raises:
        StackError: there is none.

    """
    from flows.deployments import TAG

    by_id = _as_id(run) if run else None
    if by_id:
        of_id = api.flow_run(by_id)
        found = [] if of_id is None else [of_id]
    elif run:
        found = [one for one in api.flow_runs_named(run) if line is None or line in one.tags]
    else:
        # Not the looks, of which one has always just ended or is about to begin.
        of = [one for name, one in api.deployments().items() if not name.startswith(LOOKS)]
        found = api.flow_runs_tagged(TAG, *((line,) if line else ()), of=of)
    if not found:
        which = f"no run {run}" if run else "no run"
        of_line = f" of the line {line}" if line else ""
        raise StackError(
            f"Prefect has {which}{of_line}; `assayline status` lists those that run or wait, and "
            f"{api.url.removesuffix('/api')}/runs all of them"
        )
    still_open = [one for one in found if one.state.type not in FINAL_STATES]
    return (still_open if open_first and still_open else found)[0]


def _as_id(text: str) -> UUID | None:
    """An id, also as the end of the address of a run's page."""
    try:
        return UUID(text.rstrip("/").rpartition("/")[2])
    except ValueError:
        return None


def _deployment_of(api: PrefectApi, run: FlowRun) -> str | None:
    """As `flow/name`; None where it was deleted."""
    names = (name for name, found in api.deployments().items() if found.id == run.deployment_id)
    return next(names, None)


def _show(settings: Settings, deployment: str, outcome: "Outcome[Any]", *, as_json: bool) -> int:
    """Show what a run came to as the command that starts such runs does."""
    from flows.commands.canary_command import show_outcome
    from flows.commands.data_commands import show_checked
    from flows.commands.line_commands import show_decided, show_planned
    from flows.commands.monitor_command import show_monitored
    from tasks.records.canary_outcome import CanaryOutcome
    from tasks.records.data import DataPage
    from tasks.records.monitoring import Monitored
    from tasks.records.registry import Decision
    from tasks.records.training import TrainingPlan

    flow, result = deployment.partition("/")[0], plain(outcome.result)
    if flow == "retrain" and "judgement" in result:
        return show_decided(settings, outcome.read_as(Decision), as_json=as_json)
    if flow == "retrain":
        return show_planned(outcome.read_as(TrainingPlan).result, as_json=as_json)
    if flow == "check-data":
        return show_checked(settings, outcome.read_as(DataPage), as_json=as_json)
    if flow == "monitor":
        show_monitored(outcome.read_as(Monitored).result, outcome.url, as_json=as_json)
        return 0
    if flow == "canary":
        show_outcome(outcome.read_as(CanaryOutcome).result, outcome.url, as_json=as_json)
        return 0
    if as_json:
        console.show_json(result)
    else:
        console.say(f"{deployment} completed  {outcome.url}", "good")
    return 0


def plain(result: Any) -> Any:
    """A result as a mapping: Prefect gives a record back as one, or as what it was."""
    return asdict(result) if is_dataclass(result) and not isinstance(result, type) else result
