"""What a question answering model answers to questions, as characters of their contexts."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray

from infra.transformers_logs import quiet_transformers
from tasks.task_types.examples import pad, pad_like
from tasks.task_types.finite import check_finite
from tasks.task_types.questions.answer_spans import NEVER, best_spans
from tasks.task_types.questions.context_windows import (
    ContextWindow,
    Ints,
    ReadQuestion,
    read_questions,
)
from tasks.task_types.scoring import batches_to_score, load_model, token_budget
from tasks.task_types.tokenizers import load_tokenizer

if TYPE_CHECKING:
    import pyarrow as pa
    from transformers import PreTrainedModel


def answer_questions(
    folder: Path,
    questions: Sequence[str],
    contexts: Sequence[str],
    max_length: int,
    stride: int,
) -> "pa.Table":
    """Answer questions.

    The answer is the best span of all windows of the context, unless the window that least speaks
    for there being none speaks more for that than for the span: SQuAD 2.0's way.

    Args:
        folder: a model and its tokenizer, as transformers saves them.
        questions: N texts.
        contexts: N texts.
        max_length: tokens of a window.
        stride: tokens that two windows share; see `read_questions`.

    Returns:
        Arrow table with answer (JSON of the answer, its place in the context, and its score, which
        is that of the span minus that of no answer), predicted_text (empty for no answer), and
        no_answer_score (the negative of that score).

    Raises:
        BaseModelError: the folder holds no such model.
        TrainingError: the model gives a score that is no number.

    """
    import pyarrow as pa

    with quiet_transformers():
        tokenizer = load_tokenizer(folder)
        model = load_model(folder, "AutoModelForQuestionAnswering")
    read = list(read_questions(questions, contexts, tokenizer, max_length, stride))
    asked = find_spans(model, read, contexts, tokenizer.pad_token_id, folder)
    found = [
        _answer(context, question.bounds, one)
        for context, question, one in zip(contexts, read, asked, strict=True)
    ]
    return pa.table(
        {
            "answer": pa.array([json.dumps(one, ensure_ascii=False) for one in found], pa.string()),
            "predicted_text": pa.array([one["answer"] for one in found], pa.string()),
            "no_answer_score": pa.array([-one["score"] for one in found], pa.float64()),
        }
    )


class SpanAnswer(TypedDict):
    """What the served model says: the passage, where it begins (-1: there is none), a score."""

    answer: str
    start: int
    score: float


@dataclass(slots=True)
class FoundSpan:
    """The best span of the windows of a question that were asked so far.

    Attributes:
        score: of the span.
        null: of no answer, where it is least.
        first: the span's first token, counted over the whole context.
        last: its last one.
        offset: of the window that the span was found in.
        null_offset: of the window in which no answer is least likely.

    """

    score: float = 2 * NEVER
    null: float = inf
    first: int = 0
    last: int = 0
    offset: int = 0
    null_offset: int = 0

    @property
    def is_answer(self) -> bool:
        """Whether the span is answered, and not that there is none."""
        return self.score > self.null

    def add(self, score: float, null: float, first: int, last: int, offset: int) -> None:
        """Take another window into account; of equal spans the first of the context counts."""
        if null < self.null:
            self.null, self.null_offset = null, offset
        if (score, -first) > (self.score, -self.first):
            self.score, self.first, self.last, self.offset = score, first, last, offset


def find_spans(
    model: "PreTrainedModel",
    read: Sequence[ReadQuestion],
    contexts: Sequence[str],
    pad_id: int,
    folder: Path,
) -> list[FoundSpan]:
    """The best span of each question, over all its windows.

    Args:
        model: as `tasks.task_types.scoring.load_model` gives it.
        read: N questions.
        contexts: N texts.
        pad_id: token that fills a batch up.
        folder: of the model, for messages.

    Raises:
        TrainingError: the model gives a score that is no number.

    """
    solid = [_solid(one.bounds, context) for one, context in zip(read, contexts, strict=True)]
    windows = [(row, one) for row, question in enumerate(read) for one in question.windows]
    found = [FoundSpan() for _ in read]
    lengths = [len(one.input_ids) for _, one in windows]
    for numbers in batches_to_score(model, lengths, token_budget(model)):
        batch = [windows[number] for number in numbers]
        best = _best_of([(one, solid[row]) for row, one in batch], model, pad_id, folder)
        for (row, window), (score, null, first, last) in zip(batch, best, strict=True):
            place = window.offset - window.begin
            span = int(first) + place, int(last) + place
            found[row].add(score, null, *span, window.offset)
    return found


def _solid(bounds: Ints, context: str) -> NDArray[np.bool_]:
    """Which tokens of a context hold more than blanks, so that an answer may begin with them."""
    return np.array([bool(context[begin:end].strip()) for begin, end in bounds], dtype=np.bool_)


def _best_of(
    windows: Sequence[tuple[ContextWindow, NDArray[np.bool_]]],
    model: "PreTrainedModel",
    pad_id: int,
    folder: Path,
) -> list[list[float]]:
    """Score of the best span, score of no answer, and first and last token, of each window."""
    inputs = pad([one.input_ids for one, _ in windows], pad_id)
    if windows[0][0].segments:
        inputs["token_type_ids"] = pad_like([one.segments for one, _ in windows], 0)
    can_answer = torch.zeros(inputs["input_ids"].shape, dtype=torch.bool)
    for row, (one, solid) in enumerate(windows):
        part = solid[one.offset : one.offset + one.end - one.begin]
        can_answer[row, one.begin : one.end] = torch.from_numpy(part)
    null = torch.tensor([one.null for one, _ in windows])
    with torch.inference_mode():
        outputs = model(**{name: value.to(model.device) for name, value in inputs.items()})
    starts, ends = outputs.start_logits.float().cpu(), outputs.end_logits.float().cpu()
    check_finite(torch.stack([starts, ends]), folder)
    best = best_spans(starts, ends, can_answer, null)
    parts = (best.scores, best.null, best.first, best.last)
    return torch.stack([part.double() for part in parts], dim=1).tolist()


def _answer(context: str, bounds: Ints, found: FoundSpan) -> SpanAnswer:
    """The span as characters of the context, blanks around it left out."""
    score = found.score - found.null
    if not found.is_answer:
        return {"answer": "", "start": -1, "score": score}
    begin, end = int(bounds[found.first, 0]), int(bounds[found.last, 1])
    text = context[begin:end]
    begin += len(text) - len(text.lstrip())
    return {"answer": text.strip(), "start": begin, "score": score}
