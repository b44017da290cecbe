"""The command that judges registered versions by a policy file: policy-check."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from flows.commands import console
from flows.commands.line_commands import EXIT_REFUSED, AsJson
from flows.commands.serve_command import Config
from infra.errors import SettingsError, StackError
from infra.settings import Settings, load_settings
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.reporting.gates import GateRow, gate_table
from tasks.reporting.looks import look_sentences
from tasks.verdicts import Verdict

if TYPE_CHECKING:
    from flows.config import RetrainConfig
    from tasks.registry.policy_check import PolicyCheck

NOTHING_WAS_DONE = (
    "nothing was measured, moved or recorded, and no look at the held-out rows was spent: each "
    "version is judged at the level of the look that it had"
)


def policy_check(
    policy: Path,
    line: str,
    version: int,
    other: int | None = None,
    /,
    *,
    config: Config = None,
    as_json: AsJson = False,
) -> int:
    """Judge versions of a line by a policy file, from what was measured of them.

    Nothing is moved or recorded. Exit code 0: every version passes; 4: one does not; 1: an error.

    Args:
        policy: the YAML file, as `policy:` in a line's file may name one.
        line: the model line.
        version: its number in MLflow.
        other: of a second version, to be shown beside the first.
        config: the line's YAML file; the names of gates are held against what it measures.
    """
    from flows.config import load_policy
    from tasks.registry.policy_check import check_policy
    from tasks.registry.version_tags import task_type_of

    settings = load_settings()
    store, tracking = ObjectStore(settings), Tracking(settings)
    task_type = task_type_of(tracking.version_tags(line, version))
    of_line = _settings_of(line, config, settings)
    asked = load_policy(policy, of_line, task_type)
    checks = [
        check_policy(asked, line, one, store=store, tracking=tracking)
        for one in (version, other)
        if one is not None
    ]
    if as_json:
        console.show_json([asdict(one) | {"passes": one.passes} for one in checks])
    else:
        _show(line, checks, names_checked=of_line is not None)
    return 0 if all(one.passes for one in checks) else EXIT_REFUSED


def _settings_of(line: str, config: Path | None, settings: Settings) -> "RetrainConfig | None":
    """The settings of a line; None where they are of its deployment, and cannot be had."""
    from flows.line_settings import settings_of_line

    try:
        return settings_of_line(line, config, settings)
    except (SettingsError, StackError) as error:
        if config is not None:
            raise
        console.show_error(error, "warning")
        return None


def _show(line: str, checks: Sequence["PolicyCheck"], *, names_checked: bool) -> None:
    tables = [
        {(row.metric, row.threshold): row for row in gate_table(check.judgement)}
        for check in checks
    ]
    heads = [
        head for check in checks for head in (f"v{check.version}", "interval", "at", "verdict")
    ]
    gates = dict.fromkeys(gate for table in tables for gate in table)
    console.show_table(
        ("gate", "threshold", *heads),
        [
            (*gate, *(cell for table in tables for cell in _cells(table.get(gate))))
            for gate in gates
        ],
    )
    for check in checks:
        _show_verdict(line, check)
    if not names_checked:
        console.say(
            f"the settings of {line} are not known, so the names of gates were not held against "
            "what it measures", "bad",
        )  # fmt: skip
    console.say(NOTHING_WAS_DONE, "quiet")


def _cells(row: GateRow | None) -> tuple[str, str, str, str]:
    """What one version comes to at a gate; a gate over a champion is not asked where none was."""
    if row is None:
        return "", "", "", "not asked"
    return row.number, row.interval, row.confidence, f"{row.symbol} {row.verdict}"


def _show_verdict(line: str, check: "PolicyCheck") -> None:
    judgement = check.judgement
    style: console.Style = "good" if check.passes else "bad"
    console.say(f"version {check.version} of {line}: {judgement.verdict.value}", style)
    for row in gate_table(judgement):
        if row.verdict == Verdict.UNDETERMINED:
            console.say(f"  {row.symbol} {row.metric}: {row.reason}")
    if why := judgement.fairness_not_gated:
        console.say(f"  fairness is not gated: {why}", "bad")
    for note in (*check.notes, *judgement.notes, *look_sentences(judgement)):
        console.say(f"  {note}", "quiet")
