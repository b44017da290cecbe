"""Feedback on recorded requests as rows of a source, from a real store."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.errors import DataError, SettingsError
from infra.store import ObjectStore
from tasks.records.recorded_requests import (
    FEEDBACK,
    REQUESTS,
    feedback_schema,
    hour_folder,
    requests_schema,
)
from tasks.sources.pinning import pin
from tasks.sources.request_index import objects_holding
from tasks.sources.settings import SourceSettings
from tests.source_files import Read, read_version, settings_of

NOON = datetime.now(UTC).replace(hour=0, minute=30, second=0, microsecond=0)


def put(
    store: ObjectStore, kind: str, line: str, name: str, rows: list[dict[str, Any]],
    at: datetime = NOON,
) -> None:  # fmt: skip
    """One object of the hour, as the server writes it."""
    schema = requests_schema() if kind == REQUESTS else feedback_schema()
    buffer = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, schema), buffer)
    uri = store.uri(*hour_folder(kind, line, at), f"{name}.parquet")
    store.put_bytes(uri, buffer.getvalue().to_pybytes())


def asked(request_id: str, *rows: dict[str, object]) -> list[dict[str, Any]]:
    return [
        {
            "request_id": request_id, "row": place, "received_at": NOON, "version": 3,
            "weights_sha256": "a" * 64, "role": "production", "inputs": json.dumps(one),
            "answer": '{"label": "neg", "score": 0.7}', "confidence": 0.7, "latency_ms": 4.0,
        }
        for place, one in enumerate(rows)
    ]  # fmt: skip


def said(
    request_id: str, label: object, row: int = 0, minute: int = 0, by: str = ""
) -> dict[str, Any]:
    at = NOON + timedelta(minutes=minute)
    return {
        "request_id": request_id, "row": row, "label": json.dumps(label), "received_at": at,
        "by": by,
    }  # fmt: skip


def read(store: ObjectStore, settings: SourceSettings, task_type: str = "classification") -> Read:
    return read_version(pin("reviews", settings, store), settings, task_type, store)


def test_a_row_of_a_request_is_read_with_the_newest_label(store: ObjectStore) -> None:
    line = "fed-back"
    put(store, REQUESTS, line, "a-1", asked("r1", {"text": "good"}, {"text": "bad"}))
    put(store, REQUESTS, line, "a-2", asked("r2", {"text": "nobody said"}))
    put(store, FEEDBACK, line, "b-1", [said("r1", "neg", 1, 5), said("gone", "pos")])
    put(store, FEEDBACK, line, "b-2", [said("r1", "pos", 0, 1), said("r1", "pos", 1, 2)])
    found = read(store, settings_of(format="feedback", line=line))
    assert [(row["text"], row["label"], row["row"]) for row in found.rows] == [
        ("good", "pos", 1), ("bad", "neg", 2),
    ]  # fmt: skip
    assert [(row.reason, row.row) for row in found.broken] == [("request not recorded", 2)]


def test_a_request_that_several_versions_were_asked_is_one_row(store: ObjectStore) -> None:
    """Of production and a candidate in shadow; and one that nobody answered has a label as well."""
    line = "fed-back-in-a-canary"
    production = asked("r1", {"text": "good"})
    shadow = [{**row, "role": "shadow", "version": 4} for row in production]
    failed = [{**row, "answer": "null", "error": "failed"} for row in asked("r2", {"text": "odd"})]
    put(store, REQUESTS, line, "a-1", [*production, *shadow])
    put(store, REQUESTS, line, "a-2", [*shadow, *failed])
    put(store, FEEDBACK, line, "b-1", [said("r1", "pos"), said("r2", "neg")])
    found = read(store, settings_of(format="feedback", line=line))
    assert [(row["text"], row["label"]) for row in found.rows] == [("good", "pos"), ("odd", "neg")]
    assert found.broken == []


def test_only_those_who_are_named_say_what_is_learned(store: ObjectStore) -> None:
    line = "fed-back-by"
    put(store, REQUESTS, line, "a-1", asked("r1", {"text": "good"}, {"text": "fine"}))
    put(store, FEEDBACK, line, "b-1", [
        said("r1", "pos", 0, 1, "editor"), said("r1", "neg", 0, 9, "visitor"),
        said("r1", "neg", 1, 1, "visitor"),
    ])  # fmt: skip
    found = read(store, settings_of(format="feedback", line=line, by=["editor"]))
    assert [(row["text"], row["label"]) for row in found.rows] == [("good", "pos")]


def test_inputs_and_labels_that_are_not_of_the_task_type_are_put_aside(store: ObjectStore) -> None:
    line = "fed-back-wrong"
    put(store, REQUESTS, line, "a-1", asked("r1", {"text": 7}, {"text": "a"}, {"text": "b"}))
    labels: list[object] = ["pos", {"label": ["x", "y"]}, "neg"]
    put(store, FEEDBACK, line, "b-1", [said("r1", one, row) for row, one in enumerate(labels)])
    found = read(store, settings_of(format="feedback", line=line))
    assert found.column("text") == ["b"]
    assert found.reasons() == [(1, "wrong type"), (2, "wrong type")]


def test_an_answer_of_several_columns_is_named_by_column(store: ObjectStore) -> None:
    line = "fed-back-questions"
    put(store, REQUESTS, line, "a-1", asked("r1", {"question": "who?", "context": "Ada did"}))
    label = {"answer": "Ada", "answer_start": 0}
    put(store, FEEDBACK, line, "b-1", [said("r1", label)])
    found = read(store, settings_of(format="feedback", line=line), "question_answering")
    assert [(row["question"], row["answer"], row["answer_start"]) for row in found.rows] == [
        ("who?", "Ada", 0)
    ]


def test_a_label_puts_no_other_input_in_place_of_what_the_model_was_asked(
    store: ObjectStore,
) -> None:
    line = "fed-back-inputs"
    put(store, REQUESTS, line, "a-1", asked("r1", {"text": "good"}))
    put(store, FEEDBACK, line, "b-1", [said("r1", {"label": "pos", "text": "never asked"})])
    found = read(store, settings_of(format="feedback", line=line))
    assert [(row["text"], row["label"]) for row in found.rows] == [("good", "pos")]


def test_a_line_without_feedback_is_told_what_records_it(store: ObjectStore) -> None:
    with pytest.raises(DataError, match="no feedback on never-served lies in the store"):
        pin("reviews", settings_of(format="feedback", line="never-served"), store)


def test_rows_that_hold_only_what_the_model_reads_have_no_place_for_it(store: ObjectStore) -> None:
    line = "fed-back-text"
    put(store, REQUESTS, line, "a-1", asked("r1", {"text": "a"}))
    put(store, FEEDBACK, line, "b-1", [said("r1", "b")])
    with pytest.raises(SettingsError, match="feedback has no place in rows of task type masked_lm"):
        read(store, settings_of(format="feedback", line=line), "masked_lm")


def test_it_stands_beside_other_sources(store: ObjectStore, tmp_path: Path) -> None:
    from tasks.sources.mixed import read_mixed
    from tasks.sources.settings import MixedSource
    from tasks.task_types.row_shapes import shape_of

    line = "fed-back-mixed"
    put(store, REQUESTS, line, "a-1", asked("r1", {"text": "good"}))
    put(store, FEEDBACK, line, "b-1", [said("r1", "pos")])
    (tmp_path / "shop.csv").write_text("text,label\nfine,neg\n")
    settings = settings_of(
        format="mixed",
        sources={
            "shop": {"format": "csv", "path": str(tmp_path / "shop.csv")},
            "feedback": {"format": "feedback", "line": line},
        },
    )  # fmt: skip
    assert isinstance(settings, MixedSource)
    version = pin(line, settings, store)
    shards = read_mixed(version, settings, shape_of("classification"), store)
    rows = [row for shard in shards for row in shard.rows.to_pylist()]
    assert [(row["source_name"], row["text"], row["label"]) for row in rows] == [
        ("feedback", "good", "pos"), ("shop", "fine", "neg"),
    ]  # fmt: skip


def pinned(store: ObjectStore, line: str, **settings: object) -> list[str]:
    """Names of the objects that a feedback source of a line is made of."""
    version = pin("reviews", settings_of(format="feedback", line=line, **settings), store)
    return [file.uri.rpartition("/")[2].removesuffix(".parquet") for file in version.files]


def test_traffic_without_new_labels_leaves_the_source_as_it_is(store: ObjectStore) -> None:
    """Else each served request would be a reason to retrain."""
    line = "fed-back-traffic"
    put(store, REQUESTS, line, "a-1", asked("r1", {"text": "good"}))
    put(store, FEEDBACK, line, "b-1", [said("r1", "pos")])
    settings = settings_of(format="feedback", line=line)
    before = pin("reviews", settings, store)
    put(store, REQUESTS, line, "a-2", asked("r2", {"text": "more"}))
    put(store, REQUESTS, line, "a-3", asked("r3", {"text": "later"}), NOON + timedelta(hours=9))
    assert pin("reviews", settings, store) == before
    assert pinned(store, line) == ["b-1", "a-1"]
    put(store, FEEDBACK, line, "b-2", [said("r2", "neg")])
    assert pinned(store, line) == ["b-1", "b-2", "a-1", "a-2"]
    found = read(store, settings)
    assert [(row["text"], row["label"]) for row in found.rows] == [("good", "pos"), ("more", "neg")]


def test_a_request_that_is_written_after_its_feedback_is_taken_in(store: ObjectStore) -> None:
    """Requests and feedback are written by and by, in any order."""
    line = "fed-back-late"
    put(store, FEEDBACK, line, "b-1", [said("r1", "pos")])
    put(store, REQUESTS, line, "a-1", asked("other", {"text": "other"}))
    assert pinned(store, line) == ["b-1"]
    put(store, REQUESTS, line, "a-2", asked("r1", {"text": "good"}))
    assert pinned(store, line) == ["b-1", "a-2"]


def test_what_others_say_leaves_a_source_of_some_as_it_is(store: ObjectStore) -> None:
    line = "fed-back-others"
    put(store, REQUESTS, line, "a-1", asked("r1", {"text": "good"}))
    put(store, REQUESTS, line, "a-2", asked("r2", {"text": "bad"}))
    put(store, FEEDBACK, line, "b-1", [said("r2", "neg", by="visitor")])
    with pytest.raises(DataError, match="no feedback on fed-back-others by editor lies in the"):
        pinned(store, line, by=["editor"])
    put(store, FEEDBACK, line, "b-2", [said("r1", "pos", by="editor")])
    assert pinned(store, line, by=["editor"]) == ["b-2", "a-1"]
    assert pinned(store, line) == ["b-1", "b-2", "a-1", "a-2"]


def test_the_requests_of_a_day_that_is_over_are_read_once(store: ObjectStore) -> None:
    """What is kept of them is made anew where it is of other objects, or is broken."""
    line = "fed-back-days"
    for number in range(3):
        rows = asked(f"r{number}", {"text": f"a {number}"}, {"text": f"b {number}"})
        put(store, REQUESTS, line, f"a-{number}", rows)
    put(store, FEEDBACK, line, "b-1", [said("r1", "pos", 1), said("r2", "neg", 0)])
    assert pinned(store, line) == ["b-1", "a-1", "a-2"]
    day = NOON.date()
    index = store.uri("request-index", line, f"{day}.parquet")
    assert not store.exists(index)  # it may go on today

    uris = store.list(store.uri(REQUESTS, line, ""))
    later = day + timedelta(days=2)

    def holding(*ids: str) -> list[str]:
        with ThreadPoolExecutor(2) as pool:
            found = objects_holding(ids, line, store.list(store.uri(REQUESTS, line, "")), later,
                                    store, pool)  # fmt: skip
        return [uri.rpartition("/")[2].removesuffix(".parquet") for uri in found]

    assert holding("r0", "r2", "nobody") == ["a-0", "a-2"]
    kept = store.get_bytes(index)
    for uri in uris:  # of the same names: they are not read again
        store.put_bytes(uri, b"gone")
    assert holding("r1") == ["a-1"]
    store.put_bytes(index, b"broken")
    with pytest.raises(DataError, match="cannot be read as a record of requests"):
        holding("r1")
    store.put_bytes(index, kept)
    for number in range(3):
        put(store, REQUESTS, line, f"a-{number}", asked(f"r{number}", {"text": "a"}))
    put(store, REQUESTS, line, "a-9", asked("r1", {"text": "more of it"}))
    assert holding("r1") == ["a-1", "a-9"]
    assert store.get_bytes(index) != kept
