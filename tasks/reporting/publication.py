"""Write the report and the card, and put them where people look."""

import tempfile
from pathlib import Path

from infra.store import ObjectStore, keep_by_digest
from infra.tracking import Tracking
from tasks.records.data import DataPage
from tasks.records.measured_version import ESTIMATES_FILE, estimates_bytes
from tasks.records.registry import Report
from tasks.reporting.card import render_card, short_card
from tasks.reporting.data_section import DataEvidence
from tasks.reporting.evidence import Evidence
from tasks.reporting.page import Links, render_data_page, render_page
from tasks.verdicts import Verdict

REPORT_FILE = "report.html"
CARD_FILE = "README.md"
DOCS_FILE = "data-docs.html"


def publish_report(evidence: Evidence, *, store: ObjectStore, tracking: Tracking) -> Report:
    """Render both, keep them in the store, and add them and the Data Docs to the MLflow run.

    Raises:
        EvidenceError: the records do not belong together, or an artifact lacks its digest.
        StoreError, TrackingError: a server or the Data Docs are missing.

    """
    run = _run_address(evidence, tracking)
    links = Links(version=evidence.version.url, data_docs=f"{run}/{DOCS_FILE}")
    page = render_page(evidence, links).encode()
    card = render_card(evidence).encode()
    docs = store.get_bytes(evidence.data.docs_uri)
    html = keep_by_digest(store, "reports", page, "html")
    markdown = keep_by_digest(store, "cards", card, "md")
    numbers = estimates_bytes(evidence.scores.rows, evidence.estimates)
    files = {REPORT_FILE: page, CARD_FILE: card, DOCS_FILE: docs, ESTIMATES_FILE: numbers}
    for name, content in files.items():
        _log(tracking, evidence.version.run_id, name, content)
    url = f"{run}/{REPORT_FILE}"
    version = evidence.version
    tracking.set_description(version.line, version.version, short_card(evidence, url))
    return Report(html=html, card=markdown, url=url)


def publish_data_page(evidence: DataEvidence, *, store: ObjectStore) -> DataPage:
    """Render the report on the data alone and keep it in the store.

    Raises:
        StoreError: the store cannot be reached.

    """
    snapshot, data = evidence.snapshot, evidence.data
    return DataPage(
        line=evidence.line,
        html=keep_by_digest(store, "reports", render_data_page(evidence).encode(), "html"),
        rows_read=snapshot.rows_read,
        duplicates_dropped=snapshot.duplicates_dropped,
        quarantine=data.quarantine,
        rows_clean=sum(data.rows_by_split.values()),
        rows_by_label=data.rows_by_label,
        rows_quarantined=data.rows_quarantined,
        quarantined_by_reason=data.quarantined_by_reason,
        personal_data=data.personal_data,
        drift=evidence.drift.verdict if evidence.drift else None,
        control_tokens=data.control_tokens,
        changes=snapshot.changes,
        doubtful_labels=data.doubtful_labels,
        by_source=snapshot.by_source,
        labels=evidence.labels,
        unlike_splits={
            one.split: ", ".join(
                check.name for check in one.checks if check.verdict is Verdict.FAIL
            )
            for one in evidence.shifts.held_out
            if one.verdict is Verdict.FAIL
        },
        untold_splits=tuple(
            one.split for one in evidence.shifts.held_out if one.verdict is Verdict.UNDETERMINED
        ),
    )


def _run_address(evidence: Evidence, tracking: Tracking) -> str:
    """Where MLflow's pages show a run's artifacts."""
    experiment = tracking.experiment_id(evidence.line)
    run = evidence.version.run_id
    return f"{tracking.url}/#/experiments/{experiment}/runs/{run}/artifacts"


def _log(tracking: Tracking, run_id: str, name: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory(prefix="report-") as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        tracking.log_file(run_id, path)
