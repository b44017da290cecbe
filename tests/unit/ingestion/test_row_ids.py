import hashlib
import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.ingestion.row_ids import (
    as_binary,
    as_hex,
    assign_splits,
    digests_of,
    trim,
)
from tasks.ingestion.splits import SplitSettings
from tasks.sources.visible import is_blank
from tasks.task_types.row_identities import identities_of
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import RowShape, arrow_type

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)


def rows_of(shape: RowShape, *rows: dict[str, Any]) -> pa.Table:
    """Rows of a shard; what is not given is missing."""
    fields = [(column.name, arrow_type(column.kind)) for column in shape.columns]
    strings = [("gender", pa.string()), ("cluster", pa.string())]
    return pa.Table.from_pylist(list(rows), pa.schema([*fields, *strings]))


def row_ids_of(shape: RowShape, *rows: dict[str, Any]) -> list[str]:
    digests = digests_of(identities_of(rows_of(shape, *rows), shape))
    found: list[str] = as_hex(as_binary(digests)).to_pylist()
    return found


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("task_type", ["classification", "multi_label", "regression", "causal_lm"])
def test_row_id_is_the_hash_of_the_text(task_type: str) -> None:
    rows = [{"text": "a£"}, {"text": None}, {"text": "的"}]
    assert row_ids_of(shape_of(task_type), *rows) == [sha256("a£"), sha256(""), sha256("的")]


def test_row_id_of_a_pair_is_that_of_its_source() -> None:
    rows = [{"source": "a", "target": "b"}, {"source": "a", "target": "c"}]
    assert row_ids_of(shape_of("translation"), *rows) == [sha256("a")] * 2


def test_row_id_of_several_inputs_is_the_hash_of_their_compact_json() -> None:
    question = {"question": "où?", "context": None, "answer": "x", "answer_start": 0}
    assert row_ids_of(shape_of("question_answering"), question) == [sha256('["où?",null]')]
    tokens = {"tokens": ['say "no"', "£"], "tags": ["O", "O"]}
    assert row_ids_of(shape_of("tagging"), tokens) == [sha256(r'[["say \"no\"","£"]]')]
    chat = {"messages": [{"role": "user", "content": "hi"}]}
    expected = '[[{"role":"user","content":"hi"}]]'
    assert row_ids_of(shape_of("chat"), chat) == [sha256(expected)]


@settings(deadline=None)
@given(st.lists(st.tuples(TEXT | st.none(), TEXT | st.none()), min_size=1, max_size=8))
def test_identity_of_inputs_reads_back_as_these_inputs(
    pairs: list[tuple[str | None, str | None]],
) -> None:
    shape = shape_of("question_answering")
    rows = rows_of(shape, *({"question": q, "context": c} for q, c in pairs))
    assert [tuple(json.loads(text)) for text in identities_of(rows, shape).to_pylist()] == pairs


@settings(deadline=None)
@given(st.lists(TEXT, max_size=10), st.integers(0, 5), st.sampled_from(["", "salt"]))
def test_digests_are_those_of_hashlib_also_for_a_slice(
    texts: list[str], start: int, salt: str
) -> None:
    array = pa.array(texts, pa.string()).slice(start)
    expected = [sha256(salt + text) for text in texts[start:]]
    binary = as_binary(digests_of(array, salt))
    assert as_hex(binary).to_pylist() == expected
    assert as_hex(binary.slice(1)).to_pylist() == expected[1:]


@settings(deadline=None)
@given(st.lists(st.none() | TEXT | st.sampled_from([" ", "\u00a0a\u2003", "\x1fa b\n"])))
def test_trimming_is_that_of_python_and_empty_is_missing(texts: list[str | None]) -> None:
    shape = shape_of("causal_lm")
    rows = rows_of(shape, *({"text": text, "gender": text} for text in texts))
    trimmed = trim(rows, shape, ("gender",))
    expected = [None if is_blank(text or "") else (text or "").strip() for text in texts]
    assert trimmed["text"].to_pylist() == trimmed["gender"].to_pylist() == expected


def test_labels_of_a_row_are_a_set() -> None:
    shape = shape_of("multi_label")
    given_labels = [["b ", "a"], None, [], ["a", "b"], [" "], ["c"]]
    rows = rows_of(shape, *({"text": "t", "labels": labels} for labels in given_labels))
    assert trim(rows, shape, ())["labels"].to_pylist() == [
        ["a", "b"], None, [], ["a", "b"], [None], ["c"],
    ]  # fmt: skip
    assert trim(rows.slice(3), shape, ())["labels"].to_pylist() == [["a", "b"], [None], ["c"]]


def test_tokens_stay_as_they_are() -> None:
    shape = shape_of("tagging")
    rows = rows_of(shape, {"tokens": [" a", ""], "tags": ["O", " O"]})
    assert trim(rows, shape, ()) == rows


