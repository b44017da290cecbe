"""Answers for a registered model that finds the answer to a question in a text."""

from collections.abc import Iterator, Sequence
from typing import Any

import mlflow
import pandas as pd
import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

MAX_ANSWER_TOKENS = 64
# Score of a token that cannot begin or end an answer: below that of any that can.
NEVER = -10_000.0
TOKENS_AT_ONCE = 4096

Window = dict[str, Any]


class QuestionAnsweringModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """For the columns question and context: ``{"answer": "...", "start": 12, "score": 3.4}``.

    The answer stands in the context at the character `start`. Where the model finds none, it is
    empty and `start` is -1. The score says how much more the model speaks for the answer than for
    there being none, so that it is positive where there is one.
    """

    def load_context(self, context: Any) -> None:
        """Load model and tokenizer."""
        folder = context.artifacts["model"]
        self.max_length = int(context.model_config["max_length"])
        self.shared = int(context.model_config.get("stride", 0)) or self.max_length // 4
        self.tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, split_special_tokens=True
        )
        model = AutoModelForQuestionAnswering.from_pretrained(
            folder,
            dtype=torch.float32,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
        )
        self.model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        self.backend = self.tokenizer.backend_tokenizer
        self.backend.no_padding()
        self.backend.no_truncation()
        self.frame = frame_of(self.backend.encode("a", "a"))
        self.reads_segments = "token_type_ids" in self.tokenizer.model_input_names

    def predict(
        self,
        context: Any,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """The answer to each question, from the best window of its context."""
        contexts = [str(text) for text in model_input["context"]]
        windows = []
        for row, question in enumerate(model_input["question"]):
            windows += [{"row": row, **one} for one in self._windows(str(question), contexts[row])]
        best: list[tuple[float, int, int]] = [(2 * NEVER, 0, 0)] * len(contexts)
        null = [float("inf")] * len(contexts)
        for batch in batches(windows):
            for window, (score, none, begin, end) in zip(batch, self._ask(batch), strict=True):
                row = window["row"]
                null[row] = min(null[row], none)
                if (score, -begin) > (best[row][0], -best[row][1]):
                    best[row] = (score, begin, end)
        return [
            answer_of(text, score - none, begin, end)
            for text, (score, begin, end), none in zip(contexts, best, null, strict=True)
        ]

    def _windows(self, question: str, context: str) -> Iterator[Window]:
        """Token ids, segments, and the characters of each token that may be of an answer."""
        before, between, after = (ids for ids, _ in self.frame[::2])
        room = self.max_length - len(before) - len(between) - len(after)
        asked = self.backend.encode(question, add_special_tokens=False).ids[: room // 2]
        whole = self.backend.encode(context, add_special_tokens=False)
        room -= len(asked)
        step = room - min(self.shared, room // 2)
        for start in range(0, max(len(whole.ids) - room, 0) + step, step):
            part = slice(start, min(start + room, len(whole.ids)))
            parts = [before, asked, between, whole.ids[part], after]
            kinds = [kind for _, kind in self.frame]
            begin = len(before) + len(asked) + len(between)
            ids = [token for one in parts for token in one]
            yield {
                "ids": ids,
                "segments": [kind for kind, one in zip(kinds, parts, strict=True) for _ in one],
                "bounds": {
                    begin + place: (first, last)
                    for place, (first, last) in enumerate(whole.offsets[part])
                    if context[first:last].strip()
                },
                "null": self._null(before, after, len(ids)),
            }

    def _null(self, before: list[int], after: list[int], size: int) -> int:
        """Place of the token that stands for no answer."""
        token = self.tokenizer.cls_token_id
        if token in before:
            return before.index(token)
        return size - len(after) + after.index(token) if token in after else 0

    def _ask(self, windows: Sequence[Window]) -> Iterator[tuple[float, float, int, int]]:
        """Score of the best span, score of no answer, and the span's characters."""
        pad_id = self.tokenizer.pad_token_id
        rows = [torch.tensor(one["ids"]) for one in windows]
        inputs = {
            "input_ids": pad_sequence(rows, batch_first=True, padding_value=pad_id),
            "attention_mask": pad_sequence([torch.ones_like(r) for r in rows], batch_first=True),
        }
        if self.reads_segments:
            segments = [torch.tensor(one["segments"]) for one in windows]
            inputs["token_type_ids"] = pad_sequence(segments, batch_first=True)
        with torch.inference_mode():
            outputs = self.model(
                **{name: one.to(self.model.device) for name, one in inputs.items()}
            )
        starts, ends = outputs.start_logits.float().cpu(), outputs.end_logits.float().cpu()
        for window, start, end in zip(windows, starts, ends, strict=True):
            yield best_span(window, start, end)


def frame_of(probe: Any) -> list[tuple[list[int], int]]:
    """Special tokens before, between and behind question and context, and segments of all five."""
    question, context = (
        [place for place, side in enumerate(probe.sequence_ids) if side == number]
        for number in (0, 1)
    )
    ids, kinds = probe.ids, probe.type_ids
    return [
        (ids[: question[0]], kinds[0]),
        ([], kinds[question[0]]),
        (ids[question[-1] + 1 : context[0]], kinds[question[-1] + 1]),
        ([], kinds[context[0]]),
        (ids[context[-1] + 1 :], kinds[-1]),
    ]


def best_span(
    window: Window, start: torch.Tensor, end: torch.Tensor
) -> tuple[float, float, int, int]:
    """Of a window: score of the best span, score of no answer, and the span's characters."""
    null = float(start[window["null"]] + end[window["null"]])
    can_answer = torch.zeros(len(start), dtype=torch.bool)
    can_answer[list(window["bounds"])] = True
    start, end = start.masked_fill(~can_answer, NEVER), end.masked_fill(~can_answer, NEVER)
    best, first, last = 2 * NEVER, 0, 0
    for more in range(min(MAX_ANSWER_TOKENS, len(start))):
        score, place = (start[: len(start) - more] + end[more:]).max(dim=0)
        if float(score) > best:
            best, first, last = float(score), int(place), int(place) + more
    bounds = window["bounds"]
    if first not in bounds:
        return best, null, 0, 0
    return best, null, bounds[first][0], bounds[last][1]


def batches(windows: Sequence[Window]) -> Iterator[list[Window]]:
    """Windows of like length together, as many as memory surely holds."""
    batch: list[Window] = []
    for window in sorted(windows, key=lambda one: -len(one["ids"])):
        if batch and len(batch[0]["ids"]) * (len(batch) + 1) > TOKENS_AT_ONCE:
            yield batch
            batch = []
        batch.append(window)
    if batch:
        yield batch


def answer_of(context: str, score: float, begin: int, end: int) -> dict[str, Any]:
    """The answer without blanks around it."""
    if score <= 0:
        return {"answer": "", "start": -1, "score": score}
    text = context[begin:end]
    begin += len(text) - len(text.lstrip())
    return {"answer": text.strip(), "start": begin, "score": score}


mlflow.models.set_model(QuestionAnsweringModel())
