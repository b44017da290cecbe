"""Masked language modelling: hidden words are guessed from the text around them.

Long texts are read in windows of the maximum length, so that nothing is lost. Training hides words
at random (`masking.mask_words`); evaluation hides every seventh, always the same ones.

Metrics: ``masked_accuracy`` is the share of hidden words of which every token is right, which
compares across tokenizers as far as they agree on what a word is; ``masked_token_accuracy`` and
``pseudo_perplexity`` are by hidden token.

Served: column ``text`` to ``{"tokens": [[str]], "scores": [[float]], "mean_log_likelihood":
float}``: for each mask token of the text the five likeliest tokens and their probabilities. A text
without the tokenizer's mask token is asked as in evaluation, every seventh word hidden; then the
mean log-probability of the hidden tokens in nats is told, which is null else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tasks.task_types.encoding import batches_of, encode_batch
from tasks.task_types.examples import Batch, Encoded, Example, Vocabulary
from tasks.task_types.language_models.likelihood import (
    labelled_batch,
)
from tasks.task_types.language_models.masking import (
    NO_WORD,
    check_mask_token,
    mask_words,
    word_numbers,
)
from tasks.task_types.language_models.token_loss import TokenLoss
from tasks.task_types.loading import load_for_training

if TYPE_CHECKING:
    import pyarrow as pa
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


@dataclass(frozen=True, kw_only=True)
class MaskedLmLearner(TokenLoss):
    """The hidden words of a text."""

    selection_metric: ClassVar[str] = "pseudo_perplexity"
    packs: ClassVar[bool] = True
    asked_with_control_tokens: ClassVar[bool] = True
    few: ClassVar[bool] = True

    def encode(self, rows: "pa.Table", tokenizer: "PreTrainedTokenizerFast") -> Encoded:
        """Columns input_ids and words, the number of each token's word; see `Learner.encode`."""
        import pyarrow as pa

        check_mask_token(tokenizer)
        special = frozenset(tokenizer.all_special_ids)
        kept: dict[str, list[Any]] = {"row_id": [], "input_ids": [], "words": []}
        truncated = tokens = 0
        row_ids = iter(rows.column("row_id").to_pylist())
        for texts in batches_of(rows.column("text").to_pylist()):
            for encoding in encode_batch(tokenizer, texts, self.limits.max_length):
                row_id = next(row_ids)
                truncated += bool(encoding.overflowing)
                for window in (encoding, *encoding.overflowing):
                    words = np.asarray(word_numbers(window, special), dtype=np.int32)
                    if (words == NO_WORD).all():
                        continue  # nothing to guess
                    kept["row_id"].append(row_id)
                    kept["input_ids"].append(np.asarray(window.ids, dtype=np.int32))
                    kept["words"].append(words)
                    tokens += len(words)
        numbers = pa.list_(pa.int32())
        types = {"row_id": pa.string(), "input_ids": numbers, "words": numbers}
        table = pa.table({name: pa.array(kept[name], kind) for name, kind in types.items()})
        return Encoded(table, tokens, truncated)

    def load_model(self, folder: Path) -> "PreTrainedModel":
        """A base model with a masked-language head, a new one where its files have none."""
        return load_for_training(folder, "AutoModelForMaskedLM", self.name)

    def collate(self, examples: Sequence[Example], vocabulary: Vocabulary) -> Batch:
        """A padded batch with hidden words, which are its labels."""
        masked = [
            mask_words(example["input_ids"], example["words"], int(example["seed"]), vocabulary)
            for example in examples
        ]
        return labelled_batch(
            [ids for ids, _ in masked], [labels for _, labels in masked], vocabulary.pad_id
        )

    def metrics(self, outcomes: NDArray[np.float64]) -> Mapping[str, float]:
        """Perplexity and accuracy of hidden tokens."""
        nll, tokens, right = outcomes.sum(axis=0)
        return {
            "pseudo_perplexity": float(np.exp(nll / max(tokens, 1))),
            "masked_token_accuracy": float(right / max(tokens, 1)),
        }
