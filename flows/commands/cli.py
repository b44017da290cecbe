"""The console command `assayline`: it starts things and shows them, and decides nothing.

Exit codes: 0 well done; 1 an error, told on standard error; 2 a wrong command line; 3 `status`
found a part that does not run; 4 `run` ended with a refused or rejected candidate; 5 the run was
cancelled; 6 the run waits for a person's approval; 7 the candidate passed and is tried in a canary;
130 interrupted by Ctrl-C: a run that was begun goes on with its worker.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, CycloptsError, Parameter

from flows.commands import console
from flows.commands.run_tables import as_rows, runs_now, show_runs
from flows.commands.runs import RunAwaitsApprovalError, RunCancelledError
from flows.commands.stacks import say_what_runs
from infra.errors import AssaylineError
from infra.local.status import PartStatus
from infra.settings import (
    Settings,
    choose_home,
    external_parts,
    load_settings,
    load_stack_settings,
)

if TYPE_CHECKING:
    from tasks.records.canary import CanaryStep

ALIASES = ("candidate", "staging", "production", "previous")
EXIT_ERROR = 1
EXIT_USAGE = 2
EXIT_NOT_ALL_UP = 3
EXIT_CANCELLED = 5
EXIT_AWAITS_APPROVAL = 6
EXIT_INTERRUPTED = 130

Words = Annotated[str, Parameter(show=False, allow_leading_hyphen=True)]
Home = Annotated[
    Path | None,
    Parameter(
        help="Home folder of the stack. Else: ASSAYLINE_HOME; .assayline in this folder or in a "
        "parent that has one; the one stack that runs; .assayline in this folder."
    ),
]
AsJson = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON for a script.")]

app = App(
    name="assayline",
    help="Retrain language models, prove each candidate, and promote only a proven one.",
    help_epilogue="Exit codes: 0 well done; 1 an error; 2 a wrong command line; 3 `status` found a "
    "part that does not run; 4 `run` ended with a refused or rejected candidate; 5 the run was "
    "cancelled; 6 the run waits for a person's approval; 7 the candidate passed and is tried in a "
    "canary; 130 interrupted, and a run that was begun goes on.",
    version=lambda: version("assayline"),
    result_action="return_value",
)

# Named and not imported: they need Prefect, whose import takes longer than all of a second `up`.
for command, summary in {
    "line_commands:run": "Retrain the line of a settings file through the worker, and show what "
    "comes of it.",
    "sweep_command:sweep": "Try settings of a line on its validation rows, and take one point.",
    "choose_command:choose": "Hold base models against each other on a line's rows before any is "
    "trained, and recommend one.",
    "data_commands:check_data": "Check the data of a settings file, and show what was left out "
    "and why.",
    "data_commands:readmit": "Take repaired rows back in from quarantine; the next run reads them.",
    "augment_command:augment": "Show what the augmentation of a settings file makes of texts that "
    "you type.",
    "score_command:score": "Score files, folders or objects of a store by the version in "
    "production, each object once.",
    "explain_command:explain": "Show which words moved the answer of the version in production to "
    "a text.",
    "run_commands:watch": "Show a run that goes on, up to its end and what came of it.",
    "run_commands:cancel": "Cancel a run; a training keeps a checkpoint first.",
    "approval_commands:approve": "Let a candidate that waits for a person go into production.",
    "approval_commands:reject": "Keep a candidate that waits for a person out of production.",
    "approval_commands:approval_code": "Get a code for the form of a run that waits, which tells "
    "by your login whose decision it is.",
    "users_commands:users": "Show, add and remove the people who may approve, or only look.",
    "policy_command:policy_check": "Judge versions of a line by a policy file, from what was "
    "measured of them; nothing is moved or recorded.",
    "line_commands:promote": "Put a version in production by a person's word; it is load-tested, "
    "and recorded as such.",
    "line_commands:rollback": "Put the version that was in production before back, after a load "
    "test.",
    "serve_command:serve": "Put a line's version in production behind HTTP, by MLflow's scoring "
    "protocol; it follows the alias without losing a request.",
    "line_commands:reconcile": "Restore or accept production or previous that somebody moved in "
    "MLflow; it is recorded as such.",
    "line_commands:ledger": "Show who was production when, why, and by whose word; the chain of "
    "entries is verified.",
    "verify_command:verify": "Read back every version, the ledger and all kept results of a line, "
    "and say what is not as it was written.",
    "line_commands:why": "Show what made each stage of a line run when it last did, by name.",
    "forget_command:forget": "Remove a line's deployments and schedules; its versions, ledger and "
    "reports are kept.",
    "canary_command:canary": "Show the candidate that is tried on served requests, or decide on it "
    "now.",
    "monitor_command:monitor": "Show the windows of a line in production, or judge those that are "
    "due now.",
    "line_commands:report": "Fetch the HTML report of a judged version, and say where it is.",
}.items():
    app.command(
        f"flows.commands.{command}", name=command.split(":")[1].replace("_", "-"), help=summary
    )


def main(words: Sequence[str] | None = None) -> None:
    """Run a command, that of this process's command line if left out, and exit with its code."""
    try:
        result = app.meta(words, exit_on_error=False)
    except CycloptsError:  # which has printed itself
        sys.exit(EXIT_USAGE)
    except RunCancelledError as error:
        console.show_error(error, "cancelled")
        sys.exit(EXIT_CANCELLED)
    except RunAwaitsApprovalError as error:
        console.show_error(error, "waits")
        sys.exit(EXIT_AWAITS_APPROVAL)
    except AssaylineError as error:
        console.show_error(error)
        sys.exit(EXIT_ERROR)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    sys.exit(result if isinstance(result, int) else 0)


