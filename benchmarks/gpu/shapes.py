"""How large the check is: models by their shapes, and rows by number."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

ModelName = Literal["minilm", "bert_base", "smollm2"]
SizeName = Literal["full", "tiny"]
MAX_LENGTH: Final = 128

# Configurations of all-MiniLM-L6-v2, bert-base-uncased and SmolLM2-135M, as published.
MINILM: Final = {
    "vocab_size": 30_522, "hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12,
    "intermediate_size": 1536, "max_position_embeddings": 512,
}  # fmt: skip
BERT_BASE: Final = {
    "vocab_size": 30_522, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
    "intermediate_size": 3072, "max_position_embeddings": 512,
}  # fmt: skip
SMOLLM2: Final = {
    "vocab_size": 49_152, "hidden_size": 576, "num_hidden_layers": 30, "num_attention_heads": 9,
    "num_key_value_heads": 3, "intermediate_size": 1536, "max_position_embeddings": 2048,
    "tie_word_embeddings": True,
}  # fmt: skip
TINY: Final = {
    "vocab_size": 1200, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 64, "max_position_embeddings": 128,
}  # fmt: skip


@dataclass(frozen=True)
class Size:
    """How large the check is.

    Attributes:
        shapes: each model's configuration.
        vocabulary: tokens of the tokenizers, which are trained on the texts.
        rows: short texts of each split; long trainings go through all of them.
        few_rows: of the training rows, for trainings that look at a loss curve.
        epochs: of such a training that must have learnt something.
        batch_size: rows of a step, as people set it; large_batch_size: as a large card bears it.
        tokens_per_pass: of a training.
        learning_rate: at which models of random weights learn.
        matrix: rows and columns of the products that are measured.

    """

    name: SizeName
    shapes: Mapping[ModelName, Mapping[str, Any]]
    vocabulary: int
    rows: Mapping[str, int]
    few_rows: int
    epochs: int
    batch_size: int
    large_batch_size: int
    tokens_per_pass: int
    learning_rate: float
    matrix: int


SIZES: Final[Mapping[SizeName, Size]] = {
    "full": Size(
        "full",
        {"minilm": MINILM, "bert_base": BERT_BASE, "smollm2": SMOLLM2},
        vocabulary=4000,
        rows={"train": 8192, "validation": 512, "test": 8192},
        few_rows=1536,
        epochs=2,
        batch_size=32,
        large_batch_size=512,
        tokens_per_pass=16_384,
        learning_rate=5e-4,
        matrix=8192,
    ),
    "tiny": Size(
        "tiny",
        {"minilm": TINY, "bert_base": TINY, "smollm2": {**TINY, "num_key_value_heads": 1}},
        vocabulary=1000,
        rows={"train": 64, "validation": 24, "test": 60},
        few_rows=48,
        epochs=6,
        batch_size=8,
        large_batch_size=32,
        tokens_per_pass=512,
        learning_rate=5e-3,
        matrix=256,
    ),
}
