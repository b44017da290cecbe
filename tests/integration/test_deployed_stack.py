"""The stack of compose.yaml, service by service: PostgreSQL behind MLflow and Prefect, two workers.

No container engine runs here: the services are processes (tests/deployed/processes.py), with the
commands, variables, secrets and health checks of the file. The tests follow each other.
"""

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from infra.prefect_api import PrefectApi
from infra.settings import Settings
from tests.deployed.processes import Processes, as_processes
from tests.faults.outages import wait_until
from tests.integration.test_retrain import TOPICS, write_config, write_reviews

RUN_S = 900
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3 * RUN_S)]

LINE = "reviews"
# It is the way through the house that is tried here, and no model.
POLICY = {
    "gates": [
        {"metric": "quality.accuracy", "at_least": 0.05},
        {"metric": "staging.same_predictions", "at_least": 0.99},
    ],
    "fairness_not_gated": "the rows of this test say nothing of people",
}


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """What is mounted at /lines: rows, a base model, and the settings of the line."""
    folder = tmp_path_factory.mktemp("lines")
    shutil.copytree(tiny_model, folder / "base")
    write_reviews(folder / "reviews.csv", rows_per_topic=60)
    base = {"base_model": {"reference": str(folder / "base")}, "policy": POLICY}
    write_config(folder, line=LINE, **base)
    return folder


@pytest.fixture(scope="module")
def deployed(lines: Path) -> Iterator[Processes]:
    """All services but the served model, up and healthy."""
    with tempfile.TemporaryDirectory(prefix="deployed-") as name:
        Path(name).chmod(0o711)  # PostgreSQL runs as somebody else
        for stack in as_processes(Path(name), lines):
            began = time.monotonic()
            stack.up("worker-1", "worker-2")
            print(f"\nup after {time.monotonic() - began:.0f} s")
            yield stack


@pytest.fixture(scope="module")
def settings(deployed: Processes) -> Settings:
    """As who runs commands reaches the servers."""
    return Settings(
        home=deployed.folder / "test",
        store_endpoint_url=deployed.address("store"),
        store_access_key_id=deployed.secret("store_access_key_id"),
        store_secret_access_key=deployed.secret("store_secret_access_key"),
        mlflow_url=deployed.address("mlflow"),
        mlflow_user="assayline",
        mlflow_password=deployed.secret("mlflow_password"),
        mlflow_reader=deployed.secret("mlflow_reader"),
        prefect_url=f"{deployed.address('prefect')}/api",
        prefect_login=deployed.secret("prefect_login"),
    )


def workers_online(settings: Settings) -> set[str]:
    workers = PrefectApi(settings).workers("assayline")
    return {worker.name for worker in workers if worker.status == "ONLINE"}


def done(called: "subprocess.CompletedProcess[str]") -> str:
    assert called.returncode == 0, called.stdout + called.stderr
    assert "Traceback" not in called.stderr
    return called.stdout


def test_what_the_compose_file_starts_is_healthy_and_asks_a_login(
    deployed: Processes, settings: Settings
) -> None:
    wait_until(lambda: workers_online(settings) == {"worker-1", "worker-2"}, 60)
    prefect, mlflow = deployed.address("prefect"), deployed.address("mlflow")
    assert httpx.post(f"{prefect}/api/deployments/filter", json={}).status_code == 401
    assert httpx.get(f"{mlflow}/api/2.0/mlflow/experiments/get-by-name").status_code == 401
    for url in (f"{prefect}/api/health", f"{mlflow}/health"):
        assert httpx.get(url, headers={"Host": "elsewhere.example"}).status_code == 403
    reader = ("reader", deployed.secret("mlflow_reader_password"))
    made = httpx.post(
        f"{mlflow}/api/2.0/mlflow/registered-models/create", json={"name": "mine"}, auth=reader
    )
    assert made.status_code == 403
    status = deployed.call("setup", "assayline", "status", "--json")
    shown = json.loads(done(status))
    assert {part["name"]: part["state"] for part in shown["parts"]} == {
        "store": "external", "mlflow": "external", "prefect": "external",
    }  # fmt: skip


def test_a_second_worker_of_a_name_is_refused(deployed: Processes) -> None:
    refused = deployed.call("worker-1", timeout_s=120)
    assert refused.returncode == 1
    assert "a worker of the name worker-1 is at work" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_line_goes_to_production_and_everything_is_in_postgresql(
    deployed: Processes, settings: Settings
) -> None:
    config = str(deployed.lines / "reviews.yaml")
    shown = done(deployed.call("setup", "assayline", "run", config, timeout_s=RUN_S))
    assert f"models:/{LINE}@production version 1" in shown
    again = done(deployed.call("setup", "assayline", "run", config, timeout_s=RUN_S))
    assert f"{'train':<22} unchanged" in again

    versions = deployed.sql("mlflow", "SELECT name, version FROM model_versions")
    assert versions == [f"{LINE}|1"]
    assert set(deployed.sql("mlflow", "SELECT username FROM users")) == {"assayline", "reader"}
    runs = deployed.sql(
        "prefect", "SELECT DISTINCT state_type FROM flow_run WHERE start_time IS NOT NULL"
    )
    assert "COMPLETED" in runs
    # Nor do the services have a database of their own, or of each other's folders anything.
    assert [path for path in deployed.folder.rglob("*.db*") if "postgres" not in path.parts] == []
    for name in ("worker-1", "worker-2"):
        assert (deployed.home(name) / "prefect" / "logging.yml").is_file()
    for secret in ("prefect_login", "mlflow_password", "store_secret_access_key", "results_key"):
        for name in ("mlflow", "prefect", "worker-1", "worker-2"):
            log = deployed.log(name).read_text(errors="replace")
            assert deployed.secret(secret) not in log, (secret, name)


def test_production_is_served_by_who_can_change_nothing(
    deployed: Processes, settings: Settings
) -> None:
    chosen = {"ASSAYLINE_LINE": LINE, "ASSAYLINE_LINE_FILE": str(deployed.lines / "reviews.yaml")}
    told = deployed.services["serve"]
    told["command"] = [
        str(word).replace("${ASSAYLINE_LINE:-bbc-news}", chosen["ASSAYLINE_LINE"])
        .replace("${ASSAYLINE_LINE_FILE:-configs/bbc-news.yaml}", chosen["ASSAYLINE_LINE_FILE"])
        for word in told["command"]
    ]  # fmt: skip
    deployed.up("serve")
    asked: Any = {"inputs": ["Shares fell as the bank raised its rates."]}
    url = f"{deployed.address('serve')}/invocations"
    assert httpx.post(url, json=asked).status_code == 401
    login = {"Authorization": f"Bearer {deployed.secret('serving_token')}"}
    answer = httpx.post(url, json=asked, headers=login, timeout=60)
    assert answer.status_code == 200, answer.text
    assert answer.headers["X-Model-Version"] == "1"
    (row,) = answer.json()["predictions"]
    assert row["label"] in TOPICS
    environment = psutil.Process(deployed.running["serve"].pid).environ()
    assert not {"PREFECT_API_AUTH_STRING", "ASSAYLINE_RESULTS_KEY"} & environment.keys()
    assert deployed.secret("mlflow_password") not in environment.values()
