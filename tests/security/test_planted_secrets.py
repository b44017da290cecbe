"""Secrets are looked for wherever they must not be, after all was done that uses them.

A stack of its own, whose MLflow keeps its database in PostgreSQL, trains from another PostgreSQL,
fails to, is approved by a person, tells it through servers that refuse the message, serves, scores,
watches, and tries another version. Each secret of it is then looked for in every file, database,
command line, output and answer.
"""

import os
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from psycopg import sql

from infra.local.login import login_of
from infra.local.webhook_keys import webhook_keys
from infra.result_signatures import KEY_FILE
from infra.settings import load_settings
from infra.store import ObjectStore
from tests.conftest import RunningStack, free_port, survivors
from tests.integration.test_sql_source import Postgres, postgres
from tests.security.line_with_secrets import (
    ASKED,
    BLOCKS,
    LINE,
    PATIENCE_S,
    SOURCE_VARIABLE,
    Secretive,
    load_table,
)
from tests.security.planted import files_below, holding, new_secret, rows_of_postgres
from tests.security.refusing_servers import Refusing, refusing_servers
from tests.security.watched_processes import Watch

__all__ = ["postgres"]  # a fixture

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

# The files of the home folder that are there to hold a secret, and what each one holds.
HOLDERS: Mapping[str, tuple[str, ...]] = {
    "keys.json": ("the store's key",),
    "login.json": ("the owner's password", "the reader's password", "the key of MLflow's forms"),
    "webhook.json": ("the webhook's signing key", "the webhook's encryption key"),
    "serving.token": ("the serving token",),
    KEY_FILE: ("the results' key",),
    "stack.env": ("the store's key", "the owner's password", "the reader's password"),
    "parts/store.json": ("the store's key",),
    "parts/mlflow.json": (
        "the store's key", "the owner's password", "the key of MLflow's forms",
        "the webhook's encryption key", "MLflow's database",
    ),
    "parts/prefect.json": ("the owner's password", "Prefect's database"),
    "parts/webhook.json": ("the owner's password",),
    "parts/worker.json": ("the store's key", "the owner's password", "the reader's password"),
    # What somebody answered in a form, Prefect keeps; the code counts for that one run.
    "prefect/prefect.db*": ("ada's approval code",),
}  # fmt: skip
# Where Prefect keeps the environment of a run's process while it goes on; the owner's alone.
WORKSPACE = "prefect-workspace-attempt-*/workspace.json"
GONE_WITHIN_S = 120
DATABASES = ("MLflow's database", "Prefect's database")
# What Prefect's blocks are there to hold, and the owner may see.
SENT = (
    "the mail server's password",
    "a misspelt address",
    "the chat address",
    "the chat's token",
)
OWN_OF_USER = ("the source's database", "the Hugging Face token")
# By a word of its command: what a process must not be told, which the shell of `up` was or made.
NOT_TOLD: Mapping[str, tuple[str, ...]] = {
    "infra.local.worker": DATABASES,
    "prefect.engine": DATABASES,
    "infra.local.webhook_receiver": (
        *DATABASES, "the store's key", "the reader's password", "the results' key",
        "the key of MLflow's forms", "the webhook's encryption key", "the serving token",
    ),
}  # fmt: skip
# What Prefect lists, and how it is asked for all of it.
LISTS = (
    "block_documents", "block_types", "deployments", "flows", "flow_runs", "task_runs", "logs",
    "artifacts", "variables", "work_pools", "automations",
)  # fmt: skip
PAGE = 200


@dataclass(frozen=True)
class Planted:
    """What was done with the secrets, and all that was seen of it.

    Attributes:
        secrets: each by what it is of.
        watch: what the processes showed.
        said: what the commands said.
        database: how the test connects to MLflow's.

    """

    stack: RunningStack
    secrets: Mapping[str, str]
    watch: Watch
    said: str
    database: str

    def written(self) -> list[tuple[str, bytes]]:
        """Each file of the stack, Prefect's database among them, and each table of MLflow's."""
        return [*files_below(self.stack.folder), *rows_of_postgres(self.database)]

    def environments_of(self, word: str) -> list[Mapping[str, str]]:
        """Of the stack's processes with a word in their commands."""
        return [seen for command, seen in self.watch.environments if word in command]

    def found_in(self, texts: list[tuple[str, bytes]]) -> dict[str, list[str]]:
        """Where each secret is found that is found at all."""
        found = {name: holding(secret, texts) for name, secret in self.secrets.items()}
        return {name: where for name, where in found.items() if where}


