"""What a student learns from its teacher: what is kept, and its loss, by loops in NumPy."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from infra.errors import SettingsError, TrainingError
from tasks.task_types.divergence import softened_binary_divergence, softened_divergence
from tasks.task_types.examples import IGNORED, Batch, Example, Vocabulary
from tasks.task_types.hidden_states import STATES, HiddenStates, kept_states
from tasks.task_types.language_models.soft_labels import KEPT_TOKENS
from tasks.task_types.learner import learner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.soft_labels import SOFT_LABELS, SoftLabels, soft_labels_of

VOCABULARY = Vocabulary(pad_id=0, size=50, mask_id=1, decoder_start_id=0)
TEMPERATURE = 3.0
LABELS = ("a", "b", "c")
CONFIG: Any = SimpleNamespace(target_scale=2.0, target_mean=10.0)


def softmax(logits: Sequence[float]) -> list[float]:
    powers = [math.exp(one - max(logits)) for one in logits]
    return [one / sum(powers) for one in powers]


def divergence(student: Sequence[float], teacher: Sequence[float], temperature: float) -> float:
    ours, theirs = (softmax([z / temperature for z in one]) for one in (student, teacher))
    apart = sum(p * (math.log(p) - math.log(q)) for p, q in zip(theirs, ours, strict=True))
    return temperature**2 * apart


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_the_divergence_is_that_of_the_formula(temperature: float) -> None:
    random = np.random.default_rng(0)
    student, teacher = random.normal(size=(2, 5, 4)) * 3
    found = softened_divergence(torch.tensor(student), torch.tensor(teacher), temperature)
    wanted = [divergence(s, t, temperature) for s, t in zip(student, teacher, strict=True)]
    np.testing.assert_allclose(found, wanted, rtol=1e-9)
    # A yes or no is two classes, of which one has the logit 0.
    binary = softened_binary_divergence(torch.tensor(student), torch.tensor(teacher), temperature)
    two = [
        [divergence([z, 0.0], [w, 0.0], temperature) for z, w in zip(s, t, strict=True)]
        for s, t in zip(student, teacher, strict=True)
    ]
    np.testing.assert_allclose(binary, two, rtol=1e-9, atol=1e-12)


def test_gradients_stay_as_large_at_any_temperature() -> None:
    teacher = torch.tensor([[1.0, -1.0, 0.0]])
    slopes = []
    for temperature in (20.0, 80.0):
        student = torch.zeros(1, 3, requires_grad=True)
        softened_divergence(student, teacher, temperature).sum().backward()
        assert student.grad is not None
        slopes.append(student.grad)
    # In the limit it is the logits' own difference over the number of classes (section 2.1).
    torch.testing.assert_close(slopes[1], -teacher / 3, atol=1e-2, rtol=0)
    torch.testing.assert_close(slopes[0], slopes[1], atol=1e-2, rtol=0)


def soft_of(task_type: str, labels: tuple[str, ...] = ()) -> SoftLabels:
    learner: Any = learner_of(task_type, labels, TokenLimits(16))
    if task_type == "regression":
        learner = replace(learner, target_mean=4.0, target_scale=0.5)
    return soft_labels_of(learner, TEMPERATURE)


def taught(
    soft: SoftLabels, examples: Sequence[Example], outputs: Mapping[str, torch.Tensor]
) -> Batch:
    """The examples' batch with what is kept of a teacher's outputs for it."""
    learner: Any = soft.learner  # type: ignore[attr-defined]
    batch = learner.collate(examples, VOCABULARY)
    kept = soft.kept(outputs, batch, CONFIG)
    beside = [{**one, **{n: kept[n][k] for n in kept}} for k, one in enumerate(examples)]
    return Batch(batch.inputs, {**batch.labels, **soft.collate(beside, batch)})


def logits(*shape: int, seed: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape).astype(np.float32) * 2)


TEXT_NUMBERS = {"source_text": 1, "target_text": 2}
TEXTS = [{"input_ids": np.arange(2, 2 + n), "labels": n % 3, "seed": 0} for n in (4, 2, 5)]


def test_classes_are_compared_text_by_text() -> None:
    soft = soft_of("classification", LABELS)
    teacher, student = logits(3, 3, seed=1), logits(3, 3, seed=2)
    batch = taught(soft, TEXTS, {"logits": teacher})
    found = soft.loss({"logits": student}, batch, torch.tensor([6]))
    pairs = zip(student.tolist(), teacher.tolist(), strict=True)
    assert float(found) == pytest.approx(sum(divergence(*p, TEMPERATURE) for p in pairs) / 6)


def test_labels_of_a_set_are_compared_one_by_one() -> None:
    soft = soft_of("multi_label", LABELS)
    examples = [{**one, "labels": np.array([0])} for one in TEXTS]
    teacher, student = logits(3, 3, seed=1), logits(3, 3, seed=2)
    batch = taught(soft, examples, {"logits": teacher})
    found = soft.loss({"logits": student}, batch, torch.tensor([3]))
    pairs = zip(student.flatten().tolist(), teacher.flatten().tolist(), strict=True)
    wanted = sum(divergence([z, 0.0], [w, 0.0], TEMPERATURE) for z, w in pairs) / 9
    assert float(found) == pytest.approx(wanted)


def test_numbers_are_compared_in_the_units_of_the_student() -> None:
    soft = soft_of("regression")
    examples = [{**one, "target": 1.0} for one in TEXTS]
    teacher, student = logits(3, 1, seed=1), logits(3, 1, seed=2)
    batch = taught(soft, examples, {"logits": teacher})
    found = soft.loss({"logits": student}, batch, torch.tensor([3]))
    # The teacher says z * 2 + 10, and the student's head learns (y - 4) / 0.5.
    own = [(z * 2.0 + 10.0 - 4.0) / 0.5 for z in teacher.flatten().tolist()]
    pairs = zip(student.flatten().tolist(), own, strict=True)
    assert float(found) == pytest.approx(sum((a - b) ** 2 for a, b in pairs) / 3)


def test_tags_are_compared_where_a_word_begins() -> None:
    soft = soft_of("tagging", LABELS)
    targets = [[IGNORED, 0, 2, IGNORED], [IGNORED, 1], [1, IGNORED, 0, 0, IGNORED]]
    examples = [
        {**one, "labels": np.array(own), "meanings": np.array([0, 1, 1])}
        for one, own in zip(TEXTS, targets, strict=True)
    ]
    teacher, student = logits(3, 5, 3, seed=1), logits(3, 5, 3, seed=2)
    batch = taught(soft, examples, {"logits": teacher})
    found = soft.loss({"logits": student}, batch, torch.tensor([6]))
    wanted = sum(
        divergence(student[row, place].tolist(), teacher[row, place].tolist(), TEMPERATURE)
        for row, own in enumerate(targets)
        for place, label in enumerate(own)
        if label != IGNORED
    )
    assert float(found) == pytest.approx(wanted / 6, rel=1e-5)


def test_begin_and_end_are_compared_among_the_tokens_that_may_answer() -> None:
    soft = soft_of("question_answering")
    places = {"start": 2, "end": 3, "context_begin": 2, "null": 0}
    examples = [{**one, **places, "context_end": len(one["input_ids"])} for one in TEXTS[::2]]
    sides = ("start_logits", "end_logits")
    teacher, student = (
        {side: logits(2, 5, seed=seed + number) for number, side in enumerate(sides)}
        for seed in (1, 7)
    )
    batch = taught(soft, examples, teacher)
    found = soft.loss(student, batch, torch.tensor([2]))
    wanted = 0.0
    for side in sides:
        for row, may_answer in enumerate(([0, 2, 3], [0, 2, 3, 4])):
            ours, theirs = (one[side][row, may_answer].tolist() for one in (student, teacher))
            wanted += divergence(ours, theirs, TEMPERATURE) / 2
    assert float(found) == pytest.approx(wanted / 2, rel=1e-5)


def test_next_tokens_are_compared_by_the_likeliest_and_the_rest() -> None:
    soft = soft_of("causal_lm")
    examples = [{"input_ids": one["input_ids"], "seed": 0} for one in TEXTS]
    teacher, student = logits(3, 5, 50, seed=1), logits(3, 5, 50, seed=2)
    batch = taught(soft, examples, {"logits": teacher})
    found = soft.loss({"logits": student}, batch, torch.tensor([8]))
    wanted = whole = 0.0
    for row, example in enumerate(examples):
        for place in range(len(example["input_ids"]) - 1):  # the last token asks for none
            ours, theirs = (
                softmax([z / TEMPERATURE for z in one[row, place].tolist()])
                for one in (student, teacher)
            )
            kept = sorted(range(50), key=lambda token: -theirs[token])[:KEPT_TOKENS]
            pairs = [(theirs[token], ours[token]) for token in kept]
            pairs.append((1 - sum(p for p, _ in pairs), 1 - sum(q for _, q in pairs)))
            wanted += TEMPERATURE**2 * sum(p * math.log(p / q) for p, q in pairs)
            whole += divergence(
                student[row, place].tolist(), teacher[row, place].tolist(), TEMPERATURE
            )
    assert float(found) == pytest.approx(wanted / 8, rel=1e-4)
    assert wanted < whole


def test_vectors_are_compared_by_their_direction_text_by_text() -> None:
    soft = soft_of("sentence_embedding")
    examples = [
        {**one, "target_ids": np.arange(4, 4 + length), **TEXT_NUMBERS}
        for one, length in zip(TEXTS[:2], (3, 5), strict=True)
    ]
    teacher, student = logits(4, 5, 6, seed=1), logits(4, 5, 6, seed=2)
    batch = taught(soft, examples, {"last_hidden_state": teacher})
    found = soft.loss({"last_hidden_state": student}, batch, torch.tensor([2]))
    apart = []
    for text, length in enumerate((4, 2, 3, 5)):  # both sources, then both targets
        ours, theirs = (one[text, :length].double().mean(dim=0) for one in (student, teacher))
        apart.append(1 - float(ours @ theirs / ours.norm() / theirs.norm()))
    assert float(found) == pytest.approx(sum(apart) / 4, rel=1e-5)


def padded_batch() -> Batch:
    soft = soft_of("classification", LABELS)
    learner: Any = soft.learner  # type: ignore[attr-defined]
    batch: Batch = learner.collate(TEXTS, VOCABULARY)
    return batch


def test_hidden_states_are_compared_at_real_tokens_as_a_share_of_what_there_is() -> None:
    batch = padded_batch()
    teacher, student = (
        {"hidden_states": tuple(logits(3, 5, 6, seed=seed + layer) for layer in range(4))}
        for seed in (1, 11)
    )
    kept = kept_states(teacher, batch, (1, 3))
    assert [len(one) for one in kept] == [length * 2 * 6 for length in (4, 2, 5)]
    states = HiddenStates((0, 2))
    examples = [{**one, STATES: own} for one, own in zip(TEXTS, kept, strict=True)]
    labelled = Batch(batch.inputs, {**batch.labels, **states.collate(examples, batch)})
    assert states.units(labelled).tolist() == [11]
    found = states.loss(student, labelled, torch.tensor(22))
    wanted = 0.0
    for ours, theirs in ((0, 1), (2, 3)):
        for text, length in enumerate((4, 2, 5)):
            for place in range(length):
                own = student["hidden_states"][ours][text, place].double()
                other = teacher["hidden_states"][theirs][text, place].double()
                wanted += float(((own - other) ** 2).sum() / (other**2).sum()) / 2
    # What half precision loses of a state is at most one part in 2,048.
    assert float(found) == pytest.approx(wanted / 22, rel=2e-3)


def test_a_hidden_state_that_half_precision_does_not_hold_is_told() -> None:
    large = {"hidden_states": (torch.full((3, 5, 6), 7e4),)}
    with pytest.raises(TrainingError, match=r"is 70000, and half precision, .* at most 65504"):
        kept_states(large, padded_batch(), (0,))


@pytest.mark.parametrize("task_type", ["masked_lm", "translation"])
def test_tokens_are_compared_where_one_is_asked_for(task_type: str) -> None:
    """Hidden words, and those of the target; by loops as above, over the whole vocabulary."""
    soft = soft_of(task_type)
    own = {"words": np.arange(5), "target_ids": np.array([4, 9, 2])}
    examples = [{"input_ids": np.arange(2, 7), "seed": seed, **own} for seed in (1, 2)]
    places = 5 if task_type == "masked_lm" else 3
    teacher, student = (logits(2, places, 12, seed=seed) for seed in (1, 2))
    batch = taught(soft, examples, {"logits": teacher})
    asked = (batch.labels["labels"] != IGNORED).nonzero().tolist()
    assert len(asked) == (2 if task_type == "masked_lm" else 6)
    found = soft.loss({"logits": student}, batch, torch.tensor([len(asked)]))
    wanted = [
        divergence(student[place].tolist(), teacher[place].tolist(), TEMPERATURE)
        for place in map(tuple, asked)
    ]
    assert float(found) == pytest.approx(sum(wanted) / len(asked), rel=1e-4)


@pytest.mark.parametrize("task_type", SOFT_LABELS.names)
def test_a_student_that_says_the_same_has_nothing_to_learn(task_type: str) -> None:
    labelled = {"classification", "multi_label", "tagging"}
    soft = soft_of(task_type, LABELS if task_type in labelled else ())
    more: dict[str, Any] = {
        "tagging": {"labels": np.array([0, 1]), "meanings": np.array([0, 1, 1])},
        "multi_label": {"labels": np.array([0])},
        "regression": {"target": 1.0}, "chat": {"labels": np.array([7, IGNORED])},
        "question_answering": {
            "start": 1, "end": 1, "context_begin": 1, "context_end": 2, "null": 0,
        },
        "masked_lm": {"words": np.array([0, 1])}, "translation": {"target_ids": np.array([7, 2])},
        "summarisation": {"target_ids": np.array([7, 2])},
        "sentence_embedding": {"target_ids": np.array([7, 2]), **TEXT_NUMBERS},
    }.get(task_type, {})  # fmt: skip
    examples = [{**TEXTS[1], **more}] * 2
    token_scores = ("causal_lm", "chat", "masked_lm", "translation", "summarisation")
    written = dict.fromkeys(token_scores, (2, 2, 50))
    shape = {"tagging": (2, 2, 3), "regression": (2, 1), **written}.get(task_type, (2, 3))
    outputs = {"logits": logits(*shape, seed=4)}
    if task_type == "question_answering":
        outputs = {side: logits(2, 2, seed=5) for side in ("start_logits", "end_logits")}
    if task_type == "sentence_embedding":
        outputs = {"last_hidden_state": logits(4, 2, 6, seed=5)}
    batch = taught(soft, examples, outputs)
    same = outputs
    if task_type == "regression":  # the same number, in the student's own units
        same = {"logits": ((outputs["logits"] * 2 + 10) - 4) / 0.5}
    assert float(soft.loss(same, batch, torch.tensor([2]))) == pytest.approx(0.0, abs=1e-6)
    other = {name: value + torch.arange(value.shape[-1]) + 1 for name, value in same.items()}
    assert float(soft.loss(other, batch, torch.tensor([2]))) > 0.01


def test_a_task_type_that_learns_from_labels_alone_says_so() -> None:
    with pytest.raises(SettingsError, match="the task_type is next_sentence; leave distill"):
        soft_labels_of(learner_of("next_sentence", (), TokenLimits(16)), 1.0)
