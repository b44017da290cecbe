"""Single-label classification of a text."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.errors import BaseModelError, DataError
from tasks.task_types.examples import Encoded, Example, pad

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

# Texts that the tokenizer turns at once: enough to keep its threads busy, few enough for memory.
TEXTS_AT_ONCE = 1000
LABELS_SHOWN = 5


@dataclass(frozen=True)
class Classification:
    """One label of a fixed set for each text."""

    name: str = "classification"
    pipeline: str = "text-classification"
    selection_metric: str = "macro_f1"

    def encode(self, rows: Any, tokenizer: Any, labels: Sequence[str], max_length: int) -> Encoded:
        """Turn rows into training examples; see `TaskType.encode`."""
        import pyarrow as pa

        class_ids = _class_ids(rows.column("label").to_pylist(), labels)
        texts = rows.column("text").to_pylist()
        input_ids: list[list[int]] = []
        truncated = 0
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            batch = tokenizer(
                texts[start : start + TEXTS_AT_ONCE],
                truncation=True,
                max_length=max_length,
                return_attention_mask=False,
                return_token_type_ids=False,
            )
            input_ids += batch["input_ids"]
            truncated += sum(bool(encoding.overflowing) for encoding in batch.encodings)
        table = pa.table(
            {
                "row_id": pa.array(rows.column("row_id").to_pylist(), pa.string()),
                "input_ids": pa.array(input_ids, pa.list_(pa.int32())),
                "labels": pa.array(class_ids, pa.int64()),
            }
        )
        return Encoded(table, sum(map(len, input_ids)), truncated)

    def load_model(self, folder: Path, labels: Sequence[str]) -> Any:
        """A base model with a classification head; see `TaskType.load_model`."""
        import torch
        from safetensors import SafetensorError
        from transformers import AutoModelForSequenceClassification

        try:
            model, report = AutoModelForSequenceClassification.from_pretrained(
                folder,
                num_labels=len(labels),
                id2label=dict(enumerate(labels)),
                label2id={label: index for index, label in enumerate(labels)},
                problem_type="single_label_classification",
                dtype=torch.float32,
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
            )
        except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
            raise BaseModelError(
                f"base model {folder} cannot be loaded for {self.name}: {error}"
            ) from error
        _check_complete(folder, model.base_model_prefix, report["missing_keys"])
        return model

    def collate(self, examples: Sequence[Example], pad_id: int) -> "dict[str, Tensor]":
        """A padded batch; see `TaskType.collate`."""
        import torch

        batch = pad([example["input_ids"] for example in examples], pad_id)
        batch["labels"] = torch.tensor([example["labels"] for example in examples])
        return batch

    def loss(
        self,
        outputs: Any,
        labels: "Tensor",
        rows: "int | Tensor",
        *,
        smoothing: float,
        class_weights: "Tensor | None" = None,
    ) -> "Tensor":
        """Cross-entropy in float32; see `TaskType.loss`."""
        from torch.nn.functional import cross_entropy

        logits = outputs["logits"].float()  # (B, L)
        weight = None if class_weights is None else class_weights.to(logits.device)
        summed = cross_entropy(logits, labels, weight, reduction="sum", label_smoothing=smoothing)
        return summed / rows

    def metrics(
        self, logits: "NDArray[np.float32]", labels: "NDArray[np.int64]"
    ) -> dict[str, float]:
        """Accuracy, and F1 averaged over all classes, 0 for one without a true or predicted row."""
        from sklearn.metrics import accuracy_score, f1_score

        predicted = logits.argmax(axis=-1)
        classes = list(range(logits.shape[-1]))
        macro_f1 = f1_score(labels, predicted, labels=classes, average="macro", zero_division=0)
        return {"accuracy": float(accuracy_score(labels, predicted)), "macro_f1": float(macro_f1)}


def _class_ids(values: Sequence[str], labels: Sequence[str]) -> list[int]:
    index = {label: class_id for class_id, label in enumerate(labels)}
    unknown = sorted({str(value) for value in values if value not in index})
    if unknown:
        shown = ", ".join(map(repr, unknown[:LABELS_SHOWN]))
        raise DataError(f"{len(unknown)} label(s) outside the label set {list(labels)}: {shown}")
    return [index[value] for value in values]


def _check_complete(folder: Path, prefix: str, missing: Sequence[str]) -> None:
    """Only the head, and the pooler that some base models lack, may be drawn anew."""
    lost = sorted(
        key for key in missing if key.startswith(f"{prefix}.") and ".pooler." not in f".{key}"
    )
    if lost:
        raise BaseModelError(
            f"base model {folder} lacks {len(lost)} of its own weights ({lost[0]} first), so that "
            "they would be random; its config.json and its weights do not belong together"
        )
