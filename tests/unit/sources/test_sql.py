"""Rows of a query on SQLite files: what is read, what is refused, and what is never shown."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from infra.errors import DataError, SettingsError
from infra.settings import expand_variables, explain_validation
from tasks.records.data import SourceVersion
from tasks.sources.settings import SourceSettings, SqlSource
from tasks.sources.shards import Shard
from tasks.sources.sql import pin_query, read_query
from tasks.task_types.row_shapes import shape_of

ALL = "SELECT * FROM reviews ORDER BY id"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "reviews of 2024.db"
    run(
        path,
        "CREATE TABLE reviews (id INTEGER, text, label, region, author)",
        "INSERT INTO reviews VALUES (1, 'good film', 'pos', 'north', 7), "
        "(2, 'bad film', 'neg', NULL, 8), (3, '  dull ', 'neg', 'south', 7)",
    )
    return path


def run(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def query(path: Path, text: str = ALL, **more: object) -> SqlSource:
    return SqlSource.model_validate(
        {"format": "sql", "url": f"sqlite:///{path}", "query": text, **more}
    )


def shards(source: SqlSource, task_type: str = "classification") -> Iterator[Shard]:
    return read_query(SourceVersion(pin_query(source)), source, shape_of(task_type))


def rows(source: SqlSource, task_type: str = "classification") -> list[dict[str, object]]:
    return [row for shard in shards(source, task_type) for row in shard.rows.to_pylist()]


def broken(source: SqlSource, task_type: str = "classification") -> list[tuple[int, str]]:
    return [(row.row, row.reason) for one in shards(source, task_type) for row in one.broken]


def test_rows_come_in_order_with_groups_and_cluster_as_they_stand(database: Path) -> None:
    source = query(database, group_columns=("region",), cluster_column="author")
    (file,) = pin_query(source)
    assert rows(source) == [
        {"text": "good film", "label": "pos", "region": "north", "cluster": "7",
         "file": file.uri, "row": 1},
        {"text": "bad film", "label": "neg", "region": None, "cluster": "8",
         "file": file.uri, "row": 2},
        {"text": "  dull ", "label": "neg", "region": "south", "cluster": "7",
         "file": file.uri, "row": 3},
    ]  # fmt: skip


def test_the_address_tells_the_database_and_the_query(database: Path) -> None:
    (file,) = pin_query(query(database))
    (other,) = pin_query(query(database, "SELECT text, label FROM reviews"))
    assert file.uri.startswith(f"sqlite:///{database}#query-")
    assert other.uri != file.uri
    assert file.size_bytes > 0


def test_a_query_can_rename_columns_and_so_can_the_settings(database: Path) -> None:
    text = "SELECT text AS body, label FROM reviews ORDER BY id;  -- as it is"
    found = rows(query(database, text, columns={"text": "body"}))
    assert [row["text"] for row in found] == ["good film", "bad film", "  dull "]


def test_a_query_may_hold_colons_and_percents(database: Path) -> None:
    text = "SELECT ':a%s' || text AS text, label FROM reviews WHERE text LIKE '%film' ORDER BY id"
    assert [row["text"] for row in rows(query(database, text))] == [":a%sgood film", ":a%sbad film"]


def test_numbers_as_labels_become_text(database: Path) -> None:
    run(
        database,
        "UPDATE reviews SET label = 3 WHERE id = 1",
        "UPDATE reviews SET label = 2.5 WHERE id = 2",
        "UPDATE reviews SET label = NULL WHERE id = 3",
    )
    assert [row["label"] for row in rows(query(database))] == ["3", "2.5", None]


def test_what_is_of_another_kind_is_put_aside_with_its_row(database: Path) -> None:
    run(database, "INSERT INTO reviews VALUES (4, 12, 'pos', NULL, NULL)",
        "INSERT INTO reviews VALUES (5, x'61', 'pos', NULL, NULL)",
        "INSERT INTO reviews VALUES (6, CAST(x'ff61' AS TEXT), 'pos', NULL, NULL)",
        "INSERT INTO reviews VALUES (7, 'a' || char(0) || 'b', 'pos', NULL, NULL)",
        "INSERT INTO reviews VALUES (8, 'fine', 'pos', NULL, NULL)")  # fmt: skip
    source = query(database)
    expected = [(4, "wrong type"), (5, "wrong type"), (6, "invalid utf-8"), (7, "NUL byte")]
    assert broken(source) == expected
    assert [row["row"] for row in rows(source)] == [1, 2, 3, 8]
    first = next(shards(source)).broken[0]
    assert json.loads(first.raw) == {"text": 12, "label": "pos"}
    assert len(first.sha256) == 64


def test_a_row_of_many_megabytes_is_put_aside(database: Path) -> None:
    run(database, "UPDATE reviews SET text = printf('%.*c', 17000000, 'x') WHERE id = 2")
    (found,) = (row for one in shards(query(database)) for row in one.broken)
    assert (found.row, found.reason) == (2, "field too long")
    assert len(found.raw) == 500


def test_lists_and_turns_are_read_from_json(tmp_path: Path) -> None:
    path = tmp_path / "lists.db"
    run(
        path,
        "CREATE TABLE t (text, labels, messages)",
        """INSERT INTO t VALUES ('a', '["x", 3]', '[{"role": "user", "content": "hello"}]')""",
        """INSERT INTO t VALUES ('b', '[]', '[1]'), ('c', '[', NULL), ('d', '"x"', '{}')""",
    )
    many = query(path, "SELECT text, labels FROM t")
    assert [row["labels"] for row in rows(many, "multi_label")] == [["x", "3"], []]
    assert broken(many, "multi_label") == [(3, "broken JSON"), (4, "wrong type")]
    chat = query(path, "SELECT messages FROM t")
    assert rows(chat, "chat")[0]["messages"] == [{"role": "user", "content": "hello"}]
    assert broken(chat, "chat") == [(2, "wrong type"), (4, "wrong type")]


def test_shards_are_of_some_megabytes(tmp_path: Path) -> None:
    path = tmp_path / "large.db"
    run(path, "CREATE TABLE t (text, label)",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000) "
        "INSERT INTO t SELECT printf('%d %.*c', i, 1000, 'x'), 'a' FROM n")  # fmt: skip
    found = list(shards(query(path, "SELECT * FROM t ORDER BY rowid")))
    assert len(found) > 2
    assert all(shard.rows.nbytes < 16 << 20 for shard in found)
    numbers = [number for shard in found for number in shard.rows["row"].to_pylist()]
    assert numbers == list(range(1, 30001))


def test_no_rows_are_no_shard(database: Path) -> None:
    assert list(shards(query(database, "SELECT * FROM reviews WHERE 0"))) == []


def test_the_same_rows_have_the_same_fingerprint_and_any_change_another(database: Path) -> None:
    source = query(database)
    (before,) = pin_query(source)
    assert pin_query(source) == (before,)
    for change in (
        "UPDATE reviews SET label = 'POS' WHERE id = 1",
        "UPDATE reviews SET author = '7' WHERE id = 3",
        "UPDATE reviews SET text = 'dull'",
        "DELETE FROM reviews WHERE id = 2",
    ):
        run(database, change)
        (after,) = pin_query(source)
        assert after.fingerprint != before.fingerprint
        before = after


def test_rows_that_change_while_they_are_read_are_refused_at_the_end(database: Path) -> None:
    source = query(database)
    pinned = SourceVersion(pin_query(source))
    run(database, "UPDATE reviews SET label = 'pos' WHERE id = 2")
    reading = read_query(pinned, source, shape_of("classification"))
    assert next(reading).rows.num_rows == 3
    with pytest.raises(DataError, match=r"rows changed while the run was reading them.*ORDER BY"):
        next(reading)


def test_a_result_in_another_order_is_refused(database: Path) -> None:
    source = query(database)
    (file,) = pin_query(query(database, "SELECT * FROM reviews ORDER BY id DESC"))
    with pytest.raises(DataError, match="the rows changed"):
        list(read_query(SourceVersion((file,)), source, shape_of("classification")))


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
            st.text("ab", max_size=2),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_every_text_comes_back_as_it_was_put_in(
    tmp_path_factory: pytest.TempPathFactory, texts: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.mktemp("any") / "any.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE t (text TEXT, label TEXT)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", texts)
    found = rows(query(path, "SELECT * FROM t ORDER BY rowid"))
    assert [(row["text"], row["label"]) for row in found] == texts


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT * FROM reviewz", "no such table: reviewz; it has reviews; did you mean 'reviews'"),
        ("SELECT * FORM reviews", "syntax error"),
        ("SELECT txt, label FROM reviews", "no such column: txt"),
        ("SELECT twice(text) FROM reviews", "no such function: twice"),
        ("SELECT 1 FROM reviews WHERE json_extract('{', '$')", "malformed JSON"),
    ],
)
def test_a_query_that_the_database_refuses_is_one_message(
    database: Path, text: str, message: str
) -> None:
    with pytest.raises(DataError) as caught:
        pin_query(query(database, text))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "SELECT txt, label FROM (SELECT text AS txt, label FROM reviews)",
            "has no column 'text'; it has 'txt', 'label'; did you mean 'txt'?",
        ),
        (
            "SELECT a.text, b.text, a.label FROM reviews a JOIN reviews b USING (id)",
            "has the column 'text' 2 times; keep one",
        ),
    ],
)
def test_a_result_without_its_columns_is_refused(database: Path, text: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        rows(query(database, text))
    assert message in str(caught.value)


def test_a_column_that_is_not_read_may_be_there_twice(database: Path) -> None:
    text = "SELECT a.text, a.label, b.id, b.id FROM reviews a JOIN reviews b USING (id)"
    assert len(rows(query(database, text))) == 3


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "none.db"
    with pytest.raises(DataError, match=f"there is no database file {path}"):
        pin_query(query(path))
    assert not path.exists()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    path.write_text("no database " * 100)
    with pytest.raises(DataError, match="file is not a database"):
        pin_query(query(path))


@pytest.mark.parametrize(
    "text",
    [
        "DELETE FROM reviews",
        "INSERT INTO reviews VALUES (1)",
        "DROP TABLE reviews",
        "  ",
        "-- c",
        "SELECT 1; DROP TABLE reviews",
        "PRAGMA user_version",
        "EXPLAIN SELECT 1",
        "/* SELECT */ VACUUM",
        "WITH gone AS (DELETE FROM reviews RETURNING *) SELECT * FROM gone",
        "SELECT * INTO other FROM reviews",
        "SELECT * FROM reviews FOR UPDATE",
    ],
)
def test_only_a_query_that_reads_is_taken(text: str) -> None:
    with pytest.raises(ValidationError, match=r"SELECT or WITH|must only read"):
        query(Path("/x.db"), text)


@pytest.mark.parametrize(
    "text",
    [
        "select 1",
        "-- why\nSELECT ';', 'DROP TABLE x' -- end",
        "SELECT 1;; -- end",
        "/* a */ SELECT 1;",
        "WITH a AS (SELECT 1 AS text) SELECT text FROM a",
        "SELECT replace(text, 'a', 'b') FROM t",
        'SELECT "delete", t.update FROM t',
    ],
)
def test_every_query_that_reads_is_taken(text: str) -> None:
    assert query(Path("/x.db"), text).query == text


def test_the_connection_itself_cannot_write(database: Path) -> None:
    """Whatever passes for a SELECT."""
    source = query(database).model_copy(update={"query": "DELETE FROM reviews RETURNING *"})
    with pytest.raises(DataError, match="readonly database"):
        pin_query(source)
    assert len(rows(query(database))) == 3


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://reader:hunter2@db/reviews",
        "postgresql+psycopg://reader:hun@ter2@db/reviews",
        "postgresql+psycopg://reader:hun/ter2@db/reviews",
        "postgresql+psycopg://reader:x$NAMEhunter2@db/reviews",
        "postgresql+psycopg://reader@db/reviews?password=hunter2",
        "mysql+pymysql://reader:$PW@db/reviews?ssl_key_passwd=hunter2",
        "mssql+pyodbc:///?odbc_connect=DRIVER%3DX%3BUID%3Dreader%3BPWD%3Dhunter2",
    ],
)
def test_a_password_in_the_settings_is_refused_and_not_repeated(url: str) -> None:
    content = {"format": "sql", "url": url, "query": "SELECT 1"}
    for more in ({}, {"group_columns": ["text"]}, {"max_rows": 0}):
        with pytest.raises(ValidationError) as caught:
            TypeAdapter(SourceSettings).validate_python(content | more)
        message = explain_validation(caught.value, "line.yaml")
        assert "write $NAME in its place" in message
        assert "ter2" not in message


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://reader@db/reviews",
        "postgresql+psycopg://reader:$PW@db:5432/reviews",
        "postgresql://$USER:${PW}@$HOST:$PORT/reviews?password=$PW",
        "$DATABASE_URL",
        "sqlite:////a:b@c.db",
    ],
)
def test_an_address_without_a_password_is_taken(url: str) -> None:
    assert SqlSource(format="sql", url=url, query="SELECT 1").url == url


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(ValidationError, match="must be an address such as sqlite:"):
        SqlSource(format="sql", url="/data/reviews.db", query="SELECT 1")


def test_the_address_is_filled_in_from_the_environment(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REVIEWS_FOLDER", str(database.parent))
    monkeypatch.setenv("REVIEWS_URL", f"sqlite:///{database}")
    expected = pin_query(query(database))
    for url in ("sqlite:///${REVIEWS_FOLDER}/reviews of 2024.db", "$REVIEWS_URL"):
        assert pin_query(SqlSource(format="sql", url=url, query=ALL)) == expected


def test_a_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REVIEWS_PW", raising=False)
    source = SqlSource(
        format="sql", url="postgresql+psycopg://reader:$REVIEWS_PW@db/reviews", query="SELECT 1"
    )
    with pytest.raises(SettingsError, match=r"REVIEWS_PW, which a setting names as \$REVIEWS_PW"):
        pin_query(source)


def test_variables_are_read_from_the_env_file_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("ASSAYLINE_TRIAL='a$b'\n")
    assert expand_variables("x $ASSAYLINE_TRIAL ${ASSAYLINE_TRIAL} $$") == "x a$b a$b $"


def test_a_dollar_that_begins_no_name_is_refused_and_the_text_not_shown() -> None:
    with pytest.raises(SettingsError, match="begins no name") as caught:
        expand_variables("hunter2 $ 5")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nosuch://db/reviews", "SQLAlchemy knows no database 'nosuch'"),
        ("postgresql+pg8000://db/reviews", "pip install pg8000"),
        ("oracle://db/reviews", "driver of oracle is not installed: pip install cx_Oracle"),
        ("postgresql+psycopg_async://db/reviews", "is an asynchronous driver"),
        ("sqlite://", "there is no database file"),
    ],
)
def test_an_address_that_leads_nowhere_is_one_message(url: str, message: str) -> None:
    with pytest.raises((SettingsError, DataError)) as caught:
        pin_query(SqlSource(format="sql", url=url, query="SELECT 1"))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("password", ["p@hunter2", "hunter2@x/y", "a@b@hunter2"])
def test_an_address_whose_password_is_not_quoted_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    monkeypatch.setenv("REVIEWS_URL", f"postgresql+psycopg://reader:{password}@127.0.0.1:9/reviews")
    with pytest.raises(SettingsError, match="its @ as %40") as caught:
        pin_query(SqlSource(format="sql", url="$REVIEWS_URL", query="SELECT 1"))
    assert "hunter2" not in str(caught.value)


def test_a_server_that_does_not_answer_is_one_message_without_credentials(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REVIEWS_PW", "hunter2")
    url = "postgresql+psycopg://reader:$REVIEWS_PW@127.0.0.1:9/reviews"
    with pytest.raises(DataError) as caught:
        pin_query(SqlSource(format="sql", url=url, query="SELECT 1"))
    message = str(caught.value)
    assert message.startswith("source.url: no connection to postgresql://127.0.0.1:9/reviews: ")
    assert "hunter2" not in message
    assert "reader" not in message
    assert "\n" not in message
