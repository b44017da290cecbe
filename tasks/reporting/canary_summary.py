"""A look at a canary in words, for the Prefect run and the console; what it imports is light."""

from collections.abc import Sequence

from tasks.records.canary import CanaryLook
from tasks.records.canary_outcome import CanaryOutcome, share_words
from tasks.reporting.gates import SYMBOLS, gate_row
from tasks.reporting.number_format import count
from tasks.reporting.summaries import markdown_table, plain

_HEADS = ("verdict", "gate", "number", "confidence sequence", "threshold", "n", "reason")


def look_markdown(look: CanaryLook, asked: Sequence[str]) -> str:
    """What a look saw: the step, each gate, and what is waited for, in the Markdown of GitHub.

    Args:
        look: what was seen.
        asked: what the step is, and what it lasts, a sentence each.

    """
    step = look.step
    name = f"{step.line} version {step.version}"
    rows = [
        (
            f"{row.symbol} {row.verdict}", row.metric, row.number,
            f"{row.interval} at {row.confidence}" if row.confidence else row.interval,
            row.threshold, row.n, row.reason,
        )
        for row in map(gate_row, look.gates)
    ]  # fmt: skip
    parts = (
        f"## {SYMBOLS[look.verdict]} canary of {plain(name)}: {look.verdict.value}",
        f"{plain(look.reason)}.",
        "\n".join(f"- {plain(line)}" for line in asked),
        f"- {requests_words(look)}",
        markdown_table(_HEADS, rows) if rows else "",
    )
    return "\n\n".join(part for part in parts if part)


def outcome_markdown(outcome: CanaryOutcome) -> str:
    """What a run of ``canary/LINE`` came to, and where more is to be seen."""
    name = f"{outcome.line} version {outcome.version}"
    links = {
        "The looks at it": outcome.page_url,
        "Report with all evidence": outcome.report_url,
        f"{name} in MLflow": outcome.version_url,
    }
    parts = (
        f"## canary of {plain(name)}: {plain(outcome.action)}",
        f"{plain(outcome.reason)}.",
        f"Step {outcome.step}: {share_words(outcome.share)}.",
        "\n".join(f"- [{plain(what)}]({where})" for what, where in links.items() if where),
        f"Ledger: {plain(outcome.ledger_uri)}",
    )
    return "\n\n".join(part for part in parts if part)


def requests_words(look: CanaryLook) -> str:
    """How many requests each of the two was asked in the step."""
    of_production, of_candidate = look.requests
    return (
        f"{count(of_production)} requests of version {look.step.production} in production, "
        f"{count(of_candidate)} of the candidate"
    )
