from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.data.contract import ContractSettings
from tasks.data.data_docs import render_page
from tasks.data.ingestion import row_id_of
from tasks.data.sorting import SortedRows, sort_rows

LABELS = ("a", "b")
Record = tuple[str | None, str | None, str, str | None]


def table_of(records: list[Record]) -> pa.Table:
    """A snapshot of text, label, split and gender."""
    columns = {
        "row_id": [row_id_of(text) for text, *_ in records],
        "text": [text for text, *_ in records],
        "label": [label for _, label, *_ in records],
        "split": [split for _, _, split, _ in records],
        "gender": [gender for *_, gender in records],
    }
    return pa.table(columns, schema=pa.schema([(name, pa.string()) for name in columns]))


def sort(records: list[Record], **contract: object) -> SortedRows:
    settings_ = ContractSettings.model_validate(
        {"max_text_length": 10, "groups": {"gender": ["f", "m"]}, **contract}
    )
    return sort_rows(table_of(records), settings_, LABELS, ["gender"])


def reasons_by_text(rows: SortedRows) -> dict[str | None, list[str]]:
    quarantine = rows.quarantine.to_pylist()
    return {row["text"]: row["reasons"] for row in quarantine}


BETWEEN = "(expect_column_values_to_be_between)"
UNIQUE = "(expect_column_values_to_be_unique)"


def test_each_planted_row_is_put_aside_for_its_own_reason() -> None:
    rows = sort(
        [
            ("good", "a", "train", "f"),
            ("fine", "b", "test", None),
            (None, "a", "train", "f"),
            ("no label", None, "train", "f"),
            ("odd", "c", "train", "f"),
            ("x" * 11, "a", "train", "f"),
            ("group", "a", "train", "q"),
            ("both", "a", "train", "f"),
            ("both", "b", "train", "f"),
        ]
    )
    assert rows.clean["text"].to_pylist() == ["good", "fine"]
    assert reasons_by_text(rows) == {
        None: ["missing text: the text is empty (expect_column_values_to_not_be_null)"],
        "no label": ["missing label: the label is empty (expect_column_values_to_not_be_null)"],
        "odd": ["unknown label: 'c' is not one of a, b (expect_column_values_to_be_in_set)"],
        "x" * 11: [
            f"text length: 11 characters, and 1 to 10 are admitted {BETWEEN}",
        ],
        "group": ["unknown gender: 'q' is not one of f, m (expect_column_values_to_be_in_set)"],
        "both": [
            f"conflicting rows: the same text also stands with another label (a, b) {UNIQUE}",
        ],
    }
    assert rows.by_reason == {
        "missing text": 1, "missing label": 1, "unknown label": 1, "text length": 1,
        "unknown gender": 1, "conflicting rows": 2,
    }  # fmt: skip


def test_row_with_two_faults_has_two_reasons() -> None:
    rows = sort([("x" * 11, "c", "train", "f"), ("good", "a", "train", "f")])
    assert [reason.split(":")[0] for reason in reasons_by_text(rows)["x" * 11]] == [
        "unknown label", "text length",
    ]  # fmt: skip
    assert rows.quarantine.num_rows == 1


def test_text_in_two_splits_is_put_aside() -> None:
    rows = sort([("t", "a", "train", "f"), ("t", "a", "test", "f"), ("u", "a", "test", "f")])
    assert rows.by_reason == {"conflicting rows": 2, "text in two splits": 2}
    assert "the same text stands in 2 splits" in reasons_by_text(rows)["t"][1]


def test_groups_that_disagree_are_named() -> None:
    rows = sort([("t", "a", "train", "f"), ("t", "a", "train", None)])
    assert "another gender (f, none)" in reasons_by_text(rows)["t"][0]


def test_row_without_a_usable_label_does_not_taint_its_twin() -> None:
    rows = sort([("t", "a", "train", "f"), ("t", None, "train", "f"), ("t", "c", "train", "f")])
    assert rows.clean.to_pylist()[0]["label"] == "a"
    assert rows.by_reason == {"missing label": 1, "unknown label": 1}


def test_nothing_wrong_leaves_an_empty_quarantine_with_its_columns() -> None:
    rows = sort([("good", "a", "train", "f")])
    assert rows.quarantine.num_rows == 0
    assert rows.quarantine.column_names[-1] == "reasons"
    assert rows.quarantine.schema.field("reasons").type == pa.list_(pa.string())


@pytest.mark.parametrize("label", ["it's", 'say "a"', "a b", "<script>alert(1)</script>", "$x"])
def test_odd_labels_do_no_harm(label: str) -> None:
    records: list[Record] = [("t", label, "train", "f"), ("u", "zz", "train", "f")]
    rows = sort_rows(table_of(records), ContractSettings(), [label], ["gender"])
    assert rows.clean["label"].to_pylist() == [label]
    page = render_page([rows.checked.result], "0" * 64)
    assert "<script>alert" not in page


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.none() | st.sampled_from(["t", "u", "v", "x" * 11]),
            st.none() | st.sampled_from(["a", "b", "c"]),
            st.just("train"),
            st.none() | st.sampled_from(["f", "q"]),
        ),
        min_size=1,
        max_size=12,
        unique=True,
    )
)
def test_every_row_is_on_one_side_as_brute_force_says(records: list[Record]) -> None:
    usable = Counter(text for text, label, *_ in records if text and label in LABELS)
    good = [
        (text, label, split, gender)
        for text, label, split, gender in records
        if text and len(text) <= 10 and label in LABELS and gender != "q" and usable[text] == 1
    ]
    rows = sort(records)
    seen = [(r["text"], r["label"], r["split"], r["gender"]) for r in rows.clean.to_pylist()]
    assert seen == good
    assert rows.quarantine.num_rows == len(records) - len(good)
    assert all(row["reasons"] for row in rows.quarantine.to_pylist())
