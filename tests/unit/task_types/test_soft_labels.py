"""What a student learns from its teacher: what is kept, and its loss, by loops in NumPy."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from infra.errors import SettingsError
from tasks.task_types.divergence import softened_binary_divergence, softened_divergence
from tasks.task_types.examples import IGNORED, Batch, Example, Vocabulary
from tasks.task_types.language_models.soft_labels import KEPT_TOKENS
from tasks.task_types.learner import learner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.soft_labels import SOFT_LABELS, SoftLabels, soft_labels_of

VOCABULARY = Vocabulary(pad_id=0, size=50)
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
    }.get(task_type, {})  # fmt: skip
    examples = [{**TEXTS[1], **more}] * 2
    written = {"causal_lm": (2, 2, 50), "chat": (2, 2, 50)}
    shape = {"tagging": (2, 2, 3), "regression": (2, 1), **written}.get(task_type, (2, 3))
    outputs = {"logits": logits(*shape, seed=4)}
    if task_type == "question_answering":
        outputs = {side: logits(2, 2, seed=5) for side in ("start_logits", "end_logits")}
    batch = taught(soft, examples, outputs)
    same = outputs
    if task_type == "regression":  # the same number, in the student's own units
        same = {"logits": ((outputs["logits"] * 2 + 10) - 4) / 0.5}
    assert float(soft.loss(same, batch, torch.tensor([2]))) == pytest.approx(0.0, abs=1e-6)
    other = {name: value + torch.arange(value.shape[-1]) + 1 for name, value in same.items()}
    assert float(soft.loss(other, batch, torch.tensor([2]))) > 0.01


def test_a_task_type_that_learns_from_labels_alone_says_so() -> None:
    with pytest.raises(SettingsError, match="the task_type is masked_lm; leave distillation out"):
        soft_labels_of(learner_of("masked_lm", (), TokenLimits(16)), 1.0)
