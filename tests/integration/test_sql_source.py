"""Rows of a query on a real PostgreSQL."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

from infra.errors import DataError
from tasks.records.data import SourceVersion
from tasks.sources.settings import SqlSource
from tasks.sources.shards import Shard
from tasks.sources.sql import pin_query, read_query
from tasks.task_types.row_shapes import shape_of
from tests.conftest import free_port

USER, PASSWORD = "reader", "p@ss/w:rd %41$x"
TEXT_CHARACTERS = 640  # twenty digests


@dataclass(frozen=True)
class Postgres:
    """A running server."""

    port: int

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=USER, password=PASSWORD, dbname="postgres",
            autocommit=True,
        )  # fmt: skip

    def run(self, *statements: str) -> None:
        with self.connect() as connection:
            for statement in statements:
                connection.execute(statement.encode())


def binaries(folder: Path, account: dict[str, object]) -> Path:
    """The server's programs from the package pgserver; copied if the account cannot reach them."""
    spec = find_spec("pgserver")
    assert spec
    assert spec.submodule_search_locations
    package = Path(next(iter(spec.submodule_search_locations)))
    inside = Path("pginstall", "bin")
    try:
        subprocess.run([package / inside / "postgres", "-V"], check=True, cwd="/", **account)  # type: ignore[call-overload]
    except (OSError, subprocess.CalledProcessError):
        for name in ("pgserver", "pgserver.libs"):
            shutil.copytree(package.parent / name, folder / name)
        package = folder / "pgserver"
    return package / inside


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """A server in a folder of its own; it refuses to run as root, so root starts it as nobody."""
    account: dict[str, object] = {"env": {**os.environ, "LC_ALL": "C"}}
    with tempfile.TemporaryDirectory(prefix="postgres-") as name:
        folder = Path(name)
        (folder / "password").write_text(PASSWORD)
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            account |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            for path in (folder, folder / "password"):
                os.chown(path, nobody.pw_uid, nobody.pw_gid)
        programs, data = binaries(folder, account), folder / "data"
        subprocess.run(
            [
                programs / "initdb", "-D", data, "-U", USER, "-A", "scram-sha-256", "-E", "UTF8",
                "--pwfile", folder / "password", "--no-sync", "--no-locale",
            ],
            check=True, cwd="/", stdout=subprocess.DEVNULL, **account,
        )  # type: ignore[call-overload]  # fmt: skip
        server = Postgres(free_port())
        process = subprocess.Popen(
            [
                programs / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(server.port),
                "-k", folder, "-F",
            ],
            cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **account,
        )  # type: ignore[call-overload]  # fmt: skip
        try:
            wait_until_ready(server)
            yield server
        finally:
            process.send_signal(signal.SIGINT)  # ends its sessions, and then itself
            process.wait(timeout=30)


def wait_until_ready(server: Postgres) -> None:
    for _ in range(300):
        try:
            server.run("SELECT 1")
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("PostgreSQL did not answer within 30 s")


