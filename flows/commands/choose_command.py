"""The command `assayline choose`: base models are held against each other on a line's rows."""

from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from flows.commands import console
from flows.commands.line_commands import AsJson, Refresh
from infra.errors import SettingsError
from infra.settings import load_settings
from tasks.records.choice import Choice


def choose(
    config: Path, *candidates: str, refresh: Refresh = False, as_json: AsJson = False
) -> int:
    """Probe base models on a line's training and validation rows, and recommend one.

    Nothing is trained but linear models, and no test row is read. Exit code 0: there is a table,
    also where none can be recommended; 1: no base model can be taken, or an error.

    Args:
        config: the line's YAML file; its own base model is among the candidates.
        candidates: package:NAME/FOLDER, a folder, a GGUF file, or the id of a model on the Hugging
            Face hub with @COMMIT behind it; in place of those under `choose` in the file.
    """
    from flows.commands.runs import run_deployment
    from flows.config import load_config, load_config_with
    from flows.deployments import ensure_deployments

    named = bool(candidates)
    checked = load_config_with(config, candidates, Path.cwd()) if named else load_config(config)
    if checked.choose is None:
        raise SettingsError(
            f"{config} has no section `choose`, which names base models; name some behind the "
            f"file (`assayline choose {config} models/my-own`), or see docs/choose.md"
        )
    settings = load_settings()
    ensure_deployments(settings, checked.line, config)
    parameters = {"config": checked.model_dump(mode="json", exclude_unset=True)}
    outcome = run_deployment(
        settings, f"choose/{checked.line}", parameters, Choice,
        Console(stderr=as_json, highlight=False), refresh=refresh,
    )  # fmt: skip
    if as_json:
        console.show_json(asdict(outcome.result) | {"run_url": outcome.url})
    else:
        show_choice(outcome.result)
        console.say(f"{'run':<8} {outcome.url}")
    return 0


def show_choice(choice: Choice) -> None:
    """Print what each base model is, what its probe comes to, and which one is recommended."""
    from tasks.reporting.base_models import (
        facts_table,
        footnotes,
        left_out,
        probe_table,
        sentence_of,
    )

    console.say()
    for heads, rows in (facts_table(choice), probe_table(choice)):
        if rows:
            console.show_table(heads, rows)
            console.say()
    for one in left_out(choice):
        console.say(one, "bad")
    console.say(sentence_of(choice), "good" if choice.recommended else "bad")
    for note in footnotes(choice):
        console.say(note, "quiet")
