"""The part of a text that answers a question, or that there is none."""

import inspect
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from infra.errors import BaseModelError
from tasks.task_types.examples import Batch, Encoded, Example, Vocabulary, pad, pad_like
from tasks.task_types.learner_base import LearnerBase
from tasks.task_types.loading import load_for_training
from tasks.task_types.questions.answer_spans import NEVER, best_spans
from tasks.task_types.questions.context_windows import (
    ReadQuestion,
    pair_frame,
    read_questions,
    tokens_of_answer,
)

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from tasks.task_types.examples import Outputs

logger = logging.getLogger(__name__)

# Of each window: places of the answer's first and last token, of the first token of the context
# and behind its last one, and of the token that stands for no answer.
PLACES = ("start", "end", "context_begin", "context_end", "null")


@dataclass(frozen=True, kw_only=True)
class QuestionAnsweringLearner(LearnerBase):
    """A span of the context for each question, or none.

    A context longer than the model is read in windows. In a window that does not hold the answer
    the token that stands for none is the right one, as in SQuAD 2.0 (Devlin et al. 2019).
    """

    selection_metric: ClassVar[str] = "f1"
    why_not_private: ClassVar[str] = ""

    def encode(self, rows: "pa.Table", tokenizer: "PreTrainedTokenizerFast") -> Encoded:
        """Columns input_ids, PLACES, and segments if the model reads them; see `Learner.encode`.

        An answer that no token holds, or that is longer than what two windows share and so stands
        whole in none, cannot be learnt: its row gives no example, and the log counts such rows.
        """
        import pyarrow as pa

        read = read_questions(
            rows.column("question").to_pylist(), rows.column("context").to_pylist(),
            tokenizer, self.limits.max_length, self.limits.stride,
        )  # fmt: skip
        answers = zip(
            rows.column("answer").to_pylist(), rows.column("answer_start").to_pylist(), strict=True
        )
        examples, truncated, unlearnt = [], 0, 0
        for row_id, row, answer in zip(
            rows.column("row_id").to_pylist(), read, answers, strict=True
        ):
            own = list(_examples(row, *answer))
            examples += [{"row_id": row_id, **one} for one in own]
            truncated += row.is_cut
            unlearnt += not own
        if unlearnt:
            logger.warning(
                "%s of %s rows are not learnt from: no window holds all tokens of their answer",
                unlearnt, rows.num_rows,
            )  # fmt: skip
        schema = pa.schema(
            [
                ("row_id", pa.string()),
                ("input_ids", pa.list_(pa.int32())),
                *((place, pa.int64()) for place in PLACES),
                *([("segments", pa.list_(pa.int32()))] if _reads_segments(tokenizer) else []),
            ]
        )
        tokens = sum(len(one["input_ids"]) for one in examples)
        return Encoded(pa.Table.from_pylist(examples, schema), tokens, truncated)

    def load_model(self, folder: Path) -> "PreTrainedModel":
        """A base model with two heads on each token, for start and end; see `Learner.load_model`.

        Raises:
            BaseModelError: also where the tokenizer gives segment ids that the model does not read.

        """
        from tasks.task_types.tokenizers import load_tokenizer

        model = load_for_training(folder, "AutoModelForQuestionAnswering", self.name, num_labels=2)
        _check_segments(model, load_tokenizer(folder), folder)
        return model

    def collate(self, examples: Sequence[Example], vocabulary: Vocabulary) -> Batch:
        """Windows (B, T) and PLACES, (B,) each; see `Learner.collate`."""
        import torch

        inputs = pad([example["input_ids"] for example in examples], vocabulary.pad_id)
        if "segments" in examples[0]:
            inputs["token_type_ids"] = pad_like([example["segments"] for example in examples], 0)
        labels = {
            place: torch.tensor([int(example[place]) for example in examples]) for place in PLACES
        }
        return Batch(inputs, labels)

    def loss(self, outputs: "Outputs", batch: Batch, units: "Tensor") -> "Tensor":
        """The mean of the cross-entropies of start and end; see `Learner.loss`.

        Both choose among the tokens of the context and the one for no answer, so that neither the
        question nor padding has a part in it.
        """
        from torch.nn.functional import cross_entropy

        possible = possible_places(batch)
        losses = [
            cross_entropy(
                outputs[f"{side}_logits"].float().masked_fill(~possible, NEVER),
                batch.labels[side],
                reduction="sum",
            )
            for side in ("start", "end")
        ]
        return (losses[0] + losses[1]) / 2 / units[0]

    def outcomes(self, outputs: "Outputs", batch: Batch) -> "Tensor":
        """Exact match, and F1 of the tokens of the answer, of each window, (B, 2)."""
        import torch

        start, end, null = (batch.labels[place] for place in ("start", "end", "null"))
        best = best_spans(
            outputs["start_logits"].float(), outputs["end_logits"].float(),
            _context_of(batch), null,
        )  # fmt: skip
        says_none, is_none = best.null >= best.scores, start == null
        exact = torch.where(
            says_none | is_none, says_none & is_none, (best.first == start) & (best.last == end)
        ).float()
        common = torch.minimum(best.last, end) - torch.maximum(best.first, start) + 1
        total = best.last - best.first + end - start + 2
        overlap = 2 * common.clamp(min=0) / total
        return torch.stack([exact, torch.where(says_none | is_none, exact, overlap)], dim=1)

    def metrics(self, outcomes: "NDArray[np.float64]") -> dict[str, float]:
        """Means over the windows, whose answers are compared token by token."""
        exact, f1 = map(float, outcomes.mean(axis=0))
        return {"exact_match": exact, "f1": f1}


