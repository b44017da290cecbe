"""Any number of labels of a fixed set for a text, each yes or no."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from infra.errors import BaseModelError, DataError
from tasks.task_types.base import SERVED, CommonTaskType
from tasks.task_types.encoding import encode_texts
from tasks.task_types.examples import IGNORED, Batch, Encoded, Example, Vocabulary, pad, pad_like
from tasks.task_types.loading import load_for_training, named_labels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from tasks.task_types import TokenLimits
    from tasks.task_types.measures import Measured

LABELS_SHOWN: Final = 5
# A label is given to a text from this probability on; the served script has the same number.
THRESHOLD: Final = 0.5


@dataclass(frozen=True, kw_only=True)
class MultiLabel(CommonTaskType):
    """The set of labels, maybe none, that a text has."""

    name: str = "multi_label"
    served: Path | None = SERVED / "multi_label.py"
    selection_metric: str = "macro_f1"
    methods: frozenset[str] = frozenset({"class_weights", "label_smoothing"})

    def encode(
        self, rows: Any, tokenizer: Any, labels: Sequence[str], reading: "TokenLimits"
    ) -> Encoded:
        """Columns input_ids and labels (lists of class ids); see `TaskType.encode`."""
        import pyarrow as pa

        class_ids = _class_ids(rows.column("labels").to_pylist(), labels)
        encoded = encode_texts(rows.column("text"), tokenizer, reading.max_length)
        table = pa.table(
            {
                "row_id": rows.column("row_id"),
                "input_ids": encoded.input_ids,
                "labels": pa.array(class_ids, pa.list_(pa.int32())),
            }
        )
        return Encoded(table, encoded.tokens, encoded.truncated)

    def load_model(self, folder: Path, labels: Sequence[str]) -> Any:
        """A base model with one output a label; see `TaskType.load_model`."""
        return load_for_training(
            folder,
            "AutoModelForSequenceClassification",
            self.name,
            problem_type="multi_label_classification",
            **named_labels(labels),
        )

    def collate(self, examples: Sequence[Example], vocabulary: Vocabulary) -> Batch:
        """Texts (B, T) and class ids (B, M), filled up with IGNORED; see `TaskType.collate`."""
        inputs = pad([example["input_ids"] for example in examples], vocabulary.pad_id)
        labels = pad_like([example["labels"] for example in examples], IGNORED)
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
        """Binary cross-entropy, its mean over rows and labels; see `TaskType.loss`.

        Smoothing takes its probability half from the yes and half from the no of each label. A
        class weight counts where the label is given (``pos_weight`` of torch), so that a rare label
        is not drowned by the rows without it.
        """
        from torch.nn.functional import binary_cross_entropy_with_logits

        logits = outputs["logits"].float()  # (B, L)
        truth = _many_hot(batch.labels["labels"], logits.shape[-1]).to(logits)
        summed = binary_cross_entropy_with_logits(
            logits,
            truth * (1 - smoothing) + smoothing / 2,
            pos_weight=None if class_weights is None else class_weights.to(logits),
            reduction="sum",
        )
        return summed / units[0] / truth.shape[-1]

    def class_counts(self, examples: Any, classes: int) -> "NDArray[np.int64] | None":
        """Training rows (L,) that have each label."""
        import numpy as np

        return np.bincount(examples.column("labels").astype(np.int64), minlength=classes)

    def outcomes(self, outputs: Any, batch: Batch) -> "Tensor":
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

    def predict(
        self, folder: Path, rows: Any, labels: Sequence[str], reading: "TokenLimits"
    ) -> Any:
        """Columns answer and probabilities (lists of L); see `TaskType.predict`."""
        import pyarrow as pa

        from tasks.task_types.labels.classification_measures import model_labels
        from tasks.task_types.labels.text_logits import text_logits

        known = model_labels(folder)
        if sorted(known) != sorted(labels):
            raise BaseModelError(
                f"the model in {folder} knows the labels {sorted(known)}; right would be "
                f"{sorted(labels)}"
            )
        logits, _ = text_logits(folder, rows["text"].to_pylist(), max_length=reading.max_length)
        own = _sigmoid(logits)
        answers = [json.dumps(_answer(row, known), ensure_ascii=False) for row in own.tolist()]
        probabilities = own[:, [known.index(label) for label in labels]]
        return pa.table(
            {
                "answer": pa.array(answers, pa.string()),
                "probabilities": pa.array(list(probabilities), pa.list_(pa.float32())),
            }
        )

    def measure(self, rows: Any, answers: Any, labels: Sequence[str]) -> "Measured":
        """F1 and what it is made of, by label and over all, and how the labels are ranked."""
        import numpy as np

        from tasks.task_types.labels.multi_label_measures import measure_label_sets

        probabilities = np.array(answers["probabilities"].to_pylist(), dtype=np.float64)
        probabilities = probabilities.reshape(len(rows), len(labels))
        return measure_label_sets(_truth(rows, labels), probabilities, THRESHOLD, labels)

    def baseline(self, train: Any, test: Any, labels: Sequence[str], seed: int) -> Any:
        """A TF-IDF bag of words with one logistic regression a label."""
        import numpy as np
        import pyarrow as pa
        from sklearn.linear_model import LogisticRegression

        from tasks.task_types.labels.bag_of_words import MAX_ITERATIONS, bag_of_words

        texts = train["text"].to_pylist()
        words = bag_of_words(texts)
        try:
            known = words.fit_transform(texts)
        except ValueError as error:  # no word at all is left of the texts
            return f"no TF-IDF baseline of these texts: {error}"
        asked, truth = words.transform(test["text"].to_pylist()), _truth(train, labels)
        probabilities = np.empty((test.num_rows, len(labels)), np.float32)
        for label, given in enumerate(truth.T):
            if given.all() or not given.any():
                probabilities[:, label] = given.any()
                continue
            model = LogisticRegression(max_iter=MAX_ITERATIONS, random_state=seed)
            probabilities[:, label] = model.fit(known, given).predict_proba(asked)[:, 1]
        return pa.table({"probabilities": pa.array(list(probabilities), pa.list_(pa.float32()))})


def _class_ids(rows: Sequence[Sequence[str] | None], labels: Sequence[str]) -> list[list[int]]:
    index = {label: class_id for class_id, label in enumerate(labels)}
    if None in rows:
        raise DataError(
            f"row {rows.index(None)} has no list of labels; a text without labels has an empty one"
        )
    given = [set(row or ()) for row in rows]
    unknown = sorted({str(label) for label in set().union(*given) if label not in index})
    if unknown:
        shown = ", ".join(map(repr, unknown[:LABELS_SHOWN]))
        raise DataError(f"{len(unknown)} label(s) outside the label set {list(labels)}: {shown}")
    return [sorted(index[label] for label in row) for row in given]


def _truth(rows: Any, labels: Sequence[str]) -> "NDArray[np.bool_]":
    """Which labels each row has, (N, L)."""
    import numpy as np

    class_ids = _class_ids(rows["labels"].to_pylist(), labels)
    truth = np.zeros((len(class_ids), len(labels)), dtype=bool)
    for row, given in enumerate(class_ids):
        truth[row, given] = True
    return truth


def _many_hot(class_ids: "Tensor", classes: int) -> "Tensor":
    """Which labels each row has, (B, L), from its class ids (B, M)."""
    import torch

    every = torch.arange(classes, device=class_ids.device)
    return (class_ids.unsqueeze(-1) == every).any(dim=1)


def _sigmoid(logits: "NDArray[np.float32]") -> "NDArray[np.float32]":
    from scipy.special import expit

    return expit(logits)


def _answer(probabilities: Sequence[float], labels: Sequence[str]) -> dict[str, Any]:
    scores = dict(zip(labels, probabilities, strict=True))
    return {
        "labels": [label for label, score in scores.items() if score >= THRESHOLD],
        "scores": scores,
    }
