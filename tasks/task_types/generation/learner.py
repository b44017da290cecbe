"""A text to another text, by an encoder and a decoder: translation, and summarisation.

Training is teacher-forced: the decoder reads the target, shifted right behind its start token, and
is asked for the next token each time. Evaluation lets the model write, by beam search.

Served: column ``source`` to ``{"text": str}``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from infra.errors import BaseModelError
from tasks.task_types.examples import IGNORED, Batch, Encoded, Example, Vocabulary, pad, pad_like
from tasks.task_types.generation.pairs import encode_pairs
from tasks.task_types.language_models.token_loss import TokenLoss
from tasks.task_types.loading import load_for_training

if TYPE_CHECKING:
    import pyarrow as pa
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


# Texts that beam search keeps in view, of a base model that does not name its own number.
BEAMS = 4


@dataclass(frozen=True, kw_only=True)
class SequenceToSequenceLearner(TokenLoss):
    """A text from a text."""

    selection_metric: ClassVar[str] = "perplexity"
    written_metrics: ClassVar[tuple[str, ...]] = ("chrf", "bleu", "rouge_l")

    def encode(self, rows: "pa.Table", tokenizer: "PreTrainedTokenizerFast") -> Encoded:
        """Columns input_ids and target_ids; see `Learner.encode`."""
        return encode_pairs(rows, tokenizer, self.limits.max_length, self.limits.target_length)

    def load_model(self, folder: Path) -> "PreTrainedModel":
        """An encoder and decoder; see `Learner.load_model`."""
        model = load_for_training(folder, "AutoModelForSeq2SeqLM", self.name)
        written = model.generation_config
        start = getattr(model.config, "decoder_start_token_id", None)
        start = written.decoder_start_token_id if start is None else start
        if not isinstance(start, int):
            raise BaseModelError(
                f"base model {folder} names no token that its decoder starts from; set "
                "decoder_start_token_id in its config.json"
            )
        model.config.decoder_start_token_id = written.decoder_start_token_id = start
        # Saved with the weights, so that evaluation and service write in the same way.
        written.num_beams = BEAMS if (written.num_beams or 1) == 1 else written.num_beams
        written.do_sample = False
        return model

    def collate(self, examples: Sequence[Example], vocabulary: Vocabulary) -> Batch:
        """Sources (B, S), shifted targets (B, T), a mask of either, and labels (B, T)."""
        start = vocabulary.decoder_start_id
        if start is None:
            raise BaseModelError(f"{self.name} needs a model whose decoder has a start token")
        targets = [np.asarray(example["target_ids"]) for example in examples]
        read = [np.append(start, ids[:-1]) for ids in targets]
        decoder = pad(read, vocabulary.pad_id)
        inputs = pad([example["input_ids"] for example in examples], vocabulary.pad_id)
        inputs |= {f"decoder_{name}": value for name, value in decoder.items()}
        return Batch(inputs, {"labels": pad_like(targets, IGNORED)})

    def written(
        self,
        model: "PreTrainedModel",
        tokenizer: "PreTrainedTokenizerFast",
        examples: Sequence[Example],
        metric: str,
    ) -> float:
        """What the model writes by beam search, held against the targets as the tokens spell them.

        BLEU and chrF run from 0 to 100, ROUGE-L from 0 to 1.
        """
        from tasks.task_types.generation.beam_search import BeamWriter
        from tasks.task_types.generation.written_texts import WrittenTexts

        writer = BeamWriter(model, tokenizer, self.limits.max_length, self.limits.target_length)
        hypotheses = writer.write_read([list(example["input_ids"]) for example in examples])
        targets = tokenizer.batch_decode(
            [list(example["target_ids"]) for example in examples], skip_special_tokens=True
        )
        spelt = [target.strip() for target in targets]
        return WrittenTexts(spelt, hypotheses).corpus_score(metric)

    def metrics(self, outcomes: NDArray[np.float64]) -> Mapping[str, float]:
        """Perplexity of a target's token, and share of tokens right, given those before."""
        nll, tokens, right = outcomes.sum(axis=0)
        return {
            "perplexity": float(np.exp(nll / max(tokens, 1))),
            "token_accuracy": float(right / max(tokens, 1)),
        }