def _reads_segments(tokenizer: "PreTrainedTokenizerFast") -> bool:
    return "token_type_ids" in tokenizer.model_input_names


def _check_segments(
    model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerFast", folder: Path
) -> None:
    """Whether the model takes the segment ids that the tokenizer gives for a pair.

    Raises:
        BaseModelError: it does not.

    """
    segments = pair_frame(tokenizer).segments
    known = getattr(model.config, "type_vocab_size", 0)
    reads = "token_type_ids" in inspect.signature(model.forward).parameters
    if segments and (not reads or 0 < known <= max(segments)):
        taken = f"only those below {known}" if reads else "none"
        raise BaseModelError(
            f"the tokenizer in {folder} gives token_type_ids up to {max(segments)}, and "
            f"{type(model).__name__} reads {taken}; set model_input_names to [input_ids, "
            "attention_mask] in its tokenizer_config.json"
        )


def _examples(
    row: ReadQuestion, answer: str | None, answer_start: int | None
) -> Iterator[dict[str, Any]]:
    """One example a window; none where the row has an answer that no window holds."""
    span = None
    if answer and answer_start is not None:
        span = tokens_of_answer(row.bounds, answer_start, len(answer))
        if span is None:
            return
    found = []
    for window in row.windows:
        start = end = window.null
        if span:
            first, last = (token - window.offset + window.begin for token in span)
            if window.begin <= first and last < window.end:
                start, end = first, last
        found.append((window, start, end))
    if span and all(start == window.null for window, start, _ in found):
        return
    for window, start, end in found:
        places = (start, end, window.begin, window.end, window.null)
        segments = {"segments": window.segments} if window.segments else {}
        yield {"input_ids": window.input_ids, **dict(zip(PLACES, places, strict=True)), **segments}


def possible_places(batch: Batch) -> "Tensor":
    """Which tokens (B, T) may begin or end an answer: those of the context, and that for none."""
    return _context_of(batch).scatter(1, batch.labels["null"][:, None], value=True)


def _context_of(batch: Batch) -> "Tensor":
    """Which tokens (B, T) are of the context."""
    import torch

    places = torch.arange(batch.inputs["input_ids"].shape[1], device=batch.labels["null"].device)
    begin, end = (batch.labels[place][:, None] for place in ("context_begin", "context_end"))
    return (places >= begin) & (places < end)
