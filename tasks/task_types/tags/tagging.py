"""A tag for each word: named entities, parts of speech."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from infra.errors import BaseModelError, DataError
from tasks.task_types.base import SERVED, CommonTaskType
from tasks.task_types.examples import IGNORED, Batch, Encoded, Example, Vocabulary, pad, pad_like
from tasks.task_types.loading import load_for_training, named_labels
from tasks.task_types.tags.tag_spans import TagSet, count_spans, read_tags
from tasks.task_types.tags.word_windows import WordWindow, read_words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from tasks.task_types import TokenLimits
    from tasks.task_types.measures import Measured

LABELS_SHOWN: Final = 5


@dataclass(frozen=True, kw_only=True)
class Tagging(CommonTaskType):
    """One tag of a fixed set for each word of a row.

    A word's tag is that of its first token. A row longer than the model is read in windows, in
    which each word counts once; a word without a token, such as a zero-width space, is never
    learnt from and always lies outside.
    """

    name: str = "tagging"
    served: Path | None = SERVED / "tagging.py"
    selection_metric: str = "entity_f1"
    methods: frozenset[str] = frozenset({"class_weights", "label_smoothing"})
    packs: bool = True

    def encode(
        self, rows: Any, tokenizer: Any, labels: Sequence[str], reading: "TokenLimits"
    ) -> Encoded:
        """Columns input_ids, labels (class id of each token) and meanings; see `TaskType.encode`.

        meanings, which is the same in each row, tells validation what the class ids mean:
        `TagSet.meanings`.
        """
        import pyarrow as pa

        words = rows.column("tokens").to_pylist()
        class_ids = _class_ids(rows.column("tags").to_pylist(), words, labels)
        row_ids, input_ids, targets, truncated = [], [], [], 0
        read = read_words(words, tokenizer, reading.max_length, reading.stride)
        for row_id, row, own in zip(
            rows.column("row_id").to_pylist(), read, class_ids, strict=True
        ):
            truncated += row.is_long
            for window in row.windows:
                row_ids.append(row_id)
                input_ids.append(window.input_ids)
                targets.append(_targets(window, own))
        meanings = [read_tags(labels).meanings] * len(row_ids)
        table = pa.table(
            {
                "row_id": pa.array(row_ids, pa.string()),
                "input_ids": pa.array(input_ids, pa.list_(pa.int32())),
                "labels": pa.array(targets, pa.list_(pa.int32())),
                "meanings": pa.array(meanings, pa.list_(pa.int32())),
            }
        )
        return Encoded(table, sum(map(len, input_ids)), truncated)

    def load_model(self, folder: Path, labels: Sequence[str]) -> Any:
        """A base model with a head on each token; see `TaskType.load_model`."""
        return load_for_training(
            folder, "AutoModelForTokenClassification", self.name, **named_labels(labels)
        )

    def collate(self, examples: Sequence[Example], vocabulary: Vocabulary) -> Batch:
        """Windows (B, T), class ids (B, T) and meanings (B, 1, L); see `TaskType.collate`."""
        inputs = pad([example["input_ids"] for example in examples], vocabulary.pad_id)
        labels = pad_like([example["labels"] for example in examples], IGNORED)
        meanings = pad_like([example["meanings"] for example in examples], 0)
        return Batch(inputs, {"labels": labels, "meanings": meanings[:, None]})

    def units(self, batch: Batch) -> "Tensor":
        """Words."""
        return (batch.labels["labels"] != IGNORED).sum()[None]

    def loss(
        self,
        outputs: Any,
        batch: Batch,
        units: "Tensor",
        *,
        smoothing: float = 0.0,
        class_weights: "Tensor | None" = None,
    ) -> "Tensor":
        """Cross-entropy over the words; see `TaskType.loss`."""
        from torch.nn.functional import cross_entropy

        logits = outputs["logits"].float()  # (B, T, L)
        weight = None if class_weights is None else class_weights.to(logits.device)
        summed = cross_entropy(
            logits.flatten(0, 1),
            batch.labels["labels"].flatten(),
            weight,
            ignore_index=IGNORED,
            reduction="sum",
            label_smoothing=smoothing,
        )
        return summed / units[0]

    def class_counts(self, examples: Any, classes: int) -> "NDArray[np.int64] | None":
        """Training words (L,) of each tag."""
        import numpy as np

        labels = examples.column("labels")
        return np.bincount(labels[labels != IGNORED], minlength=classes)

    def outcomes(self, outputs: Any, batch: Batch) -> "Tensor":
        """Right, predicted and true spans of each window, (B, 3)."""
        import numpy as np
        import torch

        labels = batch.labels["labels"].cpu().numpy()
        predicted = outputs["logits"].argmax(dim=-1).cpu().numpy()
        meanings = batch.labels["meanings"][0, 0, : outputs["logits"].shape[-1]]
        tags = TagSet.of_meanings(meanings.cpu().numpy())
        judged = labels != IGNORED
        rows = np.nonzero(judged)[0]
        counts = count_spans(labels[judged], predicted[judged], rows, len(labels), tags)
        found = [one.sum(axis=1) for one in (counts.right, counts.predicted, counts.true)]
        return torch.from_numpy(np.stack(found, axis=1))

    def metrics(self, outcomes: "NDArray[np.float64]") -> dict[str, float]:
        """Precision, recall and F1 of whole spans, 0 where there are none."""
        right, predicted, true = map(float, outcomes.sum(axis=0))
        return {
            "entity_precision": right / max(predicted, 1.0),
            "entity_recall": right / max(true, 1.0),
            "entity_f1": 2 * right / max(predicted + true, 1.0),
        }

    def predict(
        self, folder: Path, rows: Any, labels: Sequence[str], reading: "TokenLimits"
    ) -> Any:
        """Columns answer and tags (list of strings); see `TaskType.predict`."""
        import pyarrow as pa

        from infra.base_models import quiet_transformers
        from tasks.task_types.scoring import load_model
        from tasks.task_types.tags.tag_answers import answers_of, tags_of
        from tasks.task_types.tokenizers import load_tokenizer

        with quiet_transformers():
            tokenizer = load_tokenizer(folder)
            model = load_model(folder, "AutoModelForTokenClassification")
        if model.config.num_labels != len(labels):
            raise BaseModelError(
                f"the model in {folder} tells {model.config.num_labels} tags apart, and the label "
                f"set has {len(labels)}"
            )
        words = rows.column("tokens").to_pylist()
        read = list(read_words(words, tokenizer, reading.max_length, reading.stride))
        tags = tags_of(read, list(map(len, words)), model, tokenizer.pad_token_id, labels, folder)
        answers = [json.dumps(a, ensure_ascii=False) for a in answers_of(words, tags, labels)]
        return pa.table(
            {
                "answer": pa.array(answers, pa.string()),
                "tags": pa.array(tags, pa.list_(pa.string())),
            }
        )

    def measure(self, rows: Any, answers: Any, labels: Sequence[str]) -> "Measured":
        """Spans and tags; see `tasks.task_types.tags.tagging_measures`."""
        from tasks.task_types.tags.tagging_measures import measure_tags

        return measure_tags(rows.column("tags"), answers.column("tags"), labels)

    def baseline(self, train: Any, test: Any, labels: Sequence[str], seed: int) -> Any:
        """The tag that a word has most often in the training rows, else in any case; else O."""
        del seed  # nothing is drawn
        from tasks.task_types.tags.tag_lookup import most_frequent_tags

        return most_frequent_tags(train, test, labels)


def _class_ids(
    tags: Sequence[Sequence[str]], words: Sequence[Sequence[str]], labels: Sequence[str]
) -> list[list[int]]:
    index = {label: class_id for class_id, label in enumerate(labels)}
    unknown = sorted({str(tag) for row in tags for tag in row if tag not in index})
    if unknown:
        shown = ", ".join(map(repr, unknown[:LABELS_SHOWN]))
        raise DataError(f"{len(unknown)} tag(s) outside the label set {list(labels)}: {shown}")
    for number, (own, row) in enumerate(zip(tags, words, strict=True), start=1):
        if len(own) != len(row):
            raise DataError(f"row {number} has {len(own)} tags for {len(row)} words")
    return [[index[tag] for tag in row] for row in tags]


def _targets(window: WordWindow, class_ids: Sequence[int]) -> list[int]:
    targets = [IGNORED] * len(window.input_ids)
    for word, position in zip(window.words, window.positions, strict=True):
        targets[position] = class_ids[word]
    return targets
