"""source.label_map and source.normalise_labels, over formats and task types."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from infra.errors import DataError, SettingsError
from tasks.sources.label_map import MAX_UNMAPPED, LabelMap, in_form
from tasks.sources.preparation import check_source
from tasks.task_types.row_shapes import shape_of
from tests.source_files import Read, read_file, settings_of

FORMS = ("strip", "lower", "casefold", "nfc", "nfkc")


def jsonl(folder: Path, labels: list[Any], task_type: str = "classification") -> Path:
    """Rows of some labels."""
    path = folder / "rows.jsonl"
    rows: list[dict[str, Any]] = [
        {"text": f"text {n}", "label": label} for n, label in enumerate(labels)
    ]
    if task_type == "multi_label":
        rows = [{"text": row["text"], "labels": row["label"]} for row in rows]
    if task_type == "tagging":
        rows = [{"tokens": ["w"] * len(row["label"] or ""), "tags": row["label"]} for row in rows]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read(
    folder: Path, labels: list[Any], task_type: str = "classification", **settings: Any
) -> Read:
    path = jsonl(folder, labels, task_type)
    return read_file(path, task_type, format="jsonl", **settings)


def test_labels_that_are_named_become_those_of_the_line(tmp_path: Path) -> None:
    labels = ["pos", "neg", "positive", " pos ", "neutral", None, "n/a"]
    given = {"pos": "positive", "neg": "negative", "n/a": None, "negativ": "negative"}
    found = read(tmp_path, labels, label_map=given)
    assert found.column("label") == [
        "positive", "negative", "positive", "positive", "neutral", None, None,
    ]  # fmt: skip
    assert found.changes.labels_mapped == {"n/a": 1, "neg": 1, "negativ": 0, "pos": 2}
    assert found.changes.labels_normalised == 0
    assert found.changes.labels_unmapped == ()


def test_a_map_that_swaps_two_labels_is_applied_once(tmp_path: Path) -> None:
    found = read(tmp_path, ["a", "b", "a"], label_map={"a": "b", "b": "a"})
    assert found.column("label") == ["b", "a", "b"]


@pytest.mark.parametrize("format_", ["parquet", "jsonl", "csv", "arrow"])
def test_a_number_is_one_key_however_a_file_stores_it(tmp_path: Path, format_: str) -> None:
    stored = {
        "parquet": [pa.array([0, 1]), pa.array([0.0, 1.0])],
        "arrow": [pa.array([0, 1], pa.int8()), pa.array([0.0, 1.0], pa.float32())],
        "jsonl": [[0, 1], [0.0, 1.0], ["0", "1"]],
        "csv": [["0", "1"], ["0.0", "1.0"], ["0.00", "1."]][:2],
    }[format_]
    for number, labels in enumerate(stored):
        path = tmp_path / f"{number}.{format_}"
        if format_ == "parquet":
            pq.write_table(pa.table({"text": ["a", "b"], "label": labels}), path)
        elif format_ == "arrow":
            table = pa.table({"text": ["a", "b"], "label": labels})
            with pa.ipc.new_file(str(path), table.schema) as writer:
                writer.write_table(table)
        elif format_ == "jsonl":
            jsonl(tmp_path, list(labels)).rename(path)
        else:
            path.write_text(f"text,label\na,{labels[0]}\nb,{labels[1]}\n")
        found = read_file(path, format=format_, label_map={0: "negative", 1.0: "positive"})
        assert found.column("label") == ["negative", "positive"], labels


def test_a_truth_value_of_the_data_is_the_word_of_the_map(tmp_path: Path) -> None:
    found = read(tmp_path, [True, False], label_map={"true": "spam", "false": "ham"})
    assert found.column("label") == ["spam", "ham"]


def test_forms_come_before_the_map_and_change_its_keys_too(tmp_path: Path) -> None:
    labels = ["Good  News", "good news", "GOOD\u200b NEWS", "good\tnews", "Café", "Cafe\u0301"]
    found = read(
        tmp_path, labels,
        normalise_labels=["strip", "lower", "nfc"], label_map={"GOOD news": "Good"},
    )  # fmt: skip
    assert found.column("label") == ["Good"] * 4 + ["café"] * 2
    assert found.changes.labels_mapped == {"GOOD news": 4}
    assert found.changes.labels_normalised == 5


@example("¯", ["nfkc", "strip"])
@given(st.text(max_size=8), st.lists(st.sampled_from(FORMS), max_size=3, unique=True))
def test_a_form_is_the_same_when_taken_again_and_in_any_order(text: str, forms: list[Any]) -> None:
    if {"lower", "casefold"} <= set(forms) or {"nfc", "nfkc"} <= set(forms):
        return
    once = in_form(text, forms)
    assert in_form(text, forms[::-1]) == once
    if not {"lower", "casefold"} & set(forms):  # Unicode promises no more of small letters
        assert in_form(once, forms) == once


def test_of_a_set_of_labels_each_stays_once(tmp_path: Path) -> None:
    labels = [["a", "b"], ["c", "x"], [], None, ["a", "c"], ["d", "d"]]
    found = read(tmp_path, labels, "multi_label", label_map={"a": "z", "b": "z", "x": None})
    # A label that the source gives twice stays so, for the contract to judge.
    assert found.column("labels") == [["z"], ["c"], [], None, ["z", "c"], ["d", "d"]]
    assert found.changes.labels_mapped == {"a": 2, "b": 1, "x": 1}


def test_a_key_may_be_the_type_of_a_tag(tmp_path: Path) -> None:
    tags = [["B-PER", "I-PER", "O"], ["B-Misc", "I-MISC", "B-loc"], None]
    found = read(
        tmp_path, tags, "tagging",
        label_map={"PER": "PERSON", "misc": "O", "B-LOC": "B-PLACE"}, normalise_labels=["lower"],
    )  # fmt: skip
    assert found.column("tags") == [["B-PERSON", "I-PERSON", "O"], ["O", "O", "B-PLACE"], None]
    assert found.changes.labels_mapped == {"B-LOC": 1, "PER": 2, "misc": 2}


def test_labels_that_no_line_of_the_map_names_are_told(tmp_path: Path) -> None:
    labels = ["pos", "positive", "Pos", "?", None]
    given = {"pos": "positive", "old": "negative"}
    found = read(tmp_path, labels, label_map=given, unmapped_labels="quarantine")
    assert found.column("label") == ["positive", "positive", "Pos", "?", None]
    assert found.changes.labels_unmapped == ("?", "Pos")
    tags = [["B-PER", "I-LOC", "O"]]
    given = {"PER": "PERSON"}
    found = read(tmp_path, tags, "tagging", label_map=given, unmapped_labels="quarantine")
    assert found.changes.labels_unmapped == ("I-LOC",)


def test_a_column_of_texts_is_no_column_of_labels(tmp_path: Path) -> None:
    labels = [f"label {n}" for n in range(MAX_UNMAPPED + 1)]
    with pytest.raises(DataError, match="more than 10,000 different labels unnamed"):
        read(tmp_path, labels, label_map={"a": "b"}, unmapped_labels="quarantine")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"label_map": {True: "a"}}, r"True is no label; YAML reads yes, no.*quote the word"),
        ({"label_map": {"a": False}}, r"False is no label; YAML reads yes, no.*quote the word"),
        ({"label_map": {None: "a"}}, "None is no label; quote it"),
        ({"label_map": {"a": " "}}, "' ' is no label"),
        ({"label_map": {1: "a", "1": "b"}}, "the label '1' is named twice"),
        ({"label_map": {float("nan"): "a"}}, "nan is no label"),
        ({"label_map": ["a"]}, "valid dictionary"),
        ({"normalise_labels": ["lower", "casefold"]}, "lower and casefold are two forms"),
        ({"normalise_labels": ["nfc", "nfkc"]}, "nfc and nfkc are two forms"),
        ({"normalise_labels": ["strip", "strip"]}, "named twice"),
        ({"normalise_labels": ["upper"]}, "'strip', 'lower', 'casefold'"),
        ({"unmapped_labels": "quarantine"}, "there is no label_map"),
    ],
)
def test_what_is_no_map_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        settings_of(format="csv", path="a.csv", **settings)


@pytest.mark.parametrize(
    ("task_type", "settings", "said"),
    [
        ("regression", {"label_map": {"a": "b"}}, "label_map: .* regression have no labels"),
        ("translation", {"normalise_labels": ["lower"]}, "normalise_labels: .* have no labels"),
        ("tagging", {"label_map": {"PER": None}}, "every token has a tag; write O"),
        (
            "classification",
            {"label_map": {"Pos": "a", "pos": "b"}, "normalise_labels": ["lower"]},
            "names 'Pos' and 'pos', which are one label after source.normalise_labels",
        ),
    ],
)
def test_a_map_that_rows_of_the_task_type_cannot_have_is_refused(
    task_type: str, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        LabelMap(settings_of(format="csv", path="a", **settings), shape_of(task_type))


@pytest.mark.parametrize(
    ("labels", "settings", "said"),
    [
        (["good", "bad"], {"label_map": {"g": "god"}}, "gives 'god'.*did you mean 'good'"),
        (["good", "bad"], {"label_map": {"good": "bad"}}, "'good', and no row can bear it.*'bad'"),
        (["Good", "Bad"], {"normalise_labels": ["lower"]}, "'Good', and no row can bear it"),
        (["Good", "Bad"], {"normalise_labels": ["lower"], "label_map": {"good": "Good"}}, "'Bad'"),
    ],
)
def test_a_map_is_held_against_the_labels_of_the_contract(
    labels: list[str], settings: dict[str, Any], said: str
) -> None:
    source, shape = settings_of(format="csv", path="a", **settings), shape_of("classification")
    with pytest.raises(SettingsError, match=said):
        check_source(source, shape, labels)
    check_source(source, shape, None)


def test_types_of_tags_are_held_against_the_tags_of_the_contract() -> None:
    source = settings_of(format="conll", path="a", label_map={"PER": "PERSON", "MISC": "O"})
    shape = shape_of("tagging")
    check_source(source, shape, ["O", "B-PERSON", "I-PERSON"])
    with pytest.raises(SettingsError, match="gives 'PERSON'"):
        check_source(source, shape, ["O", "B-PLACE", "I-PLACE"])
    with pytest.raises(SettingsError, match="'B-MISC', and no row can bear it"):
        check_source(source, shape, ["O", "B-PERSON", "I-PERSON", "B-MISC"])
