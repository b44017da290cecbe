"""A classifier's answers, whatever the order in which its model knows the labels."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from infra.errors import BaseModelError, DataError
from infra.transformers_logs import quiet_transformers
from tasks.task_types.labels.classification_measures import (
    class_ids,
    measure_classes,
    model_labels,
    predict_by_words,
    predict_classes,
)
from tasks.task_types.learner import learner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.tokenizers import load_tokenizer

LABELS = ("x", "y", "z")


def rows(*pairs: tuple[str, str]) -> pa.Table:
    texts, labels = zip(*pairs, strict=True) if pairs else ((), ())
    return pa.table({"text": pa.array(texts, pa.string()), "label": pa.array(labels, pa.string())})


@pytest.fixture(scope="module")
def folder(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with a head that was drawn wide, so that its answers differ, and its tokenizer."""
    made = tmp_path_factory.mktemp("classifier")
    torch.manual_seed(0)
    with quiet_transformers():
        learner = learner_of("classification", LABELS, TokenLimits(48))
        model = learner.load_model(tiny_model)
        torch.nn.init.normal_(model.classifier.weight, std=3.0)
        model.save_pretrained(made)
        load_tokenizer(tiny_model).save_pretrained(made)
    return made


TEXTS = rows(*((f"a good film {'bad ' * k}", LABELS[k % 3]) for k in range(9)))


def test_the_order_in_which_a_model_knows_the_labels_does_not_matter(folder: Path) -> None:
    answers = predict_classes(folder, TEXTS, LABELS, 48)
    turned = predict_classes(folder, TEXTS, LABELS[::-1], 48)
    scores = np.array(answers["probabilities"].to_pylist())
    assert scores.sum(axis=1) == pytest.approx(np.ones(9))
    assert np.array(turned["probabilities"].to_pylist())[:, ::-1] == pytest.approx(scores)
    assert answers["label"].to_pylist() == [0, 1, 2] * 3
    assert turned["label"].to_pylist() == [2, 1, 0] * 3
    assert answers["predicted"].to_pylist() == scores.argmax(axis=1).tolist()
    assert len(np.unique(scores.round(6), axis=0)) > 3
    for answer, row in zip(answers["answer"].to_pylist(), scores, strict=True):
        assert json.loads(answer) == {
            "label": LABELS[row.argmax()], "score": pytest.approx(row.max()),
        }  # fmt: skip


def test_no_rows_have_no_answers(folder: Path) -> None:
    answers = predict_classes(folder, rows(), LABELS, 48)
    assert answers.num_rows == 0
    assert answers.schema == predict_classes(folder, TEXTS, LABELS, 48).schema


def test_a_model_of_other_labels_is_refused(folder: Path, tmp_path: Path) -> None:
    assert model_labels(folder) == LABELS
    for labels in (("x", "y"), ("x", "y", "w"), (*LABELS, "w"), ("x", "y", "z", "z")):
        with pytest.raises(BaseModelError, match="knows the labels"):
            predict_classes(folder, TEXTS, labels, 48)
    with pytest.raises(BaseModelError, match="names no labels"):
        model_labels(tmp_path)


def test_measures_are_of_these_rows_and_answers() -> None:
    table = rows(("", "x"), ("", "y"), ("", "y"), ("", "z"))
    measured = measure_classes(table, pa.table({"predicted": [0, 1, 2, 2]}), LABELS)
    assert measured.row_scores.tolist() == [1, 1, 0, 1]
    assert measured.confusion == ((1, 0, 0), (0, 1, 1), (0, 0, 1))
    assert measured.calibration == ()
    assert measured.leading == ("macro_f1", "accuracy")
    scores = [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.0, 0.0, 1.0]]
    said = pa.table({"predicted": [0, 1, 2, 2], "probabilities": scores})
    measured = measure_classes(table, said, LABELS)
    assert measured.calibration == (
        (pytest.approx(0.8), pytest.approx(2 / 3), 3), (1.0, 1.0, 1),
    )  # fmt: skip
    with pytest.raises(DataError, match=r"labels outside \['x'\]: \['y', 'z'\]"):
        class_ids(table, ("x",))


def test_words_tell_labels_apart() -> None:
    train = rows(*[("good film", "y"), ("late goal", "x")] * 5)
    test = rows(("a goal", "y"), ("a film", "y"))
    assert predict_by_words(train, test, LABELS)["predicted"].to_pylist() == [0, 1]  # type: ignore[index]
    one_label = rows(("good film", "y"), ("late goal", "y"))
    assert predict_by_words(one_label, test, LABELS) == "the training rows have one label only"
    blank = rows(("", "x"), ("", "y"))
    assert "no TF-IDF baseline" in predict_by_words(blank, test, LABELS)
