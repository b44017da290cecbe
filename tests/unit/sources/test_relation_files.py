# ruff: noqa: RUF001 - Chinese has punctuation of its own
"""Pairs of entities as people have them: TACRED's tokens, SemEval's sentences, plain rows."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from infra.errors import DataError, SettingsError
from tasks.task_types.unspaced import joined_with_places
from tests.source_files import Read, read_file, settings_of

TASK = "relation_extraction"
ADA: dict[str, Any] = {
    "id": "e7", "token": ["In", "1843", "Ada", "Lovelace", "left", "London", "."],
    "subj_start": 2, "subj_end": 3, "obj_start": 5, "obj_end": 5,
    "subj_type": "PERSON", "obj_type": "CITY", "relation": "per:city", "stanford_pos": ["IN"],
}  # fmt: skip
CHINESE: dict[str, Any] = ADA | {
    "token": ["阿达", "，", "住", "在", "Bonn", "。"],
    "subj_start": 0, "subj_end": 0, "obj_start": 4, "obj_end": 4, "relation": "no_relation",
}  # fmt: skip


def entities_of(read: Read) -> list[tuple[object, ...]]:
    """Subject and object as they stand in their texts, their types, and the relation."""
    return [
        (
            str(row["text"])[row["subject_start"] : row["subject_end"]], row["subject_type"],  # type: ignore[misc]
            str(row["text"])[row["object_start"] : row["object_end"]], row["object_type"],  # type: ignore[misc]
            row["relation"],
        )
        for row in read.rows
    ]  # fmt: skip


ENTITIES = [
    ("Ada Lovelace", "PERSON", "London", "CITY", "per:city"),
    ("阿达", "PERSON", "Bonn", "CITY", "no_relation"),
]


@pytest.mark.parametrize("layout", ["list", "lines"])
def test_tokens_of_tacred_become_a_text_and_characters(layout: str, tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    rows = [ADA, CHINESE]
    path.write_text(json.dumps(rows) if layout == "list" else "\n".join(map(json.dumps, rows)))
    read = read_file(path, TASK, format="tacred")
    assert read.column("text") == ["In 1843 Ada Lovelace left London .", "阿达，住在 Bonn 。"]
    assert entities_of(read) == ENTITIES
    assert read.broken == []
    assert [row["row"] for row in read.rows] == [1, 2]


BROKEN: list[tuple[dict[str, Any], str, str]] = [
    ({"subj_end": 7}, "entity outside the tokens", "subject: tokens 2 to 7, counted from 0, and "),
    ({"obj_start": -1}, "entity outside the tokens", "object: tokens -1 to 5"),
    ({"obj_start": 7, "obj_end": 6}, "entity outside the tokens", "object: tokens 7 to 6"),
    ({"token": "In 1843"}, "wrong type", "column 'token' holds text; it must be lists of text"),
    ({"subj_start": "2"}, "wrong type", "column 'subj_start' holds text"),
]


@pytest.mark.parametrize("layout", ["list", "lines"])
def test_broken_pairs_of_tacred_are_put_aside_with_number_and_reason(
    layout: str, tmp_path: Path
) -> None:
    path = tmp_path / "train.json"
    rows = [ADA, *(ADA | change for change, _, _ in BROKEN), CHINESE]
    text = json.dumps(rows, indent=1) if layout == "list" else "\n".join(map(json.dumps, rows))
    path.write_text(text)
    read = read_file(path, TASK, format="tacred")
    assert entities_of(read) == ENTITIES
    assert read.reasons() == [(row, reason) for row, (_, reason, _) in enumerate(BROKEN, start=2)]
    for row, (_, _, told) in zip(read.broken, BROKEN, strict=True):
        assert told in row.told
        assert row.file == str(path)


def test_lines_of_tacred_that_are_no_json_are_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    line = json.dumps(ADA).encode()
    path.write_bytes(b"\xef\xbb\xbf" + line + b"\n\n{oops\n[1]\n" + line[:-1] + b"\0}\n\xff\n")
    read = read_file(path, TASK, format="tacred")
    assert len(read.rows) == 1
    assert read.reasons() == [
        (3, "broken JSON"), (4, "no JSON object"), (5, "NUL byte"), (6, "invalid utf-8"),
    ]  # fmt: skip


def test_what_an_entity_lacks_is_missing_and_one_without_tokens_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    path.write_text(json.dumps([ADA | {"subj_type": None, "obj_end": None}, ADA | {"obj_end": 4}]))
    read = read_file(path, TASK, format="tacred")
    assert read.column("subject_type") == [None, "PERSON"]
    assert (read.column("object_start"), read.column("object_end")) == ([None, 26], [None, 26])


def test_fields_of_other_names_and_ends_behind_an_entity(tmp_path: Path) -> None:
    path = tmp_path / "few.json"
    row = {
        "tokens": ["Ada", "left", "Bonn"], "r": "NA",
        "h": {"pos": [0, 1], "type": "person"}, "t": {"pos": [2, 3], "type": "city"},
    }  # fmt: skip
    path.write_text(json.dumps([row]))
    columns = {
        "tokens": "tokens", "relation": "r",
        "subject_start": "h.pos.0", "subject_end": "h.pos.1", "subject_type": "h.type",
        "object_start": "t.pos.0", "object_end": "t.pos.1", "object_type": "t.type",
    }  # fmt: skip
    read = read_file(
        path, TASK, format="tacred", columns=columns, end="behind", negative_label="NA"
    )
    assert entities_of(read) == [("Ada", "person", "Bonn", "city", "no_relation")]


SEMEVAL = (
    '1\t"The <e1>author</e1> of the <e2>book</e2> is known."\r\n'
    "Product-Producer(e2,e1)\r\nComment: as it is said\r\n\r\n"
    '2\t"这本<e2>书</e2>，是<e1>阿达</e1>写的。"\nOther\nComment:\n\n\n'
    '3\t"The <e1>cup</e1> broke."\nOther\n\n'
    "no number\nOther\n\n"
    '5\t"<e1>A</e1> <e2>B</e2>"\nCause-Effect(e1,e2)\none line more\n\n'
    '6\t"</e1>A<e1> <e2>B</e2>"\nOther\n'
    '7\t<e1>A</e1> "and" <e2>B</e2>\nCause-Effect(e1,e2)\n'
    '8\t"<e1>A</e1><e2>B</e2>"\n'
)


def test_sentences_of_semeval_are_read_with_the_places_of_their_entities(tmp_path: Path) -> None:
    path = tmp_path / "TRAIN_FILE.TXT"
    path.write_bytes(SEMEVAL.encode())
    read = read_file(path, TASK, format="semeval")
    assert read.column("text") == [
        "The author of the book is known.", "这本书，是阿达写的。", 'A "and" B', "AB",
    ]  # fmt: skip
    assert entities_of(read) == [
        ("author", "entity", "book", "entity", "Product-Producer(e2,e1)"),
        ("阿达", "entity", "书", "entity", "no_relation"),
        ("A", "entity", "B", "entity", "Cause-Effect(e1,e2)"),
        ("A", "entity", "B", "entity", None),
    ]
    assert read.reasons() == [
        (10, "entities not marked"), (13, "wrong number of fields"),
        (16, "wrong number of fields"), (20, "entities not marked"),
    ]  # fmt: skip
    assert read.broken[0].told == (
        "each tag must stand once; seen <e1> 1, </e1> 1, <e2> 0, </e2> 0"
    )
    assert read.broken[3].told == "an entity ends before it begins; </e1> follows <e1>"
    assert "a line with the relation" in read.broken[1].told


def test_other_names_of_type_and_negative_label(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text('1\t"<e1>A</e1> <e2>B</e2>"\nNone\n')
    read = read_file(path, TASK, format="semeval", entity_type="noun", negative_label="None")
    assert entities_of(read) == [("A", "noun", "B", "noun", "no_relation")]


def test_bytes_of_another_encoding_break_their_item_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    good = b'1\t"<e1>A</e1> <e2>B</e2>"\nOther\n\n'
    path.write_bytes(good + b'2\t"<e1>\xe9</e1> <e2>B</e2>"\nOther\n\n' + good + b"4\t\0\n")
    read = read_file(path, TASK, format="semeval")
    assert [row["row"] for row in read.rows] == [1, 7]
    assert read.reasons() == [(4, "invalid utf-8"), (10, "NUL byte")]
    read = read_file(path, TASK, format="semeval", encoding="latin-1")
    assert entities_of(read)[1] == ("é", "entity", "B", "entity", "no_relation")


def test_plain_rows_name_their_columns(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    row = {
        "sentence": "Ada left Bonn", "h": [0, 3], "ht": "person", "t": [9, 13], "tt": "city",
        "relation": "left",
    }  # fmt: skip
    path.write_text(json.dumps(row) + "\n")
    columns = {
        "text": "sentence", "subject_start": "h.0", "subject_end": "h.1", "subject_type": "ht",
        "object_start": "t.0", "object_end": "t.1", "object_type": "tt",
    }  # fmt: skip
    read = read_file(path, TASK, format="jsonl", columns=columns)
    assert entities_of(read) == [("Ada", "person", "Bonn", "city", "left")]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"format": "semeval", "columns": {"tokens": "a"}}, "columns and end are of format tacred"),
        ({"format": "semeval", "end": "behind"}, "columns and end are of format tacred"),
        ({"format": "tacred", "entity_type": "x"}, "entity_type is of format semeval"),
        ({"format": "tacred", "columns": {"token": "a"}}, "columns"),
    ],
)
def test_settings_of_the_other_layout_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        settings_of(path="a", **settings)


def test_other_task_types_and_files_of_another_form_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("1")
    with pytest.raises(DataError, match="it should hold one list of objects"):
        read_file(path, TASK, format="tacred")
    with pytest.raises(SettingsError, match="tacred files hold no rows of task type class"):
        read_file(path, "classification", format="tacred")
    with pytest.raises(SettingsError, match="of these formats semeval, tacred does"):
        read_file(path, TASK, format="conll")


@given(st.lists(st.text(st.sampled_from("ab住在，"), min_size=1, max_size=3), max_size=8))
def test_words_stand_where_their_places_say(words: list[str]) -> None:
    text, places = joined_with_places(words)
    assert [text[at : at + len(word)] for at, word in zip(places, words, strict=True)] == words
    assert "".join(text.split()) == "".join(words)
