"""Single-label classification of a text."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.errors import DataError
from tasks.task_types.base import CommonTaskType
from tasks.task_types.encoding import encode_texts
from tasks.task_types.examples import Batch, Encoded, Example, Vocabulary, pad
from tasks.task_types.loading import load_for_training, named_labels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from tasks.task_types import TokenLimits
    from tasks.task_types.measures import Measured

LABELS_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Classification(CommonTaskType):
    """One label of a fixed set for each text."""

    name: str = "classification"
    pipeline: str | None = "text-classification"
    selection_metric: str = "macro_f1"
    methods: frozenset[str] = frozenset({"class_weights", "label_smoothing"})

    def encode(
        self, rows: Any, tokenizer: Any, labels: Sequence[str], reading: "TokenLimits"
    ) -> Encoded:
        """Columns input_ids and labels (class ids); see `TaskType.encode`."""
        import pyarrow as pa

        class_ids = _class_ids(rows.column("label").to_pylist(), labels)
        encoded = encode_texts(rows.column("text"), tokenizer, reading.max_length)
        table = pa.table(
            {
                "row_id": rows.column("row_id"),
                "input_ids": encoded.input_ids,
                "labels": pa.array(class_ids, pa.int64()),
            }
        )
        return Encoded(table, encoded.tokens, encoded.truncated)

    def load_model(self, folder: Path, labels: Sequence[str]) -> Any:
        """A base model with a classification head; see `TaskType.load_model`."""
        return load_for_training(
            folder,
            "AutoModelForSequenceClassification",
            self.name,
            problem_type="single_label_classification",
            **named_labels(labels),
        )

    def collate(self, examples: Sequence[Example], vocabulary: Vocabulary) -> Batch:
        """Texts (B, T) and class ids (B,); see `TaskType.collate`."""
        import torch

        inputs = pad([example["input_ids"] for example in examples], vocabulary.pad_id)
        labels = torch.tensor([int(example["labels"]) for example in examples])
        return Batch(inputs, {"labels": labels})

    def loss(
        self,
        outputs: Any,
        batch: Batch,
        units: "Tensor",
        *,
        smoothing: float = 0.0,
        class_weights: "Tensor | None" = None,
    ) -> "Tensor":
        """Cross-entropy; see `TaskType.loss`."""
        from torch.nn.functional import cross_entropy

        logits = outputs["logits"].float()  # (B, L)
        weight = None if class_weights is None else class_weights.to(logits.device)
        summed = cross_entropy(
            logits, batch.labels["labels"], weight, reduction="sum", label_smoothing=smoothing
        )
        return summed / units[0]

    def class_counts(self, examples: Any, classes: int) -> "NDArray[np.int64] | None":
        """Training rows (L,) of each class."""
        import numpy as np

        return np.bincount(examples.column("labels"), minlength=classes)

    def outcomes(self, outputs: Any, batch: Batch) -> "Tensor":
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

    def predict(
        self, folder: Path, rows: Any, labels: Sequence[str], reading: "TokenLimits"
    ) -> Any:
        """Columns answer, label, predicted and probabilities; see `TaskType.predict`."""
        from tasks.task_types.labels.classification_measures import predict_classes

        return predict_classes(folder, rows, labels, reading.max_length)

    def measure(self, rows: Any, answers: Any, labels: Sequence[str]) -> "Measured":
        """Metrics of single labels; see `TaskType.measure`."""
        from tasks.task_types.labels.classification_measures import measure_classes

        return measure_classes(rows, answers, labels)

    def baseline(self, train: Any, test: Any, labels: Sequence[str], seed: int) -> Any:  # noqa: ARG002 - it draws nothing
        """A bag of words with logistic regression; see `TaskType.baseline`."""
        from tasks.task_types.labels.classification_measures import predict_by_words

        return predict_by_words(train, test, labels)


def _class_ids(values: Sequence[str], labels: Sequence[str]) -> list[int]:
    index = {label: class_id for class_id, label in enumerate(labels)}
    unknown = sorted({str(value) for value in values if value not in index})
    if unknown:
        shown = ", ".join(map(repr, unknown[:LABELS_SHOWN]))
        raise DataError(f"{len(unknown)} label(s) outside the label set {list(labels)}: {shown}")
    return [index[value] for value in values]
