"""What `answer` says of rows whose inputs alone are known, and what `predict` says of them."""

import json
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pytest

from infra.errors import SettingsError
from tasks.registry.answers import is_same
from tasks.task_types.answered_sample import ANSWERED_ROWS
from tasks.task_types.examiner import EXAMINERS, examiner_of
from tasks.task_types.examiner_base import ExaminerBase
from tasks.task_types.limits import TokenLimits
from tasks.task_types.row_shapes import shape_of
from tests.unit.task_types.every_task_type import base_models, labels_of, rows_of, trained

LIMITS = TokenLimits(max_length=24, stride=4, max_target_length=3)
COSTLY = {
    "translation", "summarisation", "sentence_embedding", "chat", "preference", "causal_lm",
    "masked_lm", "next_sentence",
}  # fmt: skip
WITH_PROBABILITIES = {"classification", "multi_label", "relation_extraction"}
MORE = 3
WORDS = ("shares", "fell", "goal", "won", "bank", "rates")
TEXTS = [
    f"The {WORDS[row % 6]} {WORDS[row // 6 % 6]} {WORDS[row // 36]}. It was so."
    for row in range(ANSWERED_ROWS + MORE)
]


@pytest.fixture(scope="module")
def bases(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    return base_models(tiny_model, tmp_path_factory.mktemp("bases"))


@pytest.mark.parametrize("name", EXAMINERS.names)
def test_inputs_alone_are_answered_as_predict_answers_them(
    name: str, bases: Mapping[str, Path], tiny_model: Path, tmp_path: Path
) -> None:
    shape = shape_of(name)
    labels = labels_of(shape)
    rows = rows_of(shape, labels, TEXTS)
    folder = trained(name, bases.get(name, tiny_model), labels, tmp_path / "model")
    examiner = examiner_of(name, labels, LIMITS)
    predicted = examiner.predict(folder, rows).column("answer").to_pylist()
    assert sum(answer is None for answer in predicted) == (MORE if name in COSTLY else 0)
    inputs = rows.select([column.name for column in shape.inputs])
    answers = examiner.answer(folder, inputs).to_pylist()
    assert len(answers) == len(TEXTS)
    for place, answer in enumerate(answers):
        assert predicted[place] is None or answer == predicted[place]
    # In another order and company, and one that `predict` left out: the same but for rounding.
    some = [len(TEXTS) - 1, 5, 0]
    again = examiner.answer(folder, inputs.take(some)).to_pylist()
    for place, answer in zip(some, again, strict=True):
        assert is_same(json.loads(answer), json.loads(answers[place]), 1e-4)
    assert len(set(answers)) > 1
    assert examiner.answer(folder, inputs.slice(0, 0)).to_pylist() == []


@pytest.mark.parametrize("name", EXAMINERS.names)
def test_the_columns_of_answers_say_what_the_answers_say(
    name: str, bases: Mapping[str, Path], tiny_model: Path, tmp_path: Path
) -> None:
    shape = shape_of(name)
    labels = labels_of(shape)
    inputs = rows_of(shape, labels, TEXTS[:4]).select([column.name for column in shape.inputs])
    folder = trained(name, bases.get(name, tiny_model), labels, tmp_path / "model")
    examiner = examiner_of(name, labels, LIMITS)
    columns = examiner.answer_columns(folder, inputs)
    answers = [json.loads(answer) for answer in examiner.answer(folder, inputs).to_pylist()]
    for told, answer in zip(columns.to_pylist(), answers, strict=True):
        probabilities = dict(told.pop("probabilities", ()))
        assert set(probabilities) == (set(labels) if name in WITH_PROBABILITIES else set())
        if name == "multi_label":
            told["scores"] = probabilities
        elif probabilities:
            assert answer["label"] == max(labels, key=probabilities.__getitem__)
        assert is_same(told, answer, 1e-6)
    none = examiner.answer_columns(folder, inputs.slice(0, 0))
    assert none.schema == columns.schema
    assert len(none) == 0


def test_a_task_type_of_ones_own_that_does_not_say_how_is_refused(tmp_path: Path) -> None:
    rows = rows_of(shape_of("classification"), ("a", "b"), TEXTS)
    with pytest.raises(SettingsError, match="task type sorting has no method `answer`"):
        ExaminerBase(name="sorting", labels=(), limits=LIMITS).answer(tmp_path, rows)


class _SortingExaminer(ExaminerBase):
    answer_fields = pa.schema([("rank", pa.int64())])

    def answer(self, _: Path, rows: pa.Table) -> pa.Array:
        return pa.array(['{"order": 1}'] * rows.num_rows)


def test_answers_that_are_not_of_their_fields_are_told_with_the_task_type(tmp_path: Path) -> None:
    examiner = _SortingExaminer(name="sorting", labels=(), limits=LIMITS)
    with pytest.raises(
        SettingsError, match=r"task type sorting is not of its answer_fields: .*unexpected"
    ):
        examiner.answer_columns(tmp_path, pa.table({"text": ["a"]}))