@pytest.fixture(autouse=True)
def environment(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVIEWS_PASSWORD", PASSWORD)
    monkeypatch.setenv("REVIEWS_PORT", str(postgres.port))


def query(server: Postgres, text: str, **more: object) -> SqlSource:
    url = f"postgresql+psycopg://{USER}:$REVIEWS_PASSWORD@127.0.0.1:{server.port}/postgres"
    return SqlSource.model_validate({"format": "sql", "url": url, "query": text} | more)


def read(source: SqlSource, task_type: str = "classification") -> list[Shard]:
    return list(read_query(SourceVersion(pin_query(source)), source, shape_of(task_type)))


def rows(source: SqlSource, task_type: str = "classification") -> list[dict[str, object]]:
    return [row for shard in read(source, task_type) for row in shard.rows.to_pylist()]


@pytest.fixture(scope="module")
def reviews(postgres: Postgres) -> None:
    """A table of 100,000 rows of some 64 MB."""
    postgres.run(
        "CREATE TABLE reviews "
        "(id int PRIMARY KEY, text text, label int, region text, written date)",
        "INSERT INTO reviews SELECT i, repeat(md5(i::text), 20), i % 3, "
        "CASE i % 4 WHEN 0 THEN 'north' WHEN 1 THEN 'south' END, date '2024-01-01' + i % 9 "
        "FROM generate_series(1, 100000) i",
    )


@pytest.mark.usefixtures("reviews")
def test_a_hundred_thousand_rows_are_read_in_order(postgres: Postgres) -> None:
    source = query(
        postgres,
        "SELECT text, label, region, written FROM reviews ORDER BY id",
        group_columns=("region",),
        cluster_column="written",
    )
    shards = read(source)
    assert len(shards) > 5
    assert all(shard.rows.nbytes < 32 << 20 and not shard.broken for shard in shards)
    first = shards[0].rows.slice(0, 1).to_pylist()[0]
    text = first.pop("text")
    assert len(text) == TEXT_CHARACTERS
    assert first.pop("file").startswith(f"postgresql://127.0.0.1:{postgres.port}/postgres#query-")
    assert first == {"label": "1", "region": "south", "cluster": "2024-01-02", "row": 1}
    numbers = [number for shard in shards for number in shard.rows["row"].to_pylist()]
    assert numbers == list(range(1, 100_001))


MEMORY = r"""
import re, sys
from pathlib import Path
from tasks.sources.settings import SqlSource
from tasks.sources.sql import pin_query, read_query
from tasks.records.data import SourceVersion
from tasks.task_types.row_shapes import shape_of

def peak_mb(limit):
    source = SqlSource(format="sql", url=sys.argv[1], query=sys.argv[2] + f" LIMIT {limit}")
    shards = read_query(SourceVersion(pin_query(source)), source, shape_of("classification"))
    assert sum(shard.rows.num_rows for shard in shards) == limit
    # The high-water mark of this program alone; getrusage starts from that of its parent.
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024

print(peak_mb(40_000), peak_mb(100_000))
"""


@pytest.mark.slow
@pytest.mark.usefixtures("reviews")
def test_memory_does_not_grow_with_the_rows(postgres: Postgres) -> None:
    url = query(postgres, "SELECT 1").url
    text = "SELECT text, label FROM reviews ORDER BY id"
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, url, text], capture_output=True, text=True, check=True
    )
    before, after = map(float, done.stdout.split())
    assert after - before < 30, f"{before:.0f} MB, then {after:.0f} MB for 64 MB of rows"


def test_the_types_of_postgres_become_those_of_the_columns(postgres: Postgres) -> None:
    text = (
        "SELECT * FROM (VALUES (1, 'a', 1.50, true, '2024-02-03'::date, "
        "'00000000-0000-0000-0000-000000000001'::uuid), (2, 'b', NULL, NULL, NULL, NULL)) "
        "AS t (id, text, label, vip, day, author) ORDER BY id"
    )
    source = query(postgres, text, group_columns=("vip", "day"), cluster_column="author")
    first, second = rows(source)
    assert (first["label"], first["vip"], first["day"]) == ("1.5", "true", "2024-02-03")
    assert first["cluster"] == "00000000-0000-0000-0000-000000000001"
    assert second["label"] is second["vip"] is second["cluster"] is None


def test_arrays_and_json_are_lists(postgres: Postgres) -> None:
    text = "SELECT 'a' AS text, ARRAY['x', 'y'] AS labels UNION ALL SELECT 'b', '{}' ORDER BY 1"
    assert [row["labels"] for row in rows(query(postgres, text), "multi_label")] == [["x", "y"], []]
    for kind in ("json", "jsonb", "text"):
        turns = f"""SELECT '[{{"role": "user", "content": "é"}}]'::{kind} AS messages"""
        (row,) = rows(query(postgres, turns), "chat")
        assert row["messages"] == [{"role": "user", "content": "é"}]


