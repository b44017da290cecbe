# ruff: noqa: RUF001 - Chinese has punctuation of its own
"""Two marked entities and their relation: marks, head, metrics, and a tiny model that learns."""

import json
import runpy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from infra.errors import BaseModelError, DataError
from tasks.task_types.examiner import Examiner, examiner_of
from tasks.task_types.examples import Vocabulary
from tasks.task_types.learner import Learner, LossSettings, learner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.measures import Measured
from tasks.task_types.relations.entity_markers import MarkedEntity, encode_pairs, fit, mark
from tasks.task_types.relations.pair_logits import head_names, pair_logits
from tasks.task_types.relations.relation_labels import (
    NO_RELATION,
    relation_of,
    undirected_beside_directed,
)
from tasks.task_types.relations.relation_measures import relation_measures
from tasks.task_types.relations.words_between import predict_by_words_between
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import arrow_type
from tasks.task_types.server import server_of
from tasks.task_types.tokenizers import load_tokenizer
from tests.relation_rows import LABELS, relation_rows
from tests.unit.task_types.language_models import byte_tokenizer
from tests.unit.task_types.text_models import LIMITS, train, values_of, weighted

SHAPE = shape_of("relation_extraction")
ADA, BONN = MarkedEntity(0, 3, "person"), MarkedEntity(13, 17, "city")
SENTENCE = "Ada lives in Bonn."


@pytest.fixture
def learner() -> Learner:
    return learner_of("relation_extraction", LABELS, LIMITS)


@pytest.fixture
def examiner() -> Examiner:
    return examiner_of("relation_extraction", LABELS, LIMITS)


def table_of(rows: Sequence[dict[str, Any]]) -> pa.Table:
    columns = {
        column.name: pa.array([row[column.name] for row in rows], arrow_type(column.kind))
        for column in SHAPE.columns
    }
    return pa.table({"row_id": [f"{row:064x}" for row in range(len(rows))], **columns})


@pytest.mark.parametrize(
    ("text", "subject", "object_", "marked"),
    [
        (SENTENCE, ADA, BONN, "@ * person * Ada @ lives in # ^ city ^ Bonn # ."),
        (SENTENCE, BONN, ADA, "# ^ person ^ Ada # lives in @ * city * Bonn @ ."),
        (
            "阿达住在波恩", MarkedEntity(0, 2, "人物"), MarkedEntity(4, 6, "地点"),
            "@ * 人物 * 阿达 @ 住在 # ^ 地点 ^ 波恩 #",
        ),
        (
            "x(AB)", MarkedEntity(2, 3, "STATE_OR_PROVINCE"), MarkedEntity(3, 4, "B"),
            "x( @ * state or province * A @ # ^ b ^ B # )",
        ),
        ("a\nb", MarkedEntity(2, 3, "t"), MarkedEntity(0, 1, "t"), "# ^ t ^ a #\n@ * t * b @"),
    ],
)  # fmt: skip
def test_marks_stand_around_entity_and_type(
    text: str, subject: MarkedEntity, object_: MarkedEntity, marked: str
) -> None:
    found = mark(text, subject, object_)
    assert found.text == marked
    starts = [0, *found.ends[:-1]]
    parts = [found.text[start:end] for start, end in zip(starts, found.ends, strict=True)]
    first, second = (subject, object_) if found.subject_first else (object_, subject)
    assert parts[2] == text[first.start : first.end]
    assert parts[6] == text[second.start : second.end]
    assert [parts[1].split()[0], parts[5].split()[0]] == (
        ["@", "#"] if found.subject_first else ["#", "@"]
    )


PLACE = st.integers(-3, 15)


@settings(deadline=None)
@given(st.text(max_size=12), PLACE, PLACE, PLACE, PLACE)
def test_places_that_cannot_be_meant_lose_no_character(
    text: str, start: int, end: int, other_start: int, other_end: int
) -> None:
    found = mark(text, MarkedEntity(start, end, "t"), MarkedEntity(other_start, other_end, "t"))
    assert len(found.ends) == 9
    assert list(found.ends) == sorted(found.ends)
    assert found.ends[-1] == len(found.text)
    bounds = [0, *found.ends]
    kept = [found.text[bounds[part] : bounds[part + 1]] for part in (0, 2, 4, 6, 8)]
    assert "".join("".join(kept).split()) == "".join(text.split())


