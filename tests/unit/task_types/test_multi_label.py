import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    hamming_loss,
    jaccard_score,
    label_ranking_average_precision_score,
    precision_score,
    recall_score,
)
from torch.nn.functional import binary_cross_entropy_with_logits

from infra.errors import BaseModelError, DataError
from infra.transformers_logs import quiet_transformers
from tasks.task_types.examiner import Examiner, examiner_of
from tasks.task_types.examples import IGNORED, Vocabulary
from tasks.task_types.labels.multi_label_measures import measure_label_sets, ranking_precision
from tasks.task_types.learner import Learner, LossSettings, learner_of
from tasks.task_types.tokenizers import load_tokenizer
from tests.unit.task_types.text_models import LIMITS, tokenized, train, values_of, weighted

LABELS = ("film", "money", "人")
WORDS = {"film": "good bad film", "money": "shares bank rates", "人": "人 我 他"}
VOCABULARY = Vocabulary(pad_id=9, size=600)


@pytest.fixture
def learner() -> Learner:
    return learner_of("multi_label", LABELS, LIMITS)


@pytest.fixture
def examiner() -> Examiner:
    return examiner_of("multi_label", LABELS, LIMITS)


def rows(*pairs: tuple[str, list[str] | None]) -> pa.Table:
    return pa.table(
        {
            "row_id": [f"{number:064x}" for number in range(len(pairs))],
            "text": [text for text, _ in pairs],
            "labels": pa.array([labels for _, labels in pairs], pa.list_(pa.string())),
        }
    )


