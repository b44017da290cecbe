"""Rows and tiny models with random weights of every task type."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from transformers import AutoTokenizer, BartConfig, BartForConditionalGeneration

from infra.base_models import fingerprint
from tasks.task_types.learner import learner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.reference_answers import reads_reference
from tasks.task_types.reference_model import ReferenceModel
from tasks.task_types.rows import RowShape, arrow_type
from tests.unit.task_types.language_models import byte_tokenizer, tiny_bert, tiny_llama

TEXTS = (
    "The match was won by a late goal. He said that they said so.",
    "Shares fell as the bank raised its rates. They rose again the day after.",
    "的一是不了人。我在有他这。",
    "She said that he said that they had said nothing at all. " * 6,
)


def values(kind: str, labels: Sequence[str], texts: Sequence[str]) -> list[Any]:
    """One value of this kind for each text."""
    words = [text.split()[:24] for text in texts]
    return {
        "text": list(texts),
        "label": [labels[row % len(labels)] for row in range(len(texts))] if labels else [],
        "labels": [list(labels[:row]) for row in range(len(texts))],
        "texts": words,
        "tags": [["O"] * len(row) for row in words],
        "number": [0.5 * row for row in range(len(texts))],
        "integer": [0] * len(texts),
        "turns": [
            [{"role": "user", "content": text[:20]}, {"role": "assistant", "content": text[:9]}]
            for text in texts
        ],
    }[kind]


def places_of(text: str) -> dict[str, int]:
    """The first two characters, and the last three."""
    return {
        "subject_start": 0, "subject_end": 2,
        "object_start": len(text) - 3, "object_end": len(text),
    }  # fmt: skip


def rows_of(shape: RowShape, labels: Sequence[str], texts: Sequence[str] = TEXTS) -> pa.Table:
    columns = {"row_id": pa.array([f"{row:064x}" for row in range(len(texts))])}
    for column in shape.columns:
        found = values(column.kind, labels, texts)
        if shape.task_type == "question_answering" and column.name in {"question", "answer"}:
            found = [text[:5] for text in texts]
        if shape.preference and column.kind == "turns":
            found = [turns[:1] for turns in found]
        if shape.preference and column.name == shape.preference[1]:
            found = [text[9:21] for text in texts]
        if shape.entities and column.kind == "integer":
            found = [places_of(text)[column.name] for text in texts]
        columns[column.name] = pa.array(found, arrow_type(column.kind))
    return pa.table(columns)


def tiny_bart(folder: Path) -> Path:
    tokenizer = byte_tokenizer(folder, begin=True)
    torch.manual_seed(0)
    BartForConditionalGeneration(
        BartConfig(
            vocab_size=len(tokenizer), d_model=32, encoder_layers=1, decoder_layers=1,
            encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=64,
            decoder_ffn_dim=64, max_position_embeddings=64, init_std=0.5, bos_token_id=1,
            eos_token_id=0, pad_token_id=2, decoder_start_token_id=0, forced_eos_token_id=None,
        )
    ).save_pretrained(folder)  # fmt: skip
    return folder


def labels_of(shape: RowShape) -> tuple[str, ...]:
    if shape.label_column is None:
        return ()
    return (
        ("B-PER", "I-PER", "O") if shape.task_type == "tagging" else ("business", "film", "sport")
    )


def trained(name: str, base: Path, labels: Sequence[str], folder: Path) -> Path:
    """A model as training leaves it, but for the training."""
    torch.manual_seed(3)
    model = learner_of(name, labels, TokenLimits(max_length=40)).load_model(base)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    if reads_reference(name):
        own = fingerprint(base)
        told = ReferenceModel(str(base), None, own.sha256, own.tokenizer_sha256, beta=0.1)
        told.write(folder)
    return folder


def base_models(bert_base: Path, folder: Path) -> Mapping[str, Path]:
    """Base models by task type; the tiny BERT itself is for all others."""
    bert = tiny_bert(bert_base, folder / "bert")
    llama, bart = tiny_llama(folder / "llama"), tiny_bart(folder / "bart")
    return {
        "masked_lm": bert, "next_sentence": bert, "causal_lm": llama, "chat": llama,
        "preference": llama,
        "translation": bart, "summarisation": bart,
    }  # fmt: skip