@app.meta.default
def in_stack(*words: Words, home: Home = None) -> object:
    """Call a command on the stack of a home folder; its options are those of every command."""
    if home is not None:
        choose_home(home)
    return app(words, exit_on_error=False)


@app.command
def up(*, as_json: AsJson = False) -> int:
    """Start the local servers and the worker, and register the deployments.

    What runs already is left as it is. A server that the environment names (see the README) is
    checked, and not started.
    """
    from flows.deployments import check_lines, renew_own_lines
    from infra.local.deployments import PREFECT_FILE
    from infra.local.stack import Stack
    from infra.local.start import Arrival

    settings, stack = load_settings(), load_stack_settings()
    if (stack.project / PREFECT_FILE).is_file():
        check_lines(stack.project / PREFECT_FILE)

    arrivals: list[Arrival] = []

    def progress(arrival: Arrival) -> None:
        arrivals.append(arrival)
        if not as_json:
            seconds = f"{arrival.seconds:5.1f} s"
            console.say(f"{arrival.name:<8} {arrival.how:<9} {seconds}  {arrival.address}", "good")

    whole = Stack(settings, stack)
    if not as_json:
        say_what_runs(whole.home, stack.project)
    running = whole.up(progress)
    registration = running.registration
    names = registration.names if registration else ()
    if registration and registration.renewed:  # then the lines of the user's own are due, too
        names += renew_own_lines(running.settings, console.show_error)
    if as_json:
        console.show_json(
            {
                "parts": {arrival.name: vars(arrival) for arrival in arrivals},
                "deployments": list(names),
                "home": str(running.settings.home),
            }
        )
    else:
        if registration:
            what = "registered" if registration.renewed else "unchanged"
            console.say(f"deployments {what}: {', '.join(names)}")
        _show_login(running.settings, whole.external)
        console.say(f"{'home':<8} {whole.home}")
    return 0


@app.command(name="open")
def open_pages(*, as_json: AsJson = False) -> int:
    """Open the pages of Prefect and MLflow in your browser, logged in."""
    import webbrowser

    from infra.local.pages import pages

    settings = load_settings()
    found = pages(settings, external_parts(settings.home))
    if as_json:
        console.show_json([vars(page) for page in found])
        return 0
    for page in found:
        shown = webbrowser.open(page.opens)
        what = "opened" if shown else "no browser was found here; open it in yours"
        console.say(f"{page.server:<8} {what}  {page.address}", "good" if shown else "bad")
    return 0


