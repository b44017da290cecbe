"""What the process says that explains a served version's answers, asked of a real model."""

import importlib
import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tasks.explanation.explaining_process import explaining
from tasks.serving import model_process
from tasks.serving.messages import LENGTH, ModelSpec, packed
from tasks.stages.serving import EXPLAINING
from tests.unit.explanation.conftest import LABELS, LIMITS

ROWS = [{"text": "she said bank"}, {"text": ""}, {"text": "a film " * 40}]


def spec_of(folder: Path, method: str = "", task_type: str = "classification") -> ModelSpec:
    return ModelSpec(str(folder), task_type, LABELS, LIMITS, method)


def said(spec: ModelSpec, made: Any, *messages: Any) -> list[Any]:
    """What a process says to these messages, read from its stream."""
    answers, found = io.BytesIO(), []
    asked = io.BytesIO(b"".join(map(packed, (asdict(spec), *messages))))
    model_process.serve(asked, answers, made)
    content = answers.getvalue()
    while content:
        (length,) = LENGTH.unpack(content[: LENGTH.size])
        found.append(json.loads(content[LENGTH.size : LENGTH.size + length]))
        content = content[LENGTH.size + length :]
    return found


@pytest.mark.parametrize("method", ["occlusion", "integrated_gradients"])
def test_it_explains_the_answer_that_is_given(shortcut_folder: Path, method: str) -> None:
    ready, answered = said(spec_of(shortcut_folder), model_process.answering, ROWS)
    ready_too, explained = said(spec_of(shortcut_folder, method), explaining, ROWS)
    assert ready == ready_too == {}
    for answer, told in zip(answered["answers"], explained["answers"], strict=True):
        assert (told["label"], told["method"]) == (answer["label"], method)
        assert told["probability"] == pytest.approx(answer["score"], abs=1e-5)
    short, empty, long = explained["answers"]
    assert max(short["words"], key=lambda word: word["value"])["text"] == "bank"
    assert [word["start"] for word in short["words"]] == [0, 4, 9]
    assert empty["words"] == []
    assert long["words"][-1]["value"] is None  # behind the cut
    assert "text" not in short


def test_what_it_cannot_explain_it_says_at_its_start(shortcut_folder: Path) -> None:
    (refused,) = said(spec_of(shortcut_folder, "occlusion", "tagging"), explaining)
    assert "and the task_type is tagging" in refused["error"]


def test_the_server_starts_this_module() -> None:
    assert importlib.import_module(EXPLAINING).explaining is explaining
