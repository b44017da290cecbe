"""The scripts that serve tagging, question answering and relations say what `predict` says.

All in one interpreter of their own, which is what takes the time.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
import torch

from infra.script_format import write_script_model
from infra.transformers_logs import quiet_transformers
from tasks.task_types.examiner import examiner_of
from tasks.task_types.learner import learner_of
from tasks.task_types.requests import example_requests, probe_requests
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import arrow_type
from tasks.task_types.server import server_of
from tasks.task_types.tokenizers import load_tokenizer
from tests.unit.task_types.text_models import LIMITS, served_alone

pytestmark = pytest.mark.slow

LABELS = ("B-loc", "B-per", "I-loc", "I-per", "O")
ZERO_WIDTH = "\u200b"
SENTENCE = "the match was won by a late goal shares fell as bank raised rates he said"
WORDS = SENTENCE.split()
LONG = " ".join(WORDS * 12)


def pair(text: str, subject: tuple[int, int], object_: tuple[int, int]) -> dict[str, Any]:
    return {
        "text": text,
        "subject_start": subject[0], "subject_end": subject[1], "subject_type": "PER_SON",
        "object_start": object_[0], "object_end": object_[1], "object_type": "地点",
    }  # fmt: skip


MORE_ROWS: Mapping[str, list[dict[str, Any]]] = {
    "tagging": [
        {"tokens": WORDS * 12},
        {"tokens": []},
        {"tokens": [ZERO_WIDTH, "shares", ZERO_WIDTH]},
        {"tokens": ["的", "一", "是不了", "bank"]},
        {"tokens": ["goal" * 20, "[SEP]", "he"]},
    ],
    "question_answering": [
        {"question": "what was won?", "context": LONG},
        {"question": LONG, "context": f"  {LONG}\n\n{LONG} 的一是 "},
        {"question": "他有一", "context": "的一是不了人我在有他这" * 9},
        {"question": "who?", "context": ""},
        {"question": "", "context": "shares fell"},
        {"question": "who?", "context": f" \n{ZERO_WIDTH} "},
    ],
    "relation_extraction": [
        pair("the bank of film", (4, 8), (12, 16)),
        pair("the bank of film", (12, 16), (4, 8)),
        pair(
            f"{LONG}bank{LONG}film{LONG}",
            (len(LONG), len(LONG) + 4),
            (2 * len(LONG) + 4, 2 * len(LONG) + 8),
        ),
        pair(LONG, (0, 200), (201, len(LONG) - 9)),
        pair(f"他有{LONG}", (0, 1), (1, 2)),
        pair("[SEP] a@b #c", (0, 5), (6, 7)),
    ],
}


def rows_of(name: str) -> list[dict[str, Any]]:
    shape = shape_of(name)
    return [*MORE_ROWS[name], *example_requests(shape), *probe_requests(shape)]


def as_table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    columns = {
        column.name: pa.array(
            # Of relations `predict` is asked for the truth, too.
            [row.get(column.name, "O" if column.name == "relation" else None) for row in rows],
            arrow_type(column.kind),
        )
        for column in shape_of(name).columns
    }
    return pa.table({"row_id": [str(number) for number in range(len(rows))], **columns})


@pytest.fixture(scope="module")
def models(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Models with wide random weights, so that their answers differ from word to word."""
    folders = {}
    for name in MORE_ROWS:
        torch.manual_seed(2)
        folders[name] = tmp_path_factory.mktemp(name) / "model"
        with quiet_transformers():
            model, tokenizer = (
                learner_of(name, LABELS, LIMITS).load_model(tiny_model),
                load_tokenizer(tiny_model),
            )
            for value in model.parameters():
                if value.ndim > 1:
                    torch.nn.init.normal_(value, std=0.3)
            if name == "tagging":  # else one tag might be the likeliest everywhere
                with torch.no_grad():
                    logits = model(**tokenizer(LONG[:200], return_tensors="pt")).logits
                    model.classifier.bias -= logits.mean(dim=(0, 1))
            model.save_pretrained(folders[name])
            tokenizer.save_pretrained(folders[name])
    return folders


@pytest.fixture(scope="module")
def said(models: dict[str, Path]) -> dict[str, list[dict[str, Any]]]:
    asked = {}
    for name, folder in models.items():
        script = server_of(name).script
        assert script is not None
        asked[name] = (script, folder, rows_of(name))
    return served_alone(asked)


@pytest.mark.parametrize("name", MORE_ROWS)
def test_the_script_says_what_predict_says(
    name: str, said: dict[str, list[dict[str, Any]]], models: dict[str, Path]
) -> None:
    examiner = examiner_of(name, LABELS, LIMITS)
    predicted = examiner.predict(models[name], as_table(name, rows_of(name)))
    expected = [json.loads(answer) for answer in predicted.column("answer").to_pylist()]
    assert len(said[name]) == len(expected) == len(rows_of(name))
    for ours, theirs in zip(said[name], expected, strict=True):
        assert ours.keys() == theirs.keys()
        if "score" in ours:
            assert ours["score"] == pytest.approx(theirs.pop("score"), abs=1e-5)
        assert {name: ours[name] for name in theirs} == theirs


def test_entities_are_the_spans_of_the_tags(said: dict[str, list[dict[str, Any]]]) -> None:
    rows = rows_of("tagging")
    types = []
    for answer, row in zip(said["tagging"], rows, strict=True):
        assert len(answer["tags"]) == len(row["tokens"])
        for entity in answer["entities"]:
            span = answer["tags"][entity["start"] : entity["end"]]
            assert span == [f"B-{entity['type']}", *[f"I-{entity['type']}"] * (len(span) - 1)]
            words = row["tokens"][entity["start"] : entity["end"]]
            assert entity["text"].replace(" ", "") == "".join(words)
            types.append(entity["type"])
    assert set(types) == {"loc", "per"}
    assert [said["tagging"][2]["tags"][place] for place in (0, 2)] == ["O", "O"]  # without a token


def test_answers_stand_in_their_contexts(said: dict[str, list[dict[str, Any]]]) -> None:
    rows = rows_of("question_answering")
    found = 0
    for answer, row in zip(said["question_answering"], rows, strict=True):
        text, start = answer["answer"], answer["start"]
        assert (start == -1) == (not text) == (answer["score"] <= 0)
        if text:
            assert row["context"][start : start + len(text)] == text == text.strip()
            found += 1
    assert found > 1
    assert [answer["answer"] for answer in said["question_answering"][3:6:2]] == ["", ""]


@pytest.mark.slow
@pytest.mark.parametrize("name", MORE_ROWS)
def test_mlflow_hands_every_row_over_and_the_answers_back(
    name: str, said: dict[str, list[dict[str, Any]]], models: dict[str, Path], tmp_path: Path
) -> None:
    """As a consumer loads a registered version: with its signature, which it holds rows to."""
    import mlflow.pyfunc

    rows, script = rows_of(name), server_of(name).script
    assert script is not None
    write_script_model(
        models[name],
        tmp_path / "version",
        script=script,
        settings={"max_length": LIMITS.max_length, "stride": 0, "max_target_length": 0},
        inputs={column.name: column.kind for column in shape_of(name).inputs},
        examples=rows,
        answers=said[name],
    )
    loaded = mlflow.pyfunc.load_model(str(tmp_path / "version"))
    answers = loaded.predict(pd.DataFrame(rows))
    for ours, theirs in zip(answers, said[name], strict=True):
        assert ours.get("score") == pytest.approx(theirs.get("score"), abs=1e-5)
        assert {**ours, "score": 0} == {**theirs, "score": 0}
