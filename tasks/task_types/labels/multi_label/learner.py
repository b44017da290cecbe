"""Any number of labels of a fixed set for a text, each yes or no."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from tasks.task_types.encoding import encode_texts
from tasks.task_types.examples import IGNORED, Batch, Encoded, Example, Vocabulary, pad, pad_like
from tasks.task_types.labels.multi_label.label_sets import THRESHOLD, class_ids_of
from tasks.task_types.learner_base import ClassLearner
from tasks.task_types.loading import load_for_training, named_labels

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from tasks.task_types.examples import Outputs, TrainingRows


@dataclass(frozen=True, kw_only=True)
class MultiLabelLearner(ClassLearner):
    """The set of labels, maybe none, that a text has."""

    selection_metric: ClassVar[str] = "macro_f1"

    def encode(self, rows: "pa.Table", tokenizer: "PreTrainedTokenizerFast") -> Encoded:
        """Columns input_ids and labels (lists of class ids); see `Learner.encode`."""
        import pyarrow as pa

        class_ids = class_ids_of(rows.column("labels").to_pylist(), self.labels)
        encoded = encode_texts(rows.column("text"), tokenizer, self.limits.max_length)
        table = pa.table(
            {
                "row_id": rows.column("row_id"),
                "input_ids": encoded.input_ids,
                "labels": pa.array(class_ids, pa.list_(pa.int32())),
            }
        )
        return Encoded(table, encoded.tokens, encoded.truncated)

    def load_model(self, folder: Path) -> "PreTrainedModel":
        """A base model with one output a label; see `Learner.load_model`."""
        return load_for_training(
            folder,
            "AutoModelForSequenceClassification",
            self.name,
            problem_type="multi_label_classification",
            **named_labels(self.labels),
        )

    def collate(self, examples: Sequence[Example], vocabulary: Vocabulary) -> Batch:
        """Texts (B, T) and class ids (B, M), filled up with IGNORED; see `Learner.collate`."""
        inputs = pad([example["input_ids"] for example in examples], vocabulary.pad_id)
        labels = pad_like([example["labels"] for example in examples], IGNORED)
        return Batch(inputs, {"labels": labels})

    def loss(self, outputs: "Outputs", batch: Batch, units: "Tensor") -> "Tensor":
        """Binary cross-entropy, its mean over rows and labels; see `Learner.loss`.

        Smoothing takes its probability half from the yes and half from the no of each label. A
        class weight counts where the label is given (``pos_weight`` of torch), so that a rare label
        is not drowned by the rows without it.
        """
        from torch.nn.functional import binary_cross_entropy_with_logits

        logits = outputs["logits"].float()  # (B, L)
        truth = _many_hot(batch.labels["labels"], logits.shape[-1]).to(logits)
        smoothing = self.loss_settings.label_smoothing
        summed = binary_cross_entropy_with_logits(
            logits,
            truth * (1 - smoothing) + smoothing / 2,
            pos_weight=self.weights_like(logits),
            reduction="sum",
        )
        return summed / units[0] / truth.shape[-1]

    def class_counts(self, examples: "TrainingRows") -> "NDArray[np.int64]":
        """Training rows (L,) that have each label."""
        import numpy as np

        return np.bincount(examples.column("labels").astype(np.int64), minlength=len(self.labels))

    def outcomes(self, outputs: "Outputs", batch: Batch) -> "Tensor":
        """Whether each label is predicted, and whether it is true, (B, 2 L) of 0 and 1."""
        import torch

        logits = outputs["logits"].float()
        truth = _many_hot(batch.labels["labels"], logits.shape[-1])
        return torch.cat([logits.sigmoid() >= THRESHOLD, truth.to(logits.device)], dim=-1).float()

    def metrics(self, outcomes: "NDArray[np.float64]") -> dict[str, float]:
        """F1 over all labels, 0 for one that no row has or is given; share of wholly right rows."""
        from sklearn.metrics import f1_score

        predicted, truth = (
            half.astype(bool) for half in (outcomes[:, : outcomes.shape[1] // 2],
                                           outcomes[:, outcomes.shape[1] // 2 :])
        )  # fmt: skip
        averages = {
            f"{average}_f1": float(f1_score(truth, predicted, average=average, zero_division=0))
            for average in ("macro", "micro")
        }
        return averages | {"subset_accuracy": float((predicted == truth).all(axis=1).mean())}


def _many_hot(class_ids: "Tensor", classes: int) -> "Tensor":
    """Which labels each row has, (B, L), from its class ids (B, M)."""
    import torch

    every = torch.arange(classes, device=class_ids.device)
    return (class_ids.unsqueeze(-1) == every).any(dim=1)