@app.command
def down() -> int:
    """Stop the local servers and the worker; their data stays."""
    from infra.local.stack import Stack

    left = Stack(load_settings(), load_stack_settings()).down()
    console.say("stopped" + (f", with {left} processes that a crash had left over" if left else ""))
    return 0


@app.command
def status(*, as_json: AsJson = False) -> int:
    """Show what runs or waits, and who is candidate, staging, production and previous of each line.

    Exit code 3 where a part does not run.
    """
    from infra.local.stack import Stack

    settings = load_settings()
    stack = Stack(settings, load_stack_settings())
    parts = stack.status()
    tracked = next(part for part in parts if part.name == "mlflow").is_well
    lines = _aliases_of_lines(settings) if tracked else None
    runs = runs_now(settings, parts)
    differ = _disagreements(settings, lines or {})
    tried = _canaries(settings, lines or {})
    if as_json:
        rows: list[console.Json] = [{**vars(part), "well": part.is_well} for part in parts]
        where = str(stack.home)
        console.show_json(
            {
                "parts": rows,
                "lines": lines,
                "runs": as_rows(runs),
                "disagreements": differ,
                "canaries": {line: vars(step) for line, step in tried.items()},
                "home": where,
            }
        )
    else:
        _show_parts(parts)
        _show_login(settings, stack.external)
        _show_lines(lines)
        _show_canaries(tried)
        show_runs(runs)
        for line, what in differ.items():
            console.say(f"{line}: {what}", "bad")
    return 0 if all(part.is_well for part in parts) else EXIT_NOT_ALL_UP


def _aliases_of_lines(settings: Settings) -> dict[str, dict[str, int]]:
    """The version under each alias, by line."""
    from infra.tracking import Tracking

    tracking = Tracking(settings)
    return {line: tracking.aliases(line) for line in tracking.lines()}


def _disagreements(settings: Settings, lines: Iterable[str]) -> dict[str, str]:
    """Lines whose aliases are not what their ledger says, or whose ledger cannot be read: why."""
    from infra.store import ObjectStore
    from infra.tracking import Tracking
    from tasks.registry.audit import disagreement

    found: dict[str, str] = {}
    for line in lines:
        store, tracking = ObjectStore(settings), Tracking(settings)
        try:
            what = disagreement(line, store=store, tracking=tracking)
        except AssaylineError as error:
            what = str(error)
        if what:
            found[line] = what
    return found


def _canaries(settings: Settings, lines: Mapping[str, object]) -> "dict[str, CanaryStep]":
    """The candidates that are tried, by line."""
    from flows.commands.canary_command import canaries_now

    return canaries_now(settings, lines)


def _show_canaries(tried: "Mapping[str, CanaryStep]") -> None:
    from flows.commands.canary_command import canary_words

    for line, step in tried.items():
        console.say(f"{line}: {canary_words(step)}; `assayline canary {line}` shows more")


def _show_parts(parts: list[PartStatus]) -> None:
    rows = [
        (part.name, part.state, part.address, str(part.pid or ""), part.log or "") for part in parts
    ]
    console.show_table(("part", "state", "address", "pid", "log"), rows)


def _show_login(settings: Settings, external: frozenset[str]) -> None:
    """One line on how to come in; none where the user runs both servers elsewhere."""
    from infra.local.login import how_to_come_in

    said = how_to_come_in(settings, external)
    if said:
        console.say(f"login    {said}")


def _show_lines(lines: dict[str, dict[str, int]] | None) -> None:
    console.say()
    if lines is None:
        console.say("MLflow is not up, so the lines' versions are not known; `assayline up`", "bad")
    elif not lines:
        console.say("no line has a version yet; `assayline run CONFIG` makes one", "quiet")
    else:
        rows = [
            (line, *(f"v{aliases[name]}" if name in aliases else "-" for name in ALIASES))
            for line, aliases in lines.items()
        ]
        console.show_table(("line", *ALIASES), rows)