@pytest.mark.parametrize("kind", ["word pieces", "byte level"])
def test_the_places_are_those_of_the_opening_marks(
    kind: str, tiny_model: Path, tmp_path: Path
) -> None:
    if kind == "byte level":
        byte_tokenizer(tmp_path, begin=True)
    tokenizer = load_tokenizer(tiny_model if kind == "word pieces" else tmp_path)
    texts = ["the bank, the film: a@b", "bank film", "这一、不人，有他了"]
    places = [(4, 8, 14, 18), (0, 4, 5, 9), (0, 2, 3, 5)]
    for forward in (True, False):
        pairs = []
        for text, (a, b, c, d) in zip(texts, places, strict=True):
            both = (MarkedEntity(a, b, "thing"), MarkedEntity(c, d, "thing"))
            pairs.append(mark(text, *(both if forward else both[::-1])))
        for pair, found in zip(pairs, encode_pairs(pairs, tokenizer, 200), strict=True):
            one = tokenizer.decode([found.input_ids[found.subject]]).strip()
            other = tokenizer.decode([found.input_ids[found.object]]).strip()
            assert (one, other) == ("@", "#")
            assert (found.subject < found.object) is forward
            assert found.input_ids == tokenizer(pair.text)["input_ids"]
            assert not found.is_cut


