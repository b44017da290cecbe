"""Trainer, set up for a line: row order, loss, checks on the loss, and its arguments."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from transformers import EvalPrediction, Trainer, TrainingArguments

from infra.device import Device
from infra.errors import TrainingError
from tasks.task_types import TaskType
from tasks.training.batching import LengthSortedSampler, TokenizedRows
from tasks.training.curves import Curves
from tasks.training.disk import explain_full_disk
from tasks.training.settings import TrainingSettings

STEPS_BETWEEN_LOGS = 10
VALIDATION_BATCH_ROWS = 32


def trainer_arguments(
    settings: TrainingSettings, device: Device, folder: Path, selection_metric: str
) -> Any:
    """Trainer's arguments for these settings on this device, with `folder` for its checkpoints."""
    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch_size,
        per_device_eval_batch_size=VALIDATION_BATCH_ROWS,
        gradient_accumulation_steps=settings.gradient_accumulation_steps,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=settings.warmup_ratio,  # below 1 it is a share of all steps
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        seed=settings.seed,
        bf16=device.precision == "bfloat16",
        fp16=device.precision == "float16",
        use_cpu=device.name == "cpu",
        dataloader_pin_memory=device.name == "cuda",
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=1,  # the others are in the object store
        load_best_model_at_end=True,
        metric_for_best_model=selection_metric,
        greater_is_better=True,
        logging_strategy="steps",
        logging_steps=STEPS_BETWEEN_LOGS,
        logging_nan_inf_filter=False,  # LineTrainer refuses such a loss
        remove_unused_columns=False,
        report_to=[],
        disable_tqdm=True,
    )
    # Trainer would spread a batch over all GPUs that it sees; this process has picked one device.
    if arguments.n_gpu > 1:
        arguments._n_gpu = 1  # noqa: SLF001
    return arguments


class LineTrainer(Trainer):  # type: ignore[misc]  # transformers is untyped here
    """Trainer with our row order, loss and checks.

    Attributes:
        curves: what training has come to so far.

    """

    def __init__(
        self,
        model: Any,
        arguments: Any,
        kind: TaskType,
        settings: TrainingSettings,
        rows: tuple[TokenizedRows, TokenizedRows],
        pad_id: int,
        curves: Curves,
    ) -> None:
        def loss(outputs: Any, labels: Tensor, num_items_in_batch: "int | Tensor") -> Tensor:
            smoothing = settings.label_smoothing if model.training else 0.0
            return kind.loss(outputs, labels, num_items_in_batch, smoothing=smoothing)

        def metrics(prediction: EvalPrediction) -> dict[str, float]:
            return dict(kind.metrics(prediction.predictions, prediction.label_ids))

        super().__init__(
            model=model,
            args=arguments,
            data_collator=lambda examples: kind.collate(examples, pad_id),
            train_dataset=rows[0],
            eval_dataset=rows[1],
            compute_loss_func=loss,
            compute_metrics=metrics,
        )
        self.curves = curves

    def _get_train_sampler(self, train_dataset: Any = None) -> LengthSortedSampler:
        rows = self.train_dataset if train_dataset is None else train_dataset
        return LengthSortedSampler(rows.lengths, self.args.train_batch_size, self.args.seed)

    def _get_eval_sampler(self, eval_dataset: Any) -> list[int]:
        """Longest rows first; the metrics do not depend on the order."""
        order: list[int] = np.argsort(-eval_dataset.lengths, kind="stable").tolist()
        return order

    def training_step(
        self, model: Any, inputs: dict[str, Tensor], num_items_in_batch: Any = None
    ) -> Tensor:
        """One forward and backward pass.

        Raises:
            TrainingError: the loss is no number.

        """
        tokens = int(inputs["attention_mask"].sum())
        loss: Tensor = super().training_step(model, inputs, num_items_in_batch)
        value = loss.item()
        if not math.isfinite(value):
            raise TrainingError(
                f"the training loss is {value} at step {self.state.global_step + 1}; lower "
                f"training.learning_rate ({self.args.learning_rate:g}) or training.max_grad_norm "
                f"({self.args.max_grad_norm:g})"
            )
        self.curves.add_batch(value, tokens)
        return loss

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        with explain_full_disk(Path(self.args.output_dir)):
            super()._save_checkpoint(model, trial)
