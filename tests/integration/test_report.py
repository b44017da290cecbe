"""The report and the card in the store, on the MLflow run and on the Prefect run."""

import hashlib
import json
import os
import runpy
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from infra.errors import StoreError
from infra.settings import Settings
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.registry import Report
from tasks.reporting.evidence import Evidence, EvidenceError
from tasks.reporting.publication import publish_report

SAMPLES = runpy.run_path(str(Path(__file__).parents[1] / "unit" / "reporting" / "conftest.py"))
DOCS = b"<!doctype html><title>Data Docs</title>"


def ask(url: str, body: dict[str, str | list[str]] | None = None) -> dict:  # type: ignore[type-arg]
    """JSON from a server."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        found = json.load(answer)
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def evidence(store: ObjectStore, tracking: Tracking) -> Evidence:
    """The hand-made records, with a run and a registered version on the real servers."""
    made = SAMPLES["build_evidence"](passing=True)
    assert isinstance(made, Evidence)
    run = tracking.open_run("bbc-news", "report-test", {})
    api = f"{tracking.url}/api/2.0/mlflow"
    ask(f"{api}/registered-models/create", {"name": "bbc-news"})
    answer = ask(
        f"{api}/model-versions/create",
        {"name": "bbc-news", "source": f"runs:/{run}/model", "run_id": run},
    )
    number = int(answer["model_version"]["version"])
    docs = store.put_bytes(store.uri("docs", "report-test", "index.html"), DOCS)
    assert made.staged
    return replace(
        made,
        data=replace(made.data, docs_uri=docs.uri),
        version=replace(
            made.version, version=number, run_id=run,
            url=f"{tracking.url}/#/models/bbc-news/versions/{number}",
        ),
        staged=replace(made.staged, version=number),
    )  # fmt: skip


def artifact_of(tracking: Tracking, run_id: str, name: str) -> bytes:
    """A file of a run, as MLflow's own pages fetch it."""
    query = urllib.parse.urlencode({"path": name, "run_uuid": run_id})
    with urllib.request.urlopen(f"{tracking.url}/get-artifact?{query}", timeout=30) as answer:
        content = answer.read()
    assert isinstance(content, bytes)
    return content


def test_report_and_card_lie_in_the_store_and_on_the_run(
    evidence: Evidence, store: ObjectStore, tracking: Tracking
) -> None:
    report = publish_report(evidence, store=store, tracking=tracking)
    for artifact, kind, name in (
        (report.html, "reports", "report.html"), (report.card, "cards", "README.md"),
    ):  # fmt: skip
        content = store.get_bytes(artifact.uri)
        assert hashlib.sha256(content).hexdigest() == artifact.sha256
        assert artifact.uri.startswith(store.uri(kind, artifact.sha256))
        assert artifact_of(tracking, evidence.version.run_id, name) == content
    assert artifact_of(tracking, evidence.version.run_id, "data-docs.html") == DOCS
    page = store.get_bytes(report.html.uri).decode()
    assert f"{tracking.url}/#/models/bbc-news/versions/" in page
    assert report.url.replace("report.html", "data-docs.html") in page


def test_the_address_is_the_runs_artifact_page(
    evidence: Evidence, store: ObjectStore, tracking: Tracking
) -> None:
    url = publish_report(evidence, store=store, tracking=tracking).url
    experiment, run = tracking.experiment_id("bbc-news"), evidence.version.run_id
    path = f"/#/experiments/{experiment}/runs/{run}/artifacts/report.html"
    assert url == f"{tracking.url}{path}"


def test_the_same_records_give_the_same_artifacts(
    evidence: Evidence, store: ObjectStore, tracking: Tracking
) -> None:
    first = publish_report(evidence, store=store, tracking=tracking)
    assert publish_report(evidence, store=store, tracking=tracking) == first


def test_the_version_is_described(
    evidence: Evidence, store: ObjectStore, tracking: Tracking
) -> None:
    report = publish_report(evidence, store=store, tracking=tracking)
    query = urllib.parse.urlencode({"name": "bbc-news", "version": evidence.version.version})
    found = ask(f"{tracking.url}/api/2.0/mlflow/model-versions/get?{query}")
    text = found["model_version"]["description"]
    assert "Earns production" in text
    assert report.url in text


