"""Secrets are looked for wherever they must not be, after a run that used all of them."""

import csv
import json
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest
from psycopg import sql

from infra.settings import Settings
from infra.store import ObjectStore
from tests.conftest import CANARY_VARIABLE, SCRIPTS, RunningStack
from tests.integration.test_retrain import write_config, write_reviews
from tests.integration.test_sql_source import PASSWORD, USER, Postgres, postgres

__all__ = ["postgres"]  # a fixture

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

# The files that are there to hold a secret; each is its owner's alone, as another test sees.
HOLDERS = frozenset(
    {"keys.json", "login.json", "stack.env", "mlflow.json", "prefect.json", "store.json",
     "worker.json", "mlflow.html", "prefect.html"}
)  # fmt: skip
LOOK_EVERY_S = 0.05
SAME_ANSWERS = {"metric": "staging.same_predictions", "at_least": 1.0}
# What Prefect lists, and how it is asked for all of it.
LISTS = (
    "block_documents", "block_types", "deployments", "flows", "flow_runs", "task_runs", "logs",
    "artifacts", "variables", "work_pools", "automations", "events",
)  # fmt: skip


class Watch(threading.Thread):
    """Notes each command line of the machine, and the environment of each served model."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.commands = set[str]()
        self.served: list[Mapping[str, str]] = []
        self._seen = set[int]()
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(LOOK_EVERY_S):
            for process in psutil.process_iter():
                try:
                    command = " ".join(process.cmdline())
                    self.commands.add(command)
                    if "serving_process.py" in command and process.pid not in self._seen:
                        self._seen.add(process.pid)
                        self.served.append(process.environ())
                except psutil.Error:
                    continue

    def stop(self) -> None:
        self._over.set()
        self.join()


def secrets_of(settings: Settings, canary: str) -> dict[str, str]:
    """Each secret of the stack by its name."""
    assert settings.store_secret_access_key
    assert settings.mlflow_password
    reader = settings.mlflow_reader_login["MLFLOW_TRACKING_PASSWORD"]
    return {
        "the store's key": settings.store_secret_access_key.get_secret_value(),
        "the owner's password": settings.mlflow_password.get_secret_value(),
        "the reader's password": reader,
        "the database's password": canary,
    }


def load_table(server: Postgres, folder: Path, canary: str) -> None:
    """The reviews as a table, which one user may read whose password is the canary."""
    write_reviews(folder / "reviews.csv", rows_per_topic=40)
    with (folder / "reviews.csv").open(encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    with psycopg.connect(
        host="127.0.0.1", port=server.port, user=USER, password=PASSWORD, dbname="postgres",
        autocommit=True,
    ) as connection:  # fmt: skip
        connection.execute("CREATE TABLE reviews (review text, stars_label text, country text)")
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO reviews VALUES (%s, %s, %s)", rows)
        connection.execute(sql.SQL("CREATE USER canary PASSWORD {}").format(sql.Literal(canary)))
        connection.execute("GRANT SELECT ON reviews TO canary")


@pytest.fixture(scope="module")
def watched(
    stack: RunningStack, postgres: Postgres, tiny_model: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Watch, str]:  # fmt: skip
    """A run from a SQL source with a password, and one that fails for a wrong table."""
    folder = tmp_path_factory.mktemp("canary")
    load_table(postgres, folder, stack.environment[CANARY_VARIABLE])
    source = {
        "format": "sql",
        "url": f"postgresql+psycopg://canary:${CANARY_VARIABLE}@127.0.0.1:{postgres.port}/postgres",
        "query": "SELECT * FROM reviews ORDER BY review, stars_label, country",
        "columns": {"text": "review", "label": "stars_label"},
        "group_columns": ["country"],
    }
    base = {"reference": str(tiny_model)}
    # So low that the version is staged, which is where a served model is started.
    gates = [{"metric": "quality.macro_f1", "at_least": 0.01}, SAME_ANSWERS]
    policy = {"gates": gates, "fairness_not_gated": "this is about secrets alone"}
    good = write_config(folder, line="canary", base_model=base, source=source, policy=policy)
    wrong = source | {"query": "SELECT * FROM nothing ORDER BY 1"}
    bad = write_config(folder, "bad.yaml", line="canary", base_model=base, source=wrong)
    watch = Watch()
    watch.start()
    said = ""
    for config, expected in ((good, {0, 4}), (bad, {1})):
        done = subprocess.run(
            [SCRIPTS / "assayline", "run", str(config)], env=dict(stack.environment),
            cwd=stack.folder, capture_output=True, text=True, timeout=400, check=False,
        )  # fmt: skip
        assert done.returncode in expected, done.stdout + done.stderr
        said += done.stdout + done.stderr
    watch.stop()
    return watch, said


def test_no_secret_is_said_or_stands_in_a_command_line(
    stack: RunningStack, watched: tuple[Watch, str]
) -> None:
    watch, said = watched
    assert len(watch.commands) > 10
    for name, secret in secrets_of(stack.settings, stack.environment[CANARY_VARIABLE]).items():
        assert secret not in said, name
        assert not [line for line in watch.commands if secret in line], name


@pytest.mark.usefixtures("watched")
def test_no_file_of_the_home_holds_a_secret_but_those_made_for_it(stack: RunningStack) -> None:
    """Logs, the databases of both servers, all buckets: results, reports, records, versions."""
    files = [path for path in stack.settings.home.rglob("*") if path.is_file()]
    assert {"worker.log", "mlflow.db", "prefect.db"} <= {path.name for path in files}
    assert [path for path in files if "assayline-results" in path.parts]
    for name, secret in secrets_of(stack.settings, stack.environment[CANARY_VARIABLE]).items():
        holding = {path.name for path in files if secret.encode() in path.read_bytes()}
        allowed = set() if name == "the database's password" else HOLDERS
        assert holding <= allowed, name


@pytest.mark.usefixtures("watched")
def test_no_secret_is_in_the_report(stack: RunningStack) -> None:
    store = ObjectStore(stack.settings)
    reports = [uri for uri in store.list(store.uri("reports") + "/") if uri.endswith(".html")]
    assert reports
    text = "".join(store.get_bytes(uri).decode() for uri in reports)
    for name, secret in secrets_of(stack.settings, stack.environment[CANARY_VARIABLE]).items():
        assert secret not in text, name


@pytest.mark.usefixtures("watched")
@pytest.mark.parametrize("what", LISTS)
def test_no_answer_of_prefect_holds_a_secret(stack: RunningStack, what: str) -> None:
    answer = httpx.post(
        f"{stack.settings.prefect_url}/{what}/filter",
        json={"include_secrets": True} if what == "block_documents" else {},
        auth=stack.login, timeout=60,
    )  # fmt: skip
    assert answer.is_success, answer.text
    for name, secret in secrets_of(stack.settings, stack.environment[CANARY_VARIABLE]).items():
        assert secret not in answer.text, name


@pytest.mark.usefixtures("watched")
def test_no_answer_of_mlflow_holds_a_secret(stack: RunningStack) -> None:
    told = ""
    with httpx.Client(
        base_url=f"{stack.settings.mlflow_url}/api/2.0/mlflow", auth=stack.login
    ) as client:
        found = client.get("/experiments/search", params={"max_results": 100}).json()
        ids = [one["experiment_id"] for one in found["experiments"]]
        told += client.post("/runs/search", json={"experiment_ids": ids}).text
        told += client.get("/model-versions/search").text
    assert "canary" in told  # the line's own name
    for name, secret in secrets_of(stack.settings, stack.environment[CANARY_VARIABLE]).items():
        assert secret not in told, name


def test_a_served_model_gets_the_readers_login_and_nothing_of_the_owners(
    stack: RunningStack, watched: tuple[Watch, str]
) -> None:
    watch, said = watched
    served = [
        environment
        for environment in watch.served
        if environment.get("MLFLOW_TRACKING_URI") == stack.settings.mlflow_url
    ]
    assert served, said
    known = secrets_of(stack.settings, stack.environment[CANARY_VARIABLE])
    for seen in served:
        text = json.dumps(dict(seen))
        assert known["the reader's password"] in text
        assert known["the owner's password"] not in text
        assert known["the store's key"] not in text
