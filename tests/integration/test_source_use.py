"""Which source the newest retraining read, in a real store."""

import pytest

from infra.errors import IntegrityError
from infra.store import ObjectStore
from tasks.records.data import SourceFile, SourceVersion
from tasks.records.source_use import SourceLook
from tasks.reporting.source_look import source_rows
from tasks.sources.source_use import how_told, keep_use, newest_use, use_of
from tests.source_files import settings_of

ONE = SourceFile("/data/a.csv", "a" * 64, 10)
REPAIRED = SourceFile("s3://b/readmitted/x.parquet", "etag", 5)
SERVER = "http://127.0.0.1:4200/api"


def test_the_newest_retraining_is_known_by_what_it_read(store: ObjectStore) -> None:
    line = "source-use"
    assert newest_use(line, store) is None
    first = use_of(line, SourceVersion((ONE,)), "run-1")
    keep_use(first, store)
    keep_use(use_of("source-use-b", SourceVersion((REPAIRED,)), "run-9"), store)
    assert newest_use(line, store) == first
    # What was taken back in is new data too.
    second = use_of(line, SourceVersion((ONE,), (REPAIRED,)), "run-2")
    assert (second.files, second.size_bytes) == (2, 15)
    assert second.sha256 != first.sha256 == use_of(line, SourceVersion((ONE,)), "run-3").sha256
    keep_use(second, store)
    assert newest_use(line, store) == second


def test_a_record_that_says_nothing_is_told_and_starts_nothing(store: ObjectStore) -> None:
    store.put_bytes(store.uri("sources-used", "source-use-c.json"), b"{}")
    with pytest.raises(IntegrityError, match="does not say which source the newest retraining"):
        newest_use("source-use-c", store)


def test_the_table_has_the_source_now_and_that_of_the_newest_retraining() -> None:
    used = use_of("a", SourceVersion((ONE,)), "7")
    now = use_of("a", SourceVersion((ONE, ONE)), "8")
    look = SourceLook("a", now, used, "", is_started=False, note="")
    assert look.is_new
    rows = source_rows(look, SERVER)
    assert [(row["source"], row["files"], row["bytes"]) for row in rows] == [
        ("now", "2", "20"), ("the newest retraining", "1", "10"),
    ]  # fmt: skip
    assert rows[1]["run"] == "http://127.0.0.1:4200/runs/flow-run/7"
    assert source_rows(SourceLook("a", now, None, "", is_started=False, note=""), SERVER) == [
        rows[0]
    ]


def test_what_a_look_costs_or_cannot_see_is_told() -> None:
    files = settings_of(format="csv", path="a.csv")
    query = settings_of(format="sql", url="sqlite:///a.db", query="select text, label from t")
    hub = settings_of(format="hub", dataset="ag_news", revision="a" * 40, split="train")
    assert how_told(files) == ""
    assert "all of its rows are read at each look" in how_told(query)
    assert "changes only with source.revision" in how_told(hub)
    mixed = settings_of(
        format="mixed",
        sources={
            "files": {"format": "csv", "path": "a.csv"},
            "hub": {"format": "hub", "dataset": "ag_news", "revision": "a" * 40, "split": "train"},
        },
    )
    assert how_told(mixed) == how_told(hub)
