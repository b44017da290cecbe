"""The commands on the data of a line: check-data and readmit."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console

from flows.commands import console
from flows.commands.line_commands import AsJson
from flows.commands.power_tables import show_forecast
from infra.settings import Settings, load_settings
from tasks.records.data import ControlTokens, DataPage, Readmission, SourceChanges
from tasks.verdicts import Verdict

if TYPE_CHECKING:
    from flows.commands.runs import Outcome
    from flows.config import DataConfig

LABELS_SHOWN: Final = 30


def check_data(config: Path, *, as_json: AsJson = False) -> int:
    """Check the data of a settings file, and show what came in, what was left out and why.

    Nothing is trained. Exit code 0: the data keeps its contract; 1: it does not, or an error.

    Args:
        config: the line's YAML file, for example configs/bbc-news.yaml.
    """
    from flows.commands.runs import run_deployment
    from flows.config import load_config

    settings = load_settings()
    checked, parameters = _data_parameters(settings, config)
    parameters |= {"proof": load_config(config).proof.model_dump(mode="json", exclude_unset=True)}
    progress = Console(stderr=as_json, highlight=False)
    outcome = run_deployment(settings, f"check-data/{checked.line}", parameters, DataPage, progress)
    return show_checked(settings, outcome, as_json=as_json)


def show_checked(settings: Settings, outcome: "Outcome[DataPage]", *, as_json: bool) -> int:
    """Fetch and show what a check of a line's data found; returns the exit code."""
    from infra.store import ObjectStore
    from tasks.reporting.local_pages import fetch_data_page, fetch_label_suspects

    page, store = outcome.result, ObjectStore(settings)
    path, aside = fetch_data_page(page, settings.home, store)
    suspects = fetch_label_suspects(page, settings.home, store)
    if as_json:
        named = {"file": path, "quarantine_file": aside, "label_suspects_file": suspects}
        files = {name: str(one) if one else None for name, one in named.items()}
        console.show_json(asdict(page) | files | {"run_url": outcome.url})
        return 0
    _show_data(page)
    show_forecast(page.forecast)
    places = {"run": outcome.url, "to mend": aside, "suspects": suspects, "report": path}
    for what, where in places.items():
        if where:
            console.say(f"{what:<8} {where}")
    return 0


def readmit(config: Path, rows: str, *, as_json: AsJson = False) -> int:
    """Take repaired rows back in from quarantine; the next run reads them with the source.

    Args:
        config: the line's YAML file.
        rows: the repaired quarantine file (Parquet), local or s3://.
    """
    from flows.commands.runs import run_deployment

    settings = load_settings()
    checked, parameters = _data_parameters(settings, config)
    path = rows if rows.startswith("s3://") else str(Path(rows).absolute())
    progress = Console(stderr=as_json, highlight=False)
    outcome = run_deployment(
        settings, f"readmit/{checked.line}", parameters | {"path": path}, Readmission, progress
    )
    taken = outcome.result
    if as_json:
        console.show_json(asdict(taken))
    else:
        console.say(
            f"{taken.rows:,} repaired row(s) of {taken.line} are back in; the next run reads them "
            f"({taken.file.uri})",
            "good",
        )
    return 0


def _data_parameters(settings: Settings, config: Path) -> tuple["DataConfig", dict[str, object]]:
    """The checked data settings of a file, as a flow run takes them; the line is registered."""
    from flows.config import load_data_config
    from flows.deployments import ensure_deployments

    checked = load_data_config(config)
    ensure_deployments(settings, checked.line, config)
    return checked, {"config": checked.model_dump(mode="json", exclude_unset=True)}


def _spelled(found: ControlTokens) -> list[tuple[str, str, str]]:
    """The rows that spell a control token; none where none does."""
    what_becomes = {"text": "read as text"}.get(found.action, found.action)
    return [("spell a control token", f"{found.rows:,}", what_becomes)] if found.rows else []


def _changed(changes: SourceChanges) -> list[tuple[str, str, str]]:
    """What the settings of the source made of the rows."""
    from tasks.reporting.source_changes import change_rows

    return [
        (one.name, one.number, f"{one.setting}: {one.note}" if one.note else one.setting)
        for one in change_rows(changes)
    ]


def _left_out(changes: SourceChanges) -> list[tuple[str, str, str]]:
    """The rows that the source's filter does not keep; none where it has none."""
    number = f"{changes.rows_left_out:,}"
    return [("not kept", number, "source.keep_rows")] if changes.rows_left_out else []


def _labels(rows_by_label: Mapping[str, int]) -> list[tuple[str, str, str]]:
    """The clean rows of each label, the first of very many."""
    rows = [(f"  label {name}", f"{number:,}", "") for name, number in rows_by_label.items()]
    more = sum(list(rows_by_label.values())[LABELS_SHOWN:])
    others = (f"  {len(rows) - LABELS_SHOWN:,} more labels", f"{more:,}", "see the report")
    return [*rows[:LABELS_SHOWN], *([others] if len(rows) > LABELS_SHOWN else [])]


def _show_data(page: DataPage) -> None:
    console.say()
    rows = [
        ("read", f"{page.rows_read:,}", ""),
        *_left_out(page.changes),
        *_changed(page.changes),
        ("exact duplicates", f"{page.duplicates_dropped:,}", "dropped"),
        *(
            (reason, f"{number:,}", "quarantined")
            for reason, number in page.quarantined_by_reason.items()
        ),
        *((found.kind, f"{found.findings:,}", found.action) for found in page.personal_data),
        *_spelled(page.control_tokens),
        ("keep the contract", f"{page.rows_clean:,}", ""),
        *_labels(page.rows_by_label),
    ]
    console.show_table(("", "rows", ""), rows)
    if page.by_source:
        from tasks.reporting.source_changes import SOURCE_HEADS, source_rows

        console.show_table(SOURCE_HEADS, [one.cells for one in source_rows(page.by_source)])
        console.say()
    for doubtful in page.doubtful_labels:
        console.say(doubtful.sentence, "bad")
    if page.labels:
        from tasks.reporting.label_checks import label_sentences

        for sentence in label_sentences(page.labels):
            console.say(sentence, "bad")
    console.say()
    if page.drift is not None:
        words = {"pass": "no drift", "fail": "drift", "undetermined": "undetermined"}
        style: console.Style = "good" if page.drift is Verdict.PASS else "bad"
        console.say(f"against the champion's data: {words[page.drift.value]}", style)
    for split, checks in page.unlike_splits.items():
        console.say(f"the {split} rows are unlike the training rows: {checks}", "bad")
    for split in page.untold_splits:
        console.say(f"whether the {split} rows are like the training rows: undetermined")
