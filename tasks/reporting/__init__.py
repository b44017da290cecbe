"""The evidence in writing: the HTML report, the model card and the Prefect artifacts."""

from pathlib import Path

from prefect.artifacts import create_link_artifact, create_markdown_artifact
from prefect.context import TaskRunContext

from infra.stages import cached_stage
from infra.store import open_store
from infra.tracking import open_tracking
from tasks import records, verdicts
from tasks.records import (
    BaseModel,
    DataPage,
    DataReport,
    Drift,
    Fairness,
    Judgement,
    Report,
    Representation,
    Scores,
    Snapshot,
    Staged,
    Tokens,
    Version,
    Weights,
)
from tasks.reporting.data_section import DataEvidence
from tasks.reporting.evidence import Evidence
from tasks.task_types import purposes, requests, rows


@cached_stage(
    also=(
        Path(records.__file__), Path(verdicts.__file__), Path(purposes.__file__),
        Path(requests.__file__), Path(rows.__file__),
    ),
    libraries=("jinja2", "pyyaml"),
)  # fmt: skip
def write_report(
    line: str,
    snapshot: Snapshot,
    data: DataReport,
    representation: Representation,
    drift: Drift | None,
    tokens: Tokens,
    base_model: BaseModel,
    weights: Weights,
    scores: Scores,
    fairness: Fairness,
    version: Version,
    staged: Staged | None,
    judgement: Judgement,
) -> Report:
    """Write the report and the model card of a candidate, from its records alone."""
    from tasks.reporting.publication import publish_report

    evidence = Evidence(
        line, snapshot, data, representation, drift, tokens, base_model, weights, scores, fairness,
        version, staged, judgement,
    )  # fmt: skip
    report = publish_report(evidence, store=open_store(), tracking=open_tracking())
    if TaskRunContext.get():
        _show_on_run(evidence, report)
    return report


@cached_stage(also=(Path(records.__file__), Path(verdicts.__file__)), libraries=("jinja2",))
def write_data_report(
    line: str,
    snapshot: Snapshot,
    data: DataReport,
    representation: Representation,
    drift: Drift | None,
) -> DataPage:
    """Write the report on a line's data alone, from its records."""
    from tasks.reporting.publication import publish_data_page

    evidence = DataEvidence(line, snapshot, data, representation, drift)
    page = publish_data_page(evidence, store=open_store())
    if TaskRunContext.get():
        _show_data_on_run(evidence)
    return page


def _show_data_on_run(evidence: DataEvidence) -> None:
    """Put the funnel, and drift where it was measured, on the page of the Prefect run."""
    from tasks.reporting.summaries import artifact_key, drift_markdown, funnel_markdown

    line = evidence.line
    tables = {"rows": (funnel_markdown(evidence), "Where the rows went")}
    if evidence.drift:
        tables["drift"] = (drift_markdown(evidence.drift), "Drift")
    for kind, (markdown, title) in tables.items():
        create_markdown_artifact(
            markdown, key=artifact_key(kind, line), description=f"{title}: {line}"
        )


def _show_on_run(evidence: Evidence, report: Report) -> None:
    """Put tables and links on the page of the Prefect run."""
    from tasks.reporting.summaries import (
        artifact_key,
        calibration_markdown,
        confusion_markdown,
        gates_markdown,
        groups_markdown,
    )

    _show_data_on_run(evidence.data_evidence)
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
