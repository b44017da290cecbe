"""The baseline, the champion and the rows that they are compared on."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from infra.errors import DataError, TrainingError
from tasks.evaluation.baseline import build_baseline, run_baseline, unspaced_share
from tasks.evaluation.champion import run_champion
from tasks.evaluation.evaluation import checked_probabilities, metrics_of
from tasks.evaluation.held_out import LabelledRows, read_rows
from tasks.evaluation.settings import EvaluationSettings
from tasks.records import Champion
from tasks.verdicts import exact, undetermined

QUICK = EvaluationSettings(repeats=4_000)
CHAMPION = Champion("news", 7, "0" * 64)


def rows_of(texts: Sequence[str], truth: Sequence[int]) -> LabelledRows:
    return LabelledRows(tuple(map(str, range(len(texts)))), tuple(texts), np.array(truth))


def test_rows_come_in_the_files_order_with_class_ids(tmp_path: Path) -> None:
    table = {
        "row_id": ["1", "2", "3"],
        "text": ["x", "y", "z"],
        "label": ["b", "a", "b"],
        "split": ["test", "train", "test"],
    }
    pq.write_table(pa.table(table), tmp_path / "clean.parquet")
    rows = read_rows(tmp_path / "clean.parquet", "test", ("a", "b"))
    assert (rows.row_ids, rows.texts, rows.truth.tolist()) == (("1", "3"), ("x", "z"), [1, 1])
    with pytest.raises(DataError, match="the validation split has no rows"):
        read_rows(tmp_path / "clean.parquet", "validation", ("a", "b"))
    with pytest.raises(DataError, match=r"labels outside \['a'\]: \['b'\]"):
        read_rows(tmp_path / "clean.parquet", "test", ("a",))


@pytest.mark.parametrize(
    ("text", "analyzer"),
    [
        ("shares fell as the bank raised rates", "word"),
        ("这个酒店的服务很好。下次还来", "char"),
        ("サービスがとても良い", "char"),
        ("บริการดีมาก", "char"),
        ("서비스가 아주 좋아요", "word"),
        ("iPhone 手机的质量很好", "char"),
        ("He said 你好 to everybody in the room", "word"),
        ("!!! ...", "word"),
    ],
)
def test_the_analyzer_suits_the_script(text: str, analyzer: str) -> None:
    assert build_baseline([text] * 3, 1_000)[0].analyzer == analyzer
    assert 0 <= unspaced_share([text]) <= 1


def test_rare_words_are_left_out_only_of_many_rows() -> None:
    assert build_baseline(["a b"] * 99, 1_000)[0].min_df == 1
    assert build_baseline(["a b"] * 100, 1_000)[0].min_df == 2


@pytest.mark.parametrize(
    ("good", "bad"), [("a splendid film", "an awful film"), ("质量很好", "质量很差")]
)
def test_the_baseline_learns(good: str, bad: str) -> None:
    train = rows_of([good, bad] * 5, [1, 0] * 5)
    rival = run_baseline(train, rows_of([bad, good], [0, 1]), QUICK)
    assert rival.predicted is not None
    assert rival.predicted.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("texts", "truth", "reason"),
    [
        (["a film", "a play"], [1, 1], "one label only"),
        (["!", "?"], [0, 1], "empty vocabulary"),
        ([f"word{k}" for k in range(120)], [0, 1] * 60, "no terms remain"),
    ],
)
def test_what_cannot_be_learnt_has_a_reason(
    texts: list[str], truth: list[int], reason: str
) -> None:
    rival = run_baseline(rows_of(texts, truth), rows_of(["x"], [0]), QUICK)
    assert rival.predicted is None
    assert reason in rival.reason


def folder_of(folder: Path, labels: Sequence[str]) -> Path:
    config = {"model_type": "bert", "id2label": {str(k): label for k, label in enumerate(labels)}}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def first_class(folder: Path, texts: Sequence[str], max_length: int) -> NDArray[np.float32]:
    return np.tile(np.array([0.9, 0.1], dtype=np.float32), (len(texts), 1))


def test_a_champion_of_other_labels_cannot_be_compared(tmp_path: Path) -> None:
    rival = run_champion(CHAMPION, folder_of(tmp_path, "ac"), ["x"], ("a", "b"), first_class)
    assert rival.predicted is None
    assert rival.reason == "version 7 of news knows the labels ['a', 'c'], the candidate ['a', 'b']"


def test_a_champion_that_cannot_be_read_has_a_reason(tmp_path: Path) -> None:
    assert (
        "cannot be loaded"
        in run_champion(CHAMPION, tmp_path, ["x"], ("a", "b"), first_class).reason
    )
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    rival = run_champion(CHAMPION, tmp_path, ["x"], ("a", "b"), first_class)
    assert rival.predicted is None
    assert "cannot be loaded" in rival.reason


def test_scores_that_are_no_probabilities_are_refused() -> None:
    with pytest.raises(TrainingError, match=r"shape \(2, 3\); right would be \(2, 2\)"):
        checked_probabilities(np.zeros((2, 3), np.float32), 2, 2)
    scores = np.full((2, 2), 0.5, np.float32)
    scores[1, 0] = np.nan
    with pytest.raises(TrainingError, match="for 1 of 2 test rows"):
        checked_probabilities(scores, 2, 2)


def test_metrics_have_names_that_mlflow_takes() -> None:
    made = (
        exact("quality.macro_f1", 0.5, 1),
        exact("quality.recall.R&D", 0.25, 1),
        exact("champion.accuracy_gain", -0.5, 1),
        undetermined("quality.macro_recall", 1, "no"),
    )
    assert metrics_of(made) == {
        "test_macro_f1": 0.5,
        "test_recall_R_D": 0.25,
        "test_champion_accuracy_gain": -0.5,
    }