def made_rows(count: int, seed: int) -> pa.Table:
    """A text has a label where it has words of the label, in English or Chinese."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        given_labels = [label for label in LABELS if rng.random() < 0.4]
        own = [word for label in given_labels for word in rng.choice(WORDS[label].split(), 3)]
        noise = rng.choice(["the", "by", "a", "she", "在"], 10 - len(own))
        made.append((" ".join(rng.permutation([*own, *noise])), given_labels))
    return rows(*made)


def test_encode_gives_the_class_ids_of_each_row(learner: Learner, tiny_model: Path) -> None:
    table = rows(("a good film " * 20, ["人", "film"]), ("the match", []), ("这是不", ["人"]))
    tokenizer = load_tokenizer(tiny_model)
    encoded = learner.encode(table, tokenizer)
    assert encoded.table.column("labels").to_pylist() == [[0, 2], [], [2]]
    assert encoded.table.column("row_id").to_pylist() == table.column("row_id").to_pylist()
    ids = encoded.table.column("input_ids").to_pylist()
    assert [len(row) for row in ids] == [48, len(tokenizer("the match")["input_ids"]), 5]
    assert (encoded.tokens, encoded.truncated) == (sum(map(len, ids)), 1)


def test_labels_outside_the_set_and_lists_that_are_missing_are_refused(
    learner: Learner, tiny_model: Path
) -> None:
    tokenizer = load_tokenizer(tiny_model)
    with pytest.raises(DataError, match=r"1 label.* outside the label set .*'sport'"):
        learner.encode(rows(("a film", ["film", "sport"])), tokenizer)
    with pytest.raises(DataError, match="row 1 has no list of labels"):
        learner.encode(rows(("a film", []), ("a film", None)), tokenizer)


def test_collate_pads_texts_and_labels(learner: Learner) -> None:
    examples = [
        {"input_ids": np.array([1, 2, 3], np.int32), "labels": np.array([], np.int32)},
        {"input_ids": np.array([4], np.int32), "labels": np.array([0, 2], np.int32)},
    ]
    batch = learner.collate(examples, VOCABULARY)
    assert batch.inputs["input_ids"].tolist() == [[1, 2, 3], [4, 9, 9]]
    assert batch.inputs["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch.labels["labels"].tolist() == [[IGNORED, IGNORED], [0, 2]]
    none = learner.collate(examples[:1], VOCABULARY)
    assert none.labels["labels"].shape == (1, 0)
    assert learner.outcomes({"logits": torch.zeros(1, 3)}, none).tolist() == [[1, 1, 1, 0, 0, 0]]


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [None, torch.tensor([0.5, 1.0, 3.0])])
def test_shares_of_the_loss_sum_to_the_mean_over_rows_and_labels(
    learner: Learner, smoothing: float, weights: torch.Tensor | None
) -> None:
    truth = [[0], [], [0, 1, 2], [2], [1, 2], [], [0]]
    logits = torch.randn(7, 3, generator=torch.manual_seed(0))
    examples = [
        {"input_ids": np.array([1], np.int32), "labels": np.array(row, np.int32)} for row in truth
    ]
    batches = [learner.collate(examples[part], VOCABULARY) for part in (slice(0, 4), slice(4, 7))]
    units = torch.stack([learner.units(batch) for batch in batches]).sum(dim=0)
    own = () if weights is None else tuple(weights.tolist())
    weighed = replace(learner, loss_settings=LossSettings(smoothing), class_weights=own)
    shares = [
        weighed.loss({"logits": part}, batch, units)
        for batch, part in zip(batches, (logits[:4], logits[4:]), strict=True)
    ]
    hot = torch.tensor([[float(label in row) for label in range(3)] for row in truth])
    expected = binary_cross_entropy_with_logits(
        logits, hot.clamp(smoothing / 2, 1 - smoothing / 2), pos_weight=weights
    )
    torch.testing.assert_close(sum(shares), expected)


def test_validation_metrics_are_those_of_scikit_learn(learner: Learner) -> None:
    rng = np.random.default_rng(0)
    predicted, truth = (rng.random((2, 40, 4)) < [[[0.5]], [[0.3]]])[:2]
    truth[:, 3] = predicted[:, 3] = False  # a label that no row has or is given counts as 0
    values = learner.metrics(np.concatenate([predicted, truth], axis=1).astype(np.float64))
    for average in ("macro", "micro"):
        expected = f1_score(truth, predicted, average=average, zero_division=0)
        assert values[f"{average}_f1"] == pytest.approx(expected)
    assert values["subset_accuracy"] == pytest.approx(accuracy_score(truth, predicted))
    assert learner.selection_metric in values


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_measures_are_those_of_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts, labels = rng.integers(0, 4, 25), ("a", "b", "c")
    truth, scores = rng.random((25, 3)) < 0.4, rng.integers(0, 9, (25, 3)) / 8  # ties too
    found = weighted(measure_label_sets(truth, scores, 0.5, labels), counts)
    truth, scores = (np.repeat(part, counts, axis=0) for part in (truth, scores))
    given_labels = scores >= 0.5
    for average in ("macro", "micro"):
        for name, score in (("f1", f1_score), ("recall", recall_score)):
            if truth.any(axis=0).all():
                expected = score(truth, given_labels, average=average)
                assert found[f"{average}_{name}"] == pytest.approx(expected)
    for index, label in enumerate(labels):
        if given_labels[:, index].any():
            expected = precision_score(truth[:, index], given_labels[:, index])
            assert found[f"precision.{label}"] == pytest.approx(expected)
    assert found["subset_accuracy"] == pytest.approx(accuracy_score(truth, given_labels))
    assert found["hamming_loss"] == pytest.approx(hamming_loss(truth, given_labels))
    assert found["jaccard"] == pytest.approx(
        jaccard_score(truth, given_labels, average="samples", zero_division=1)
    )
    assert found["ranking_average_precision"] == pytest.approx(
        label_ranking_average_precision_score(truth, scores)
    )


def test_a_row_without_labels_is_right_if_it_is_given_none() -> None:
    truth, scores = np.array([[False, False], [False, True]]), np.array([[0.1, 0.2], [0.9, 0.1]])
    measured = measure_label_sets(truth, scores, 0.5, ("a", "b"))
    assert measured.row_scores.tolist() == [1, 0]
    assert ranking_precision(truth, scores).tolist() == [1, 0.5]


def test_what_no_row_can_tell_is_not_measured() -> None:
    truth, scores = np.array([[True, False], [False, False]]), np.array([[0.9, 0.1], [0.1, 0.1]])
    reasons = {
        measure.name: measure.reason
        for measure in measure_label_sets(truth, scores, 0.5, ("a", "b")).measures
    }
    absent = "no row has the label 'b'"
    uncalled = "no row is predicted to have the label 'b'"
    assert reasons["macro_f1"] == reasons["f1.b"] == reasons["macro_recall"] == absent
    assert reasons["macro_precision"] == reasons["precision.b"] == uncalled
    assert reasons["micro_f1"] == reasons["f1.a"] == reasons["subset_accuracy"] == ""


def test_a_wrong_pseudo_row_comes_first_and_pulls_the_metric_down() -> None:
    """Where two models are compared, the halves of the pseudo-rows are exchanged."""
    truth = np.random.default_rng(0).random((30, 3)) < 0.5
    for measure in measure_label_sets(truth, truth.astype(float), 0.5, ("a", "b", "c")).measures:
        half, sign = len(measure.pseudo_masses) // 2, 1 if measure.greater_is_better else -1
        bad, good = (
            np.concatenate([np.ones(30), np.repeat(mass, half)])[None]
            for mass in ([1.0, 0.0], [0.0, 1.0])
        )
        assert sign * measure.statistic(bad)[0] < sign * measure.value, measure.name
        assert measure.statistic(good)[0] == pytest.approx(measure.value)
        assert sum(measure.pseudo_masses) == pytest.approx(2)


def test_counts_of_the_classes(learner: Learner, tiny_model: Path, tmp_path: Path) -> None:
    table = rows(("a", ["film", "人"]), ("b", []), ("c", ["人"]))
    counts = learner.class_counts(tokenized(learner, tiny_model, table, tmp_path / "t"))
    assert counts.tolist() == [1, 0, 2]


def test_a_trained_model_knows_the_labels_of_english_and_chinese_texts(
    learner: Learner, examiner: Examiner, tiny_model: Path, tmp_path: Path
) -> None:
    known, asked = made_rows(480, 0), made_rows(60, 1)
    folder, metrics = train(
        replace(learner, loss_settings=LossSettings(0.05)), tiny_model, (known, asked),
        tmp_path / "run", epochs=12,
        batch_size=16, learning_rate=2e-3,
    )  # fmt: skip
    assert metrics["macro_f1"] > 0.75  # 0.57 where every label is said of every row
    answers = examiner.predict(folder, asked)
    found = values_of(examiner.measure(asked, answers))
    assert found["macro_f1"] == pytest.approx(metrics["macro_f1"])
    assert found["subset_accuracy"] == pytest.approx(metrics["subset_accuracy"])
    first = json.loads(answers["answer"][0].as_py())
    assert list(first["scores"]) == list(LABELS)
    assert first["labels"] == [label for label in LABELS if first["scores"][label] >= 0.5]
    words = values_of(examiner.measure(asked, examiner.baseline(known, asked)))
    assert words["f1.film"] > 0.9
    assert words["f1.money"] > 0.9


def test_the_models_own_order_of_the_labels_does_not_matter(
    learner: Learner, examiner: Examiner, tiny_model: Path, tmp_path: Path
) -> None:
    """A champion may have been trained on another order of them, but not on other labels."""
    with quiet_transformers():
        learner.load_model(tiny_model).save_pretrained(tmp_path)
    load_tokenizer(tiny_model).save_pretrained(tmp_path)
    table = rows(("a good film", ["film"]), ("这", []))
    own, turned = (
        replace(examiner, labels=labels).predict(tmp_path, table)
        for labels in (LABELS, LABELS[::-1])
    )
    assert own["answer"].to_pylist() == turned["answer"].to_pylist()
    assert own["probabilities"].to_pylist() == [
        row[::-1] for row in turned["probabilities"].to_pylist()
    ]
    with pytest.raises(BaseModelError, match=r"knows the labels .*'人'.*; right would be"):
        replace(examiner, labels=("film", "money")).predict(tmp_path, table)


def test_the_baseline_without_words_says_why(examiner: Examiner) -> None:
    table = rows(("!", ["film"]), ("?", []))
    assert "no TF-IDF baseline" in examiner.baseline(table, table)
    table = rows(("a good film", ["film"]), ("good", ["film"]))  # film always, the others never
    scores = examiner.baseline(table, table)["probabilities"].to_pylist()
    assert scores == [[1, 0, 0]] * 2
