"""Splits as the data set itself has them: by a column, or by the source that a row is from."""

import csv
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from infra.errors import DataError
from infra.store import ObjectStore
from tasks.ingestion.readmission import readmit_file
from tasks.ingestion.snapshot import write_snapshot
from tasks.ingestion.splits import SplitSettings
from tasks.records.data import DataReport, Snapshot
from tasks.reporting.source_changes import change_rows
from tasks.sources.pinning import pin
from tasks.sources.settings import SourceSettings
from tasks.validation.contract.settings import ContractSettings
from tasks.validation.leakage.settings import LeakageSettings
from tasks.validation.personal_data.settings import PrivacySettings
from tasks.validation.validate import validate_snapshot
from tests.source_files import settings_of
from tests.stored_tables import get_table

Row = tuple[str, str, str]
HEAD = ("text", "label", "fold")
NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
PUBLISHED = {"train": 60, "validation": 12, "test": 24}
AS_WRITTEN = {"train": "Training", "validation": "dev", "test": "TEST"}


def words(number: int) -> str:
    """A text that is like no other one."""
    digits = " ".join(NUMBERS[int(digit)] for digit in f"{number:04d}")
    return f"{digits} makes {hash_of(number)} of them"


def hash_of(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()[:16]


def published(counts: dict[str, int] = PUBLISHED, start: int = 0) -> list[Row]:
    """So many distinct rows of each split, whose names are as people write them."""
    splits = [split for split, number in counts.items() for _ in range(number)]
    return [
        (words(number), "ab"[number % 2], AS_WRITTEN.get(split, split))
        for number, split in enumerate(splits, start=start)
    ]


def write(path: Path, rows: Iterable[Sequence[str]], head: Sequence[str] = HEAD) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        writer.writerows(rows)
    return path


def ingested(
    source: SourceSettings, splits: dict[str, Any], store: ObjectStore, line: str = "published"
) -> Snapshot:
    settings = SplitSettings.model_validate(splits)
    return write_snapshot(pin(line, source, store), source, settings, "classification", store)


def of_file(path: Path, store: ObjectStore, splits: dict[str, Any] | None = None) -> Snapshot:
    source = settings_of(format="csv", path=str(path))
    return ingested(source, splits or {"column": "fold"}, store, path.parent.name)


def validated(snapshot: Snapshot, store: ObjectStore) -> DataReport:
    contract = ContractSettings(max_quarantine_share=0.5, languages=None)
    return validate_snapshot(snapshot, None, contract, LeakageSettings(), PrivacySettings(), store)


def split_of_texts(snapshot: Snapshot, store: ObjectStore) -> set[tuple[str, str]]:
    table = get_table(snapshot.artifact, store)
    return set(zip(table["text"].to_pylist(), table["split"].to_pylist(), strict=True))


def test_a_published_split_comes_out_as_published(store: ObjectStore, tmp_path: Path) -> None:
    rows = published()
    snapshot = of_file(write(tmp_path / "rows.csv", rows), store)
    assert snapshot.rows_by_split == PUBLISHED
    assert snapshot.changes.rows_by_given_split == PUBLISHED
    word = {written: split for split, written in AS_WRITTEN.items()}
    assert split_of_texts(snapshot, store) == {(text, word[own]) for text, _, own in rows}
    assert validated(snapshot, store).rows_by_split == PUBLISHED
    told = {row.name: row.number for row in change_rows(snapshot.changes)}
    assert told == {f"{split} rows given": str(number) for split, number in PUBLISHED.items()}


def test_the_order_of_the_rows_does_not_change_the_snapshot(
    store: ObjectStore, tmp_path: Path
) -> None:
    leak = [(words(0), "a", "test")]
    one = of_file(write(tmp_path / "one.csv", published() + leak), store)
    other = of_file(write(tmp_path / "other.csv", [*leak, *reversed(published())]), store)
    assert one.artifact == other.artifact


def test_words_of_your_own_are_mapped(store: ObjectStore, tmp_path: Path) -> None:
    numbered = {"Training": "0", "dev": "1", "TEST": "Held Out"}
    rows = [(text, label, numbered[own]) for text, label, own in published()]
    path = write(tmp_path / "rows.csv", rows)
    given = {"column": "fold", "words": {0: "train", 1: "validation", "held out": "test"}}
    assert of_file(path, store, given).rows_by_split == PUBLISHED


def test_unknown_words_and_empty_cells_are_one_message(store: ObjectStore, tmp_path: Path) -> None:
    strange = [(words(900), "a", "holdout"), (words(901), "a", "holdout"), (words(902), "a", "x")]
    rows = [*published(), *strange, (words(903), "a", " "), (words(904), "b", "")]
    path = write(tmp_path / "rows.csv", rows)
    with pytest.raises(DataError) as refused:
        of_file(path, store)
    message = str(refused.value)
    assert "splits.column ('fold')" in message
    assert "3 row(s) hold words that name none: 'holdout' (2), 'x' (1)" in message
    assert f"The first is {path}: row 98" in message
    assert "splits.words, such as {holdout: test}" in message
    assert f"2 row(s) hold nothing there. The first is {path}: row 101" in message


@pytest.mark.parametrize("missing", ["train", "test"])
def test_without_rows_to_learn_from_or_to_test_on_it_ends(
    missing: str, store: ObjectStore, tmp_path: Path
) -> None:
    counts = {split: number for split, number in PUBLISHED.items() if split != missing}
    with pytest.raises(DataError, match=rf"no row is of {missing} \(seen: train .*test"):
        of_file(write(tmp_path / "rows.csv", published(counts)), store)


def test_missing_validation_rows_are_taken_out_of_train_by_hash(
    store: ObjectStore, tmp_path: Path
) -> None:
    path = write(tmp_path / "rows.csv", published({"train": 700, "test": 50}))
    snapshot = of_file(path, store)
    found = snapshot.rows_by_split
    assert found["test"] == 50
    assert found["train"] + found["validation"] == 700
    assert found["validation"] == pytest.approx(100, abs=40)  # 1/7 of 700, 4 standard deviations
    assert snapshot.changes.validation_by_hash == found["validation"]
    told = {row.name: row for row in change_rows(snapshot.changes)}
    assert told["train rows taken for validation, by hash"].number == str(found["validation"])
    more = write(tmp_path / "more.csv", published({"train": 701, "test": 50}))
    before, after = split_of_texts(snapshot, store), split_of_texts(of_file(more, store), store)
    # What had number 700 was a test row, and is one of train now.
    assert {one for one in before if one[1] == "validation"} <= after


def test_clusters_stay_whole_when_validation_is_taken_out_of_train(
    store: ObjectStore, tmp_path: Path
) -> None:
    rows = published({"train": 300, "test": 30})
    authors = [(*row, f"author {number // 3}") for number, row in enumerate(rows)]
    path = write(tmp_path / "rows.csv", authors, (*HEAD, "author"))
    source = settings_of(format="csv", path=str(path), cluster_column="author")
    table = get_table(ingested(source, {"column": "fold"}, store).artifact, store)
    clusters, own = table["cluster"].to_pylist(), table["split"].to_pylist()
    splits: dict[str, set[str]] = {}
    for cluster, split in zip(clusters, own, strict=True):
        splits.setdefault(cluster, set()).add(split)
    assert all(len(found) == 1 for found in splits.values())
    assert {"train", "validation", "test"} == set().union(*splits.values())


def test_a_text_of_train_that_stands_in_test_too_leaves_train(
    store: ObjectStore, tmp_path: Path
) -> None:
    rows = published()
    test_text = rows[-1][0]
    near = f"{rows[-2][0]} x"
    leaks = [
        (test_text, rows[-1][1], "train"), (test_text.upper(), rows[-1][1], "train"),
        (rows[-1][0], rows[-1][1], "valid"), (near, rows[-2][1], "train"),
    ]  # fmt: skip
    snapshot = of_file(write(tmp_path / "rows.csv", [*leaks, *rows]), store)
    assert snapshot.rows_by_split == {"train": 63, "validation": 13, "test": 24}
    data = validated(snapshot, store)
    assert data.rows_by_split == PUBLISHED
    assert data.quarantined_by_reason == {
        "text in two splits": 2,
        "equal text in a held-out split": 1,
        "near-duplicate in a held-out split": 1,
    }


def test_a_leak_that_was_mended_and_taken_back_in_leaves_the_test_row(
    store: ObjectStore, tmp_path: Path
) -> None:
    rows = published()
    path = write(tmp_path / "rows.csv", [*rows, (rows[-1][0], rows[-1][1], "train")])
    data = validated(of_file(path, store), store)
    aside = get_table(data.quarantine, store)
    assert aside["split"].to_pylist() == ["train"]
    mended = aside.set_column(aside.schema.get_field_index("text"), "text", [[words(9_999)]])
    pq.write_table(mended, tmp_path / "mended.parquet")
    source = settings_of(format="csv", path=str(path))
    readmit_file(tmp_path.name, str(tmp_path / "mended.parquet"), source, "classification", store)
    again = of_file(path, store)
    assert again.rows_by_split == PUBLISHED | {"train": 61}
    assert (again.rows_readmitted, again.rows_superseded) == (1, 1)
    assert (words(9_999), "train") in split_of_texts(again, store)
    assert (rows[-1][0], "test") in split_of_texts(again, store)


def parts(folder: Path, counts: dict[str, int] = PUBLISHED) -> SourceSettings:
    """A file for each split, named as a data set on the hub names them."""
    found, start = {}, 0
    for name, number in counts.items():
        rows = published({name: number}, start)
        path = write(folder / f"{name}.csv", [row[:2] for row in rows], HEAD[:2])
        found[name], start = {"format": "csv", "path": str(path)}, start + number
    return settings_of(format="mixed", sources=found)


def test_a_source_for_each_split_gives_the_published_counts(
    store: ObjectStore, tmp_path: Path
) -> None:
    by_source = {split: split for split in PUBLISHED}
    snapshot = ingested(parts(tmp_path), {"by_source": by_source}, store)
    assert snapshot.rows_by_split == PUBLISHED == snapshot.changes.rows_by_given_split
    names = get_table(snapshot.origins, store)["source_name"].to_pylist()
    splits = get_table(snapshot.artifact, store)["split"].to_pylist()
    assert names == splits
    assert validated(snapshot, store).rows_by_split == PUBLISHED


def test_two_sources_may_be_of_one_split_and_lack_validation(
    store: ObjectStore, tmp_path: Path
) -> None:
    source = parts(tmp_path, {"shop": 40, "forum": 30, "gold": 20})
    by_source = {"shop": "train", "forum": "train", "gold": "test"}
    found = ingested(source, {"by_source": by_source}, store)
    assert found.rows_by_split["test"] == 20
    assert found.rows_by_split["train"] + found.rows_by_split["validation"] == 70
    assert Counter(found.changes.rows_by_given_split) == Counter(train=70, test=20, validation=0)


def test_a_text_of_two_sources_is_judged_as_a_leak(store: ObjectStore, tmp_path: Path) -> None:
    source = parts(tmp_path)
    test_file, train_file = tmp_path / "test.csv", tmp_path / "train.csv"
    first_test_row = test_file.read_text().splitlines()[1]
    with train_file.open("a") as file:
        file.write(f"{first_test_row}\n")
    snapshot = ingested(source, {"by_source": {split: split for split in PUBLISHED}}, store)
    assert snapshot.rows_by_split == PUBLISHED | {"train": 61}
    data = validated(snapshot, store)
    assert data.rows_by_split == PUBLISHED
    assert data.quarantined_by_reason == {"text in two splits": 1}
    aside = get_table(data.quarantine, store)
    assert pc.equal(aside["source_name"], "train").to_pylist() == [True]
    assert pa.types.is_string(aside["split"].type)
