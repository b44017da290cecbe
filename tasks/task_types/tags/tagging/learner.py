"""A tag for each word: named entities, parts of speech."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from infra.errors import DataError
from tasks.task_types.examples import IGNORED, Batch, Encoded, Example, Vocabulary, pad, pad_like
from tasks.task_types.learner_base import ClassLearner
from tasks.task_types.loading import load_for_training, named_labels
from tasks.task_types.tags.tag_spans import TagSet, count_spans, read_tags
from tasks.task_types.tags.word_windows import WordWindow, read_words

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from tasks.task_types.examples import Outputs, TrainingRows

LABELS_SHOWN: Final = 5


@dataclass(frozen=True, kw_only=True)
class TaggingLearner(ClassLearner):
    """One tag of a fixed set for each word of a row.

    A word's tag is that of its first token. A row longer than the model is read in windows, in
    which each word counts once; a word without a token, such as a zero-width space, is never
    learnt from and always lies outside.
    """

    selection_metric: ClassVar[str] = "entity_f1"
    packs: ClassVar[bool] = True

    def encode(self, rows: "pa.Table", tokenizer: "PreTrainedTokenizerFast") -> Encoded:
        """Columns input_ids, labels (class id of each token) and meanings; see `Learner.encode`.

        meanings, which is the same in each row, tells validation what the class ids mean:
        `TagSet.meanings`.
        """
        import pyarrow as pa

        words = rows.column("tokens").to_pylist()
        class_ids = _class_ids(rows.column("tags").to_pylist(), words, self.labels)
        row_ids, input_ids, targets, truncated = [], [], [], 0
        read = read_words(words, tokenizer, self.limits.max_length, self.limits.stride)
        for row_id, row, own in zip(
            rows.column("row_id").to_pylist(), read, class_ids, strict=True
        ):
            truncated += row.is_long
            for window in row.windows:
                row_ids.append(row_id)
                input_ids.append(window.input_ids)
                targets.append(_targets(window, own))
        meanings = [read_tags(self.labels).meanings] * len(row_ids)
        table = pa.table(
            {
                "row_id": pa.array(row_ids, pa.string()),
                "input_ids": pa.array(input_ids, pa.list_(pa.int32())),
                "labels": pa.array(targets, pa.list_(pa.int32())),
                "meanings": pa.array(meanings, pa.list_(pa.int32())),
            }
        )
        return Encoded(table, sum(map(len, input_ids)), truncated)

    def load_model(self, folder: Path) -> "PreTrainedModel":
        """A base model with a head on each token; see `Learner.load_model`."""
        return load_for_training(
            folder, "AutoModelForTokenClassification", self.name, **named_labels(self.labels)
        )

    def collate(self, examples: Sequence[Example], vocabulary: Vocabulary) -> Batch:
        """Windows (B, T), class ids (B, T) and meanings (B, 1, L); see `Learner.collate`."""
        inputs = pad([example["input_ids"] for example in examples], vocabulary.pad_id)
        labels = pad_like([example["labels"] for example in examples], IGNORED)
        meanings = pad_like([example["meanings"] for example in examples], 0)
        return Batch(inputs, {"labels": labels, "meanings": meanings[:, None]})

    def units(self, batch: Batch) -> "Tensor":
        """Words."""
        return (batch.labels["labels"] != IGNORED).sum()[None]

    def loss(self, outputs: "Outputs", batch: Batch, units: "Tensor") -> "Tensor":
        """Cross-entropy over the words; see `Learner.loss`."""
        from torch.nn.functional import cross_entropy

        logits = outputs["logits"].float()  # (B, T, L)
        summed = cross_entropy(
            logits.flatten(0, 1),
            batch.labels["labels"].flatten(),
            self.weights_like(logits),
            ignore_index=IGNORED,
            reduction="sum",
            label_smoothing=self.loss_settings.label_smoothing,
        )
        return summed / units[0]

    def class_counts(self, examples: "TrainingRows") -> "NDArray[np.int64]":
        """Training words (L,) of each tag."""
        import numpy as np

        labels = examples.column("labels")
        return np.bincount(labels[labels != IGNORED], minlength=len(self.labels))

    def outcomes(self, outputs: "Outputs", batch: Batch) -> "Tensor":
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
