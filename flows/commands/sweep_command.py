"""The command `assayline sweep`: settings of a line are tried, one point is taken."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import yaml
from cyclopts import Parameter
from rich.console import Console

from flows.commands import console
from flows.commands.line_commands import AsJson, Refresh, show_decided
from infra.errors import SettingsError
from infra.settings import Settings, load_settings
from tasks.records.registry import Decision
from tasks.records.sweep import SweepOutcome

if TYPE_CHECKING:
    from flows.commands.runs import Outcome
    from flows.config import RetrainConfig
    from tasks.sweep.study import KnownStudy

Status = Annotated[
    bool,
    Parameter(negative="", help="Show the trials of the line's newest sweep so far; start none."),
]
Write = Annotated[
    Path | None,
    Parameter(help="Write the line's settings with the taken point in place to this new file."),
]
Run = Annotated[
    bool,
    Parameter(
        negative="",
        help="Retrain the line with the taken point: test rows judge it once, and the policy "
        "decides as on any candidate. Exit codes as `assayline run` has them.",
    ),
]


def sweep(
    config: Path,
    *,
    status: Status = False,
    write: Write = None,
    run: Run = False,
    refresh: Refresh = False,
    as_json: AsJson = False,
) -> int:
    """Try settings of a line on its validation rows through the worker, and take one point.

    The same command goes on where an earlier one was cut off. Nothing is promoted without --run.

    Args:
        config: the line's YAML file, with what is tried under `sweep`.
    """
    from flows.config import load_config

    if status and (run or write or refresh):
        raise SettingsError("--status starts nothing; leave --run, --write and --refresh out")
    checked, settings = load_config(config), load_settings()
    if status:
        return show_status(settings, checked.line, as_json=as_json)
    if write is not None and write.exists():
        raise SettingsError(f"--write {write}: there is such a file; name a new one")
    progress = Console(stderr=as_json, highlight=False)
    found = _sweep(settings, config, checked, progress, refresh=refresh)
    if write is not None:
        write_line(config, found.result.taken_settings, write)
        progress.print(f"written  {write}", markup=False, soft_wrap=True)
    if not (run and as_json):  # of which the decision alone is printed
        show_outcome(found.result, found.url, as_json=as_json)
    if run:
        return _retrain(settings, checked, found.result, progress, as_json=as_json)
    progress.print("no test row was read; --run has them judge the taken point once", style="dim")
    return 0


def _sweep(
    settings: Settings, config: Path, checked: "RetrainConfig", progress: Console, *, refresh: bool
) -> "Outcome[SweepOutcome]":
    """Run the sweep through the worker."""
    from flows.commands.runs import run_deployment
    from flows.deployments import ensure_deployments

    if checked.sweep is None:
        raise SettingsError(
            f"{config} has no section `sweep`, which says what is to be tried; see docs/sweep.md"
        )
    ensure_deployments(settings, checked.line, config)
    parameters = {"config": checked.model_dump(mode="json", exclude_unset=True)}
    return run_deployment(
        settings, f"sweep/{checked.line}", parameters, SweepOutcome, progress, refresh=refresh
    )


def _retrain(
    settings: Settings,
    checked: "RetrainConfig",
    outcome: SweepOutcome,
    progress: Console,
    *,
    as_json: bool,
) -> int:
    """Retrain the line with the taken point; returns the exit code of `run`."""
    from flows.commands.runs import run_deployment
    from flows.sweep_checks import line_of_trial

    line = line_of_trial(checked, outcome.taken_settings)
    parameters = {"config": line.model_dump(mode="json", exclude_unset=True)}
    decided = run_deployment(settings, f"retrain/{line.line}", parameters, Decision, progress)
    return show_decided(settings, decided, as_json=as_json)


def write_line(config: Path, settings: dict[str, Any], path: Path) -> None:
    """Write a line's file anew, with some settings in place of its own and without the sweep.

    Args:
        config: the line's file.
        settings: value by dotted name.
        path: a file that is not there yet. Local paths in it are absolute.

    Raises:
        SettingsError: there is such a file already.

    """
    from flows.settings_files import read_settings
    from tasks.sweep.space import overlaid

    content = read_settings(config)
    content.pop("sweep", None)
    if "policy" in content:
        content["policy"] = dict(content["policy"])  # one of a file of its own is written out
    text = yaml.safe_dump(overlaid(content, settings), sort_keys=False, allow_unicode=True)
    head = f"# {config.name} with the settings that a sweep took.\n"
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(head + text)
    except FileExistsError as error:
        raise SettingsError(f"{path} is there already; name a new file") from error
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error}") from error


def show_outcome(outcome: SweepOutcome, run_url: str, *, as_json: bool) -> None:
    """Show what a sweep came to: its trials, and the point that is taken."""
    from tasks.reporting.sweep_page import sentence_of, trial_rows

    result = outcome.result
    if as_json:
        console.show_json(asdict(outcome) | {"run_url": run_url})
        return
    rows = [
        (f"{row.sign} {row.place}", row.number, row.settings, row.reason or row.quality,
         row.interval, row.latency, row.size, row.training)
        for row in trial_rows(result)
    ]  # fmt: skip
    heads = ("", "trial", "settings", result.metric, "interval", "latency", "size", "training")
    console.show_table(heads, rows)
    console.say(sentence_of(result), "good")
    console.say(outcome.settings.rstrip())
    for what, where in {"run": run_url, "sweep": outcome.page_url}.items():
        console.say(f"{what:<8} {where}")


def show_status(settings: Settings, line: str, *, as_json: bool) -> int:
    """Show the trials of a line's newest sweep, as its database has them; returns the exit code."""
    from tasks.sweep.study import newest_study

    found = newest_study(settings.sweeps_database, line)
    if as_json:
        console.show_json(asdict(found) if found else None)
    elif found is None:
        console.say(f"no sweep of {line} has begun; `assayline sweep CONFIG` begins one", "quiet")
    else:
        _show_study(found)
    return 0


def _show_study(study: "KnownStudy") -> None:
    from tasks.reporting.number_format import interval, number
    from tasks.reporting.sweep_page import settings_words

    rows = [
        (
            str(one.number),
            settings_words(one.settings),
            number(one.quality.value) if one.quality else one.reason,
            interval(one.quality.low, one.quality.high) if one.quality else "",
        )
        for one in study.trials
    ]
    console.show_table(("trial", "settings", "quality", "interval"), rows)
    begun = study.begun[:16].replace("T", " ")
    console.say(f"{study.name}: {len(study.trials)} of {study.planned} trials, begun {begun} UTC")
