"""Next-sentence prediction beside masked language modelling (Devlin et al. 2019, section 3.1).

A document is read as pairs of sentences (`sentence_pairs`); the model tells whether the second
follows the first, and guesses the hidden words of both. The loss is the sum of the two means. It
needs a base model with both heads, such as BERT; what its files lack of them is drawn anew.

Served: column ``text``, a document, to ``{"next_probabilities": [float]}``: for each two
neighbouring sentences of it the probability that the second follows the first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from infra.errors import BaseModelError
from tasks.task_types.encoding import TEXTS_AT_ONCE, encode_batch
from tasks.task_types.examples import Batch, Encoded, Example, Vocabulary, pad_like
from tasks.task_types.language_models.likelihood import (
    label_tokens,
    labelled_batch,
    row_sums,
    summed_loss,
)
from tasks.task_types.language_models.masking import check_mask_token, mask_words
from tasks.task_types.language_models.sentence_pairs import pair_sentences
from tasks.task_types.learner_base import LearnerBase
from tasks.task_types.loading import load_for_training

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from tasks.task_types.examples import Outputs


@dataclass(frozen=True, kw_only=True)
class NextSentenceLearner(LearnerBase):
    """Whether a sentence follows another, and the hidden words of both."""

    selection_metric: ClassVar[str] = "pretraining_loss"
    greater_is_better: ClassVar[bool] = False
    why_not_private: ClassVar[str] = "a pair may join sentences of two rows"

    def encode(self, rows: "pa.Table", tokenizer: "PreTrainedTokenizerFast") -> Encoded:
        """Columns input_ids, segments, words and follows (0: it does); see `Learner.encode`."""
        import pyarrow as pa

        from tasks.task_types.language_models.masking import pair_words

        check_mask_token(tokenizer)
        special = frozenset(tokenizer.all_special_ids)
        row_ids = rows.column("row_id").to_pylist()
        pairs = pair_sentences(rows.column("text").to_pylist(), row_ids)
        numbers = pa.list_(pa.int32())
        types = {"input_ids": numbers, "segments": numbers, "words": numbers}
        kept: dict[str, list[Any]] = {name: [] for name in types}
        cut: set[int] = set()
        for start in range(0, len(pairs), TEXTS_AT_ONCE):
            part = pairs[start : start + TEXTS_AT_ONCE]
            texts = [(pair.first, pair.second) for pair in part]
            encodings = encode_batch(tokenizer, texts, self.limits.max_length)
            for pair, one in zip(part, encodings, strict=True):
                kept["input_ids"].append(np.asarray(one.ids, dtype=np.int32))
                kept["segments"].append(np.asarray(one.type_ids, dtype=np.int32))
                kept["words"].append(np.asarray(pair_words(one, special), dtype=np.int32))
                if one.overflowing:
                    cut.add(pair.document)
        _check_segments(kept["segments"])
        table = pa.table(
            {
                "row_id": pa.array([row_ids[pair.document] for pair in pairs], pa.string()),
                **{name: pa.array(kept[name], kind) for name, kind in types.items()},
                "follows": pa.array([pair.label for pair in pairs], pa.int64()),
            }
        )
        return Encoded(table, sum(map(len, kept["input_ids"])), len(cut))

    def load_model(self, folder: Path) -> "PreTrainedModel":
        """A base model with both heads; see `Learner.load_model`."""
        import torch

        model = load_for_training(folder, "AutoModelForPreTraining", self.name)
        ids = torch.zeros(1, 2, dtype=torch.int64)
        with torch.inference_mode():
            outputs = model.eval()(input_ids=ids)
        lacking = {"prediction_logits", "seq_relationship_logits"} - set(outputs)
        if lacking or getattr(model.config, "type_vocab_size", 0) <= 1:
            raise BaseModelError(
                f"base model {folder} ({type(model).__name__}) has no next-sentence head or no "
                f"second segment; {self.name} needs a model such as BERT, others masked_lm"
            )
        return model

    def collate(self, examples: Sequence[Example], vocabulary: Vocabulary) -> Batch:
        """A padded batch of pairs with hidden words; see `Learner.collate`."""
        import torch

        masked = [
            mask_words(example["input_ids"], example["words"], int(example["seed"]), vocabulary)
            for example in examples
        ]
        batch = labelled_batch(
            [ids for ids, _ in masked], [labels for _, labels in masked], vocabulary.pad_id
        )
        batch.inputs["token_type_ids"] = pad_like([one["segments"] for one in examples], 0)
        batch.labels["follows"] = torch.tensor([int(one["follows"]) for one in examples])
        return batch

    def units(self, batch: Batch) -> "Tensor":
        """Hidden tokens, and pairs."""
        import torch

        tokens = label_tokens(batch)
        return torch.stack([tokens, torch.full_like(tokens, len(batch.labels["follows"]))])

    def loss(self, outputs: "Outputs", batch: Batch, units: "Tensor") -> "Tensor":
        """Both cross-entropies; see `Learner.loss`."""
        hidden = summed_loss(outputs["prediction_logits"], batch.labels["labels"], few=True)
        follows = _follow_loss(outputs, batch)
        # A step without a hidden word has no loss of that kind.
        return hidden / units[0].clamp(min=1) + follows.sum() / units[1]

    def outcomes(self, outputs: "Outputs", batch: Batch) -> "Tensor":
        """`likelihood.row_sums`, the loss of the pair in nats and whether it is right, (B, 5)."""
        import torch

        sums = row_sums(outputs["prediction_logits"], batch.labels["labels"])
        right = outputs["seq_relationship_logits"].argmax(dim=-1) == batch.labels["follows"]
        pair = torch.stack([_follow_loss(outputs, batch).double(), right.double()], dim=1)
        return torch.cat([sums, pair], dim=1)

    def metrics(self, outcomes: NDArray[np.float64]) -> Mapping[str, float]:
        """The loss of training, and each task's accuracy."""
        nll, tokens, right, follows, next_right = outcomes.sum(axis=0)
        tokens, pairs = max(tokens, 1), len(outcomes)
        return {
            "pretraining_loss": float(nll / tokens + follows / pairs),
            "next_sentence_accuracy": float(next_right / pairs),
            "masked_token_accuracy": float(right / tokens),
            "pseudo_perplexity": float(np.exp(nll / tokens)),
        }


def _follow_loss(outputs: "Outputs", batch: Batch) -> "Tensor":
    """Cross-entropy of each pair, (B,)."""
    from torch.nn.functional import cross_entropy

    logits = outputs["seq_relationship_logits"].float()  # (B, 2)
    return cross_entropy(logits, batch.labels["follows"], reduction="none")


def _check_segments(segments: Sequence[NDArray[np.int32]]) -> None:
    if segments and not any(one.any() for one in segments):
        raise BaseModelError(
            "the base model's tokenizer does not tell the second of two sentences from the first "
            "(token_type_ids); next_sentence needs a model such as BERT, others masked_lm"
        )
