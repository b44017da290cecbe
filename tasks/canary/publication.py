"""The page of a canary, put where people look: the store, MLflow, the registered version."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from infra.store import Artifact, ObjectStore
from infra.tracking import Tracking
from tasks.records.canary import CanaryLook
from tasks.reporting.canary_page import render_canary_page

PAGE_FILE: Final = "canary.html"
# On the registered version: where its canary is shown.
CANARY_TAG: Final = "assayline.canary"


def publish_canary(
    look: CanaryLook, earlier: Sequence[CanaryLook] = (), *, store: ObjectStore, tracking: Tracking
) -> tuple[Artifact, str]:
    """Keep the page in the store and in an MLflow run of the version's own, and link the version.

    Args:
        look: the newest one.
        earlier: the looks that decided on the steps before.
        store: keeps one page a version, over the last.
        tracking: keeps the page and the numbers of the gates.

    Returns:
        The page in the store, and where MLflow shows it.

    Raises:
        StoreError, TrackingError: a server is unreachable.

    """
    step, page = look.step, render_canary_page(look, earlier).encode()
    html = store.put_bytes(store.uri("canary", step.line, f"{step.version}.html"), page)
    name = f"canary {step.line} {step.version}"
    run_id = tracking.open_run(step.line, name, {})
    tracking.name_run(run_id, f"{step.line} version {step.version} canary")
    with tempfile.TemporaryDirectory(prefix="canary-") as folder:
        path = Path(folder) / PAGE_FILE
        path.write_bytes(page)
        tracking.log_file(run_id, path)
    numbers = {gate.metric: gate.value for gate in look.gates}
    told = {metric: value for metric, value in numbers.items() if value is not None}
    # A step of MLflow's, so that it draws the gates over the requests of the candidate.
    tracking.log_metrics(run_id, told, look.requests[1])
    tracking.finish_run(run_id)
    url = f"{tracking.run_url(run_id)}/artifacts/{PAGE_FILE}"
    tracking.set_tags(step.line, step.version, {CANARY_TAG: url})
    return html, url
