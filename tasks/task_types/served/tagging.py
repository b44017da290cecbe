"""Answers for a registered model that tags words."""

import re
from collections.abc import Iterator, Sequence
from itertools import accumulate
from math import inf
from typing import Any

import mlflow
import pandas as pd
import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModelForTokenClassification, AutoTokenizer

OUTSIDE = "O"
TOKENS_AT_ONCE = 4096
SCHEMES = (set("BI"), set("BILU"), set("BIES"))
PREFIXED = re.compile(r"([BIOLUES])-(.+)", re.DOTALL)
# Words of scripts without spaces stand side by side.
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef"
    "\U00020000-\U0003ffff]"
)


# Token ids, and word and position of what is judged there; with the row of it before them.
Window = tuple[list[int], list[tuple[int, int]]]
WordWindow = tuple[int, list[int], list[tuple[int, int]]]


class TaggingModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """For the column tokens: ``{"tags": [...], "entities": [{type, start, end, text}, ...]}``.

    Entities are the spans that the tags mark without breaking their scheme; start and end count
    words, and end is the place behind the last one.
    """

    def load_context(self, context: Any) -> None:
        """Load model and tokenizer."""
        folder = context.artifacts["model"]
        self.max_length = int(context.model_config["max_length"])
        self.shared = int(context.model_config.get("stride", 0)) or self.max_length // 4
        self.tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, split_special_tokens=True
        )
        model = AutoModelForTokenClassification.from_pretrained(
            folder,
            dtype=torch.float32,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
        )
        self.model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        names = self.model.config.id2label
        self.labels = [names[index] for index in range(len(names))]
        self.has_scheme, self.has_ends = scheme_of(self.labels)
        self.backend = self.tokenizer.backend_tokenizer
        self.backend.no_padding()
        self.backend.no_truncation()
        space_before_words(self.backend.pre_tokenizer)

    def predict(
        self,
        context: Any,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """Tags and entities of each row."""
        rows = [[str(word) for word in words] for words in model_input["tokens"]]
        tags = [[OUTSIDE] * len(words) for words in rows]
        encodings = self.backend.encode_batch(rows, is_pretokenized=True)
        windows = [
            (row, *window)
            for row, one in enumerate(encodings)
            for window in windows_of(one.ids, one.word_ids, self.max_length, self.shared)
        ]
        for batch in batches(windows):
            predicted = self._class_ids([ids for _, ids, _ in batch])
            for own, (row, _, judged) in zip(predicted, batch, strict=True):
                for word, position in judged:
                    tags[row][word] = self.labels[own[position]]
        return [
            {"tags": own, "entities": self._entities(words, own)}
            for words, own in zip(rows, tags, strict=True)
        ]

    def _class_ids(self, windows: list[list[int]]) -> list[list[int]]:
        """Class id of each token, that of padding too."""
        pad_id = self.tokenizer.pad_token_id
        rows = [torch.tensor(ids) for ids in windows]
        masks = [torch.ones_like(row) for row in rows]
        with torch.inference_mode():
            outputs = self.model(
                input_ids=pad_sequence(rows, batch_first=True, padding_value=pad_id).to(
                    self.model.device
                ),
                attention_mask=pad_sequence(masks, batch_first=True).to(self.model.device),
            )
        found: list[list[int]] = outputs.logits.argmax(dim=-1).tolist()
        return found

    def _entities(self, words: Sequence[str], tags: Sequence[str]) -> list[dict[str, Any]]:
        found = []
        for start in range(len(tags)):
            kind, end = self._span_at(tags, start)
            if kind is not None:
                text = joined(words[start:end])
                found.append({"type": kind, "start": start, "end": end, "text": text})
        return found

    def _span_at(self, tags: Sequence[str], start: int) -> tuple[str | None, int]:
        """Type and end of the span that begins at a word; no type where none does."""
        tag = tags[start]
        if not self.has_scheme:
            return (None if tag == OUTSIDE else tag), start + 1
        role, _, kind = tag.partition("-")
        if role in {"U", "S"}:
            return kind, start + 1
        if role != "B":
            return None, start
        end = start + 1
        while end < len(tags) and tags[end] == f"I-{kind}":
            end += 1
        if not self.has_ends:
            return kind, end
        closes = end < len(tags) and tags[end] in {f"L-{kind}", f"E-{kind}"}
        return (kind if closes else None), end + 1


def scheme_of(labels: Sequence[str]) -> tuple[bool, bool]:
    """Whether the tags keep a scheme of spans, and whether it marks where these end."""
    matches = [PREFIXED.fullmatch(label) for label in labels if label != OUTSIDE]
    prefixes = {match[1] for match in matches if match}
    fits = all(matches) and any(prefixes <= scheme for scheme in SCHEMES) and prefixes != {"I"}
    return fits, bool(prefixes & set("LUES"))


def space_before_words(pre_tokenizer: Any) -> None:
    """Byte-level tokenizers would read words without a space before them as one long word."""
    if hasattr(pre_tokenizer, "add_prefix_space"):
        pre_tokenizer.add_prefix_space = True
    elif hasattr(pre_tokenizer, "__getitem__"):
        for part in pre_tokenizer:
            space_before_words(part)


def windows_of(
    ids: list[int], word_ids: list[int | None], max_length: int, shared: int
) -> Iterator[Window]:
    """Token ids of each window, and word and position of what is judged there."""
    firsts: dict[int, int] = {}
    last = 0
    for place, word in enumerate(word_ids):
        if word is not None:
            firsts.setdefault(word, place)
            last = place
    if not firsts:
        return
    if len(ids) <= max_length:
        yield list(ids), list(firsts.items())
        return
    words, places = list(firsts), list(firsts.values())
    before, after = ids[: places[0]], ids[last + 1 :]
    room = max_length - len(before) - len(after)
    bounds = zip(places, [*places[1:], last + 1], strict=True)
    pieces = [ids[begin : min(end, begin + room)] for begin, end in bounds]
    lengths = [len(piece) for piece in pieces]
    runs = runs_of(lengths, room, min(shared, room // 2))
    run_of = judging_runs(runs, lengths)
    for number, (begin, end) in enumerate(runs):
        starts = list(accumulate(lengths[begin:end], initial=len(before)))
        inside = [token for piece in pieces[begin:end] for token in piece]
        judged = [(words[n], starts[n - begin]) for n in range(begin, end) if run_of[n] == number]
        yield [*before, *inside, *after], judged


def runs_of(lengths: Sequence[int], room: int, shared: int) -> list[tuple[int, int]]:
    """Begin and end of runs of words that fill the room, each with new words at its end."""
    runs, begin, end, filled = [], 0, 0, 0
    while True:
        while end < len(lengths) and filled + lengths[end] <= room:
            filled += lengths[end]
            end += 1
        runs.append((begin, end))
        if end == len(lengths):
            return runs
        while filled > min(shared, room - lengths[end]):
            filled -= lengths[begin]
            begin += 1


def judging_runs(runs: Sequence[tuple[int, int]], lengths: Sequence[int]) -> list[int]:
    """The run of each word in which the shorter of its sides is longest; the row's ends are open.

    A word in several runs is judged where it has most context.
    """
    best, run_of = [-1.0] * len(lengths), [0] * len(lengths)
    for number, (begin, end) in enumerate(runs):
        left, right = 0, sum(lengths[begin:end])
        for word in range(begin, end):
            right -= lengths[word]
            shorter = min(left if begin else inf, right if end < len(lengths) else inf)
            left += lengths[word]
            if shorter > best[word]:
                best[word], run_of[word] = shorter, number
    return run_of


def batches(windows: list[WordWindow]) -> Iterator[list[WordWindow]]:
    """Windows of like length together, as many as memory surely holds."""
    batch: list[WordWindow] = []
    for window in sorted(windows, key=lambda one: -len(one[1])):
        if batch and len(batch[0][1]) * (len(batch) + 1) > TOKENS_AT_ONCE:
            yield batch
            batch = []
        batch.append(window)
    if batch:
        yield batch


def joined(words: Sequence[str]) -> str:
    """Words as a text: parted by a space, but not within a script that has none."""
    text = ""
    for word in words:
        side_by_side = text and UNSPACED.match(text[-1]) and UNSPACED.match(word)
        text += word if side_by_side or not text else f" {word}"
    return text


mlflow.models.set_model(TaggingModel())
