import hashlib
import io
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.errors import DataError
from infra.store import ObjectStore
from tasks.ingestion.readmission import readmit_file
from tasks.records.data import Readmission
from tasks.sources.settings import AnnotatedSource, SourceSettings, TableSource


def row_id(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def repaired(count: int = 3) -> dict[str, list[Any]]:
    """Columns as the quarantine file has them, filled in."""
    return {
        "row_id": [row_id(number) for number in range(count)],
        "text": [f"text {number}" for number in range(count)],
        "label": ["a"] * count,
        "split": ["train"] * count,
        "file": ["f.csv"] * count,
        "row": list(range(count)),
        "reasons": [["missing label: the label is empty"]] * count,
        "values": [[""]] * count,
        "raw": [None] * count,
    }


@pytest.fixture
def line(request: pytest.FixtureRequest) -> str:
    """A line of the test's own."""
    return re.sub(r"\W+", "-", request.node.name)


def table_source(**settings: Any) -> TableSource:
    return TableSource.model_validate({"format": "csv", "path": "x.csv", **settings})


def readmit_rows(
    columns: dict[str, Any] | pa.Table,
    line: str,
    folder: Path,
    store: ObjectStore,
    source: SourceSettings | None = None,
    task_type: str = "classification",
) -> Readmission:
    path = folder / "repaired.parquet"
    pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), path)
    return readmit_file(line, str(path), source or table_source(), task_type, store)


def kept(readmission: Readmission, store: ObjectStore) -> pa.Table:
    return pq.read_table(io.BytesIO(store.get_bytes(readmission.file.uri)))


def test_repaired_rows_are_kept_with_the_line(
    line: str, tmp_path: Path, store: ObjectStore
) -> None:
    found = readmit_rows(repaired(), line, tmp_path, store)
    name = found.file.uri.removeprefix(store.uri("readmitted", line, ""))
    assert re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{16}\.parquet", name)
    assert (found.line, found.rows, found.superseding) == (line, 3, 0)
    rows = kept(found, store)
    assert rows.column_names == ["row_id", "text", "label", "split"]
    assert rows["row_id"].to_pylist() == sorted(map(row_id, range(3)))
    texts = dict(zip(rows["row_id"].to_pylist(), rows["text"].to_pylist(), strict=True))
    assert texts[row_id(1)] == "text 1"


def test_same_rows_in_another_order_are_refused_as_known(
    line: str, tmp_path: Path, store: ObjectStore
) -> None:
    first = readmit_rows(repaired(), line, tmp_path, store)
    again = pa.table(repaired()).take([2, 0, 1]).drop_columns(["reasons", "raw"])
    with pytest.raises(DataError, match="were taken back in before, as s3://") as caught:
        readmit_rows(again, line, tmp_path, store)
    assert first.file.uri in str(caught.value)
    assert store.list(store.uri("readmitted", line, "")) == [first.file.uri]


def test_a_second_repair_of_the_same_rows_is_counted(
    line: str, tmp_path: Path, store: ObjectStore
) -> None:
    readmit_rows(repaired(), line, tmp_path, store)
    better = repaired(4) | {"label": ["b"] * 4}
    assert readmit_rows(better, line, tmp_path, store).superseding == 3


def test_a_row_that_was_repaired_and_put_aside_again_is_counted_by_its_new_row_id(
    line: str, tmp_path: Path, store: ObjectStore
) -> None:
    readmit_rows(repaired(1), line, tmp_path, store)
    again = repaired(1) | {"row_id": [hashlib.sha256(b"text 0").hexdigest()], "text": ["new"]}
    assert readmit_rows(again, line, tmp_path, store).superseding == 1


def test_a_line_knows_nothing_of_another_whose_name_begins_alike(
    line: str, tmp_path: Path, store: ObjectStore
) -> None:
    readmit_rows(repaired(), f"{line}-two", tmp_path, store)
    assert readmit_rows(repaired(), line, tmp_path, store).superseding == 0


def test_a_file_in_the_store_is_taken_back_in(
    line: str, tmp_path: Path, store: ObjectStore
) -> None:
    pq.write_table(pa.table(repaired()), tmp_path / "r.parquet")
    uri = store.uri("quarantine", line, "repaired.parquet")
    store.put_file(uri, tmp_path / "r.parquet")
    assert readmit_file(line, uri, table_source(), "classification", store).rows == 3


def test_group_columns_and_the_cluster_are_kept_where_the_source_names_them(
    line: str, tmp_path: Path, store: ObjectStore
) -> None:
    source = table_source(group_columns=["gender"], cluster_column="author")
    columns = repaired() | {"gender": ["f", None, "m"], "cluster": ["ann", "bob", None]}
    rows = kept(readmit_rows(columns, line, tmp_path, store, source), store)
    assert rows.column_names == ["row_id", "text", "label", "gender", "cluster", "split"]
    assert rows["gender"].null_count == 1


def test_pandas_may_write_the_file(line: str, tmp_path: Path, store: ObjectStore) -> None:
    import pandas as pd

    columns = {
        "row_id": [row_id(1), row_id(2)],
        "question": ["q", "q2"],
        "context": ["c", "c2"],
        "answer": ["c", None],
        "answer_start": [0, None],  # a column of float64 in pandas
    }
    path = tmp_path / "pandas.parquet"
    pd.DataFrame(columns).to_parquet(path)
    source = AnnotatedSource(format="squad", path="x.json")
    with pytest.raises(DataError, match=r"lacks column\(s\) cluster"):
        readmit_file(line, str(path), source, "question_answering", store)
    pd.DataFrame({**columns, "cluster": ["t", "t"]}).to_parquet(path)
    found = readmit_file(line, str(path), source, "question_answering", store)
    rows = kept(found, store)
    assert rows.schema.field("answer_start").type == pa.int64()
    assert sorted(rows["answer_start"].to_pylist(), key=str) == [0, None]


