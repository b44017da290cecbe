"""Single-label classification of a text."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from infra.errors import DataError
from tasks.task_types.encoding import encode_texts
from tasks.task_types.examples import (
    ROW_WEIGHT,
    Batch,
    Encoded,
    Example,
    Vocabulary,
    pad,
)
from tasks.task_types.learner import Method
from tasks.task_types.learner_base import ClassLearner
from tasks.task_types.loading import load_for_training, named_labels

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from tasks.task_types.examples import Outputs, TrainingRows

LABELS_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class ClassificationLearner(ClassLearner):
    """One label of a fixed set for each text."""

    selection_metric: ClassVar[str] = "macro_f1"
    methods: ClassVar[frozenset[Method]] = ClassLearner.methods | {"row_weights"}

    def encode(self, rows: "pa.Table", tokenizer: "PreTrainedTokenizerFast") -> Encoded:
        """Columns input_ids and labels (class ids); see `Learner.encode`."""
        import pyarrow as pa

        class_ids = _class_ids(rows.column("label").to_pylist(), self.labels)
        encoded = encode_texts(rows.column("text"), tokenizer, self.limits.max_length)
        table = pa.table(
            {
                "row_id": rows.column("row_id"),
                "input_ids": encoded.input_ids,
                "labels": pa.array(class_ids, pa.int64()),
            }
        )
        return Encoded(table, encoded.tokens, encoded.truncated)

    def load_model(self, folder: Path) -> "PreTrainedModel":
        """A base model with a classification head; see `Learner.load_model`."""
        return load_for_training(
            folder,
            "AutoModelForSequenceClassification",
            self.name,
            problem_type="single_label_classification",
            **named_labels(self.labels),
        )

    def collate(self, examples: Sequence[Example], vocabulary: Vocabulary) -> Batch:
        """Texts (B, T), class ids (B,) and, where rows are weighed, weights (B,) in float32."""
        import torch

        inputs = pad([example["input_ids"] for example in examples], vocabulary.pad_id)
        labels = {"labels": torch.tensor([int(example["labels"]) for example in examples])}
        if ROW_WEIGHT in examples[0]:
            weights = [float(example[ROW_WEIGHT]) for example in examples]
            labels[ROW_WEIGHT] = torch.tensor(weights, dtype=torch.float32)
        return Batch(inputs, labels)

    def loss(self, outputs: "Outputs", batch: Batch, units: "Tensor") -> "Tensor":
        """Cross-entropy, by row times its weight where rows are weighed; see `Learner.loss`.

        The sum is divided by the number of rows and not by their weights, so that a row counts as
        much in whatever step it comes.
        """
        from torch.nn.functional import cross_entropy

        logits = outputs["logits"].float()  # (B, L)
        weights = batch.labels.get(ROW_WEIGHT)
        losses = cross_entropy(
            logits,
            batch.labels["labels"],
            self.weights_like(logits),
            reduction="sum" if weights is None else "none",
            label_smoothing=self.loss_settings.label_smoothing,
        )
        return (losses if weights is None else (losses * weights).sum()) / units[0]

    def class_counts(self, examples: "TrainingRows") -> "NDArray[np.int64]":
        """Training rows (L,) of each class."""
        import numpy as np

        return np.bincount(examples.column("labels"), minlength=len(self.labels))

    def outcomes(self, outputs: "Outputs", batch: Batch) -> "Tensor":
        """Predicted and true class ids, (B, 2), and the number of classes."""
        import torch

        logits, labels = outputs["logits"], batch.labels["labels"]
        classes = torch.full_like(labels, logits.shape[-1])
        return torch.stack([logits.argmax(dim=-1), labels, classes], dim=-1)

    def metrics(self, outcomes: "NDArray[np.float64]") -> dict[str, float]:
        """Accuracy, and F1 averaged over all classes, 0 for one without a true or predicted row."""
        from sklearn.metrics import accuracy_score, f1_score

        predicted, labels, classes = outcomes.astype(int).T
        every = list(range(int(classes[0])))
        macro_f1 = f1_score(labels, predicted, labels=every, average="macro", zero_division=0)
        return {"accuracy": float(accuracy_score(labels, predicted)), "macro_f1": float(macro_f1)}


def _class_ids(values: Sequence[str], labels: Sequence[str]) -> list[int]:
    index = {label: class_id for class_id, label in enumerate(labels)}
    unknown = sorted({str(value) for value in values if value not in index})
    if unknown:
        shown = ", ".join(map(repr, unknown[:LABELS_SHOWN]))
        raise DataError(f"{len(unknown)} label(s) outside the label set {list(labels)}: {shown}")
    return [index[value] for value in values]
