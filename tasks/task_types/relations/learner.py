"""How models learn the relation of two marked entities."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from tasks.task_types.examples import Batch, Encoded, Example, Vocabulary, pad
from tasks.task_types.learner_base import ClassLearner
from tasks.task_types.loading import load_for_training, named_labels
from tasks.task_types.relations.pair_logits import head_names, pair_logits
from tasks.task_types.relations.relation_labels import NO_RELATION, class_ids, relation_of

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from tasks.task_types.examples import Outputs, TrainingRows


@dataclass(frozen=True, kw_only=True)
class RelationLearner(ClassLearner):
    """One relation, with its direction, for two entities that are marked with their types."""

    selection_metric: ClassVar[str] = "micro_f1"

    def encode(self, rows: "pa.Table", tokenizer: "PreTrainedTokenizerFast") -> Encoded:
        """Columns input_ids, subject and object (places of their marks) and labels (class ids).

        See `Learner.encode`, and `entity_markers` for what is left out of a long text.
        """
        import pyarrow as pa

        from tasks.task_types.relations.entity_markers import encode_pairs, marked_pairs

        found = list(encode_pairs(marked_pairs(rows), tokenizer, self.limits.max_length))
        table = pa.table(
            {
                "row_id": rows.column("row_id"),
                "input_ids": pa.array([one.input_ids for one in found], pa.list_(pa.int32())),
                "subject": pa.array([one.subject for one in found], pa.int64()),
                "object": pa.array([one.object for one in found], pa.int64()),
                "labels": pa.array(class_ids(rows, self.labels), pa.int64()),
            }
        )
        tokens = sum(len(one.input_ids) for one in found)
        return Encoded(table, tokens, sum(one.is_cut for one in found))

    def load_model(self, folder: Path) -> "PreTrainedModel":
        """A base model with the head of `pair_logits`; see `Learner.load_model`."""
        names = named_labels(head_names(self.labels))
        return load_for_training(folder, "AutoModelForTokenClassification", self.name, **names)

    def collate(self, examples: Sequence[Example], vocabulary: Vocabulary) -> Batch:
        """Marked texts (B, T), and places of marks and class ids, (B,) each."""
        import torch

        inputs = pad([example["input_ids"] for example in examples], vocabulary.pad_id)
        labels = {
            name: torch.tensor([int(example[name]) for example in examples])
            for name in ("labels", "subject", "object")
        }
        return Batch(inputs, labels)

    def class_counts(self, examples: "TrainingRows") -> "NDArray[np.int64]":
        """Training rows (L,) of each label."""
        import numpy as np

        return np.bincount(examples.column("labels"), minlength=len(self.labels))

    def loss(self, outputs: "Outputs", batch: Batch, units: "Tensor") -> "Tensor":
        """Cross-entropy; see `Learner.loss`."""
        from torch.nn.functional import cross_entropy

        logits = _logits(outputs, batch)
        summed = cross_entropy(
            logits,
            batch.labels["labels"],
            self.weights_like(logits),
            reduction="sum",
            label_smoothing=self.loss_settings.label_smoothing,
        )
        return summed / units[0]

    def outcomes(self, outputs: "Outputs", batch: Batch) -> "Tensor":
        """Predicted and true class ids, (B, 2)."""
        import torch

        return torch.stack([_logits(outputs, batch).argmax(dim=-1), batch.labels["labels"]], dim=-1)

    def metrics(self, outcomes: "NDArray[np.float64]") -> dict[str, float]:
        """Micro F1 without `no_relation`, macro F1 over relations, accuracy.

        As `relation_measures`; one that the validation rows leave undefined is 0 here, so that an
        epoch can be picked.
        """
        import numpy as np
        from sklearn.metrics import accuracy_score, f1_score

        predicted, labels = outcomes.astype(np.int64).T
        relations = [place for place, one in enumerate(self.labels) if one != NO_RELATION]
        micro = f1_score(labels, predicted, labels=relations, average="micro", zero_division=0)
        return {
            "micro_f1": float(micro),
            "macro_f1": _macro_f1(labels, predicted, self.labels),
            "accuracy": float(accuracy_score(labels, predicted)),
        }


def _macro_f1(
    truth: "NDArray[np.int64]", predicted: "NDArray[np.int64]", labels: Sequence[str]
) -> float:
    """The mean F1 of the relations, both directions of one together; 0 where one has no row."""
    import numpy as np

    names = sorted({relation_of(label) for label in labels if label != NO_RELATION})
    found = []
    for name in names:
        own = [place for place, label in enumerate(labels) if relation_of(label) == name]
        true, called = np.isin(truth, own), np.isin(predicted, own)
        if not true.any():
            return 0.0
        found.append(2 * (true & (truth == predicted)).sum() / (true.sum() + called.sum()))
    return float(np.mean(found)) if found else 0.0


def _logits(outputs: "Outputs", batch: Batch) -> "Tensor":
    """Scores (B, L) in float32."""
    labels = batch.labels
    return pair_logits(outputs["logits"].float(), labels["subject"], labels["object"])
