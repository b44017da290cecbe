"""Exports in the form in which Label Studio 1.20 and Argilla 2.8 write them."""

import json
from pathlib import Path
from typing import Any

import pytest

from infra.errors import DataError
from tests.source_files import Read, pinned, read_version, settings_of


def read(
    folder: Path, form: str, entries: object, task_type: str = "classification", **changes: Any
) -> Read:
    path = folder / "export.json"
    path.write_text(json.dumps(entries, ensure_ascii=False), encoding="utf-8")
    settings = settings_of(format=form, path=str(path), **changes)
    return read_version(pinned(path), settings, task_type, store=None)  # type: ignore[arg-type]


def task(text: str, *annotations: dict[str, Any], **data: object) -> dict[str, Any]:
    return {
        "id": 7, "data": {"text": text, **data}, "meta": {}, "annotations": list(annotations),
        "predictions": [{"result": [entered("sentiment", "choices", ["by a model"])]}],
    }  # fmt: skip


def entered(name: str, kind: str, value: object, key: str = "") -> dict[str, Any]:
    return {
        "id": "x1", "from_name": name, "to_name": "text", "type": kind, "origin": "manual",
        "value": {key or kind: value},
    }  # fmt: skip


def annotation(*results: dict[str, Any], cancelled: bool = False) -> dict[str, Any]:
    return {"id": 1, "completed_by": 2, "was_cancelled": cancelled, "result": list(results)}


def chosen(*choices: str, cancelled: bool = False) -> dict[str, Any]:
    return annotation(entered("sentiment", "choices", list(choices)), cancelled=cancelled)


NAMED = {"columns": {"label": "sentiment"}}


def test_a_choice_of_label_studio_is_a_label(tmp_path: Path) -> None:
    found = read(tmp_path, "label_studio", [task("good", chosen("pos"), lang="en")], **NAMED)
    assert [(row["text"], row["label"], row["row"]) for row in found.rows] == [("good", "pos", 1)]


def test_annotations_that_were_cancelled_and_predictions_are_not_counted(tmp_path: Path) -> None:
    tasks = [
        task("a", chosen("pos"), chosen("neg", cancelled=True)),
        task("b", chosen("neg", cancelled=True)),
        task("c"),
    ]
    found = read(tmp_path, "label_studio", tasks, **NAMED)
    assert found.column("label") == ["pos"]
    assert found.reasons() == [(2, "not annotated"), (3, "not annotated")]


@pytest.mark.parametrize(("agreement", "labels"), [("all", ["pos"]), ("majority", ["pos", "neg"])])
def test_annotators_who_differ_put_the_row_aside_or_are_outvoted(
    tmp_path: Path, agreement: str, labels: list[str]
) -> None:
    tasks = [
        task("all", chosen("pos"), chosen("pos")),
        task("two of three", chosen("neg"), chosen("pos"), chosen("neg")),
        task("one of two", chosen("pos"), chosen("neg")),
    ]
    found = read(tmp_path, "label_studio", tasks, annotator_agreement=agreement, **NAMED)
    assert found.column("label") == labels
    assert found.reasons()[-1] == (3, "annotators differ")
    assert "2 annotators gave 2 answers to 'sentiment'" in found.broken[-1].told


@pytest.mark.parametrize(("agreement", "labels"), [("all", []), ("majority", ["neg"])])
def test_an_annotator_who_submitted_nothing_does_not_agree(
    tmp_path: Path, agreement: str, labels: list[str]
) -> None:
    tasks = [
        task("one of two", chosen("pos"), annotation()),
        task("two of three", chosen("neg"), annotation(), chosen("neg")),
        task("one of three", annotation(), annotation(), chosen("neg")),
    ]
    found = read(tmp_path, "label_studio", tasks, annotator_agreement=agreement, **NAMED)
    assert [label for label in found.column("label") if label] == labels
    assert found.reasons()[0] == (1, "annotators differ")


def test_several_choices_are_labels_in_any_order(tmp_path: Path) -> None:
    tasks = [task("a", chosen("x", "y"), chosen("y", "x")), task("b", chosen("x"))]
    found = read(tmp_path, "label_studio", tasks, "multi_label", columns={"labels": "sentiment"})
    assert found.column("labels") == [["x", "y"], ["x"]]


def test_several_choices_are_no_single_label(tmp_path: Path) -> None:
    found = read(tmp_path, "label_studio", [task("a", chosen("x", "y")), task("b", chosen("x"))],
                 **NAMED)  # fmt: skip
    assert found.reasons() == [(1, "wrong type")]


def test_a_rating_is_a_number_and_a_text_area_a_text(tmp_path: Path) -> None:
    rated = [task("a", annotation(entered("stars", "rating", 4)))]
    assert read(tmp_path, "label_studio", rated, "regression", columns={"target": "stars"}).column(
        "target"
    ) == [4.0]
    told = [task("long", annotation(entered("summary", "textarea", ["short"], "text")))]
    found = read(
        tmp_path, "label_studio", told, "summarisation",
        columns={"source": "data.text", "target": "summary"},
    )  # fmt: skip
    assert [(row["source"], row["target"]) for row in found.rows] == [("long", "short")]


def test_an_export_that_is_no_list_of_tasks_says_what_to_set(tmp_path: Path) -> None:
    found = read(tmp_path, "label_studio", [{"text": "a", "sentiment": "pos"}], **NAMED)
    assert found.reasons() == [(1, "wrong type")]
    assert "JSON-MIN set source.format: json" in found.broken[0].told
    with pytest.raises(DataError, match=r"starts with '\{'; it should hold one list"):
        read(tmp_path, "label_studio", {"tasks": []}, **NAMED)
    with pytest.raises(DataError, match=r"no column 'sentimant'.*did you mean 'sentiment'"):
        read(tmp_path, "label_studio", [task("a", chosen("x"), sentiment="x")],
             columns={"label": "sentimant"})  # fmt: skip


def record(text: str, *responses: object, status: str = "completed") -> dict[str, Any]:
    return {
        "id": "r1", "fields": {"review": text}, "metadata": {"author": "Ada"},
        "suggestions": {"mood": {"value": "by a model", "score": 0.9, "agent": "m"}},
        "responses": {"mood": [{"value": one, "user_id": "u"} for one in responses]},
        "vectors": {}, "status": status, "_server_id": "s1",
    }  # fmt: skip


def test_responses_of_completed_records_of_argilla_are_labels(tmp_path: Path) -> None:
    records = [
        record("good", "pos", "pos"),
        record("bad", "neg", status="pending"),
        record("so", "a", "b"),
    ]  # fmt: skip
    found = read(
        tmp_path, "argilla", records,
        columns={"text": "review", "label": "mood"}, cluster_column="metadata.author",
    )  # fmt: skip
    assert [(row["text"], row["label"], row["cluster"]) for row in found.rows] == [
        ("good", "pos", "Ada")
    ]
    assert found.reasons() == [(2, "not annotated"), (3, "annotators differ")]


def test_a_name_that_is_given_twice_is_never_guessed(tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    path.write_text(
        '[{"id": 1, "data": {"text": "a", "text": "b"}, "annotations": ['
        '{"result": [{"from_name": "label", "type": "choices", "value": {"choices": ["x"]}}]}]}]'
    )
    settings = settings_of(format="label_studio", path=str(path))
    found = read_version(pinned(path), settings, "classification", store=None)  # type: ignore[arg-type]
    assert found.reasons() == [(1, "a column given twice")]