@pytest.mark.parametrize(
    ("task_type", "columns"),
    [
        ("multi_label", {"text": ["t"], "labels": [[]]}),
        ("regression", {"text": ["t"], "target": [2]}),
        ("tagging", {"tokens": [["a", "b"]], "tags": [["O", "O"]]}),
        ("translation", {"source": ["s"], "target": ["t"]}),
        ("chat", {"messages": [[{"content": "hi", "role": "user"}]]}),
        ("causal_lm", {"text": ["t"]}),
    ],
)
def test_rows_of_each_task_type_are_taken_back_in(
    task_type: str, columns: dict[str, Any], line: str, tmp_path: Path, store: ObjectStore
) -> None:
    found = readmit_rows({"row_id": [row_id(1)], **columns}, line, tmp_path, store, None, task_type)
    (row,) = kept(found, store).to_pylist()
    assert row == {"row_id": row_id(1), **{name: cells[0] for name, cells in columns.items()}}


def refuse(columns: dict[str, Any] | pa.Table, tmp_path: Path, store: ObjectStore) -> str:
    with pytest.raises(DataError) as caught:
        readmit_rows(columns, "refused", tmp_path, store)
    assert store.list(store.uri("readmitted", "refused", "")) == []
    return str(caught.value)


def test_a_column_that_is_missing_is_named(tmp_path: Path, store: ObjectStore) -> None:
    columns = repaired()
    del columns["label"], columns["row_id"]
    message = refuse(columns, tmp_path, store)
    assert "lacks column(s) row_id, label; it needs row_id, text, label" in message


def test_a_column_that_stands_twice_is_named(tmp_path: Path, store: ObjectStore) -> None:
    table = pa.table(repaired())
    message = refuse(table.append_column("text", table["text"]), tmp_path, store)
    assert "two columns named 'text'" in message


def test_a_file_without_rows_is_refused(tmp_path: Path, store: ObjectStore) -> None:
    assert "holds no rows" in refuse(pa.table(repaired()).slice(0, 0), tmp_path, store)


@pytest.mark.parametrize("broken", [None, "7", "A" * 64, row_id(0)[:-1], f"{row_id(0)}\n"])
def test_a_row_id_that_is_no_digest_is_named(
    broken: str | None, tmp_path: Path, store: ObjectStore
) -> None:
    columns = repaired()
    columns["row_id"][1] = broken
    message = refuse(columns, tmp_path, store)
    assert f"row 2, column 'row_id': {broken!r} is no SHA-256" in message


def test_a_row_id_that_stands_twice_is_named(tmp_path: Path, store: ObjectStore) -> None:
    columns = repaired()
    columns["row_id"][2] = columns["row_id"][0]
    message = refuse(columns, tmp_path, store)
    assert f"row 3, column 'row_id': {row_id(0)} stands in row 1 already" in message


@pytest.mark.parametrize("missing", [None, "", " \t\u3000"])
def test_a_value_that_is_still_missing_is_named(
    missing: str | None, tmp_path: Path, store: ObjectStore
) -> None:
    columns = repaired() | {"label": ["a", missing, missing]}
    message = refuse(columns, tmp_path, store)
    assert "row 2, column 'label': no value (nor in 1 more rows)" in message


def test_a_list_without_tokens_is_a_missing_value(tmp_path: Path, store: ObjectStore) -> None:
    columns = {"row_id": [row_id(1)], "tokens": [[]], "tags": [["O"]]}
    table = pa.table(columns, schema=pa.schema([
        ("row_id", pa.string()), ("tokens", pa.list_(pa.string())),
        ("tags", pa.list_(pa.string())),
    ]))  # fmt: skip
    with pytest.raises(DataError, match="row 1, column 'tokens': no value"):
        readmit_rows(table, "refused", tmp_path, store, None, "tagging")


@pytest.mark.parametrize(
    ("column", "cells", "held"),
    [("text", [1, 2, 3], "int64"), ("label", [True, False, True], "bool"),
     ("text", [["a"], ["b"], ["c"]], "list")],
)  # fmt: skip
def test_a_column_of_another_type_is_named(
    column: str, cells: list[Any], held: str, tmp_path: Path, store: ObjectStore
) -> None:
    message = refuse(repaired() | {column: cells}, tmp_path, store)
    assert f"column {column!r} holds {held}" in message
    assert "it must hold text" in message


def test_a_number_that_is_not_whole_is_named(tmp_path: Path, store: ObjectStore) -> None:
    columns = {
        "row_id": [row_id(1), row_id(2)], "question": ["q"] * 2, "context": ["c"] * 2,
        "answer": ["c"] * 2, "answer_start": [0.0, 0.5],
    }  # fmt: skip
    with pytest.raises(DataError, match=r"row 2, column 'answer_start': 0.5 is no int64"):
        readmit_rows(columns, "refused", tmp_path, store, None, "question_answering")


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path, store: ObjectStore) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("row_id,text,label\n")
    with pytest.raises(DataError, match="no Parquet file that can be read"):
        readmit_file("refused", str(path), table_source(), "classification", store)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path, store: ObjectStore) -> None:
    with pytest.raises(DataError, match="is no file; name the repaired quarantine file"):
        readmit_file("refused", str(tmp_path / "none"), table_source(), "classification", store)