@pytest.fixture(scope="module")
def given() -> dict[str, str]:
    """Secrets that the user gives; the stack makes the others."""
    named = ("the source's database", "MLflow's database", *SENT[:2])
    return {
        **{name: new_secret() for name in named},
        # They stand in a path, a parameter of a URL and a header.
        "Prefect's database": secrets.token_hex(20),
        **{name: secrets.token_hex(20) for name in SENT[2:]},
        "the Hugging Face token": f"hf_{secrets.token_hex(17)}",
    }


@pytest.fixture(scope="module")
def environment(
    given: dict[str, str], postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Of a shell in which a stack is started whose servers keep their databases elsewhere."""
    folder = tmp_path_factory.mktemp("planted")
    load_table(postgres, folder, given["the source's database"])
    password = given["MLflow's database"]
    with postgres.connect() as connection:
        keeper = sql.SQL("CREATE USER keeper PASSWORD {}").format(sql.Literal(password))
        connection.execute(keeper)
        connection.execute("CREATE DATABASE keeper OWNER keeper")
    (folder / "tmp").mkdir()
    own = ("ASSAYLINE_", "AWS_", "MLFLOW_TRACKING", "PREFECT_")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(own)},
        "ASSAYLINE_HOME": str(folder / "home"),
        **free_ports(),
        "ASSAYLINE_START_TIMEOUT_S": "600",
        "ASSAYLINE_MLFLOW_DATABASE_URL": f"postgresql+psycopg://{address(postgres, password)}",
        # The PostgreSQL of these tests lacks an extension that Prefect's tables need (pg_trgm), so
        # the secret is a parameter of the address of an SQLite database, which SQLite passes over.
        "ASSAYLINE_PREFECT_DATABASE_URL": f"sqlite+aiosqlite:///file:{folder}/home/prefect/"
        f"prefect.db?uri=true&password={given[DATABASES[1]]}",
        SOURCE_VARIABLE: given["the source's database"],
        "HF_TOKEN": given["the Hugging Face token"],
        "TMPDIR": str(folder / "tmp"),
    }


def address(server: Postgres, password: str, database: str = "keeper") -> str:
    return f"keeper:{quote(password, safe='')}@127.0.0.1:{server.port}/{database}"


def free_ports() -> dict[str, str]:
    parts = ("STORE", "MLFLOW", "PREFECT", "WEBHOOK")
    return {f"ASSAYLINE_{part}_PORT": str(free_port()) for part in parts}


@pytest.fixture(scope="module")
def refusing() -> Iterator[Refusing]:
    with refusing_servers() as servers:
        yield servers


@pytest.fixture(scope="module")
def planted(
    given: dict[str, str], environment: dict[str, str], postgres: Postgres, refusing: Refusing,
    tiny_model: Path,
) -> Iterator[Planted]:  # fmt: skip
    home = Path(environment["ASSAYLINE_HOME"])
    watch = Watch(home.parent, Path(environment["TMPDIR"]))
    watch.start()
    stack = RunningStack(load_settings(home), environment, home.parent)
    try:
        started = stack.assayline("up", timeout_s=PATIENCE_S)
        assert started.returncode == 0, started.stdout + started.stderr
        stack = RunningStack(load_settings(home), environment, home.parent)
        line = Secretive(stack, given, postgres, refusing, tiny_model)
        line.work()
        said = line.said + refused_databases(stack, given, postgres)
        watch.stop()
        database = f"postgresql://{address(postgres, given[DATABASES[0]])}"
        yield Planted(stack, {**given, **made_by(stack), **line.made}, watch, said, database)
    finally:
        watch.stop()
        stack.assayline("down")
        assert survivors(home) == []


def refused_databases(stack: RunningStack, given: Mapping[str, str], postgres: Postgres) -> str:
    """Start another stack whose databases are not there; returns what is said of it."""
    said = ""
    drivers = {"MLFLOW": "postgresql+psycopg", "PREFECT": "postgresql+asyncpg"}
    for (part, driver), name in zip(drivers.items(), DATABASES, strict=True):
        nowhere = address(postgres, given[name], database="none")
        changes = {
            "ASSAYLINE_HOME": str(stack.folder / f"without-{part.lower()}"),
            **free_ports(),
            **{f"ASSAYLINE_{one}_DATABASE_URL": "" for one in drivers},
            f"ASSAYLINE_{part}_DATABASE_URL": f"{driver}://{nowhere}",
            "ASSAYLINE_START_TIMEOUT_S": "45",
        }
        done = stack.assayline("up", timeout_s=PATIENCE_S, **changes)
        stack.assayline("down", **changes)
        assert done.returncode == 1, done.stdout + done.stderr
        said += done.stdout + done.stderr
    return said


def made_by(stack: RunningStack) -> dict[str, str]:
    """The secrets that a stack makes for itself."""
    home, settings = stack.settings.home, stack.settings
    login, webhook = login_of(home), webhook_keys(home)
    assert settings.store_secret_access_key
    return {
        "the store's key": settings.store_secret_access_key.get_secret_value(),
        "the owner's password": login.owner_password,
        "the reader's password": login.reader_password,
        "the key of MLflow's forms": login.form_key,
        "the webhook's signing key": webhook.signing,
        "the webhook's encryption key": webhook.encryption,
        "the results' key": (home / KEY_FILE).read_text(encoding="utf-8").strip(),
        "the serving token": (home / "serving.token").read_text(encoding="utf-8").strip(),
    }


def test_the_secrets_were_used(
    planted: Planted, given: Mapping[str, str], refusing: Refusing
) -> None:
    """Else their absence would say nothing."""
    assert holding(given["the mail server's password"], [("", b" ".join(refusing.logins))])
    assert given["the chat address"] in " ".join(refusing.paths)
    assert planted.watch.looks > 100
    told = planted.found_in([("environment", repr(planted.watch.environments).encode())])
    assert {"the source's database", "the Hugging Face token", "the store's key"} <= told.keys()
    assert set(DATABASES) <= told.keys()


def test_no_secret_is_said_or_stands_in_a_command_line(planted: Planted) -> None:
    for word in ("infra.local.worker", "prefect.engine", "rclone serve", "assayline run"):
        assert [line for line in planted.watch.commands if word in line], word
    for block in BLOCKS:
        assert f"could not be sent through the block {block}" in planted.said
    lines = [(line[:80], line.encode()) for line in planted.watch.commands]
    assert not planted.found_in([*lines, ("said", planted.said.encode())])


def test_no_file_and_no_table_holds_a_secret_but_those_made_for_it(planted: Planted) -> None:
    """Logs, both databases, all buckets: results, records, versions, scores, reports, pages."""
    texts = planted.written()
    names = {name for name, _ in texts}
    assert {"table model_versions", "table tags", "home/mlflow/users.db users"} <= names
    for part in ("/requests/", "/feedback/", "/scored/", "/monitor/", "assayline-results",
                 "/ledger/", "/reports/", "logs/mlflow.log"):  # fmt: skip
        assert [name for name in names if part in name], part
    # What may be found there is found: a word of the line, and a text within a Parquet file.
    holding_line = set(holding(LINE, texts))
    for table in ("flow_run", "log", "artifact", "events"):
        assert f"home/prefect/prefect.db {table}" in holding_line, table
    assert {"table model_versions", "home/logs/worker.log"} <= holding_line
    assert [name for name in holding(ASKED, texts) if "/requests/" in name]

    unexpected = {
        name: [where for where in found if not is_holder(name, where)]
        for name, found in planted.found_in(texts).items()
    }
    assert not {name: where for name, where in unexpected.items() if where}


def is_holder(secret: str, where: str) -> bool:
    """Whether a file or table is there to hold a secret; another test sees to temporary files."""
    home, _, name = where.partition("/")
    return home == "tmp" or any(
        fnmatch(name, holder) and secret in held for holder, held in HOLDERS.items()
    )


def test_files_that_hold_secrets_are_their_owners_alone(planted: Planted) -> None:
    home = planted.stack.settings.home
    held = [path for holder in HOLDERS for path in home.glob(holder)]
    assert len(held) >= len(HOLDERS)
    for path in held:
        # A database that Prefect makes has the mode of the shell; nobody else enters the folder.
        assert path.stat().st_mode & 0o077 == 0 or path.name.startswith("prefect.db"), path
    assert home.stat().st_mode & 0o077 == 0


def test_a_temporary_file_with_a_secret_is_its_owners_alone_and_goes(planted: Planted) -> None:
    seen = planted.watch.files
    assert [one for one in seen if fnmatch(one.name, WORKSPACE)]
    assert [one for one in seen if "assayline-served-" in one.name]
    for one in seen:
        if planted.found_in([(one.name, one.data)]):
            assert fnmatch(one.name, WORKSPACE), one.name
            assert one.mode == (0o600, 0o700), (one.name, one.mode)
            assert not planted.found_in([(one.name, one.data)]).keys() & set(DATABASES)
    temporary = Path(planted.stack.environment["TMPDIR"])
    deadline = time.monotonic() + GONE_WITHIN_S
    while left := planted.found_in(list(files_below(temporary))):
        assert time.monotonic() < deadline, left
        time.sleep(1)


@pytest.mark.parametrize("word", NOT_TOLD)
def test_a_process_is_told_what_it_needs_alone(planted: Planted, word: str) -> None:
    seen = planted.environments_of(word)
    assert seen
    for environment in seen:
        told = planted.found_in([(word, repr(environment).encode())])
        assert not told.keys() & set(NOT_TOLD[word])


def test_a_staged_version_gets_the_readers_login_and_the_users_own_variables(
    planted: Planted,
) -> None:
    staged = planted.environments_of("serving_process.py")
    assert staged, planted.said
    for seen in staged:
        told = planted.found_in([("staged", repr(seen).encode())])
        assert told.keys() == {"the reader's password", *OWN_OF_USER}


def test_the_process_of_a_served_model_is_told_nothing(planted: Planted) -> None:
    served = planted.environments_of("tasks.serving.model_process")
    assert served
    for seen in served:
        assert not planted.found_in([("served", repr(seen).encode())])


@pytest.mark.parametrize("what", [*LISTS, "events"])
def test_no_answer_of_prefect_holds_a_secret(planted: Planted, what: str) -> None:
    stack = planted.stack
    with httpx.Client(
        base_url=str(stack.settings.prefect_url), auth=stack.login, timeout=60
    ) as client:
        pages = list(events_of(client) if what == "events" else pages_of(client, what))
    if what in {"deployments", "flow_runs", "logs", "artifacts", "events", "block_documents"}:
        assert holding("keeper" if what == "block_documents" else LINE, pages)
    found = planted.found_in(pages)
    if what == "block_documents":
        assert found.keys() == set(SENT)
    else:
        assert not found


def pages_of(client: httpx.Client, what: str) -> Iterator[tuple[str, bytes]]:
    body: dict[str, object] = {"limit": PAGE, "offset": 0}
    if what == "block_documents":
        body["include_secrets"] = True
    for offset in range(0, 100_000, PAGE):
        answer = client.post(f"/{what}/filter", json={**body, "offset": offset})
        assert answer.is_success, answer.text
        yield what, answer.content
        if len(answer.json()) < PAGE:
            return
    pytest.fail(f"there are more {what} than this reads")


def events_of(client: httpx.Client) -> Iterator[tuple[str, bytes]]:
    answer = client.post("/events/filter", json={"limit": 50})
    while True:
        assert answer.is_success, answer.text
        yield "events", answer.content
        following = answer.json()["next_page"]
        if not following:
            return
        answer = client.get(re.sub(r"^.*/api", "", following))


def test_no_answer_of_mlflow_holds_a_secret(planted: Planted) -> None:
    stack = planted.stack
    with httpx.Client(
        base_url=f"{stack.settings.mlflow_url}/api/2.0/mlflow", auth=stack.login, timeout=60
    ) as client:
        found = client.get("/experiments/search", params={"max_results": 100}).json()
        ids = [one["experiment_id"] for one in found["experiments"]]
        told = [
            client.post("/runs/search", json={"experiment_ids": ids, "max_results": 10_000}),
            client.get("/model-versions/search"), client.get("/registered-models/search"),
            client.get("/webhooks"), client.get("/users/list"),
        ]  # fmt: skip
    assert LINE in told[1].text
    assert str(stack.environment["ASSAYLINE_WEBHOOK_PORT"]) in told[3].text
    assert not planted.found_in([(str(one.url), one.content) for one in told])


def test_no_secret_is_in_the_report(planted: Planted) -> None:
    store = ObjectStore(planted.stack.settings)
    reports = [uri for uri in store.list(store.uri("reports") + "/") if uri.endswith(".html")]
    assert reports
    assert not planted.found_in([(uri, store.get_bytes(uri)) for uri in reports])
