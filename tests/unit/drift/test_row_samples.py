import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.errors import DataError
from tasks.drift.row_samples import NO_LABEL, TEXT_CHARACTERS, RowSample, read_row_sample
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import arrow_type


def write(
    path: Path, columns: Mapping[str, Sequence[object]], task_type: str = "classification"
) -> Path:
    """Rows in the order of their row_id, in row groups of 100."""
    kinds = {column.name: arrow_type(column.kind) for column in shape_of(task_type).columns}
    texts = [str(values) for values in zip(*columns.values(), strict=True)]
    row_ids = columns.get("row_id") or [hashlib.sha256(text.encode()).hexdigest() for text in texts]
    table = pa.table(
        {
            name: pa.array(list(values), kinds.get(name, pa.string()))
            for name, values in {**columns, "row_id": row_ids}.items()
        }
    )
    pq.write_table(table.sort_by("row_id"), path, row_group_size=100)
    return path


def read(
    path: Path, task_type: str = "classification", max_rows: int = 100, seed: int = 0
) -> RowSample:
    return read_row_sample(path, shape_of(task_type), max_rows=max_rows, seed=seed)


def texts(count: int) -> dict[str, list[str]]:
    return {
        "text": [f"text {'x' * (number % 7)} {number}" for number in range(count)],
        "label": ["odd" if number % 2 else "even" for number in range(count)],
    }


def test_labels_and_lengths_are_of_all_rows_and_the_sample_is_not(tmp_path: Path) -> None:
    columns = texts(5_001)
    side = read(write(tmp_path / "rows.parquet", columns))
    assert side.rows == 5_001
    assert side.label_counts == {"even": 2_501, "odd": 2_500}
    assert side.length_counts == Counter(map(len, columns["text"]))
    assert len(side.sample) == 100
    keys = [row.key for row in side.sample]
    assert keys == sorted(side.keys.tolist())[:100]
    assert {row.text for row in side.sample} <= set(columns["text"])


def test_the_sample_does_not_depend_on_the_order_of_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "rows.parquet", texts(1_000))
    whole = read(path)
    monkeypatch.setattr("tasks.drift.row_samples._BATCH_ROWS", 17)
    assert read(path).sample == whole.sample
    assert read(path, seed=1).sample != whole.sample
    assert read(path).label_counts == whole.label_counts


def test_a_row_is_drawn_on_both_sides_or_on_none(tmp_path: Path) -> None:
    both = texts(2_000)
    first = read(write(tmp_path / "a.parquet", {k: v[:1_500] for k, v in both.items()}))
    second = read(write(tmp_path / "b.parquet", {k: v[500:] for k, v in both.items()}))
    last = min(first.sample[-1].key, second.sample[-1].key)
    shared = set(both["text"][500:1_500])
    for side, other in ((first, second), (second, first)):
        drawn = {row.text for row in side.sample if row.key <= last} & shared
        assert drawn <= {row.text for row in other.sample}


def test_the_draw_is_even(tmp_path: Path) -> None:
    """Row ids that count up are drawn from both halves alike."""
    columns = {**texts(2_000), "row_id": [f"{number:064x}" for number in range(2_000)]}
    side = read(write(tmp_path / "rows.parquet", columns), max_rows=400)
    upper = sum(int(row.row_id, 16) >= 1_000 for row in side.sample)
    assert 150 < upper < 250


def test_rows_of_one_row_id_count_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.drift.row_samples._BATCH_ROWS", 3)
    columns = {
        "row_id": ["a", "a", "b", "c", "c", "c", "c", "d"],
        "text": ["x", "x", "y", "z", "z", "z", "z", "w"],
        "label": ["1", "1", "2", "1", "1", "1", "1", "2"],
        "region": ["n", "s", "n", "n", "s", "w", "o", "n"],
    }
    side = read(write(tmp_path / "rows.parquet", columns))
    assert side.rows == 4
    assert side.label_counts == {"1": 2, "2": 2}
    assert sorted(row.text for row in side.sample) == ["w", "x", "y", "z"]


