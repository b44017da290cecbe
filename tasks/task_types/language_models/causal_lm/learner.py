"""Causal language modelling: each token of a text is predicted from those before it.

Training reads a text as start token, text and end token, cut into blocks of the maximum length
(`blocks`), each an example of its own, which the trainer packs into common rows. Evaluation scores
the tokens of the whole text, without the end token, in windows that share `stride` tokens.

Served: column ``text`` to ``{"continuation": str, "mean_log_likelihood": float, "tokens": int}``:
what the model writes next (greedily, at most 32 tokens), and the mean log-probability of the text's
tokens in nats, null for a text without tokens.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from infra.errors import BaseModelError
from tasks.task_types.encoding import TEXTS_AT_ONCE
from tasks.task_types.examples import Batch, Encoded, Example, Vocabulary
from tasks.task_types.language_models.blocks import bounds_of, cut_into_blocks, plain_ids
from tasks.task_types.language_models.likelihood import (
    labelled_batch,
    next_token_labels,
)
from tasks.task_types.language_models.token_loss import TokenLoss
from tasks.task_types.loading import load_for_training

if TYPE_CHECKING:
    import pyarrow as pa
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


@dataclass(frozen=True, kw_only=True)
class CausalLmLearner(TokenLoss):
    """The next token of a text."""

    selection_metric: ClassVar[str] = "perplexity"
    packs: ClassVar[bool] = True
    asked_with_control_tokens: ClassVar[bool] = True

    def encode(self, rows: "pa.Table", tokenizer: "PreTrainedTokenizerFast") -> Encoded:
        """Turn rows into training examples; see `Learner.encode`."""
        import pyarrow as pa

        start, end = bounds_of(tokenizer)
        texts, row_ids = (rows.column(name).to_pylist() for name in ("text", "row_id"))
        kept: dict[str, list[Any]] = {"row_id": [], "input_ids": []}
        truncated = 0
        for first in range(0, len(texts), TEXTS_AT_ONCE):
            found = plain_ids(texts[first : first + TEXTS_AT_ONCE], tokenizer)
            for row_id, ids in zip(row_ids[first:], found, strict=False):
                blocks = list(cut_into_blocks([start, *ids, end], self.limits.max_length))
                truncated += len(blocks) > 1
                kept["input_ids"] += [np.asarray(block, dtype=np.int32) for block in blocks]
                kept["row_id"] += [row_id] * len(blocks)
        table = pa.table(
            {
                "row_id": pa.array(kept["row_id"], pa.string()),
                "input_ids": pa.array(kept["input_ids"], pa.list_(pa.int32())),
            }
        )
        return Encoded(table, sum(map(len, kept["input_ids"])), truncated)

    def load_model(self, folder: Path) -> "PreTrainedModel":
        """A base model with its language-model head; see `Learner.load_model`."""
        return load_causal(folder, self.name)

    def collate(self, examples: Sequence[Example], vocabulary: Vocabulary) -> Batch:
        """A padded batch, the label of each token being the one after it."""
        ids = [example["input_ids"] for example in examples]
        return labelled_batch(ids, [next_token_labels(one) for one in ids], vocabulary.pad_id)

    def metrics(self, outcomes: NDArray[np.float64]) -> Mapping[str, float]:
        """Perplexity."""
        nll, tokens, _ = outcomes.sum(axis=0)
        return {"perplexity": float(np.exp(nll / max(tokens, 1)))}


def load_causal(folder: Path, task_type: str) -> "PreTrainedModel":
    """A base model that predicts the next token, and reads no token before its time.

    Raises:
        BaseModelError: the weights cannot be read or do not fit, or the model sees what follows.

    """
    import torch

    model = load_for_training(folder, "AutoModelForCausalLM", task_type)
    ids = torch.arange(8).reshape(2, 4) % model.config.vocab_size
    ids[1, :2] = ids[0, :2]  # two texts that begin alike and end differently
    with torch.inference_mode():
        logits = model.eval()(input_ids=ids).logits
    if not torch.allclose(logits[0, :2], logits[1, :2], atol=1e-4):
        raise BaseModelError(
            f"base model {folder} ({type(model).__name__}) sees the tokens that it shall predict; "
            f"{task_type} needs a decoder, such as GPT-2 or Llama"
        )
    return model
