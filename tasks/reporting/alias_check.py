"""What a look at a line's aliases came to, for the page of its Prefect run."""

from typing import Final

from tasks.records.registry import AliasCheck
from tasks.reporting.summaries import plain

_DONE: Final = {
    "restored": "They are set as the ledger says (registry.on_outside_move is restore).",
    "accepted": "The ledger takes what MLflow says (registry.on_outside_move is accept).",
    "undecided": "Nothing is promoted until a person decides: `assayline reconcile {line} "
    "--restore` sets them as the ledger says, `--accept` takes what MLflow says into the ledger.",
    "put back": "They were put back by hand before anything was decided.",
}


def alias_check_markdown(found: AliasCheck) -> str:
    """Which alias names what in MLflow and by the ledger, and what was done about the move."""
    rows = [
        f"| {alias} | {_version(seen)} | {_version(known)} |"
        for alias, seen, known in zip(
            ("production", "previous"), found.seen, found.by_ledger, strict=True
        )
    ]
    return "\n".join(
        [
            f"## ✗ aliases of {plain(found.line)} were moved in MLflow",
            "",
            f"{plain(found.moved)}.",
            "",
            "| alias | seen in MLflow | by the ledger |",
            "|---|---|---|",
            *rows,
            "",
            _DONE[found.done].format(line=found.line),
            "",
            f"Ledger: {plain(found.ledger_uri)}",
        ]
    )


def _version(number: int | None) -> str:
    return "none" if number is None else f"version {number}"
