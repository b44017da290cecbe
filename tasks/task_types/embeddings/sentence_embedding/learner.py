"""Texts as vectors, such that texts of like meaning have like vectors.

Trained on pairs of like meaning: of all targets of a step, a source shall be nearest to its own
(InfoNCE with the other rows as negatives: van den Oord, Li and Vinyals 2018, arXiv:1807.03748; for
sentences Henderson et al. 2017, arXiv:1705.00652). So a step of more rows is a harder, better task.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from infra.errors import BaseModelError
from tasks.task_types.encoding import encode_texts
from tasks.task_types.examples import Batch, Encoded, Example, Vocabulary, pad
from tasks.task_types.learner_base import LearnerBase
from tasks.task_types.loading import load_for_training

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from tasks.task_types.examples import Outputs

# Cosines are divided by it before the softmax.
TEMPERATURE: Final = 0.05
# A text's number has 48 bits, and goes through float32 in two halves of 24, which it holds.
TEXT_NUMBER_BYTES: Final = 6
HALF: Final = 2**24


@dataclass(frozen=True, kw_only=True)
class SentenceEmbeddingLearner(LearnerBase):
    """The mean of the last hidden state over a text's real tokens."""

    selection_metric: ClassVar[str] = "mrr"
    couples_rows: ClassVar[bool] = True
    why_not_private: ClassVar[str] = "its loss compares the rows of a step with each other"

    def encode(self, rows: "pa.Table", tokenizer: "PreTrainedTokenizerFast") -> Encoded:
        """Columns input_ids, target_ids, and a number of each text; see `Learner.encode`."""
        import pyarrow as pa

        source, target = (
            encode_texts(rows.column(name), tokenizer, self.limits.max_length)
            for name in ("source", "target")
        )
        table = pa.table(
            {
                "row_id": rows.column("row_id"),
                "input_ids": source.input_ids,
                "target_ids": target.input_ids,
                "source_text": _text_numbers(rows.column("source").to_pylist()),
                "target_text": _text_numbers(rows.column("target").to_pylist()),
            }
        )
        cut = int((source.cut | target.cut).sum())
        return Encoded(table, source.tokens + target.tokens, cut)

    def load_model(self, folder: Path) -> "PreTrainedModel":
        """A base model without a head; see `Learner.load_model`."""
        model = load_for_training(folder, "AutoModel", self.name)
        if model.config.is_encoder_decoder:
            raise BaseModelError(
                f"base model {folder} reads with an encoder and writes with a decoder; "
                f"{self.name} needs a model that is one of the two, for example BERT or Llama"
            )
        # It stands behind the vectors, and so would get no gradient.
        for name, parameter in model.named_parameters():
            if name.startswith("pooler."):
                parameter.requires_grad_(requires_grad=False)
        return model

    def collate(self, examples: Sequence[Example], vocabulary: Vocabulary) -> Batch:
        """Texts (2 B, T), the sources before the targets, and their numbers (B,) each."""
        import torch

        texts = [example[side] for side in ("input_ids", "target_ids") for example in examples]
        numbers = {
            name: torch.tensor([int(example[name]) for example in examples])
            for name in ("source_text", "target_text")
        }
        return Batch(pad(texts, vocabulary.pad_id), numbers)

    def coupled_loss(self, representations: "Tensor", units: "Tensor") -> "Tensor":
        """InfoNCE of all rows of the step, from source to target and back.

        Rows that share a source or a target are no negatives of each other.

        Args:
            representations: (N, 2 H + 4) of all rows of the step, as `represent` gives them.
            units: rows of the step.

        """
        import torch
        from torch.nn.functional import cross_entropy, normalize

        vectors, numbers = representations[:, :-4].float(), representations[:, -4:].detach()
        source, target = (normalize(half, dim=-1) for half in vectors.chunk(2, dim=-1))
        scores = source @ target.T / TEMPERATURE  # (N, N)
        alike = _equal_rows(numbers[:, :2]) | _equal_rows(numbers[:, 2:])
        own = torch.eye(len(scores), dtype=torch.bool, device=scores.device)
        scores = scores.masked_fill(alike & ~own, -torch.inf)
        place = torch.arange(len(scores), device=scores.device)
        there, back = (cross_entropy(one, place, reduction="sum") for one in (scores, scores.T))
        return (there + back) / 2 / units[0]

    def represent(self, outputs: "Outputs", batch: Batch) -> "Tensor":
        """Vectors of source and target, and the numbers of both texts, (B, 2 H + 4) float32.

        A number stands in two halves of 24 bits, which float32 holds to the last.
        """
        import torch

        real = batch.inputs["attention_mask"].unsqueeze(-1)  # (2 B, T, 1)
        summed = (outputs["last_hidden_state"].float() * real).sum(dim=1)
        vectors = summed / real.sum(dim=1).clamp(min=1)
        numbers = [batch.labels[name].unsqueeze(-1) for name in ("source_text", "target_text")]
        halves = [half.float() for number in numbers for half in (number // HALF, number % HALF)]
        return torch.cat([*vectors.chunk(2), *halves], dim=-1)

    def outcomes(self, outputs: "Outputs", batch: Batch) -> "Tensor":
        """As `represent`, (B, 2 H + 4)."""
        return self.represent(outputs, batch)

    def metrics(self, outcomes: "NDArray[np.float64]") -> dict[str, float]:
        """How often, and how far up, a source finds its own target among those of validation."""
        from tasks.task_types.embeddings.retrieval import find_own_targets

        size = (outcomes.shape[1] - 4) // 2
        source, target = outcomes[:, :size], outcomes[:, size : 2 * size]
        ranks, cosines = find_own_targets(source, target, outcomes[:, -2] * HALF + outcomes[:, -1])
        return {
            "mrr": float((1 / ranks).mean()),
            "accuracy_at_1": float((ranks == 1).mean()),
            "mean_cosine": float(cosines.mean()),
        }


def _text_numbers(texts: Sequence[str]) -> list[int]:
    """A number of each text, by which equal texts are known without their letters."""
    return [
        int.from_bytes(hashlib.blake2b(text.encode(), digest_size=TEXT_NUMBER_BYTES).digest())
        for text in texts
    ]


def _equal_rows(numbers: "Tensor") -> "Tensor":
    """Which of the rows (N, K) are equal, (N, N)."""
    return (numbers.unsqueeze(0) == numbers.unsqueeze(1)).all(dim=-1)
