"""The baseline, the champion, and the rows that they are compared on."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from infra.errors import DataError
from tasks.evaluation.champion import ScoringInputs, run_champion
from tasks.evaluation.features import token_counts, with_features
from tasks.evaluation.held_out import read_rows
from tasks.evaluation.settings import EvaluationSettings
from tasks.records.evaluation import Champion
from tasks.task_types.examiner import examiner_of
from tasks.task_types.labels.bag_of_words import bag_of_words
from tasks.task_types.labels.classification_measures import predict_by_words
from tasks.task_types.limits import TokenLimits
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import asked_of, texts_of
from tasks.task_types.tokenizers import load_tokenizer, vocabulary_digest
from tasks.task_types.unspaced import unspaced_share

SHAPE = shape_of("classification")
CHAMPION = Champion("news", 7, "0" * 64)
SETTINGS = EvaluationSettings()
LABELS = ("a", "b")


def rows_of(texts: Sequence[str], labels: Sequence[str]) -> pa.Table:
    row_ids = [str(k) for k in range(len(texts))]
    return pa.table({"row_id": row_ids, "text": list(texts), "label": list(labels)})


def test_rows_come_in_the_files_order(tmp_path: Path) -> None:
    table = {
        "row_id": ["1", "2", "3"], "text": ["x", "y", "z"], "label": ["b", "a", "b"],
        "split": ["test", "train", "test"], "region": ["n", "n", None], "cluster": ["d", None, "d"],
    }  # fmt: skip
    pq.write_table(pa.table(table), tmp_path / "clean.parquet")
    rows = read_rows(tmp_path / "clean.parquet", "test", SHAPE)
    assert rows.column_names == ["row_id", "text", "label", "cluster"]
    assert rows["text"].to_pylist() == ["x", "z"]
    more = read_rows(tmp_path / "clean.parquet", "test", SHAPE, extra=True)
    assert more["region"].to_pylist() == ["n", None]
    with pytest.raises(DataError, match="the validation split has no rows"):
        read_rows(tmp_path / "clean.parquet", "validation", SHAPE)
    with pytest.raises(DataError, match=r"no column \['target'\]; it has \['row_id'"):
        read_rows(tmp_path / "clean.parquet", "test", shape_of("regression"))


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
    assert bag_of_words([text] * 3).analyzer == analyzer
    assert 0 <= unspaced_share([text]) <= 1


def test_rare_words_are_left_out_only_of_many_rows() -> None:
    assert bag_of_words(["a b"] * 99).min_df == 1
    assert bag_of_words(["a b"] * 100).min_df == 2


@pytest.mark.parametrize(
    ("good", "bad"), [("a splendid film", "an awful film"), ("质量很好", "质量很差")]
)
def test_the_baseline_learns(good: str, bad: str) -> None:
    train = rows_of([good, bad] * 5, ["b", "a"] * 5)
    answers = predict_by_words(train, rows_of([bad, good], LABELS), LABELS)
    assert isinstance(answers, pa.Table)
    assert answers["predicted"].to_pylist() == [0, 1]


@pytest.mark.parametrize(
    ("texts", "labels", "reason"),
    [
        (["a film", "a play"], "bb", "one label only"),
        (["!", "?"], "ab", "empty vocabulary"),
        ([f"word{k}" for k in range(120)], "ab" * 60, "no terms remain"),
    ],
)
def test_what_cannot_be_learnt_has_a_reason(texts: list[str], labels: str, reason: str) -> None:
    answers = predict_by_words(rows_of(texts, labels), rows_of(["x"], ["a"]), LABELS)
    assert isinstance(answers, str)
    assert reason in answers


@dataclass(frozen=True)
class Pair:
    asked: ScoringInputs
    champion: Path


@pytest.fixture
def pair(tiny_model: Path, tmp_path: Path) -> Pair:
    """A candidate with a random head, a champion that is its copy, and rows to ask both."""
    folder = tmp_path / "candidate"
    torch.manual_seed(3)
    AutoModelForSequenceClassification.from_pretrained(
        tiny_model, num_labels=2, id2label=dict(enumerate(LABELS))
    ).save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(folder)
    rows = rows_of(["he said", "a good film", "shares fell", "he said"], "abab")
    asked = ScoringInputs("classification", rows, LABELS, TokenLimits(16), folder, SETTINGS)
    return Pair(asked, Path(shutil.copytree(folder, tmp_path / "champion")))


def rewrite(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_champion_answers_as_the_candidate_whose_copy_it_is(pair: Pair) -> None:
    comparator = run_champion(CHAMPION, pair.asked, pair.champion)
    assert comparator.reason == ""
    assert comparator.same_vocabulary
    asked = pair.asked
    answers = examiner_of("classification", LABELS, asked.limits).predict(
        asked.candidate, asked.rows
    )
    assert isinstance(comparator.answers, pa.Table)
    assert comparator.answers.equals(answers)
    said = json.loads(answers["answer"][1].as_py())
    scores = answers["probabilities"][1].as_py()
    assert said == {"label": LABELS[int(np.argmax(scores))], "score": pytest.approx(max(scores))}
    assert answers["label"].to_pylist() == [0, 1, 0, 1]


def test_a_champion_with_its_classes_in_another_order_is_mapped(pair: Pair) -> None:
    before = run_champion(CHAMPION, pair.asked, pair.champion).answers
    rewrite(pair.champion / "config.json", id2label={"0": "b", "1": "a"}, label2id={"b": 0, "a": 1})
    after = run_champion(CHAMPION, pair.asked, pair.champion).answers
    assert isinstance(before, pa.Table)
    assert isinstance(after, pa.Table)
    turned = [row[::-1] for row in before["probabilities"].to_pylist()]
    assert after["probabilities"].to_pylist() == turned


def test_a_champion_of_other_labels_cannot_be_compared(pair: Pair) -> None:
    rewrite(pair.champion / "config.json", id2label={"0": "a", "1": "c"}, label2id={"a": 0, "c": 1})
    comparator = run_champion(CHAMPION, pair.asked, pair.champion)
    assert comparator.measured is None
    assert (
        comparator.reason
        == "version 7 of news knows the labels ['a', 'c'], the candidate ['a', 'b']"
    )


def test_a_champion_with_another_tokenizer_reads_with_its_own(pair: Pair) -> None:
    path = pair.champion / "tokenizer.json"
    parts = json.loads(path.read_text())
    words = parts["model"]["vocab"]
    words["the"], words["a"] = words["a"], words["the"]
    path.write_text(json.dumps(parts))
    comparator = run_champion(CHAMPION, pair.asked, pair.champion)
    assert comparator.reason == ""
    assert not comparator.same_vocabulary
    # Padding and truncation, which a saved tokenizer keeps, are no other vocabulary.
    same = pair.asked.candidate / "tokenizer.json"
    before = vocabulary_digest(pair.asked.candidate)
    rewrite(same, padding=None, truncation=None)
    assert vocabulary_digest(pair.asked.candidate) == before


@pytest.mark.parametrize("lost", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_champion_that_cannot_be_read_has_a_reason(pair: Pair, lost: str) -> None:
    (pair.champion / lost).write_text("{")
    comparator = run_champion(CHAMPION, pair.asked, pair.champion)
    assert comparator.measured is None
    assert "version 7 of news cannot be asked: " in comparator.reason


def test_a_champion_of_no_numbers_has_a_reason(pair: Pair) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(pair.champion)
    torch.nn.init.constant_(model.classifier.weight, float("nan"))
    model.save_pretrained(pair.champion)
    comparator = run_champion(CHAMPION, pair.asked, pair.champion)
    assert comparator.measured is None
    assert "gives scores that are no numbers" in comparator.reason


def test_features_are_counted_by_the_candidates_tokenizer(pair: Pair) -> None:
    texts = ["he said", "he said ☃", "", "a good film " * 40]
    rows = rows_of(texts, "abab")
    found = with_features(rows, SHAPE, pair.asked.candidate)
    tokenizer = load_tokenizer(pair.asked.candidate)
    counts = [len(tokenizer.tokenize(text)) for text in texts]
    assert found["length"].to_pylist() == counts
    assert counts[3] == 120  # not cut
    assert found["characters"].to_pylist() == [len(text) for text in texts]
    assert found["unknown_share"].to_pylist() == pytest.approx([0, 1 / 3, 0, 0])
    assert "source" not in found.column_names
    own = rows.append_column("length", pa.array([9] * 4))
    files = pa.table({"row_id": ["3", "0", "1"], "file": ["z.csv", "x.csv", "x.csv"]})
    found = with_features(own, SHAPE, pair.asked.candidate, files)
    assert found["length"].to_pylist() == [9] * 4
    assert found["source"].to_pylist() == ["x.csv", "x.csv", None, "z.csv"]
    length, unknown = token_counts(pa.chunked_array([pa.array([], pa.string())]), tokenizer)
    assert len(length) == len(unknown) == 0


def test_marked_entities_have_a_distance_and_types(pair: Pair) -> None:
    rows = [
        ("he said bank raised a rates", 0, 2, "person", 8, 12, "bank"),
        ("he said bank raised a rates", 22, 27, "rate", 3, 7, "act"),
        ("bankrates", 0, 4, "bank", 4, 9, "rate"),
    ]
    shape = shape_of("relation_extraction")
    names = [column.name for column in shape.inputs]
    table = pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))
    found = with_features(table, shape, pair.asked.candidate)
    assert found["entity_distance"].to_pylist() == [1, 3, 0]
    assert found["entity_types"].to_pylist() == ["person, bank", "rate, act", "bank, rate"]
    assert asked_of(shape, table).to_pylist() == [
        "[person: he] [bank: bank] he said bank raised a rates",
        "[rate: rates] [act: said] he said bank raised a rates",
        "[bank: bank] [rate: rates] bankrates",
    ]
    assert texts_of(shape, table).to_pylist() == [row[0] for row in rows]