def test_a_clean_text_and_a_label_leave_their_mark(tmp_path: Path) -> None:
    row_ids = [f"{number}" for number in range(3)]
    one = read(write(tmp_path / "a.parquet", {"row_id": row_ids, "text": ["a", "b", "c"],
                                              "label": ["x", "x", "x"]}))  # fmt: skip
    other = read(write(tmp_path / "b.parquet", {"row_id": row_ids, "text": ["a", "[MAIL]", "c"],
                                                "label": ["x", "x", "y"]}))  # fmt: skip
    np.testing.assert_array_equal(one.keys, other.keys)
    assert (one.text_marks == other.text_marks).tolist() == [True, False, True]
    assert (one.label_marks == other.label_marks).tolist() == [True, True, False]


def test_a_long_text_is_drawn_by_its_start(tmp_path: Path) -> None:
    columns = {"text": ["y" * 9_000], "label": ["a"]}
    side = read(write(tmp_path / "rows.parquet", columns))
    assert side.length_counts == {9_000: 1}
    assert side.sample[0].text == "y" * TEXT_CHARACTERS


@pytest.mark.parametrize(
    ("task_type", "columns", "text", "labels"),
    [
        ("multi_label", {"text": ["a b"], "labels": [["x", "y"]]}, "a b", ("x", "y")),
        ("multi_label", {"text": ["a b"], "labels": [[]]}, "a b", (NO_LABEL,)),
        ("tagging", {"tokens": [["a", "b"]], "tags": [["O", "B-x"]]}, "a b", ("O", "B-x")),
        ("translation", {"source": ["a"], "target": ["b"]}, "a", ()),
        ("question_answering", {"question": ["q?"], "context": ["c"], "answer": [None],
                                "answer_start": [None]}, "q?\nc", ()),
        ("chat", {"messages": [[{"role": "user", "content": "hi"},
                                {"role": "assistant", "content": "ho"}]]}, "hi\nho", ()),
        ("regression", {"text": ["a"], "target": [1.5]}, "a", ()),
    ],
)  # fmt: skip
def test_every_task_type_has_a_text_and_labels_where_it_has_classes(
    tmp_path: Path,
    task_type: str,
    columns: dict[str, list[object]],
    text: str,
    labels: tuple[str, ...],
) -> None:
    side = read(write(tmp_path / "rows.parquet", columns, task_type), task_type)
    assert (side.sample[0].text, side.sample[0].labels) == (text, labels)
    assert side.label_counts == dict.fromkeys(labels, 1)


def test_rows_without_their_label_column_have_no_labels(tmp_path: Path) -> None:
    side = read(write(tmp_path / "rows.parquet", {"text": ["a"]}))
    assert side.label_counts == {}


def test_labels_of_another_kind_are_none(tmp_path: Path) -> None:
    """The line once had one label a row under the name that now holds several."""
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"row_id": ["a"], "text": ["b"], "labels": ["x"]}), path)
    assert read(path, "multi_label").label_counts == {}


def test_strings_as_pandas_writes_them_are_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    large = pa.large_string()
    columns = {"row_id": ["a"], "text": ["b"], "labels": [["x", "y"]]}
    types = {"row_id": large, "text": large, "labels": pa.large_list(large)}
    pq.write_table(pa.table({k: pa.array(v, types[k]) for k, v in columns.items()}), path)
    side = read(path, "multi_label")
    assert (side.sample[0].text, side.sample[0].labels) == ("b", ("x", "y"))


def test_a_file_without_rows_is_read(tmp_path: Path) -> None:
    side = read(write(tmp_path / "rows.parquet", {"text": [], "label": []}))
    assert (side.rows, side.sample, side.label_counts) == (0, (), {})


def test_missing_columns_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.parquet", texts(3))
    with pytest.raises(DataError, match=r"lack the column\(s\) tokens of tagging .*text, label"):
        read(path, "tagging")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read(tmp_path / "broken.parquet")
