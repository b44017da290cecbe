"""A model with a threshold gives `abstain` in all of its answers: examined, scored and served."""

import json
from pathlib import Path
from shutil import copytree
from types import SimpleNamespace
from unittest import mock

import pandas as pd
import pyarrow as pa
import pytest

from infra.errors import BaseModelError
from tasks.canary.recorded_requests import comparable
from tasks.evaluation.agreement_and_cost import agreement
from tasks.evaluation.comparison import Comparator
from tasks.evaluation.settings import EvaluationSettings
from tasks.records.abstention import Abstention
from tasks.task_types.answer_columns import PROBABILITIES
from tasks.task_types.labels.abstention import FILE, read_threshold, write_abstention
from tasks.task_types.labels.classification_measures import (
    answer_classes,
    classes_as_columns,
    predict_classes,
)
from tasks.task_types.learner import learner_of
from tasks.task_types.limits import TokenLimits

LABELS = ("bad", "good", "so-so")
LENGTH = 32
TEXTS = ["a good film", "bad", "", "the match was late and they said so", "2024", "一个句子"] * 3


@pytest.fixture(scope="module")
def folder(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import AutoTokenizer

    torch.manual_seed(0)
    place = tmp_path_factory.mktemp("abstaining") / "model"
    learner_of("classification", LABELS, TokenLimits(LENGTH)).load_model(
        tiny_model
    ).save_pretrained(place)
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(place)
    return place


@pytest.fixture(scope="module")
def rows() -> pa.Table:
    return pa.table({"text": TEXTS, "label": [LABELS[n % 3] for n in range(len(TEXTS))]})


@pytest.fixture(scope="module")
def abstaining(folder: Path, rows: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model with a threshold that parts its scores."""
    found = predict_classes(folder, rows, LABELS, LENGTH)["probabilities"].to_pylist()
    scores = sorted({max(one) for one in found})
    place = tmp_path_factory.mktemp("abstaining") / "with"
    copytree(folder, place)
    middle = len(scores) // 2
    threshold = (scores[middle - 1] + scores[middle]) / 2
    write_abstention(place, Abstention(threshold, 0.1, "answers", 0.9, 0.2, 0.9, 50, 30, 1))
    return place


def served(folder: Path, texts: list[str]) -> list[dict[str, object]]:
    """What the script of the registered version answers."""
    source = Path("tasks/task_types/served/classification.py")
    with mock.patch("mlflow.models.set_model") as set_model:
        exec(compile(source.read_text(), str(source), "exec"), {"__name__": "served"})  # noqa: S102
    model = set_model.call_args.args[0]
    context = SimpleNamespace(artifacts={"model": str(folder)}, model_config={"max_length": LENGTH})
    model.load_context(context)
    answers: list[dict[str, object]] = model.predict(context, pd.DataFrame({"text": texts}))
    return answers


def test_examined_answers_abstain_below_the_threshold(
    folder: Path, abstaining: Path, rows: pa.Table
) -> None:
    threshold = read_threshold(abstaining)
    assert threshold is not None
    plain = predict_classes(folder, rows, LABELS, LENGTH)
    found = predict_classes(abstaining, rows, LABELS, LENGTH)
    # What is measured of the model is what it was; what it says is not.
    for name in ("label", "predicted", "probabilities"):
        assert plain[name].equals(found[name])
    answers = [json.loads(one) for one in found["answer"].to_pylist()]
    before = [json.loads(one) for one in plain["answer"].to_pylist()]
    assert {one["label"] for one in answers} > {"abstain"}
    for one, other in zip(answers, before, strict=True):
        assert one["score"] == other["score"]
        assert one["likeliest"] == other["label"]
        assert one["label"] == (other["label"] if one["score"] >= threshold else "abstain")
    assert all(one.keys() == {"label", "score"} for one in before)
    assert (
        answer_classes(abstaining, rows, LABELS, LENGTH).to_pylist() == found["answer"].to_pylist()
    )


def test_a_model_agrees_with_itself_without_a_threshold(
    folder: Path, abstaining: Path, rows: pa.Table
) -> None:
    """Of what it would say; a consumer, who reads the label, sees another one where it abstains."""
    plain, found = (predict_classes(one, rows, LABELS, LENGTH) for one in (folder, abstaining))
    numbered = pa.table({"row_id": [f"{n:064x}" for n in range(len(TEXTS))]})
    for ours, theirs in ((found, plain), (plain, found)):
        told = agreement(Comparator("teacher", theirs), numbered, ours, EvaluationSettings())
        assert told.value == 1
    pairs = [
        (json.loads(one), json.loads(other))
        for one, other in zip(plain["answer"].to_pylist(), found["answer"].to_pylist(), strict=True)
    ]
    assert {other["label"] == "abstain" for _, other in pairs} == {True, False}
    for one, other in pairs:
        same = comparable(one) == comparable(other)
        assert same == (other["label"] == one["label"])


def test_scored_columns_say_the_same(abstaining: Path, folder: Path, rows: pa.Table) -> None:
    columns = classes_as_columns(abstaining, rows, LABELS, LENGTH)
    answers = map(json.loads, answer_classes(abstaining, rows, LABELS, LENGTH).to_pylist())
    for one, answer in zip(columns.to_pylist(), answers, strict=True):
        assert {name: one[name] for name in ("label", "score", "likeliest")} == answer
    assert classes_as_columns(folder, rows, LABELS, LENGTH).column_names == [
        "label", "score", PROBABILITIES,
    ]  # fmt: skip
    none = classes_as_columns(abstaining, rows.slice(0, 0), LABELS, LENGTH)
    assert none.num_rows == 0
    assert none.schema.field("label").type == pa.string()


def test_the_served_script_answers_as_it_was_examined(
    folder: Path, abstaining: Path, rows: pa.Table
) -> None:
    for model in (folder, abstaining):
        expected = [json.loads(a) for a in answer_classes(model, rows, LABELS, LENGTH).to_pylist()]
        for one, other in zip(served(model, TEXTS), expected, strict=True):
            assert one.keys() == other.keys()
            assert one["score"] == pytest.approx(other["score"], abs=1e-5)
            assert {k: v for k, v in one.items() if k != "score"} == {
                k: v for k, v in other.items() if k != "score"
            }


@pytest.mark.parametrize(
    ("content", "told"),
    [("{}", "names no threshold"), ("no json", "names no threshold"),
     ('{"threshold": "high"}', "'high'; right would be a number"),
     ('{"threshold": NaN}', "nan; right would be from 0 to 1"),
     ('{"threshold": 1.5}', "1.5; right would be from 0 to 1")],
)  # fmt: skip
def test_a_broken_file_is_refused(tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(BaseModelError, match=told):
        read_threshold(tmp_path)


def test_without_a_file_there_is_no_threshold(tmp_path: Path) -> None:
    assert read_threshold(tmp_path) is None
