"""The page of a watched line, put where people look: the store, MLflow, the registered model."""

import tempfile
from pathlib import Path
from typing import Final

from infra.store import Artifact, ObjectStore
from infra.tracking import Tracking
from tasks.monitoring.window_records import MONITOR
from tasks.records.monitoring import WatchedWindow
from tasks.reporting.monitor_page import MonitorEvidence, render_monitor_page

PAGE_FILE: Final = "monitor.html"
# On the registered version: where its windows are shown.
MONITOR_TAG: Final = "assayline.monitor"


def publish_monitor(
    evidence: MonitorEvidence, *, store: ObjectStore, tracking: Tracking
) -> tuple[Artifact, str]:
    """Keep the page in the store and in an MLflow run of the line's own, and link the version.

    Returns:
        The page in the store, and where MLflow shows it.

    Raises:
        StoreError, TrackingError: a server is unreachable.

    """
    watched, page = evidence.watched, render_monitor_page(evidence).encode()
    # One page a line, over the last: by digest there would be nine thousand a year.
    html = store.put_bytes(store.uri(MONITOR, watched.line, "page.html"), page)
    run_id = tracking.open_run(watched.line, f"monitor {watched.line}", {})
    tracking.name_run(run_id, f"{watched.line} monitor")
    with tempfile.TemporaryDirectory(prefix="monitor-") as folder:
        path = Path(folder) / PAGE_FILE
        path.write_bytes(page)
        tracking.log_file(run_id, path)
    tracking.log_metrics(run_id, _metrics(evidence.newest), _step(evidence.newest))
    tracking.finish_run(run_id)
    url = f"{tracking.run_url(run_id)}/artifacts/{PAGE_FILE}"
    tracking.set_tags(watched.line, watched.version, {MONITOR_TAG: url})
    return html, url


def _metrics(one: WatchedWindow) -> dict[str, float]:
    """The numbers of the newest window, so that MLflow draws them over time as well."""
    found = {f"monitor.{check.name}": check.value for check in one.checks}
    rows = {"monitor.rows": float(sum(one.window.rows.values()))}
    told = {name: value for name, value in found.items() if value is not None}
    return {**rows, "monitor.failed_checks": float(len(one.failed)), **told}


def _step(one: WatchedWindow) -> int:
    """Hours since 1970, so that a window has one step."""
    return int(one.window.start.timestamp() // 3_600)
