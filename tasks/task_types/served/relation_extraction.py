"""Answers for a registered model that names the relation of two entities in a text."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import mlflow
import pandas as pd
import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModelForTokenClassification, AutoTokenizer

ROWS_AT_ONCE = 32
SUBJECT = " @ subject"
# Of subject and object: the mark around the entity, and the one around its type.
MARKS = (("@", "*"), ("#", "^"))
# A marked text has nine parts: before the first entity; its opening marks with its type, itself,
# its closing mark; between; the same of the second; behind it.
BEHIND = 8

# An entity's first character, the one behind its last, and its type.
Entity = tuple[int, int, str]
# A marked text, where its parts end, and whether the subject stands first.
Marked = tuple[str, list[int], bool]
# Token ids, and places of the marks of subject and object.
Encoded = tuple[list[int], int, int]


class RelationModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """For a text and two entities in it: ``{"label": str, "score": float}``.

    The columns are text, and of subject and object start (first character), end (the one behind its
    last) and type.
    """

    def load_context(self, context: Any) -> None:
        """Load model and tokenizer."""
        folder = context.artifacts["model"]
        self.max_length = int(context.model_config["max_length"])
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
        self.labels = [names[place].removesuffix(SUBJECT) for place in range(len(names) // 2)]
        self.backend = self.tokenizer.backend_tokenizer
        self.backend.no_padding()
        self.backend.no_truncation()
        probe = self.backend.encode("a")
        real = [place for place, special in enumerate(probe.special_tokens_mask) if not special]
        self.before, self.after = probe.ids[: real[0]], probe.ids[real[-1] + 1 :]

    def predict(
        self,
        context: Any,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """The relation of each pair.

        Raises:
            ValueError: an entity is empty or lies outside of its text, or two overlap.

        """
        encoded = [
            self._encoded(number, row) for number, row in enumerate(model_input.to_dict("records"))
        ]
        answers = []
        for start in range(0, len(encoded), ROWS_AT_ONCE):
            for shares in self._shares(encoded[start : start + ROWS_AT_ONCE]):
                best = int(shares.argmax())
                answers.append({"label": self.labels[best], "score": float(shares[best])})
        return answers

    def _encoded(self, number: int, row: dict[Any, Any]) -> Encoded:
        text = str(row["text"])
        subject, object_ = (
            (int(row[f"{name}_start"]), int(row[f"{name}_end"]), str(row[f"{name}_type"]))
            for name in ("subject", "object")
        )
        check(number, text, subject, object_)
        marked, ends, subject_first = mark(text, subject, object_)
        encoding = self.backend.encode(marked, add_special_tokens=False)
        parts: list[list[int]] = [[] for _ in ends]
        for token, (_, end) in zip(encoding.ids, encoding.offsets, strict=True):
            parts[min(bisect_right(ends, max(end - 1, 0)), BEHIND)].append(token)
        kept = fit(parts, self.max_length - len(self.before) - len(self.after))
        places = [len(self.before) + sum(map(len, kept[:part])) for part in (1, 5)]
        if not subject_first:
            places.reverse()
        inside = [token for part in kept for token in part]
        return [*self.before, *inside, *self.after], places[0], places[1]

    def _shares(self, batch: list[Encoded]) -> torch.Tensor:
        """Probabilities (B, L)."""
        rows = [torch.tensor(ids) for ids, _, _ in batch]
        masks = [torch.ones_like(row) for row in rows]
        pad_id = self.tokenizer.pad_token_id
        with torch.inference_mode():
            outputs = self.model(
                input_ids=pad_sequence(rows, batch_first=True, padding_value=pad_id).to(
                    self.model.device
                ),
                attention_mask=pad_sequence(masks, batch_first=True).to(self.model.device),
            )
        logits, size = outputs.logits.float().cpu(), len(self.labels)
        every = torch.arange(len(batch))
        subjects, objects = (torch.tensor([one[part] for one in batch]) for part in (1, 2))
        # The head gives two scores a relation: one at the mark of the subject, one at the object's.
        scores = logits[every, subjects, :size] + logits[every, objects, size:]
        shares: torch.Tensor = scores.softmax(dim=-1)
        return shares


def check(number: int, text: str, subject: Entity, object_: Entity) -> None:
    """Refuse marks that cannot be meant; of an empty text there are no others."""
    if not text:
        return
    for name, (start, end, _) in (("subject", subject), ("object", object_)):
        if not 0 <= start < end <= len(text):
            raise ValueError(
                f"row {number}: {name}_start is {start} and {name}_end {end}; right would be "
                f"characters of the text from 0 to {len(text)}, the end behind the start"
            )
    if subject[0] < object_[1] and object_[0] < subject[1]:
        raise ValueError(f"row {number}: subject and object overlap; mark each for itself")


def mark(text: str, subject: Entity, object_: Entity) -> Marked:
    """Put the marks into a text: ``@ * person * Ada @ lives in # ^ city ^ Bonn #``."""
    both = [(subject, MARKS[0]), (object_, MARKS[1])]
    subject_first = subject[:2] <= object_[:2]
    parts: list[str] = []
    done = 0
    for entity, (outer, inner) in both if subject_first else both[::-1]:
        start = min(max(entity[0], done), len(text))
        end = min(max(entity[1], start), len(text))
        before = text[done:start]
        lead = "" if not (before and parts) or before[0].isspace() else " "
        gap = "" if not (before or parts) or before[-1:].isspace() else " "
        kind = entity[2].replace("_", " ").lower()
        opening = f"{outer} {inner} {kind} {inner} "
        parts += [f"{lead}{before}{gap}", opening, text[start:end], f" {outer}"]
        done = end
    rest = text[done:]
    parts.append(rest if not rest or rest[0].isspace() else f" {rest}")
    return "".join(parts), list(accumulate(map(len, parts))), subject_first


def fit(parts: Sequence[list[int]], room: int) -> list[list[int]]:
    """The tokens of each part that are kept; those far from both entities go first."""
    left = room - len(parts[3]) - len(parts[7])
    kept = list(parts)
    for first, second in ((1, 5), (2, 6)):
        size = min(len(parts[first]), max(left - len(parts[second]), -(-left // 2)))
        kept[first], kept[second] = parts[first][:size], parts[second][: left - size]
        left -= len(kept[first]) + len(kept[second])
    between = parts[4]
    if len(between) > left:
        head = -(-left // 2)
        kept[4] = between[:head] + between[len(between) - (left - head) :]
        left = 0
    else:
        left -= len(between)
    before, behind = parts[0], parts[8]
    own = min(len(before), max(left // 2, left - len(behind)))
    kept[0], kept[8] = before[len(before) - own :], behind[: left - own]
    return kept


mlflow.models.set_model(RelationModel())
