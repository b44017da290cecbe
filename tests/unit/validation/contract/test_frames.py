from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.records.data import SPLITS
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import arrow_type
from tasks.validation.contract.frames import FrameMaker, runs_of_equals


def table(task_type: str, rows: list[dict[str, Any]], groups: tuple[str, ...] = ()) -> pa.Table:
    """Rows as in a snapshot; what a row leaves out is null, and the split is train."""
    fields = [
        ("row_id", pa.string()),
        *((c.name, arrow_type(c.kind)) for c in shape_of(task_type).columns),
        *((name, pa.string()) for name in ("split", *groups, "cluster")),
    ]
    filled = [{"row_id": "r", "split": "train", **row} for row in rows]
    return pa.Table.from_pylist(filled, schema=pa.schema(fields))


def frame(
    task_type: str,
    rows: list[dict[str, Any]],
    labels: tuple[str, ...] = (),
    groups: tuple[str, ...] = (),
) -> pd.DataFrame:
    maker = FrameMaker(shape_of(task_type), labels, groups)
    return maker.frame(table(task_type, rows, groups), 100, {})


def conflicts(*arguments: Any) -> list[str | None]:
    found = frame(*arguments)["conflict"]
    return [None if missing else value for value, missing in zip(found, found.isna(), strict=True)]


def test_positions_and_lengths_stand_beside_the_columns_of_the_snapshot() -> None:
    seen = frame("classification", [{"text": "héé", "label": "a"}, {"label": "a"}], ("a",))
    assert seen["position"].tolist() == [100, 101]
    assert seen["text_length"].tolist()[0] == 3
    assert np.isnan(seen["text_length"].tolist()[1])
    assert seen["text"].tolist()[0] == "héé"
    assert {"token_length", "language"}.isdisjoint(seen.columns)


def test_marks_become_columns_of_text_even_where_all_are_null() -> None:
    maker = FrameMaker(shape_of("causal_lm"), (), ())
    seen = maker.frame(table("causal_lm", [{"text": "t"}]), 0, {"near_duplicate": [None]})
    assert seen["near_duplicate"].dtype == seen["text"].dtype
    assert seen["near_duplicate"].isna().all()


def test_tokens_and_languages_are_told_where_they_are_asked_for() -> None:
    maker = FrameMaker(
        shape_of("causal_lm"), (), (),
        count_tokens=lambda texts: [len(text.split()) for text in texts],
        tell_languages=lambda texts: [text and text[:2] for text in texts],
    )  # fmt: skip
    rows = [{"text": "en one two"}, {}, {"text": "de eins"}]
    seen = maker.frame(table("causal_lm", rows), 0, {})
    assert seen["token_length"].tolist()[::2] == [3, 2]
    assert np.isnan(seen["token_length"].tolist()[1])
    assert seen["language"].tolist()[::2] == ["en", "de"]


def test_labels_and_groups_that_disagree_are_named() -> None:
    rows = [
        {"text": "t", "label": "tech", "gender": "f"},
        {"text": "t", "label": "business"},
        {"row_id": "s", "text": "s", "label": "tech"},
    ]
    found = conflicts("classification", rows, ("business", "tech"), ("gender",))
    assert found == ["label (business, tech) and gender (f, none)"] * 2 + [None]


def test_a_row_that_could_not_be_used_taints_no_twin() -> None:
    rows = [
        {"text": "t", "label": "a"},
        {"text": "t", "label": None},
        {"text": "t", "label": "unknown"},
        {"text": None, "label": "a"},
    ]
    seen = frame("classification", rows, ("a", "b"))
    assert seen["conflict"].isna().all()
    assert seen["splits_of_text"].tolist()[0] == 1
    assert seen["splits_of_text"].isna().tolist() == [False, True, True, True]


def test_of_a_text_in_several_splits_the_row_held_out_most_stays() -> None:
    rows = [{"text": "t", "split": split} for split in ("train", "validation", "test")]
    seen = frame("causal_lm", rows)
    assert seen["splits_of_text"].tolist() == [3, 3, 1]
    assert seen["conflict"].isna().all()