def test_nothing_is_kept_of_a_report_that_lacks_its_evidence(
    evidence: Evidence, store: ObjectStore, tracking: Tracking
) -> None:
    before = store.list(store.uri("reports", ""))
    gone = replace(evidence, data=replace(evidence.data, docs_uri=store.uri("docs", "gone.html")))
    with pytest.raises(StoreError, match=r"gone\.html does not exist"):
        publish_report(gone, store=store, tracking=tracking)
    other = replace(evidence.version, weights_sha256="0" * 64)
    with pytest.raises(EvidenceError):
        publish_report(replace(evidence, version=other), store=store, tracking=tracking)
    assert store.list(store.uri("reports", "")) == before


@pytest.fixture(scope="module")
def prefect_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Prefect server."""
    samples = runpy.run_path(str(Path(__file__).parents[1] / "conftest.py"))
    folder = tmp_path_factory.mktemp("prefect")
    port = samples["free_port"]()
    process = subprocess.Popen(
        [samples["SCRIPTS"] / "prefect", "server", "start", "--host", "127.0.0.1",
         "--port", str(port), "--no-services"],
        env={
            **os.environ, "PREFECT_HOME": str(folder), "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        },
        stdout=(folder / "log").open("wb"), stderr=subprocess.STDOUT,
    )  # fmt: skip
    samples["wait_for"](f"http://127.0.0.1:{port}/api/health", process)
    yield f"http://127.0.0.1:{port}/api"
    samples["stop"](process)


def test_the_prefect_run_shows_tables_and_links(
    evidence: Evidence,
    mlflow_settings: Settings,
    prefect_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from prefect import flow
    from prefect.settings import (
        PREFECT_API_URL,
        PREFECT_HOME,
        PREFECT_LOGGING_TO_API_ENABLED,
        temporary_settings,
    )

    from tasks.stages.reporting import write_report

    key, secret = mlflow_settings.store_access_key_id, mlflow_settings.store_secret_access_key
    assert key
    assert secret
    monkeypatch.setenv("ASSAYLINE_HOME", str(tmp_path))
    monkeypatch.setenv("ASSAYLINE_STORE_ENDPOINT_URL", str(mlflow_settings.store_endpoint_url))
    monkeypatch.setenv("ASSAYLINE_STORE_ACCESS_KEY_ID", key.get_secret_value())
    monkeypatch.setenv("ASSAYLINE_STORE_SECRET_ACCESS_KEY", secret.get_secret_value())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(mlflow_settings.mlflow_url))
    parts = [getattr(evidence, name) for name in Evidence.__dataclass_fields__]

    @flow(persist_result=True)
    def report_twice() -> tuple[Report, Report]:
        return write_report(*parts), write_report(*parts)

    with temporary_settings(
        {
            PREFECT_API_URL: prefect_url,
            PREFECT_HOME: tmp_path,
            PREFECT_LOGGING_TO_API_ENABLED: False,
        }
    ):
        first, again = report_twice()
    assert first == again
    found = [one for one in ask_list(f"{prefect_url}/artifacts/filter") if one["key"]]
    # The second call was found in the cache, so each stands there once.
    assert sorted(artifact["key"] for artifact in found) == [
        f"{kind}-bbc-news"
        for kind in (
            "calibration",
            "confusion",
            "drift",
            "gates",
            "groups",
            "recipe",
            "report",
            "rows",
            "version",
        )
    ]
    shown = {artifact["key"]: artifact["data"] for artifact in found}
    assert "| 0.9871 | 0.9947 | 377 |" in shown["calibration-bbc-news"]
    kinds = {artifact["key"]: artifact["type"] for artifact in found}
    assert kinds["gates-bbc-news"] == "table"
    gates = json.loads(shown["gates-bbc-news"])
    assert [row["gate"] for row in gates] == [one.metric for one in evidence.judgement.gates]
    assert "✓ pass" in {row["verdict"] for row in gates}
    assert "undetermined: welsh has 3 test rows" in shown["groups-bbc-news"]
    assert "because: broken JSON" in shown["rows-bbc-news"]
    assert "✗ fail" in shown["drift-bbc-news"]
    assert first.url in shown["report-bbc-news"]
    assert evidence.version.url in shown["version-bbc-news"]


def ask_list(url: str) -> list[dict[str, str]]:
    """All that a Prefect filter finds."""
    request = urllib.request.Request(url, b"{}", {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        found = json.load(answer)
    assert isinstance(found, list)
    return found
