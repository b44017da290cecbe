"""What augmentation has bought: which rows both models are asked, and how they compare."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

from tasks.evaluation.augmentation_gains import KINDS, AskedRows, compare_models, rows_by_kind
from tasks.evaluation.examining import AskedExaminer
from tasks.evaluation.settings import EvaluationSettings
from tasks.protected_groups.swapping import SWAPS_FOLDER, read_swaps
from tasks.task_types.examiner import examiner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.row_shapes import shape_of
from tests.unit.evaluation.conftest import LABELS, Answered

SHAPE = shape_of("classification")
SETTINGS = EvaluationSettings.model_validate({"repeats": 4_000, "comparison": {"min_rows": 20}})
SWAPS = [read_swaps(SWAPS_FOLDER / f"{n}.csv") for n in ("gendered_words", "names_by_gender")]
TEXTS = ["She told Mary about the higher profits", "The bank raised rates", "42", "今天去商场买菜"]


def test_rows_of_a_kind_are_those_that_it_can_change() -> None:
    count = 25
    test = pa.table(
        {
            "row_id": [f"{n:08d}" for n in range(4 * count)],
            "text": TEXTS * count,
            "label": ["a", "b", "c", "d"] * count,
            "club": [None, None, "red", None] * count,
        }
    )
    found = {one.kind: one for one in rows_by_kind(test, SHAPE, ["club"], SWAPS, SETTINGS)}
    assert tuple(found) == KINDS
    assert found["clean"].rows.equals(test)
    assert (
        found["swapped"].rows["text"].to_pylist()
        == ["He told James about the higher profits"] * count
    )
    assert found["group"].rows["label"].to_pylist() == ["a", "c"] * count  # a word, a column
    assert found["group"].rows["text"].to_pylist() == [TEXTS[0], TEXTS[2]] * count
    noisy = found["noisy"].rows
    assert noisy["label"].to_pylist() == ["a", "b", "d"] * count  # no letter of 42 can be hit
    assert not set(noisy["text"].to_pylist()) & set(TEXTS)
    again = {one.kind: one for one in rows_by_kind(test, SHAPE, ["club"], SWAPS, SETTINGS)}
    assert again["noisy"].rows.equals(noisy)
    assert len(set(noisy["text"].to_pylist())) > 10  # each row has noise of its own
    assert not any(one.reason for one in found.values())


def test_a_kind_of_few_rows_is_not_asked() -> None:
    test = pa.table(
        {"row_id": [f"{n}" for n in range(40)], "text": [TEXTS[1]] * 40, "label": ["a"] * 40}
    )
    found = {one.kind: one for one in rows_by_kind(test, SHAPE, [], SWAPS, SETTINGS)}
    assert found["group"].reason == (
        "0 test rows are of the kind group, fewer than evaluation.comparison.min_rows (20)"
    )
    assert not found["clean"].reason
    assert not found["noisy"].reason


@dataclass(frozen=True)
class Told(AskedExaminer):
    """Says what was answered, by the folder of the model."""

    answers: dict[str, pa.Table]

    def predict(self, folder: Path, rows: pa.Table) -> pa.Table:
        return self.answers[folder.name].slice(0, rows.num_rows)


def test_both_models_and_the_gain_of_the_first_are_told_by_kind(
    answer: Callable[..., Answered],
) -> None:
    test, better = answer(1)
    _, worse = answer(1, sharpness=0.5)
    plain = examiner_of("classification", LABELS, TokenLimits(64))
    examiner = Told(plain, SETTINGS, {"with": better, "without": worse})
    asked = [AskedRows("clean", test), AskedRows("group", test.slice(0, 5), "few rows")]
    found = {
        one.name: one for one in compare_models([Path("with"), Path("without")], asked, examiner)
    }
    own, other = (found[f"augmentation.clean.{name}macro_f1"] for name in ("", "without."))
    gain = found["augmentation.clean.macro_f1_gain"]
    assert own.value is not None
    assert other.value is not None
    assert gain.value == pytest.approx(own.value - other.value)
    assert gain.low is not None
    assert 0 < gain.low < gain.value
    assert gain.n == test.num_rows
    undetermined = found["augmentation.group.macro_f1_gain"]
    assert (undetermined.value, undetermined.reason) == (None, "few rows")
    assert found["augmentation.group.macro_f1"].reason == "few rows"
    turned = Told(plain, SETTINGS, {"with": worse, "without": better})
    back = {one.name: one for one in compare_models([Path("with"), Path("without")], asked, turned)}
    lost = back["augmentation.clean.macro_f1_gain"].value
    assert lost == pytest.approx(-gain.value)
