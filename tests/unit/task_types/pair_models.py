"""Tiny real encoders and decoders, and a language of a few words for them to translate."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from infra.transformers_logs import quiet_transformers
from tasks.task_types.examples import Example
from tasks.task_types.learner import Learner
from tasks.task_types.tokenizers import load_tokenizer, vocabulary_of
from tasks.tokenization.from_scratch.new_model import new_model
from tasks.tokenization.from_scratch.new_tokenizer import train_tokenizer
from tasks.tokenization.settings import ScratchSettings

WORDS = {
    "red": "红", "green": "绿", "big": "大", "small": "小", "cat": "猫", "dog": "狗",
    "bird": "鸟", "fish": "鱼",
}  # fmt: skip


def pairs(count: int, seed: int = 0) -> pa.Table:
    """Sentences of one to three words, word for word in Chinese."""
    random = np.random.default_rng(seed)
    drawn = [list(random.choice(list(WORDS), random.integers(1, 4))) for _ in range(count)]
    return table_of(
        [" ".join(words) for words in drawn],
        ["".join(WORDS[word] for word in words) for words in drawn],
    )


def table_of(sources: Sequence[str], targets: Sequence[str]) -> pa.Table:
    row_ids = [f"{number:064x}" for number in range(len(sources))]
    return pa.table({"row_id": row_ids, "source": list(sources), "target": list(targets)})


def tiny_model(folder: Path, architecture: Any, **settings: Any) -> Path:
    """A model of the architecture with random weights, which knows all words of the language."""
    chosen = ScratchSettings(
        architecture=architecture, hidden_size=48, layers=1, heads=2, vocab_size=300,
        max_positions=64, dropout=0.0, **settings,
    )  # fmt: skip
    rows = pairs(200)
    texts = [*rows["source"].to_pylist(), *rows["target"].to_pylist()]
    with quiet_transformers():
        tokenizer = train_tokenizer(lambda: iter(texts), chosen)
        new_model(tokenizer, chosen).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def examples_of(learner: Learner, base: Path, rows: pa.Table) -> list[Example]:
    return list(learner.encode(rows, load_tokenizer(base)).table.to_pylist())


def learn(
    learner: Learner,
    base: Path,
    rows: pa.Table,
    folder: Path,
    *,
    steps: int,
    learning_rate: float = 5e-3,
    batch_size: int = 32,
) -> tuple[Path, list[float]]:
    """A plain training loop: the trained model as transformers saves it, and its losses."""
    examples, tokenizer = examples_of(learner, base, rows), load_tokenizer(base)
    torch.manual_seed(0)
    with quiet_transformers():
        model = learner.load_model(base).train()
    vocabulary = vocabulary_of(tokenizer, model.config)
    optimizer = torch.optim.AdamW(model.parameters(), learning_rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, steps)
    random, losses = np.random.default_rng(0), []
    for _ in range(steps):
        chosen = random.choice(len(examples), min(batch_size, len(examples)), replace=False)
        batch = learner.collate([examples[row] | {"seed": int(row)} for row in chosen], vocabulary)
        loss = learner.loss(model(**batch.inputs), batch, learner.units(batch))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    with quiet_transformers():
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder, losses
