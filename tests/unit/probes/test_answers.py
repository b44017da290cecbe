"""When an answer is another: of labels, label sets, numbers, tags and passages."""

import json

import numpy as np
import pyarrow as pa
import pytest

from infra.errors import SettingsError
from tasks.perturbations.draws import random_of
from tasks.probes.robustness.answers import moves_of, shown
from tasks.probes.robustness.kinds import KINDS
from tasks.probes.robustness.rows import (
    change_row,
    changed_columns,
    why_not_attacked,
    why_not_probed,
)
from tasks.task_types.row_shapes import ROW_SHAPES, shape_of

SCORES = (np.array([1.0, 0.5]), np.array([1.0, 0.0]))


def answers(*given: object, **columns: list[object]) -> pa.Table:
    return pa.table({"answer": [json.dumps(one) for one in given], **columns})


def test_a_set_of_labels_is_the_same_in_any_order() -> None:
    shape = shape_of("multi_label")
    before = answers(
        {"labels": ["a", "b"], "scores": {"a": 0.9}}, {"labels": [], "scores": {"a": 0.1}},
        probabilities=[[0.9, 0.6], [0.1, 0.2]],
    )  # fmt: skip
    after = answers(
        {"labels": ["b", "a"], "scores": {"a": 0.7}}, {"labels": ["a"], "scores": {"a": 0.6}},
        probabilities=[[0.7, 0.6], [0.6, 0.2]],
    )  # fmt: skip
    found = moves_of(before, after, SCORES, shape, 0.1, 0)
    assert found.flipped.tolist() == [False, True]
    assert found.shifts == pytest.approx([0.2, 0.5])
    assert [shown(one, shape) for one in before["answer"].to_pylist()] == ["a, b", "none"]


def test_a_withheld_answer_flips_where_its_likeliest_label_does() -> None:
    shape = shape_of("classification")
    told = [("tech", "tech"), ("abstain", "tech"), ("abstain", "sports")]
    sure, withheld, other = ({"label": a, "likeliest": b, "score": 0.5} for a, b in told)
    before = answers(sure, withheld, probabilities=[[0.9, 0.1], [0.5, 0.5]])
    after = answers(withheld, other, probabilities=[[0.5, 0.5], [0.4, 0.6]])
    found = moves_of(before, after, SCORES, shape, 0.1, 0)
    assert found.flipped.tolist() == [False, True]
    assert shown(before["answer"][1].as_py(), shape) == "tech"


def test_a_number_flips_when_it_moves_by_a_share_of_the_range() -> None:
    shape = shape_of("regression")
    before, after = (
        answers({"target": 1.0}, {"target": 4.0}),
        answers({"target": 1.4}, {"target": 3}),
    )
    found = moves_of(before, after, SCORES, shape, 0.1, 5)
    assert found.flipped.tolist() == [False, True]
    assert found.shifts == pytest.approx([0.08, 0.2])
    assert shown(before["answer"][0].as_py(), shape) == "1"


def test_tags_flip_and_not_the_words_that_carry_them() -> None:
    shape = shape_of("tagging")
    entity = {"type": "LOC", "start": 0, "end": 1}
    before = answers(*[{"tags": ["B-LOC", "O"], "entities": [{**entity, "text": "Bonn"}]}] * 2)
    after = answers(
        {"tags": ["B-LOC", "O"], "entities": [{**entity, "text": "bonn"}]},
        {"tags": ["O", "O"], "entities": []},
    )
    found = moves_of(before, after, SCORES, shape, 0.1, 0)
    assert found.flipped.tolist() == [False, True]
    assert found.shifts == pytest.approx([0.0, 0.5])  # how right the rows are


def test_a_passage_flips_when_it_is_another() -> None:
    shape = shape_of("question_answering")
    one = {"answer": "Bonn", "start": 3, "score": 0.9}
    found = moves_of(
        answers(one, one), answers({**one, "score": 0.2}, {"answer": None, "score": 0.9}), SCORES,
        shape, 0.1, 0,
    )  # fmt: skip
    assert found.flipped.tolist() == [False, True]
    assert shown(json.dumps(one), shape) == "Bonn"


def test_of_a_question_its_context_stays_and_tokens_stay_as_many() -> None:
    row = {"question": "Where is it?", "context": "It is in Bonn.", "tokens": ["It", "is", "here"]}
    questions, tags = shape_of("question_answering"), shape_of("tagging")
    assert [one.name for one in changed_columns(questions)] == ["question"]
    draws = random_of(0)
    assert change_row(row, questions, KINDS["upper_case"], 1, draws) == {"question": "WHERE IS IT?"}
    assert change_row(row, tags, KINDS["upper_case"], 1, draws) == {"tokens": ["IT", "IS", "HERE"]}
    assert change_row(row, tags, KINDS["contractions"], 1, draws) is None  # two words would be one
    assert change_row({"text": None}, shape_of("regression"), KINDS["typos"], 1, draws) is None


def test_which_task_types_are_probed_and_attacked() -> None:
    probed = {name for name in ROW_SHAPES.names if not why_not_probed(shape_of(name))}
    assert probed == {
        "classification",
        "multi_label",
        "regression",
        "tagging",
        "question_answering",
    }
    attacked = {name for name in probed if not why_not_attacked(shape_of(name))}
    assert attacked == {"classification", "multi_label"}
    assert "subject_start" in why_not_probed(shape_of("relation_extraction"))
    assert "right or wrong" in why_not_probed(shape_of("chat"))


def test_an_answer_of_several_numbers_is_refused() -> None:
    given = answers({"low": 1.0, "high": 2.0})
    with pytest.raises(SettingsError, match="one number"):
        moves_of(given, given, SCORES, shape_of("regression"), 0.1, 5)
