"""The scripts that serve text models answer as the evaluation does, with mlflow and torch alone."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch

from infra.transformers_logs import quiet_transformers
from tasks.task_types.examiner import examiner_of
from tasks.task_types.learner import Learner, learner_of
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.server import server_of
from tasks.task_types.tokenizers import load_tokenizer
from tests.unit.task_types.language_models import tiny_gpt2
from tests.unit.task_types.text_models import LIMITS, served_alone

LABELS = ("film", "R&D", "人")
# Long, empty, blank, a number, other scripts, and one text twice.
TEXTS = (
    "a good film", "the match was won by a late goal " * 20, "", "  ", "2024", "的一是不了人", "😀",
    "a good film", *(f"shares fell {number} times " * number for number in range(2, 40)),
)  # fmt: skip
LEARNERS: dict[str, Learner] = {
    "multi_label": learner_of("multi_label", LABELS, LIMITS),
    "regression": replace(learner_of("regression", (), LIMITS), target_mean=-3.5, target_scale=2.5),
    "sentence_embedding": learner_of("sentence_embedding", (), LIMITS),
}


def rows_of(name: str) -> pa.Table:
    columns: dict[str, Any] = {
        "text": list(TEXTS), "labels": pa.array([["人"]] * len(TEXTS)), "source": list(TEXTS),
        "target": [0.0] * len(TEXTS) if name == "regression" else list(TEXTS),
    }  # fmt: skip
    ids = [f"{number:064x}" for number in range(len(TEXTS))]
    return pa.table({"row_id": ids, **{key: columns[key] for key in shape_of(name).names}})


def saved(learner: Learner, base: Path, folder: Path) -> Path:
    """A model with a head that was drawn wide, so that its answers differ, and its tokenizer."""
    torch.manual_seed(0)
    with quiet_transformers():
        model, tokenizer = learner.load_model(base), load_tokenizer(base)
        for name, parameter in model.named_parameters():
            if name.startswith(("classifier", "score")):
                torch.nn.init.normal_(parameter, std=3.0)
        model.config.pad_token_id = tokenizer.pad_token_id
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folders(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An encoder and a decoder of each task type."""
    work = tmp_path_factory.mktemp("checkpoints")
    (work / "base").mkdir()
    bases = {"bert": tiny_model, "gpt2": tiny_gpt2(work / "base")}
    return {
        f"{name}-{base}": saved(learner, folder, work / f"{name}-{base}")
        for name, learner in LEARNERS.items()
        for base, folder in bases.items()
    }


@pytest.fixture(scope="module")
def said(folders: dict[str, Path]) -> dict[str, list[dict[str, Any]]]:
    models = {}
    for key, folder in folders.items():
        name = key.partition("-")[0]
        script = server_of(name).script
        assert script is not None
        names = [column.name for column in shape_of(name).inputs]
        models[key] = (script, folder, rows_of(name).select(names).to_pylist())
    return served_alone(models)


@pytest.mark.parametrize("base", ["bert", "gpt2"])
@pytest.mark.parametrize("name", LEARNERS)
def test_a_served_model_answers_as_it_was_evaluated(
    name: str, base: str, folders: dict[str, Path], said: dict[str, list[dict[str, Any]]]
) -> None:
    key, labels = f"{name}-{base}", LABELS if name == "multi_label" else ()
    evaluated = examiner_of(name, labels, LIMITS).predict(folders[key], rows_of(name))
    assert len(said[key]) == len(TEXTS)
    for answer, served in zip(evaluated["answer"].to_pylist(), said[key], strict=True):
        expected = json.loads(answer)
        assert list(served) == list(expected)
        for field, value in expected.items():
            assert served[field] == (
                value if field == "labels" else pytest.approx(value, abs=1e-5, rel=1e-5)
            )
    distinct = {json.dumps(answer) for answer in said[key]}
    assert len(distinct) > len(TEXTS) / 3  # they do differ
