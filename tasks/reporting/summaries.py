"""What stands on the Prefect run's page, as Markdown, and the short form of the card."""

import html
import re
from collections.abc import Iterable, Sequence

from tasks.records.evaluation import Scores
from tasks.records.fairness import Fairness
from tasks.records.registry import Decision, Judgement
from tasks.reporting.data_section import DataEvidence, DriftRow, data_headline
from tasks.reporting.estimates import estimate_row
from tasks.reporting.funnel import data_funnel
from tasks.reporting.gates import SYMBOLS, gate_table
from tasks.reporting.groups import group_tables
from tasks.reporting.looks import look_sentences
from tasks.reporting.number_format import count, number
from tasks.reporting.source_changes import SOURCE_HEADS, change_rows, source_rows
from tasks.verdicts import Estimate, Verdict

_ESTIMATE_HEADS = ("measure", "number", "95% interval", "n", "reading")
_SPECIAL = re.compile(r"([\\`*_\[\]|~#])")
# An interval of numbers holds no markup, and reads better as it is.
_INTERVAL = re.compile(r"(95% )?\[[^\[\]a-df-z`<|]*\]( \w+)?( at [\d.]+%)?(, n = [\d,]+)?")


def plain(text: str) -> str:
    """Text that Markdown shows as it is: markup of its own and of HTML is escaped."""
    if _INTERVAL.fullmatch(text):
        return text
    escaped = _SPECIAL.sub(r"\\\1", html.escape(text, quote=False))
    return " ".join(escaped.split())


