"""The page of a canary in a real store and a real MLflow."""

from dataclasses import replace
from pathlib import Path

from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.canary.publication import CANARY_TAG, publish_canary
from tasks.reporting.canary_page import render_canary_page
from tests.registered import add_version
from tests.unit.reporting.test_canary_page import BEFORE, LOOK, STEP


def test_the_page_is_kept_where_people_look(
    store: ObjectStore, tracking: Tracking, tmp_path: Path
) -> None:
    """Over the last one of the version, and MLflow draws the gates over the requests."""
    line = "canary-page"
    tracking._client.create_registered_model(line)
    version, _ = add_version(line, tmp_path, {}, store, tracking)
    look = replace(LOOK, step=replace(STEP, line=line, version=version))
    first = publish_canary(replace(look, requests=(0, 0)), store=store, tracking=tracking)
    html, url = publish_canary(look, [BEFORE], store=store, tracking=tracking)
    assert (html.uri, url) == (first[0].uri, first[1])
    page = store.get_bytes(html.uri).decode()
    assert page == render_canary_page(look, [BEFORE])
    assert tracking.version_tags(line, version)[CANARY_TAG] == url
    run_id = url.rpartition("/runs/")[2].split("/")[0]
    kept = tracking._download(f"runs:/{run_id}/canary.html", tmp_path)
    assert kept.read_text(encoding="utf-8") == page
    drawn = tracking._client.get_metric_history(run_id, "canary.failure_increase")
    assert [(one.step, one.value) for one in drawn] == [(0, 0.002), (900, 0.002)]
