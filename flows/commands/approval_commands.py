"""The commands of a person who decides on a candidate that waits: approve and reject."""

import getpass
from collections.abc import Mapping
from typing import Annotated

from cyclopts import Parameter

from flows.commands import console
from flows.commands.line_commands import AsJson
from flows.commands.own_login import code_for_form
from flows.commands.run_commands import find_run, watch
from infra.errors import PromotionError, StackError
from infra.prefect_api import PAUSED, FlowRun, PrefectApi
from infra.run_queue import clock
from infra.settings import load_settings

Reason = Annotated[str, Parameter(help="Why; it stands in the ledger.")]
Name = Annotated[str | None, Parameter(help="Who decides; your user name if left out.")]


def approve(
    run_or_line: str, /, *, reason: Reason, name: Name = None, as_json: AsJson = False
) -> int:
    """Let a candidate that waits for a person go into production, and show what comes of it.

    The run that waits goes on with its worker. Exit codes are those of `assayline run`.

    Args:
        run_or_line: the run that waits, by its name, its id or the address of its page; or the
            line, of which one run waits.
    """
    return _decide("approve", run_or_line, name, reason, as_json=as_json)


def reject(
    run_or_line: str, /, *, reason: Reason, name: Name = None, as_json: AsJson = False
) -> int:
    """Keep a candidate that waits for a person out of production; the ledger says who and why.

    Exit code 4: it was rejected; the others are those of `assayline run`.

    Args:
        run_or_line: the run that waits, by its name, its id or the address of its page; or the
            line, of which one run waits.
    """
    return _decide("reject", run_or_line, name, reason, as_json=as_json)


def _decide(
    decision: str, run_or_line: str, name: str | None, reason: str, *, as_json: bool
) -> int:
    said = {"name": (name or getpass.getuser()).strip(), "reason": reason.strip()}
    if empty := [key for key, value in said.items() if not value]:
        raise PromotionError(
            f"a decision by hand needs a name and a reason, and --{empty[0]} is empty; nothing was "
            "decided"
        )
    settings = load_settings()
    api = PrefectApi(settings)
    run = find_waiting(api, run_or_line)
    code = code_for_form(settings, line_of(run), run.id)
    api.resume_flow_run(run.id, {"decision": decision, **said, "code": code})
    if not as_json:
        past = "approved" if decision == "approve" else "rejected"
        console.say(f"{past} by {said['name']}: {said['reason']}", "good")
    return watch(str(run.id), as_json=as_json)


def approval_code(run_or_line: str, /) -> int:
    """Get a code for the form of a run that waits, which tells by your login whose decision it is.

    Needed in Prefect's own page alone, and where several people have a login at MLflow. It counts
    for this one run.

    Args:
        run_or_line: the run that waits, as for `assayline approve`.
    """
    settings = load_settings()
    run = find_waiting(PrefectApi(settings), run_or_line)
    code = code_for_form(settings, line_of(run), run.id)
    if code:
        console.say(code)
    else:
        console.say("MLflow has one login alone, so the form needs no code: leave it empty")
    return 0


def line_of(run: FlowRun) -> str:
    """The line that a run which waits is of."""
    config = run.parameters.get("config")
    return str(config.get("line", "")) if isinstance(config, Mapping) else ""


def find_waiting(api: PrefectApi, run_or_line: str) -> FlowRun:
    """The run that waits for a person's approval.

    Args:
        api: the Prefect server.
        run_or_line: its name, its id or the address of its page; or the line that it is of.

    Raises:
        StackError: there is none, or several runs of the line wait.

    """
    from flows.deployments import TAG

    of_line = api.flow_runs_tagged(TAG, run_or_line)
    waiting = [one for one in of_line if one.state.type == PAUSED]
    if len(waiting) == 1:
        return waiting[0]
    if waiting:
        named = "; ".join(f"{one.id} (since {clock(one.state.timestamp)})" for one in waiting)
        raise StackError(
            f"{len(waiting)} runs of {run_or_line} wait for approval, say which one: {named}"
        )
    if of_line:
        raise StackError(
            f"no run of the line {run_or_line} waits for approval; `assayline status` lists those "
            "that run or wait. Nothing was decided"
        )
    run = find_run(api, run_or_line, None)
    if run.state.type != PAUSED:
        raise StackError(
            f"the run {run.name} ({run.id}) does not wait for approval, it is {run.state.name}; "
            "`assayline status` lists those that wait. Nothing was decided"
        )
    return run