@settings(deadline=None)
@given(st.lists(st.integers(1, 30), min_size=9, max_size=9), st.integers(0, 150))
def test_a_long_text_keeps_both_entities_and_what_is_near_them(sizes: list[int], room: int) -> None:
    parts = [[part * 100 + token for token in range(size)] for part, size in enumerate(sizes)]
    marks = sum(sizes[part] for part in (1, 3, 5, 7))
    least = sizes[3] + sizes[7] + 2
    if least > room:
        with pytest.raises(DataError, match=f"take {least} tokens, and .* leaves room for {room};"):
            fit(parts, room)
        return
    kept = fit(parts, room)
    assert sum(map(len, kept)) == min(room, sum(sizes))
    assert [kept[part] for part in (3, 7)] == [parts[part] for part in (3, 7)]
    for part in (1, 5):  # a type may be cut at its end, its mark never
        assert kept[part] == parts[part][: len(kept[part])]
        assert kept[part]
        assert marks > room or kept[part] == parts[part]
    for part in (2, 6):
        assert kept[part] == parts[part][: len(kept[part])]
        if sizes[2] + sizes[6] + marks <= room:
            assert kept[part] == parts[part]
        elif room - marks >= 2 and sizes[part]:
            assert kept[part]
    assert kept[0] == parts[0][len(parts[0]) - len(kept[0]) :]
    assert kept[8] == parts[8][: len(kept[8])]
    head = -(-len(kept[4]) // 2)
    tail = len(kept[4]) - head
    if len(kept[4]) < sizes[4]:  # its middle is left out only where nothing beside is kept
        assert kept[4] == parts[4][:head] + parts[4][sizes[4] - tail :]
        assert kept[0] == kept[8] == []


def test_encode_keeps_both_entities_of_a_text_that_is_too_long(
    learner: Learner, tiny_model: Path
) -> None:
    row = relation_rows(1)[0]
    filler = "run the test " * 40
    far = row | {"text": f"{filler}bank {filler}film {filler}"}
    far["subject_start"], far["subject_end"] = len(filler), len(filler) + 4
    far["object_start"] = 2 * len(filler) + 5
    far["object_end"] = far["object_start"] + 4
    tokenizer = load_tokenizer(tiny_model)
    found = learner.encode(table_of([row, far]), tokenizer)
    first, second = found.table.to_pylist()
    assert found.truncated == 1
    assert len(second["input_ids"]) == LIMITS.max_length > len(first["input_ids"])
    assert found.tokens == LIMITS.max_length + len(first["input_ids"])
    read = tokenizer.decode(second["input_ids"])
    assert "@ * thing * bank @" in read
    assert "place [UNK] film #" in read
    assert first["labels"] == LABELS.index(row["relation"])


def test_a_relation_outside_of_the_label_set_is_named(learner: Learner, tiny_model: Path) -> None:
    rows = [relation_rows(1)[0] | {"relation": "owns"}]
    with pytest.raises(DataError, match=r"labels outside .*'owns'"):
        learner.encode(table_of(rows), load_tokenizer(tiny_model))


def test_the_head_is_a_linear_layer_over_both_states() -> None:
    torch.manual_seed(1)
    states, places = torch.randn(4, 7, 6), torch.tensor([[0, 3], [6, 1], [2, 2], [5, 4]])
    together = torch.nn.Linear(12, 3)
    apart = torch.nn.Linear(6, 6)
    with torch.no_grad():
        apart.weight.copy_(torch.cat(together.weight.split(6, dim=1)))
        apart.bias.copy_(torch.cat([together.bias, torch.zeros(3)]))
        every = torch.arange(4)
        both = torch.cat([states[every, places[:, 0]], states[every, places[:, 1]]], dim=1)
        found = pair_logits(apart(states), places[:, 0], places[:, 1])
        torch.testing.assert_close(found, together(both))


def test_shares_of_the_loss_sum_to_the_smoothed_weighted_cross_entropy(learner: Learner) -> None:
    logits = torch.randn(6, 5, 10, generator=torch.manual_seed(0))
    examples = [
        {"input_ids": np.arange(5), "subject": row % 5, "object": (row + 2) % 5, "labels": row % 5}
        for row in range(6)
    ]
    asked = replace(learner, loss_settings=LossSettings(0.1, balanced=True))
    weights = (0.5, 1.0, 2.0, 1.5, 1.0)
    asked = replace(asked, class_weights=weights)  # type: ignore[call-arg]
    whole = asked.collate(examples, Vocabulary(pad_id=0, size=9))
    at = torch.stack([logits[r, r % 5, :5] + logits[r, (r + 2) % 5, 5:] for r in range(6)])
    expected = torch.nn.functional.cross_entropy(
        at, torch.arange(6) % 5, torch.tensor(weights), reduction="sum", label_smoothing=0.1
    )
    parts = []
    for rows in (slice(0, 2), slice(2, 6)):
        batch = asked.collate(examples[rows], Vocabulary(pad_id=0, size=9))
        parts.append(asked.loss({"logits": logits[rows]}, batch, torch.tensor([6])))
    torch.testing.assert_close(sum(parts), expected / 6)
    assert asked.outcomes({"logits": logits}, whole)[:, 0].tolist() == at.argmax(dim=1).tolist()


SEMEVAL = tuple(
    sorted(
        [f"{name}({way})" for name in ("Cause-Effect", "Component-Whole", "Message-Topic")
         for way in ("e1,e2", "e2,e1")]
        + [NO_RELATION]
    )
)  # fmt: skip


def semeval_macro_f1(truth: Sequence[str], predicted: Sequence[str]) -> dict[str, float]:
    """The official score, pair by pair: (9+1)-way, taking directionality into account."""
    scores = []
    for name in sorted({relation_of(one) for one in truth} - {NO_RELATION}):
        right = given = gold = 0
        for wanted, said in zip(truth, predicted, strict=True):
            gold += relation_of(wanted) == name
            given += relation_of(said) == name
            right += relation_of(wanted) == name and wanted == said
        precision, recall = right / given if given else 0.0, right / gold
        f1 = 2 * precision * recall / (precision + recall) if right else 0.0
        scores.append((precision, recall, f1))
    means = np.mean(scores, axis=0)
    return dict(zip(("macro_precision", "macro_recall", "macro_f1"), means, strict=True))


def drawn(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Truth and answers of which some are right, and some right but for their direction."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, len(SEMEVAL), rows)
    predicted = np.where(random.random(rows) < 0.5, truth, random.integers(0, len(SEMEVAL), rows))
    return truth, predicted


def measured(truth: np.ndarray, predicted: np.ndarray, labels: Sequence[str]) -> Measured:
    found = relation_measures(truth, predicted, labels)
    return Measured(tuple(found), (truth == predicted).astype(float), ("micro_f1",))


@pytest.mark.parametrize("seed", range(5))
def test_metrics_are_those_of_scikit_learn_and_of_semeval(seed: int) -> None:
    truth, predicted = drawn(80, seed)
    found = measured(truth, predicted, SEMEVAL)
    values = values_of(found)
    relations = [place for place, label in enumerate(SEMEVAL) if label != NO_RELATION]
    micro = precision_recall_fscore_support(truth, predicted, labels=relations, average="micro")
    for name, value in zip(("micro_precision", "micro_recall", "micro_f1"), micro, strict=False):
        assert values[name] == pytest.approx(value)
    names = [[SEMEVAL[one] for one in of] for of in (truth, predicted)]
    for name, value in semeval_macro_f1(*names).items():
        assert values[name] == pytest.approx(value)
    assert values["accuracy"] == accuracy_score(truth, predicted)
    each = precision_recall_fscore_support(truth, predicted, labels=range(len(SEMEVAL)))
    for place, label in enumerate(SEMEVAL):
        for name, of_label in zip(("precision", "recall", "f1"), each, strict=False):
            assert values[f"{name}.{label}"] == pytest.approx(of_label[place])
    # Rows drawn with weights are as rows that stand there as often.
    counts = np.random.default_rng(seed).integers(0, 3, len(truth))
    again = weighted(
        measured(np.repeat(truth, counts), np.repeat(predicted, counts), SEMEVAL),
        [1] * counts.sum(),
    )
    for name, value in weighted(found, counts).items():
        assert value == pytest.approx(again[name], nan_ok=True), name


def test_the_wrong_direction_is_wrong_and_counts_for_its_relation() -> None:
    labels = ("a(e1,e2)", "a(e2,e1)", "b", NO_RELATION)
    truth, predicted = np.array([0, 0, 2, 3]), np.array([0, 1, 2, 3])
    values = values_of(measured(truth, predicted, labels))
    assert values["macro_f1"] == pytest.approx((2 * 1 / (2 + 2) + 1) / 2)
    assert values["micro_f1"] == pytest.approx(2 * 2 / (3 + 3))


def test_a_direction_without_test_rows_leaves_the_mean_of_relations_defined() -> None:
    labels = ("a(e1,e2)", "a(e2,e1)", "b", NO_RELATION)
    found = {one.name: one for one in relation_measures(np.array([0, 2]), np.array([0, 2]), labels)}
    assert found["macro_f1"].reason == ""
    assert found["macro_f1"].value == 1
    assert found["macro_f1"].rarest == ("a", 1)
    assert found["f1.a(e2,e1)"].reason == "no row has the label 'a(e2,e1)'"
    none = {one.name: one for one in relation_measures(np.array([3, 3]), np.array([3, 3]), labels)}
    assert none["micro_f1"].reason == "no row bears a relation"
    assert none["micro_precision"].reason == "no row is predicted to bear a relation"
    assert none["macro_f1"].reason == "no row bears the relation 'a', 'b'"
    assert none["accuracy"].value == 1
    alone = relation_measures(np.array([0]), np.array([0]), (NO_RELATION,))
    assert next(one for one in alone if one.name == "macro_f1").reason == (
        "the label set names no relation"
    )


def test_a_label_is_read_with_its_direction() -> None:
    assert relation_of("Cause-Effect(e2,e1)") == relation_of("Cause-Effect (e1, e2)")
    assert relation_of("per:title") == "per:title"
    assert relation_of("f(x)") == "f(x)"
    assert undirected_beside_directed(["a", "a(e1,e2)", "b", "c(e1,e2)", "c(e2,e1)"]) == {
        "a": ("a(e1,e2)",)
    }


def test_validation_measures_as_the_examination_does(learner: Learner) -> None:
    truth, predicted = drawn(60, 9)
    asked = replace(learner, labels=SEMEVAL)  # type: ignore[type-var]
    values = values_of(measured(truth, predicted, SEMEVAL))
    found = asked.metrics(np.stack([predicted, truth], axis=1).astype(float))
    assert found == {
        name: pytest.approx(values[name]) for name in ("micro_f1", "macro_f1", "accuracy")
    }
    nothing = np.full((3, 2), float(SEMEVAL.index(NO_RELATION)))
    assert asked.metrics(nothing)["micro_f1"] == 0


def test_the_baseline_reads_types_and_order_and_the_words_between() -> None:
    rows = [
        {
            "text": f"{name} {verb} Bonn or not", "subject_start": 0, "subject_end": len(name),
            "subject_type": "person", "object_start": len(name) + len(verb) + 2,
            "object_end": len(name) + len(verb) + 6, "object_type": "city", "relation": relation,
        }
        for name in ("Ada", "Bob", "Eve", "Kim") * 6
        for verb, relation in (("built", LABELS[0]), ("owns", LABELS[3]))
    ]  # fmt: skip
    found = predict_by_words_between(table_of(rows), table_of(rows[:2]), LABELS)
    assert isinstance(found, pa.Table)
    assert found["predicted"].to_pylist() == [0, 3]
    assert predict_by_words_between(table_of(rows[:1]), table_of(rows), LABELS) == (
        "the training rows have one relation only"
    )


def test_a_tiny_model_learns_what_the_baseline_cannot(
    learner: Learner, examiner: Examiner, tiny_model: Path, tmp_path: Path
) -> None:
    rows = relation_rows(600)
    train_rows, test = table_of(rows[100:]), table_of(rows[:100])
    folder, validation = train(
        learner, tiny_model, (train_rows, test), tmp_path / "run",
        epochs=8, batch_size=32, learning_rate=5e-3,
    )  # fmt: skip
    predicted = examiner.predict(folder, test)
    values = values_of(examiner.measure(test, predicted))
    baseline = examiner.baseline(train_rows, test)
    assert isinstance(baseline, pa.Table)
    of_baseline = values_of(examiner.measure(test, baseline))
    assert values["micro_f1"] > 0.9
    assert of_baseline["micro_f1"] < 0.6
    assert validation["micro_f1"] == pytest.approx(values["micro_f1"])
    told = [json.loads(answer) for answer in predicted["answer"].to_pylist()]
    assert [LABELS.index(one["label"]) for one in told] == predicted["predicted"].to_pylist()
    assert {"brier", "log_loss", "calibration_error"} <= values.keys()
    assert "brier" not in of_baseline
    with pytest.raises(BaseModelError, match=r"gives .*'own\(e1,e2\) @ subject'.* right would be"):
        replace(examiner, labels=LABELS[:3]).predict(folder, test)  # type: ignore[type-var]
    with pytest.raises(DataError, match=r"take 4 tokens, .* leaves room for 3; set it higher"):
        replace(examiner, limits=TokenLimits(5)).answer(folder, test)  # type: ignore[type-var]


def test_the_head_is_named_by_relation_and_part(learner: Learner, tiny_model: Path) -> None:
    config = learner.load_model(tiny_model).config
    assert config.num_labels == 2 * len(LABELS)
    assert tuple(config.id2label[place] for place in range(10)) == head_names(LABELS)


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    """What the served script defines; it is shipped alone, so that it repeats what stands here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mlflow.models, "set_model", lambda _: None)
        return runpy.run_path(str(server_of("relation_extraction").script))


@settings(deadline=None)
@given(st.text(st.sampled_from("ab _是，"), max_size=12), PLACE, PLACE, PLACE, PLACE)
def test_the_served_script_marks_as_we_do(
    script: dict[str, Any], text: str, start: int, end: int, other_start: int, other_end: int
) -> None:
    ours = mark(text, MarkedEntity(start, end, "A_b"), MarkedEntity(other_start, other_end, "c"))
    theirs = script["mark"](text, (start, end, "A_b"), (other_start, other_end, "c"))
    assert theirs == (ours.text, list(ours.ends), ours.subject_first)


@settings(deadline=None)
@given(st.lists(st.integers(1, 9), min_size=9, max_size=9), st.integers(20, 90))
def test_the_served_script_cuts_as_we_do(
    script: dict[str, Any], sizes: list[int], room: int
) -> None:
    parts = [[part * 100 + token for token in range(size)] for part, size in enumerate(sizes)]
    assert script["fit"](parts, room) == fit(parts, room)


@pytest.mark.parametrize(
    ("subject", "object_", "said"),
    [
        ((0, 3), (9, 14), "row 2: object_start is 9 and object_end 14; right would be"),
        ((3, 3), (9, 13), "row 2: subject_start is 3 and subject_end 3"),
        ((-1, 3), (9, 13), "row 2: subject_start is -1"),
        ((0, 10), (9, 13), "row 2: subject and object overlap"),
        ((9, 13), (0, 10), "row 2: subject and object overlap"),
    ],
)
def test_the_served_script_refuses_entities_that_cannot_be_meant(
    script: dict[str, Any], subject: tuple[int, int], object_: tuple[int, int], said: str
) -> None:
    script["check"](2, "Ada left Bonn", (0, 9, "a"), (9, 13, "b"))
    script["check"](2, "", (0, 0, "a"), (0, 0, "b"))
    with pytest.raises(ValueError, match=said):
        script["check"](2, "Ada left Bonn", (*subject, "a"), (*object_, "b"))
