"""Rows of the tables on the page of a Prefect run: gates, and what each version is to its line."""

from collections.abc import Sequence

from tasks.records.registry import Judgement, VersionState
from tasks.reporting.gates import gate_table


def gate_rows(judgement: Judgement) -> list[dict[str, str]]:
    """A row for each gate, in the order of the policy."""
    return [
        {
            "verdict": f"{gate.symbol} {gate.verdict}",
            "gate": gate.metric,
            "number": gate.number,
            "interval": gate.interval,
            "at": gate.confidence,
            "threshold": gate.threshold,
            "n": gate.n,
            "reason": gate.reason,
        }
        for gate in gate_table(judgement)
    ]


def state_rows(states: Sequence[VersionState]) -> list[dict[str, str]]:
    """A row for each version of a line, the newest first."""
    return [
        {
            "version": str(one.version),
            "aliases": ", ".join(one.aliases),
            "decision": one.action or "none",
            "verdict": one.verdict.value if one.verdict else "",
            "at": one.at[:16].replace("T", " ") + " UTC" if one.at else "",
            "by": one.by,
            "reason": one.reason,
        }
        for one in states
    ]
