"""Texts as vectors, such that texts of like meaning have like vectors.

Trained on pairs of like meaning: of all targets of a step, a source shall be nearest to its own
(InfoNCE with the other rows as negatives: van den Oord, Li and Vinyals 2018, arXiv:1807.03748; for
sentences Henderson et al. 2017, arXiv:1705.00652). So a step of more rows is a harder, better task.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from infra.errors import BaseModelError
from tasks.task_types.answered_sample import answer_first
from tasks.task_types.base import SERVED, CommonTaskType
from tasks.task_types.encoding import encode_texts
from tasks.task_types.examples import Batch, Encoded, Example, Vocabulary, pad
from tasks.task_types.loading import load_for_training

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from tasks.task_types import TokenLimits
    from tasks.task_types.measures import Measured

# Cosines are divided by it before the softmax.
TEMPERATURE: Final = 0.05
# A text's number has 48 bits, and goes through float32 in two halves of 24, which it holds.
TEXT_NUMBER_BYTES: Final = 6
HALF: Final = 2**24


@dataclass(frozen=True, kw_only=True)
class SentenceEmbedding(CommonTaskType):
    """The mean of the last hidden state over a text's real tokens."""

    name: str = "sentence_embedding"
    served: Path | None = SERVED / "sentence_embedding.py"
    selection_metric: str = "mrr"
    couples_rows: bool = True

    def encode(
        self,
        rows: Any,
        tokenizer: Any,
        labels: Sequence[str],  # noqa: ARG002
        reading: "TokenLimits",
    ) -> Encoded:
        """Columns input_ids, target_ids, and a number of each text; see `TaskType.encode`."""
        import pyarrow as pa

        source, target = (
            encode_texts(rows.column(name), tokenizer, reading.max_length)
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

    def load_model(self, folder: Path, labels: Sequence[str]) -> Any:  # noqa: ARG002
        """A base model without a head; see `TaskType.load_model`."""
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

    def loss(
        self,
        outputs: Any,
        batch: Batch,  # noqa: ARG002
        units: "Tensor",
        *,
        smoothing: float = 0.0,  # noqa: ARG002
        class_weights: "Tensor | None" = None,  # noqa: ARG002
    ) -> "Tensor":
        """InfoNCE of all rows of the step, from source to target and back; see `TaskType.loss`.

        Rows that share a source or a target are no negatives of each other.

        Args:
            outputs: (N, 2 H + 4) of all rows of the step, as `represent` gives them.
            batch: unused.
            units: rows of the step.
            smoothing: unused.
            class_weights: unused.

        """
        import torch
        from torch.nn.functional import cross_entropy, normalize

        vectors, numbers = outputs[:, :-4].float(), outputs[:, -4:].detach()
        source, target = (normalize(half, dim=-1) for half in vectors.chunk(2, dim=-1))
        scores = source @ target.T / TEMPERATURE  # (N, N)
        alike = _equal_rows(numbers[:, :2]) | _equal_rows(numbers[:, 2:])
        own = torch.eye(len(scores), dtype=torch.bool, device=scores.device)
        scores = scores.masked_fill(alike & ~own, -torch.inf)
        place = torch.arange(len(scores), device=scores.device)
        there, back = (cross_entropy(one, place, reduction="sum") for one in (scores, scores.T))
        return (there + back) / 2 / units[0]

    def represent(self, outputs: Any, batch: Batch) -> "Tensor":
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

    def outcomes(self, outputs: Any, batch: Batch) -> "Tensor":
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

    def predict(
        self,
        folder: Path,
        rows: Any,
        labels: Sequence[str],  # noqa: ARG002
        reading: "TokenLimits",
    ) -> Any:
        """Columns answer (of the first rows), rank and cosine; see `TaskType.predict`."""
        import pyarrow as pa

        from tasks.task_types.embeddings.embedding import embed_texts

        source, target = (
            embed_texts(folder, rows[name].to_pylist(), max_length=reading.max_length)
            for name in ("source", "target")
        )
        answers = answer_first(
            rows["row_id"].to_pylist(), lambda row: json.dumps({"vector": source[row].tolist()})
        )
        return pa.table({"answer": answers, **_found(rows, source, target)})

    def measure(self, rows: Any, answers: Any, labels: Sequence[str]) -> "Measured":  # noqa: ARG002
        """How often, and how far up, a source finds its own target among those of the test rows."""
        from tasks.task_types.embeddings.retrieval import measure_ranks

        return measure_ranks(answers["rank"].to_numpy(), answers["cosine"].to_numpy())

    def baseline(self, train: Any, test: Any, labels: Sequence[str], seed: int) -> Any:  # noqa: ARG002
        """Cosines of TF-IDF bags of words, of the words of sources and targets."""
        import pyarrow as pa

        from tasks.task_types.labels.bag_of_words import bag_of_words

        pairs = zip(train["source"].to_pylist(), train["target"].to_pylist(), strict=True)
        texts = [text for pair in pairs for text in pair]
        words = bag_of_words(texts)
        try:
            words.fit(texts)
        except ValueError as error:  # no word at all is left of the texts
            return f"no TF-IDF baseline of these texts: {error}"
        source, target = (words.transform(test[name].to_pylist()) for name in ("source", "target"))
        return pa.table(_found(test, source, target))


def _found(rows: Any, source: Any, target: Any) -> "dict[str, NDArray[Any]]":
    """Rank and cosine of the own target, of those of the first rows by row_id."""
    import numpy as np

    from tasks.task_types.embeddings.retrieval import find_own_targets

    order = _by_row_id(rows)
    texts = rows["target"].to_pylist()
    numbers = np.unique(np.array(texts, dtype=object), return_inverse=True)[1]
    ranks, cosines = (np.empty(len(texts), kind) for kind in (np.int32, np.float64))
    ranks[order], cosines[order] = find_own_targets(source[order], target[order], numbers[order])
    return {"rank": ranks, "cosine": cosines}


def _by_row_id(rows: Any) -> "NDArray[np.int64]":
    """Row numbers in the order of the ids, which are digests, so that the order means nothing."""
    import numpy as np

    return np.argsort(np.array(rows["row_id"].to_pylist(), dtype=str), kind="stable")


def _text_numbers(texts: Sequence[str]) -> list[int]:
    """A number of each text, by which equal texts are known without their letters."""
    return [
        int.from_bytes(hashlib.blake2b(text.encode(), digest_size=TEXT_NUMBER_BYTES).digest())
        for text in texts
    ]


def _equal_rows(numbers: "Tensor") -> "Tensor":
    """Which of the rows (N, K) are equal, (N, N)."""
    return (numbers.unsqueeze(0) == numbers.unsqueeze(1)).all(dim=-1)