def artifact_key(kind: str, line: str) -> str:
    """The key of a Prefect artifact: lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", f"{kind}-{line}".lower()).strip("-")


def gates_markdown(judgement: Judgement) -> str:
    """Every gate with its number, interval, threshold and verdict."""
    heads = ("verdict", "gate", "number", "interval", "threshold", "n", "reason")
    rows = [
        (
            f"{gate.symbol} {gate.verdict}", gate.metric, gate.number,
            f"{gate.interval} at {gate.confidence}" if gate.confidence else gate.interval,
            gate.threshold, gate.n, gate.reason,
        )
        for gate in gate_table(judgement)
    ]  # fmt: skip
    said = (*judgement.notes, *look_sentences(judgement))
    if judgement.fairness_not_gated:
        said = (f"fairness was not gated: {judgement.fairness_not_gated}", *said)
    notes = "".join(f"\n- {plain(note)}" for note in said)
    return markdown_table(heads, rows) + (f"\n{notes}" if notes else "")


def groups_markdown(fairness: Fairness) -> str:
    """Every group with its gap and how it reads; a table for each attribute."""
    tables = []
    for table in group_tables(fairness):
        heads = (table.attribute, "n", *table.metrics, f"{table.gap_of} gap", "95% interval")
        rows = [
            (
                row.group, row.rows, *row.rates, row.gap, row.interval, row.p_adjusted,
                f"{row.symbol} {row.reading}",
            )
            for row in table.rows
        ]  # fmt: skip
        tables.append(markdown_table((*heads, "p (Holm)", "reading"), rows))
    return "\n\n".join(tables) or "No group was assessed."


def verdict_markdown(decision: Decision) -> str:
    """What a run came to: the verdict, each gate, and where more is to be seen."""
    promoted = decision.action in {"promoted", "canary started"}
    # A candidate that passes every gate may be refused: somebody rolled the same weights back.
    stopped = decision.judgement.verdict if decision.judgement.verdict is not Verdict.PASS else None
    symbol = SYMBOLS[Verdict.PASS if promoted else stopped or Verdict.FAIL]
    name = f"{decision.line} version {decision.version}"
    links = {
        "Report with all evidence": decision.report_url,
        f"{name} in MLflow": decision.version_url,
    }
    parts = (
        f"## {symbol} {plain(name)} {decision.action}",
        f"{plain(decision.reason)}.",
        gates_markdown(decision.judgement),
        "\n".join(f"- [{plain(what)}]({where})" for what, where in links.items()),
    )
    return "\n\n".join(parts)


def data_verdict_markdown(evidence: DataEvidence, where: Sequence[str] = ()) -> str:
    """What a check of the data came to: the verdict, what breaks it, the labels and the funnel.

    Args:
        evidence: of the check.
        where: to look further, a line each.

    """
    head, data = data_headline(evidence), evidence.data
    labels = [(label, count(rows)) for label, rows in data.rows_by_label.items()]
    parts = (
        f"## {head.symbol} {head.title}",
        plain(head.sentence),
        "\n".join(f"- {plain(breach)}" for breach in (*data.breaches, *where)),
        markdown_table(("label", "clean rows"), labels) if labels else "",
        funnel_markdown(evidence),
    )
    return "\n\n".join(part for part in parts if part)


def funnel_markdown(evidence: DataEvidence) -> str:
    """Where the rows went, and what personal data and control tokens were found in them."""
    steps = data_funnel(evidence.snapshot, evidence.data)
    table = markdown_table(
        ("step", "rows", "share"), [(step.name, step.rows, step.share) for step in steps]
    )
    found = [
        (one.kind, one.action, count(one.rows), count(one.findings))
        for one in evidence.data.personal_data
    ]
    tables = [table]
    if sources := source_rows(evidence.snapshot.by_source):
        tables.append(markdown_table(SOURCE_HEADS, [one.cells for one in sources]))
    if changes := change_rows(evidence.snapshot.changes):
        rows = [(one.name, one.number, one.setting, one.note) for one in changes]
        tables.append(markdown_table(("changed by a setting", "number", "setting", "note"), rows))
    if found:
        tables.append(markdown_table(("personal data", "policy", "rows", "findings"), found))
    if spelled := evidence.data.control_tokens.rows_by_token:
        policy = evidence.data.control_tokens.action
        counted = [(one, policy, count(number)) for one, number in spelled.items()]
        tables.append(markdown_table(("control token in texts", "policy", "rows"), counted))
    return "\n\n".join(tables)


def drift_markdown(checks: Iterable[DriftRow]) -> str:
    """Every check with its effect, the interval of it and the corrected p-value."""
    heads = (
        "verdict", "check", "effect", "size", "95% interval", "limit", "p (corrected)", "rows",
        "reading",
    )  # fmt: skip
    rows = [
        (
            f"{one.symbol} {one.verdict}", one.name, one.effect, one.value, one.interval,
            one.limit, one.p, one.rows, one.reading,
        )
        for one in checks
    ]  # fmt: skip
    return markdown_table(heads, rows)


def confusion_markdown(scores: Scores) -> str:
    """The confusion matrix, true labels down and predicted labels across."""
    rows = [
        (label, *map(count, line))
        for label, line in zip(scores.labels, scores.confusion, strict=True)
    ]
    return markdown_table(("true \\ predicted", *scores.labels), rows)


def calibration_markdown(scores: Scores) -> str:
    """How often predictions of a given confidence are right, a row for each bin."""
    rows = [
        (number(confidence), number(accuracy), count(rows))
        for confidence, accuracy, rows in scores.calibration
    ]
    return markdown_table(("mean confidence", "accuracy", "rows"), rows)


def estimates_markdown(estimates: Iterable[Estimate]) -> str:
    """Estimates as a table: number, interval and count, or why there is none."""
    rows = [
        (row.name, row.number, row.interval, row.n, row.reason)
        for row in map(estimate_row, estimates)
    ]
    return markdown_table(_ESTIMATE_HEADS, rows)


def markdown_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in the Markdown of GitHub; cells are escaped."""
    lines = [heads, *rows]
    written = [f"| {' | '.join(plain(cell) for cell in line)} |" for line in lines]
    written.insert(1, "|" + " --- |" * len(heads))
    return "\n".join(written)
