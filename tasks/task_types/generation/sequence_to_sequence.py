"""A text to another text, by an encoder and a decoder: translation, and summarisation.

Training is teacher-forced: the decoder reads the target, shifted right behind its start token, and
is asked for the next token each time. Evaluation lets the model write, by beam search.

Served: column ``source`` to ``{"text": str}``.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from infra.errors import BaseModelError
from tasks.task_types.answered_sample import first_rows
from tasks.task_types.base import SERVED
from tasks.task_types.examples import IGNORED, Batch, Encoded, Example, Vocabulary, pad, pad_like
from tasks.task_types.generation.baselines import leading_sentences, nearest_targets
from tasks.task_types.generation.generation_measures import (
    WrittenTexts,
    measure_texts,
    signatures,
)
from tasks.task_types.generation.pairs import encode_pairs
from tasks.task_types.language_models.token_loss import TokenLoss
from tasks.task_types.loading import load_for_training
from tasks.task_types.measures import Measured

if TYPE_CHECKING:
    from tasks.task_types import TokenLimits

# Texts that beam search keeps in view, of a base model that does not name its own number.
BEAMS = 4


@dataclass(frozen=True, kw_only=True)
class SequenceToSequence(TokenLoss):
    """A text from a text.

    Attributes:
        leading: metrics that comparators are compared in.
        trivial: what a trivial model writes, from training rows, test rows and a seed; or why it
            writes nothing.

    """

    name: str
    leading: tuple[str, ...]
    trivial: Callable[[Any, Any, int], list[str] | str]
    selection_metric: str = "perplexity"
    served: Path | None = SERVED / "sequence_to_sequence.py"

    def encode(
        self,
        rows: Any,
        tokenizer: Any,
        labels: Sequence[str],  # noqa: ARG002
        reading: "TokenLimits",
    ) -> Encoded:
        """Columns input_ids and target_ids; see `TaskType.encode`."""
        return encode_pairs(rows, tokenizer, reading.max_length, target_length(reading))

    def load_model(self, folder: Path, labels: Sequence[str]) -> Any:  # noqa: ARG002
        """An encoder and decoder; see `TaskType.load_model`."""
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

    def metrics(self, outcomes: NDArray[np.float64]) -> Mapping[str, float]:
        """Perplexity of a target's token, and share of tokens right, given those before."""
        nll, tokens, right = outcomes.sum(axis=0)
        return {
            "perplexity": float(np.exp(nll / max(tokens, 1))),
            "token_accuracy": float(right / max(tokens, 1)),
        }

    def predict(
        self,
        folder: Path,
        rows: Any,
        labels: Sequence[str],  # noqa: ARG002
        reading: "TokenLimits",
    ) -> Any:
        """Column hypothesis, and answers of the first rows; the metrics' signatures as metadata.

        The first rows are written one at a time, as the served model does: rows that stand beside
        it would change the last bits of a score, and could turn a text where two are as likely.
        """
        import pyarrow as pa

        from tasks.task_types.generation.beam_search import open_writer

        sources = rows.column("source").to_pylist()
        first = first_rows(rows.column("row_id").to_pylist())
        writer = open_writer(folder, reading.max_length, target_length(reading))
        written = {source: writer.write_one(source) for source in {sources[row] for row in first}}
        others = list(dict.fromkeys(source for source in sources if source not in written))
        written |= dict(zip(others, writer.write(others), strict=True))
        hypotheses = [written[source] for source in sources]
        answers: list[str | None] = [None] * len(sources)
        for row in first:
            answers[row] = json.dumps({"text": hypotheses[row]}, ensure_ascii=False)
        table = pa.table(
            {
                "hypothesis": pa.array(hypotheses, pa.string()),
                "answer": pa.array(answers, pa.string()),
            }
        )
        return table.replace_schema_metadata(signatures(rows.column("target").to_pylist()))

    def measure(self, rows: Any, answers: Any, labels: Sequence[str]) -> Measured:  # noqa: ARG002
        """BLEU, chrF, ROUGE, length and repetition; see `generation_measures`."""
        targets, hypotheses = rows.column("target"), answers.column("hypothesis")
        texts = WrittenTexts(targets.to_pylist(), hypotheses.to_pylist())
        return measure_texts(texts, self.leading)

    def baseline(
        self,
        train: Any,
        test: Any,
        labels: Sequence[str],  # noqa: ARG002
        seed: int,
    ) -> Any:
        """What the trivial model of this task type writes."""
        import pyarrow as pa

        written = self.trivial(train, test, seed)
        if isinstance(written, str):
            return written
        return pa.table({"hypothesis": pa.array(written, pa.string())})


def target_length(reading: "TokenLimits") -> int:
    """Tokens that a text is written in at most."""
    return reading.max_target_length or reading.max_length


TRANSLATION = SequenceToSequence(
    name="translation", leading=("chrf", "bleu"), trivial=nearest_targets
)
SUMMARISATION = SequenceToSequence(
    name="summarisation",
    leading=("rouge_l", "rouge_1", "rouge_2"),
    trivial=leading_sentences,
)