def test_numbers_are_read_as_targets(postgres: Postgres) -> None:
    text = "SELECT 'a' AS text, 1.5::numeric AS target UNION ALL SELECT 'b', 'NaN' ORDER BY 1"
    source = query(postgres, text)
    shards = read(source, "regression")
    assert shards[0].rows["target"].to_pylist() == [1.5]
    assert [(row.row, row.reason) for row in shards[0].broken] == [(2, "wrong type")]


def test_a_query_that_writes_by_the_back_door_is_refused(postgres: Postgres) -> None:
    postgres.run(
        "CREATE TABLE seen (n int)",
        "CREATE SEQUENCE tickets",
        "CREATE FUNCTION mark() RETURNS int LANGUAGE sql "
        "AS 'INSERT INTO seen VALUES (1) RETURNING n'",
    )
    for text in ("SELECT mark() AS text", "SELECT nextval('tickets') AS text"):
        with pytest.raises(DataError, match="in a read-only transaction"):
            pin_query(query(postgres, text))


@pytest.mark.usefixtures("reviews")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT * FROM review", 'relation "review" does not exist; it has '),
        ("SELECT * FROM review", "did you mean 'reviews'?"),
        ("SELECT * FORM reviews", "syntax error at or near"),
        ("SELECT txt FROM reviews", 'column "txt" does not exist'),
        ("SELECT pg_read_file('/no')", "could not open file"),
        (
            "SELECT 1 / (2500 - i) FROM generate_series(1, 9999) i",
            "ended the query after row 2,000: division by zero",
        ),
    ],
)  # fmt: skip
def test_what_postgres_refuses_is_one_message(postgres: Postgres, text: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        pin_query(query(postgres, text))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("user", "password", "database", "said"),
    [
        (USER, "wrong horse", "postgres", "password authentication failed"),
        ("nobody_known", PASSWORD, "postgres", "password authentication failed"),
        (USER, PASSWORD, "nowhere", 'database "nowhere" does not exist'),
    ],
)
def test_who_is_not_let_in_is_told_without_credentials(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch, user: str, password: str, database: str,
    said: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("REVIEWS_PASSWORD", password)
    url = f"postgresql+psycopg://{user}:$REVIEWS_PASSWORD@127.0.0.1:$REVIEWS_PORT/{database}"
    with pytest.raises(DataError) as caught:
        pin_query(SqlSource(format="sql", url=url, query="SELECT 1"))
    message = str(caught.value)
    assert said in message
    assert user not in message
    assert password not in message


def test_rows_that_change_between_pin_and_read_are_refused(postgres: Postgres) -> None:
    postgres.run(
        "CREATE TABLE moving (text text, label text)", "INSERT INTO moving VALUES ('a', 'x')"
    )
    source = query(postgres, "SELECT * FROM moving ORDER BY text")
    pinned = SourceVersion(pin_query(source))
    postgres.run("INSERT INTO moving VALUES ('b', 'y')")
    with pytest.raises(DataError, match="rows changed while the run was reading them"):
        list(read_query(pinned, source, shape_of("classification")))


@pytest.mark.usefixtures("reviews")
def test_rows_that_are_added_during_the_read_are_not_seen(postgres: Postgres) -> None:
    postgres.run("CREATE TABLE growing AS SELECT * FROM reviews WHERE id <= 20000")
    source = query(postgres, "SELECT text, label FROM growing ORDER BY id")
    reading = read_query(SourceVersion(pin_query(source)), source, shape_of("classification"))
    read_rows = next(reading).rows.num_rows
    postgres.run("INSERT INTO growing SELECT * FROM reviews WHERE id > 99000")
    assert read_rows + sum(shard.rows.num_rows for shard in reading) == 20_000


@pytest.mark.usefixtures("reviews")
def test_a_session_that_is_cut_off_is_one_message(postgres: Postgres) -> None:
    source = query(postgres, "SELECT text, label FROM reviews ORDER BY id")
    reading = read_query(SourceVersion(pin_query(source)), source, shape_of("classification"))
    next(reading)
    postgres.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )
    with pytest.raises(DataError, match=r"ended the query after row \d+,000: terminating"):
        list(reading)
