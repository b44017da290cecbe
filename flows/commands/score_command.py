"""The command that scores batches: score."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.console import Console

from flows.commands import console
from flows.commands.line_commands import AsJson
from infra.errors import DataError, SettingsError
from infra.settings import Settings, load_settings
from tasks.records.scoring import ScoringRun
from tasks.serving.scoring.settings import Format

if TYPE_CHECKING:
    from flows.commands.runs import Outcome

S3_SCHEME = "s3://"

Column = Annotated[
    tuple[str, ...],
    Parameter(
        negative="",
        help="The input's column for one of the task type, where the names differ: text=body. "
        "May be given several times.",
    ),
]
Keep = Annotated[
    tuple[str, ...],
    Parameter(
        negative="",
        help="A further column of the input that stands beside the predictions: id, or truth=label "
        "under another name. May be given several times.",
    ),
]
Output = Annotated[
    Path | None,
    Parameter(help="Folder that the predictions are copied to, a Parquet file for each object."),
]
Workers = Annotated[int | None, Parameter(help="Processes that score side by side.")]
FormatName = Annotated[
    Format | None, Parameter(help="Format of the inputs, where their names do not tell it.")
]


def score(
    line: Annotated[str, Parameter(help="The model line.")],
    *inputs: Annotated[str, Parameter(help="Files, folders, globs or s3://bucket/key.")],
    output: Output = None,
    format_: Annotated[FormatName, Parameter(name="--format")] = None,
    column: Column = (),
    keep: Keep = (),
    workers: Workers = None,
    as_json: AsJson = False,
) -> int:
    """Score files, folders or objects of a store by the version in production, each object once.

    What the options leave open, `scoring` in the line's settings file says. Inputs are Parquet,
    JSON Lines, CSV, TSV, JSON or Arrow: files, folders, globs or s3://bucket/key.
    """
    from flows.commands.runs import run_deployment

    changes: dict[str, object] = {
        "format": format_, "columns": _named(column, "--column"),
        "keep_columns": _named(keep, "--keep"), "workers": workers,
    }  # fmt: skip
    parameters = {
        "inputs": [_absolute(name) for name in _some(inputs)],
        "changes": {name: value for name, value in changes.items() if value},
    }
    settings = load_settings()
    progress = Console(stderr=as_json, highlight=False)
    outcome = run_deployment(settings, f"score/{line}", parameters, ScoringRun, progress)
    return show_scored(settings, outcome, output, as_json=as_json)


def show_scored(
    settings: Settings, outcome: "Outcome[ScoringRun]", output: Path | None, *, as_json: bool
) -> int:
    """Copy the predictions where that is asked, and show what was scored; returns the exit code."""
    from infra.store import ObjectStore
    from tasks.reporting.scoring import scoring_sentences
    from tasks.serving.scoring.fetching import fetch_predictions

    run, store = outcome.result, ObjectStore(settings)
    files = [fetch_predictions(one, output.absolute(), store) for one in run.objects if output]
    if as_json:
        named = [str(file) for file in files if file]
        console.show_json(asdict(run) | {"files": named, "run_url": outcome.url})
        return 0
    console.say()
    console.show_table(
        ("object", "rows", "put aside", "predictions"),
        [
            (
                one.input_uri, f"{one.rows:,}", f"{one.rows_put_aside:,}",
                one.predictions[0].uri.rpartition("/part-")[0] if one.predictions else "-",
            )
            for one in run.objects
        ],
    )  # fmt: skip
    for reason, (rows, where) in _put_aside(run).items():
        console.say(f"put aside as {reason}: {rows:,} ({where})", "bad")
    for sentence in scoring_sentences(run):
        console.say(sentence, "good")
    for file in files:
        if file:
            console.say(f"{'file':<8} {file}")
    console.say(f"{'run':<8} {outcome.url}")
    return 0


def _put_aside(run: ScoringRun) -> Mapping[str, tuple[int, str]]:
    """How many rows for which reason, and the first object that names such rows."""
    found: dict[str, tuple[int, str]] = {}
    for one in run.objects:
        for reason, rows in one.put_aside_by_reason.items():
            before, where = found.get(reason, (0, one.put_aside.uri if one.put_aside else ""))
            found[reason] = (before + rows, where)
    return found


def _some(inputs: Sequence[str]) -> Sequence[str]:
    if not inputs:
        raise DataError("no input is named; name a file, a folder, a glob or s3://bucket/key")
    return inputs


def _absolute(name: str) -> str:
    return name if name.startswith(S3_SCHEME) else str(Path(name).absolute())


def _named(words: Sequence[str], option: str) -> dict[str, str]:
    """``name=column`` as a mapping; a word alone is both."""
    named = {}
    for word in words:
        name, mark, column = word.partition("=")
        if not name or (mark and not column):
            raise SettingsError(f"{option} {word!r} names no column; write name=column")
        named[name] = column or name
    return named
