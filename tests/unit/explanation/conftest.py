"""A tiny classifier that has learned a shortcut: one word tells the label, all others nothing."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest
import torch
from transformers import AutoTokenizer

from tasks.explanation.network import ExplainedNetwork, load_network
from tasks.task_types.learner import learner_of
from tasks.task_types.limits import TokenLimits

LABELS: Final = ("bad", "good")
LIMITS: Final = TokenLimits(max_length=40)
# The shortcut of each label; what stands around it is drawn of the same words for both.
SHORTCUT: Final = {"bad": "bank", "good": "film"}
AROUND: Final = (
    "shares", "said", "she", "they", "match", "goal", "user", "time", "new", "fell", "out",
    "who", "late", "look", "name",
)  # fmt: skip


def shortcut_texts(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Texts of 6 to 14 words with their labels."""
    draw, made = random.Random(seed), []
    for row in range(count):
        label = LABELS[row % 2]
        words = draw.choices(AROUND, k=draw.randint(5, 13))
        words.insert(draw.randint(0, len(words)), SHORTCUT[label])
        made.append((" ".join(words), label))
    return made


def texts_without(count: int) -> list[tuple[str, str]]:
    """Texts of either label without a shortcut: so that its absence tells nothing."""
    draw = random.Random(3)
    return [
        (" ".join(draw.choices(AROUND, k=draw.randint(5, 14))), LABELS[row % 2])
        for row in range(count)
    ]


def taught(base: Path, folder: Path, rows: Sequence[tuple[str, str]], steps: int = 100) -> Path:
    """The base model after some steps on the rows, with its tokenizer."""
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = learner_of("classification", LABELS, LIMITS).load_model(base)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    draw = random.Random(1)
    for _ in range(steps):
        batch = draw.sample(rows, 32)
        inputs = tokenizer([text for text, _ in batch], padding=True, return_tensors="pt")
        inputs.pop("token_type_ids", None)
        classes = torch.tensor([LABELS.index(label) for _, label in batch])
        torch.nn.functional.cross_entropy(model(**inputs).logits, classes).backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def shortcut_folder(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shortcut") / "model"
    return taught(tiny_model, folder, [*shortcut_texts(400), *texts_without(200)])


@pytest.fixture(scope="session")
def network(shortcut_folder: Path) -> ExplainedNetwork:
    return load_network(shortcut_folder, "classification", LIMITS)