def test_authors_that_differ_are_named() -> None:
    rows = [{"text": "t", "cluster": "ann"}, {"text": "t", "cluster": "bob"}]
    assert conflicts("causal_lm", rows) == ["cluster (ann, bob)"] * 2


def test_texts_that_disagree_are_not_shown() -> None:
    rows = [{"source": "s", "target": "my secret"}, {"source": "s", "target": "other"}]
    assert conflicts("translation", rows) == ["target"] * 2


def test_numbers_and_label_sets_that_disagree_are_named() -> None:
    numbers = [{"text": "t", "target": 1.5}, {"text": "t", "target": 2.0}]
    assert conflicts("regression", numbers) == ["target (1.5, 2.0)"] * 2
    sets = [{"text": "t", "labels": ["a", "b"]}, {"text": "t", "labels": []}]
    assert conflicts("multi_label", sets, ("a", "b")) == ["labels (a+b, none)"] * 2


def test_a_label_in_a_list_that_is_unknown_makes_the_row_unusable() -> None:
    rows = [
        {"text": "t", "labels": ["a"]},
        {"text": "t", "labels": ["a", "x"]},
        {"text": "t", "labels": ["b"]},
    ]
    assert conflicts("multi_label", rows, ("a", "b")) == ["labels (a, b)", None, "labels (a, b)"]


def test_questions_without_an_answer_are_usable() -> None:
    rows = [{"question": "q", "context": "c"}, {"question": "q", "context": "c", "answer": "c"}]
    assert conflicts("question_answering", rows) == ["answer"] * 2


def test_long_labels_are_cut_and_many_are_counted() -> None:
    rows = [{"text": "t", "label": f"{number:02}" + "x" * 100} for number in range(15)]
    labels = tuple(row["label"] for row in rows)
    (found, *_) = conflicts("classification", rows, labels)
    assert found
    assert found.endswith("and 3 more)")
    assert len(found) < 15 * 62


def test_chat_and_tagging_rows_have_a_length() -> None:
    turns = [{"role": "user", "content": "abc"}, {"role": "assistant", "content": "de"}]
    assert frame("chat", [{"messages": turns}])["text_length"].tolist() == [6]
    tagged = {"tokens": ["ab", "c"], "tags": ["O", "O"]}
    assert frame("tagging", [tagged], ("O",))["text_length"].tolist() == [4]


@settings(deadline=None)
@given(st.lists(st.integers(0, 3)), st.integers(1, 5))
def test_runs_are_what_comparing_neighbours_gives(numbers: list[int], chunk: int) -> None:
    values = [str(number) for number in numbers]
    parts = [values[at : at + chunk] for at in range(0, len(values), chunk)]
    found = list(runs_of_equals(pa.chunked_array(parts, pa.string())))
    expected = []
    start = 0
    for place in range(1, len(values) + 1):
        if place == len(values) or values[place] != values[start]:
            if place - start > 1:
                expected.append((start, place))
            start = place
    assert found == expected


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("xyz"), st.none() | st.sampled_from("abc"), st.sampled_from(SPLITS)
        ),
        max_size=12,
    )
)
def test_conflicts_are_what_brute_force_says(records: list[tuple[str, str | None, str]]) -> None:
    records = sorted(set(records), key=str)
    rows = [{"row_id": t, "text": t, "label": c, "split": s} for t, c, s in records]
    seen = frame("classification", rows, ("a", "b"))
    for (text, label, split), found, splits in zip(
        records, seen["conflict"], seen["splits_of_text"], strict=True
    ):
        twins = [(c, s) for t, c, s in records if t == text and c in {"a", "b"}]
        conflicting = label in {"a", "b"} and len({c for c, _ in twins}) > 1
        assert isinstance(found, str) is conflicting
        if label in {"a", "b"}:
            leaks = any(SPLITS.index(s) > SPLITS.index(split) for _, s in twins)
            assert splits == (len({s for _, s in twins}) if leaks else 1)
