"""What a person is shown who is to approve a candidate: gates, comparison, and where to look."""

from typing import Final

from tasks.records.judged_version import JudgedVersion
from tasks.reporting.comparison import RIVALS, versus
from tasks.reporting.summaries import gates_markdown, markdown_table, plain

# The baseline is in the report; a person weighs the candidate against what is and was served.
SHOWN: Final = RIVALS[:2]


def approval_markdown(judged: JudgedVersion, until: str) -> str:
    """The request, every gate and the comparisons, in the Markdown of GitHub.

    Args:
        judged: the candidate.
        until: up to when it waits, ISO 8601, UTC.

    """
    version = judged.version
    parts = (
        f"## {plain(f'{version.line} version {version.version}')} awaits approval",
        request_words(judged, until),
        "### Gates",
        gates_markdown(judged.judgement),
        *(part for rival in SHOWN for part in _comparison(rival, judged)),
    )
    return "\n\n".join(parts)


def request_words(judged: JudgedVersion, until: str) -> str:
    """What is asked, and where the evidence is; arguments as `approval_markdown`."""
    version, champion = judged.version, judged.champion
    name = f"{version.line} version {version.version}"
    against = f"version {champion.version}" if champion else "no version, as there is none yet"
    return (
        f"{plain(name)} passes all {len(judged.judgement.gates)} gates, and the policy asks a "
        f"person. It was compared with {against}. After {until[:16].replace('T', ' ')} UTC it is "
        f"rejected.\n\n- [Report with all evidence]({judged.report.url})\n"
        f"- [{plain(name)} in MLflow]({version.url})\n"
        "- Gates and comparison: the artifacts of this run"
    )


def _comparison(rival: str, judged: JudgedVersion) -> list[str]:
    found = versus(rival, judged.scores)
    version = f" (version {found.version})" if found.version is not None else ""
    parts = [f"### Against the {rival}{version}", *(plain(note) for note in found.notes)]
    rows = [
        (row.name, row.number, row.interval, row.n) for table in found.tables for row in table.rows
    ]
    if rows:
        parts.append(markdown_table(("number", "value", "95% interval", "n"), rows))
    return parts
