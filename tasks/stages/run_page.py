"""Tables and links on the page of the Prefect run, where there is one."""

from prefect.artifacts import create_link_artifact, create_markdown_artifact
from prefect.context import TaskRunContext

from tasks.records.registry import Report
from tasks.reporting.data_section import DataEvidence
from tasks.reporting.evidence import Evidence


def show_data(evidence: DataEvidence) -> None:
    """Put the funnel, and drift where it was measured, on the page of the Prefect run."""
    if not TaskRunContext.get():
        return
    from tasks.reporting.summaries import artifact_key, drift_markdown, funnel_markdown

    line = evidence.line
    tables = {"rows": (funnel_markdown(evidence), "Where the rows went")}
    if evidence.drift:
        tables["drift"] = (drift_markdown(evidence.drift), "Drift")
    for kind, (markdown, title) in tables.items():
        create_markdown_artifact(
            markdown, key=artifact_key(kind, line), description=f"{title}: {line}"
        )


def show_report(evidence: Evidence, report: Report) -> None:
    """Put tables and links on the page of the Prefect run."""
    if not TaskRunContext.get():
        return
    from tasks.reporting.summaries import (
        artifact_key,
        calibration_markdown,
        confusion_markdown,
        gates_markdown,
        groups_markdown,
    )

    show_data(evidence.data_evidence)
    line, version = evidence.line, evidence.version
    tables = {
        "gates": (gates_markdown(evidence.judgement), "Gates"),
        "groups": (groups_markdown(evidence.fairness), "Groups"),
    }
    scores = evidence.scores
    if scores.confusion:
        tables["confusion"] = (confusion_markdown(scores), "Confusion on the test rows")
    if scores.calibration:
        tables["calibration"] = (calibration_markdown(scores), "Calibration on the test rows")
    for kind, (markdown, title) in tables.items():
        described = f"{title} of {line} version {version.version}"
        create_markdown_artifact(markdown, key=artifact_key(kind, line), description=described)
    create_link_artifact(
        report.url, link_text=f"Report of {line} version {version.version}",
        key=artifact_key("report", line),
    )  # fmt: skip
    create_link_artifact(
        version.url, link_text=f"{line} version {version.version} in MLflow",
        key=artifact_key("version", line),
    )  # fmt: skip
