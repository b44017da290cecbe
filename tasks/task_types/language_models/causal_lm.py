"""Causal language modelling: each token of a text is predicted from those before it.

Training reads a text as start token, text and end token, cut into blocks of the maximum length
(`blocks`), each an example of its own, which the trainer packs into common rows. Evaluation scores
the tokens of the whole text, without the end token, in windows that share `stride` tokens.

Served: column ``text`` to ``{"continuation": str, "mean_log_likelihood": float, "tokens": int}``:
what the model writes next (greedily, at most 32 tokens), and the mean log-probability of the text's
tokens in nats, null for a text without tokens.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from infra.errors import BaseModelError
from tasks.task_types.answered_sample import answer_first
from tasks.task_types.base import SERVED
from tasks.task_types.encoding import TEXTS_AT_ONCE
from tasks.task_types.examples import Batch, Encoded, Example, Vocabulary
from tasks.task_types.language_models.blocks import bounds_of, cut_into_blocks, plain_ids
from tasks.task_types.language_models.continuation import write_greedily
from tasks.task_types.language_models.likelihood import (
    check_numbers,
    labelled_batch,
    next_token_labels,
    score_tokens,
)
from tasks.task_types.language_models.token_loss import TokenLoss
from tasks.task_types.loading import load_for_training

if TYPE_CHECKING:
    from tasks.task_types import TokenLimits
    from tasks.task_types.measures import Measured

CONTINUATION_TOKENS = 32


@dataclass(frozen=True, kw_only=True)
class CausalLm(TokenLoss):
    """The next token of a text."""

    name: str = "causal_lm"
    selection_metric: str = "perplexity"
    packs: bool = True
    served: Path | None = SERVED / "causal_lm.py"

    def encode(
        self,
        rows: Any,
        tokenizer: Any,
        labels: Sequence[str],  # noqa: ARG002
        reading: "TokenLimits",
    ) -> Encoded:
        """Turn rows into training examples; see `TaskType.encode`."""
        import pyarrow as pa

        start, end = bounds_of(tokenizer)
        texts, row_ids = (rows.column(name).to_pylist() for name in ("text", "row_id"))
        kept: dict[str, list[Any]] = {"row_id": [], "input_ids": []}
        truncated = 0
        for first in range(0, len(texts), TEXTS_AT_ONCE):
            found = plain_ids(texts[first : first + TEXTS_AT_ONCE], tokenizer)
            for row_id, ids in zip(row_ids[first:], found, strict=False):
                blocks = list(cut_into_blocks([start, *ids, end], reading.max_length))
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

    def load_model(self, folder: Path, labels: Sequence[str]) -> Any:  # noqa: ARG002
        """A base model with its language-model head; see `TaskType.load_model`."""
        return load_causal(folder, self.name)

    def collate(self, examples: Sequence[Example], vocabulary: Vocabulary) -> Batch:
        """A padded batch, the label of each token being the one after it."""
        ids = [example["input_ids"] for example in examples]
        return labelled_batch(ids, [next_token_labels(one) for one in ids], vocabulary.pad_id)

    def metrics(self, outcomes: NDArray[np.float64]) -> Mapping[str, float]:
        """Perplexity."""
        nll, tokens, _ = outcomes.sum(axis=0)
        return {"perplexity": float(np.exp(nll / max(tokens, 1)))}

    def predict(
        self,
        folder: Path,
        rows: Any,
        labels: Sequence[str],  # noqa: ARG002
        reading: "TokenLimits",
    ) -> Any:
        """Log-likelihood of every text, and the continuation of the first ones."""
        import pyarrow as pa

        from infra.base_models import quiet_transformers
        from tasks.task_types.language_models.language_measures import likelihood_table
        from tasks.task_types.scoring import load_model
        from tasks.task_types.tokenizers import load_tokenizer

        texts = rows.column("text").to_pylist()
        with quiet_transformers():
            tokenizer = load_tokenizer(folder)
            model = load_model(folder, "AutoModelForCausalLM")
            start, _ = bounds_of(tokenizer)
            nll, tokens = np.zeros(len(texts)), np.zeros(len(texts))
            for first in range(0, len(texts), TEXTS_AT_ONCE):
                part = slice(first, first + TEXTS_AT_ONCE)
                found = [[start, *ids] for ids in plain_ids(texts[part], tokenizer)]
                nll[part], tokens[part] = _score(model, found, tokenizer.pad_token_id, reading)
            check_numbers(nll, folder)

            def answer(place: int) -> str:
                ids = [start, *plain_ids([texts[place]], tokenizer)[0]]
                mean = -nll[place] / tokens[place] if tokens[place] else None
                said = write_greedily(
                    model, tokenizer, ids, reading.max_length, CONTINUATION_TOKENS
                )
                told = {
                    "continuation": said,
                    "mean_log_likelihood": mean,
                    "tokens": int(tokens[place]),
                }
                return json.dumps(told, ensure_ascii=False)

            answers = answer_first(rows.column("row_id").to_pylist(), answer)
        return pa.table({"answer": answers, **likelihood_table(nll, tokens, texts)})

    def measure(self, rows: Any, answers: Any, labels: Sequence[str]) -> "Measured":  # noqa: ARG002
        """Bits per byte and perplexity; see `language_measures`."""
        from tasks.task_types.language_models.language_measures import measure_likelihood

        return measure_likelihood(answers)

    def baseline(
        self,
        train: Any,
        test: Any,
        labels: Sequence[str],  # noqa: ARG002
        seed: int,  # noqa: ARG002
    ) -> Any:
        """Texts as single characters, by their shares in the training texts."""
        from tasks.task_types.language_models.language_measures import character_baseline

        return character_baseline(train.column("text").to_pylist(), test.column("text").to_pylist())


def load_causal(folder: Path, task_type: str) -> Any:
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


def _score(
    model: Any, texts: Sequence[Sequence[int]], pad_id: int, reading: "TokenLimits"
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Negative log-likelihood and tokens of each text, over all of its windows."""
    shared = max(reading.stride, 1)
    windows, wanted, owners = [], [], []
    for place, ids in enumerate(texts):
        for number, window in enumerate(cut_into_blocks(ids, reading.max_length, shared)):
            windows.append(window)
            wanted.append(next_token_labels(window, shared if number else 1))
            owners.append(place)
    sums = score_tokens(model, windows, wanted, pad_id)
    nll, tokens = (
        np.bincount(owners, sums[:, column], minlength=len(texts)).astype(np.float64)
        for column in (0, 1)
    )
    return nll, tokens