def test_an_answer_still_starts_where_its_number_says() -> None:
    shape = shape_of("question_answering")
    rows = rows_of(
        shape,
        {"question": "q", "context": " \u2003ein café, 的", "answer": " café", "answer_start": 5},
        {"question": "q", "context": "café", "answer": "café ", "answer_start": 0},
        {"question": "q", "context": " ", "answer": None, "answer_start": None},
    )
    trimmed = trim(rows, shape, ()).to_pylist()
    assert [row["answer_start"] for row in trimmed] == [4, 0, None]
    for row in trimmed[:2]:
        start, answer = row["answer_start"], row["answer"]
        assert row["context"][start : start + len(answer)] == answer == "café"


@pytest.mark.parametrize("text", ["\u200b", " \u2800 ", "\u3164\u3164", "\x1b\x07", "\u00ad"])
def test_a_text_of_which_nothing_can_be_seen_is_missing(text: str) -> None:
    shape = shape_of("classification")
    rows = trim(rows_of(shape, {"text": text, "label": text}, {"text": f"{text}a"}), shape, ())
    assert rows["text"].to_pylist() == [None, f"{text}a".strip()]
    assert rows["label"].to_pylist() == [None, None]


def test_a_cluster_that_numbers_were_written_as_is_one() -> None:
    shape = shape_of("classification")
    names = ["7", "7.0", " 7.00", "7.5", "v7.0", "-7.0", None]
    rows = trim(rows_of(shape, *({"text": "a", "cluster": one} for one in names)), shape, ())
    assert rows["cluster"].to_pylist() == ["7", "7", "7", "7.5", "v7.0", "-7", None]


RELATIONS = shape_of("relation_extraction")
PAIR: dict[str, Any] = {
    "text": "  Ada left Bonn ", "subject_start": 2, "subject_end": 5, "subject_type": " person ",
    "object_start": 11, "object_end": 15, "object_type": "city", "relation": "left",
}  # fmt: skip


def test_entities_stand_where_they_did_when_their_text_is_trimmed() -> None:
    found = trim(rows_of(RELATIONS, PAIR, PAIR | {"subject_end": None}), RELATIONS, ()).to_pylist()
    text, (first, second) = found[0]["text"], found
    assert text == "Ada left Bonn"
    assert text[first["subject_start"] : first["subject_end"]] == "Ada"
    assert text[first["object_start"] : first["object_end"]] == "Bonn"
    assert first["subject_type"] == "person"
    assert (second["subject_start"], second["subject_end"]) == (0, None)


def test_pairs_of_one_text_are_rows_of_their_own_in_one_split() -> None:
    other = PAIR | {"text": "Ada left Bonn", "subject_start": 9, "subject_end": 13,
                    "object_start": 0, "object_end": 3}  # fmt: skip
    rows = [PAIR, other, *({**PAIR, "text": f"  Ada left Bonn {n}"} for n in range(40))]
    trimmed = trim(rows_of(RELATIONS, *rows), RELATIONS, ())
    identities = identities_of(trimmed, RELATIONS)
    assert len(set(identities.to_pylist())) == len(rows)
    assert trimmed["cluster"][0].as_py() == sha256("Ada left Bonn")
    halves = SplitSettings(train=0.4, validation=0.3, test=0.3)
    splits = assign_splits(
        trimmed["cluster"], identities, digests_of(identities), halves
    ).to_pylist()
    assert splits[0] == splits[1]
    assert set(splits) == {"train", "validation", "test"}
    named = trim(rows_of(RELATIONS, PAIR | {"cluster": "letters"}, PAIR), RELATIONS, ())
    assert named["cluster"].to_pylist() == ["letters", sha256("Ada left Bonn")]


PREFERENCE = shape_of("preference")


def test_pairs_of_one_prompt_are_rows_of_their_own_in_one_cluster() -> None:
    turns = [{"role": "user", "content": "Why?"}]
    pair = {"messages": turns, "chosen": " So. ", "rejected": "No."}
    rows = [
        pair, pair | {"rejected": "Well."}, pair | {"chosen": "No.", "rejected": "So."},
        pair | {"messages": [turns[0] | {"content": "Who?"}]}, pair | {"cluster": "forum"},
    ]  # fmt: skip
    trimmed = trim(rows_of(PREFERENCE, *rows), PREFERENCE, ())
    assert trimmed["chosen"][0].as_py() == "So."
    identities = identities_of(trimmed, PREFERENCE).to_pylist()
    assert json.loads(identities[0]) == [turns, "So.", "No."]
    assert len(set(identities)) == 4  # the last is the first
    clusters = trimmed["cluster"].to_pylist()
    assert clusters[0] == clusters[1] == clusters[2] != clusters[3]
    assert clusters[4] == "forum"
