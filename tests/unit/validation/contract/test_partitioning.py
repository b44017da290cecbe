from typing import Any

import pyarrow as pa
import pytest

from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import arrow_type
from tasks.validation.contract.frames import FrameMaker
from tasks.validation.contract.partitioning import PartitionedShard, RowPartitioner
from tasks.validation.contract.quarantine import write_value
from tasks.validation.contract.settings import ContractSettings
from tasks.validation.contract.snapshot_shards import SnapshotShard
from tasks.validation.contract.suites import row_rules
from tasks.validation.personal_data.settings import PrivacySettings

KEY = "AKIA" + "QK4ZT7WXM2LPV9RB"
NO_MARKS = ("equal_text", "near_duplicate", "overlap", "label_conflict", "golden_row")


class NoMarks:
    """Nothing is known of any row beforehand, but for a twin of row 1."""

    def columns(self, start: int, stop: int) -> dict[str, list[str | None]]:
        marks: dict[str, list[str | None]] = {name: [None] * (stop - start) for name in NO_MARKS}
        if start <= 1 < stop:
            marks["near_duplicate"][1 - start] = "like test row abc"
        return marks


def shard(task_type: str, rows: list[dict[str, Any]], start: int = 10) -> SnapshotShard:
    fields = [
        ("row_id", pa.string()),
        *((c.name, arrow_type(c.kind)) for c in shape_of(task_type).columns),
        ("split", pa.string()),
        ("cluster", pa.string()),
    ]
    filled = [{"row_id": f"{at:03}", "split": "train", **row} for at, row in enumerate(rows)]
    places = pa.table({"file": ["f"] * len(rows), "row": list(range(len(rows)))})
    return SnapshotShard(start, pa.Table.from_pylist(filled, schema=pa.schema(fields)), places)


def sorter(task_type: str = "classification", **contract: Any) -> RowPartitioner:
    shape = shape_of(task_type)
    labels = ("a", "b") if shape.label_column else ()
    rules = row_rules(ContractSettings.model_validate(contract), shape, labels, ())
    return RowPartitioner(FrameMaker(shape, labels, ()), rules, NoMarks(), PrivacySettings())


def reasons(found: PartitionedShard) -> list[list[str]]:
    return [[reason.split(":")[0] for reason in row] for row in found.quarantine["reasons"].to_pylist()]  # fmt: skip # noqa: E501


def test_rows_keep_their_order_on_both_sides() -> None:
    rows = [{"text": f"t{n}", "label": "a" if n % 3 else "c"} for n in range(7)]
    found = sorter().sort(shard("classification", rows))
    assert found.clean["text"].to_pylist() == ["t1", "t2", "t4", "t5"]
    assert found.quarantine["text"].to_pylist() == ["t0", "t3", "t6"]
    assert found.quarantine["row"].to_pylist() == [0, 3, 6]
    assert found.lengths["characters"].tolist() == [2, 2, 2, 2]


def test_nothing_wrong_leaves_an_empty_quarantine_with_its_columns() -> None:
    found = sorter().sort(shard("classification", [{"text": "t", "label": "a"}]))
    assert found.quarantine.num_rows == 0
    assert found.quarantine.column_names[-3:] == ["reasons", "values", "raw"]


def test_marks_are_asked_for_by_position_in_the_snapshot() -> None:
    rows = [{"text": "one", "label": "a"}, {"text": "two", "label": "b"}]
    assert reasons(sorter().sort(shard("classification", rows, start=0))) == [
        ["near-duplicate in a held-out split"]
    ]
    assert reasons(sorter().sort(shard("classification", rows, start=10))) == []


def test_counts_go_on_from_shard_to_shard() -> None:
    sorting = sorter()
    for _ in range(2):
        sorting.sort(shard("classification", [{"text": "x", "label": "c"}, {"text": None}]))
    assert sorting.by_reason == {"unknown label": 2, "missing text": 2, "missing label": 2}


def test_two_rules_of_one_reason_are_two_entries_and_count_once() -> None:
    row = {"question": "\ufffd?", "context": "so \ufffd"}
    sorting = sorter("question_answering")
    found = sorting.sort(shard("question_answering", [row]))
    assert reasons(found) == [["forbidden character"] * 2]
    assert sorting.by_reason == {"forbidden character": 1}


def test_values_hold_no_secret_and_keep_what_a_person_needs_to_repair() -> None:
    text = f"call ann.bell@mail.example.org, key {KEY}\ufffd"
    found = sorter().sort(shard("classification", [{"text": text, "label": KEY}]))
    (row,) = found.quarantine.to_pylist()
    assert KEY not in str(row)
    assert row["text"].startswith("call ann.bell@mail.example.org, key [SECRET]")
    assert row["label"] == "[SECRET]"
    place = text.index("\ufffd") + 1
    assert any(f"character {place}, U+FFFD" in reason for reason in row["reasons"])


def test_a_tag_sequence_is_put_aside_with_both_of_its_columns_as_value() -> None:
    row = {"tokens": ["x"], "tags": ["I-PER"]}
    shape = shape_of("tagging")
    rules = row_rules(ContractSettings(), shape, ("I-PER", "O"), ())
    sorting = RowPartitioner(
        FrameMaker(shape, ("I-PER", "O"), ()), rules, NoMarks(), PrivacySettings()
    )
    (found,) = sorting.sort(shard("tagging", [row])).quarantine.to_pylist()
    assert found["values"] == ['{"tokens": ["x"], "tags": ["I-PER"]}']


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, ""), ("a", "a"), (3.0, "3"), (2.5, "2.5"), (["é", None], '["é", null]'),
        ("x" * 200, "x" * 200), ("x" * 201, "x" * 199 + "…"),
    ],
)  # fmt: skip
def test_a_value_is_written_in_at_most_200_characters(value: object, written: str) -> None:
    assert write_value(value) == written
