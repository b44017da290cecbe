"""Trainer, set up for a line: row order, loss, checks on the loss, and its arguments."""

import logging
import math
import shutil
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor
from transformers import EvalPrediction, Trainer, TrainingArguments
from transformers.trainer import OPTIMIZER_NAME as OPTIMIZER_FILE
from transformers.trainer import SCHEDULER_NAME as SCHEDULER_FILE
from transformers.trainer_callback import ExportableState

from infra.device import Device
from infra.errors import TrainingError
from tasks.task_types import TaskType
from tasks.training.averaging import AVERAGE_FILE, WeightAverage
from tasks.training.background import BackgroundWriter, copy_to_memory
from tasks.training.batching import (
    Batch,
    LengthSortedSampler,
    StepCollator,
    TokenizedRows,
    halve,
)
from tasks.training.checkpoints import TRAINER_FOLDER, TRAINER_STATE_FILE
from tasks.training.curves import Curves
from tasks.training.disk import explain_full_disk
from tasks.training.methods import parameter_groups
from tasks.training.settings import TrainingSettings

logger = logging.getLogger(__name__)

STEPS_BETWEEN_LOGS = 10
# Trainer's names of the schedules.
SCHEDULES = {
    "linear": "linear",
    "cosine": "cosine",
    "constant": "constant_with_warmup",
    "inverse_sqrt": "inverse_sqrt",
    "on_plateau": "reduce_lr_on_plateau",
}
# What torch says where the CPU's allocator finds no memory; CUDA has a class of its own for it.
NO_MEMORY_WORDS = ("can't allocate memory", "not enough memory")
VALIDATION_BATCH_ROWS = 32


def is_out_of_memory(error: Exception) -> bool:
    """Whether a device had no memory left."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return any(words in str(error) for words in NO_MEMORY_WORDS)


def class_weights(
    labels: NDArray[np.int64], classes: int, settings: TrainingSettings
) -> Tensor | None:
    """Weight (L,) of each class, whose mean over the training rows is 1; None for equal ones."""
    if settings.class_weights == "none":
        return None
    counts = np.bincount(labels, minlength=classes).clip(min=1)
    return torch.tensor(len(labels) / (classes * counts), dtype=torch.float32)


def trainer_arguments(
    settings: TrainingSettings, device: Device, folder: Path, selection_metric: str
) -> Any:
    """Trainer's arguments for these settings on this device, with `folder` for its checkpoints."""
    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch_size,
        per_device_eval_batch_size=VALIDATION_BATCH_ROWS,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=SCHEDULES[settings.schedule],
        lr_scheduler_kwargs={"patience": settings.plateau_epochs}
        if settings.schedule == "on_plateau"
        else {},
        activation_checkpointing=settings.gradient_checkpointing,
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
        writer: writes the checkpoints; `keep` is told the folder and step of each that is whole.

    """

    data_collator: Any
    optimizer: Any

    def __init__(
        self,
        model: Any,
        arguments: Any,
        kind: TaskType,
        settings: TrainingSettings,
        rows: tuple[TokenizedRows, TokenizedRows],
        pad_id: int,
        curves: Curves,
        keep: Callable[[Path, int], None] = lambda _folder, _step: None,
    ) -> None:
        weights = class_weights(rows[0].labels, model.config.num_labels, settings)

        def loss(outputs: Any, labels: Tensor, num_items_in_batch: "int | Tensor") -> Tensor:
            if not model.training:
                return kind.loss(outputs, labels, num_items_in_batch, smoothing=0.0)
            return kind.loss(
                outputs, labels, num_items_in_batch,
                smoothing=settings.label_smoothing, class_weights=weights,
            )  # fmt: skip

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
        self.writer = BackgroundWriter()
        self.average: WeightAverage | None = None
        self._settings = settings
        self._keep = keep
        self._steps = StepCollator(self.data_collator, settings.tokens_per_pass)

    def _get_train_sampler(self, train_dataset: Any = None) -> LengthSortedSampler:
        rows = self.train_dataset if train_dataset is None else train_dataset
        return LengthSortedSampler(rows.lengths, self.args.train_batch_size, self.args.seed)

    def _get_eval_sampler(self, eval_dataset: Any) -> list[int]:
        """Longest rows first; the metrics do not depend on the order."""
        order: list[int] = np.argsort(-eval_dataset.lengths, kind="stable").tolist()
        return order

    def create_optimizer(self, model: Any = None) -> Any:
        """AdamW with the rates and decays of the settings."""
        model = self.model if model is None else model
        if self.optimizer is None:
            decaying = set(self.get_decay_parameter_names(model))
            groups = parameter_groups(model, self._settings, decaying)
            kind, options = self.get_optimizer_cls_and_kwargs(self.args, model)
            self.optimizer = kind(groups, **options)
        return self.optimizer

    def evaluate(self, *arguments: Any, **others: Any) -> dict[str, float]:
        """Validate the average where there is one."""
        with self.average.in_place() if self.average else nullcontext():
            found: dict[str, float] = super().evaluate(*arguments, **others)
        return found

    def get_train_dataloader(self) -> Any:
        """Batches that are whole optimizer steps, each in its passes."""
        kept, self.data_collator = self.data_collator, self._steps
        try:
            return super().get_train_dataloader()
        finally:
            self.data_collator = kept

    def training_step(
        self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None
    ) -> Tensor:
        """Forward and backward passes of one optimizer step.

        A step that does not fit into memory is begun anew with half the tokens a pass, and so are
        all steps after it.

        Raises:
            TrainingError: the loss is no number, or a single row does not fit into memory.

        """
        passes: list[Batch] = inputs["passes"]
        while True:
            try:
                loss = self._run_passes(model, passes, num_items_in_batch)
                break
            except (torch.OutOfMemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                reason = str(error).splitlines()[0]
            passes = self._with_half_the_memory(model, passes, reason)
        self.curves.add_batch(loss.item(), sum(int(p["attention_mask"].sum()) for p in passes))
        return loss

    def _run_passes(self, model: Any, passes: Sequence[Batch], rows: Any) -> Tensor:
        losses = []
        for batch in passes[:-1]:
            with self.accelerator.no_sync(model):  # workers add their gradients up once a step
                losses.append(super().training_step(model, batch, rows))
        losses.append(super().training_step(model, passes[-1], rows))
        loss = torch.stack(losses).sum()
        if not math.isfinite(loss.item()):
            broken = [n for n, one in enumerate(losses, start=1) if not math.isfinite(one.item())]
            raise TrainingError(
                f"the training loss is {loss.item()} at step {self.state.global_step + 1} (pass "
                f"{broken[0]} of {len(passes)}); lower training.learning_rate "
                f"({self.args.learning_rate:g}) or training.max_grad_norm "
                f"({self.args.max_grad_norm:g})"
            )
        return loss

    def _with_half_the_memory(
        self, model: Any, passes: Sequence[Batch], reason: str
    ) -> list[Batch]:
        """The same rows in passes of half as many tokens; gradients are forgotten."""
        model.zero_grad()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        size = max(one["input_ids"].numel() for one in passes)
        if all(len(one["labels"]) == 1 for one in passes):
            raise TrainingError(
                f"a single row of {size} tokens does not fit into memory ({reason}); lower "
                "tokenization.max_length, or take a smaller base model"
            )
        self._steps.budget = max(1, size // 2)
        logger.warning(
            "out of memory at step %s: passes take at most %s tokens from here on, in place of "
            "%s; the rows of a step stay %s (%s)",
            self.state.global_step + 1, self._steps.budget, size, self.args.train_batch_size,
            reason,
        )  # fmt: skip
        return [
            half for one in passes for half in (halve(one) if len(one["labels"]) > 1 else (one,))
        ]

    def _save_checkpoint(self, _model: Any, _trial: Any) -> None:
        """Copy what a resumed run needs to memory; disk and store take it beside the training.

        Raises:
            TrainingError: there is no room for this checkpoint, or was none for the one before.

        """
        self.writer.wait()
        step, best = self.state.global_step, self.state.best_global_step
        folder = Path(self.args.output_dir) / TRAINER_FOLDER.format(step=step)
        if best:
            best_folder = folder.with_name(TRAINER_FOLDER.format(step=best))
            self.state.best_model_checkpoint = str(best_folder)
        with explain_full_disk(folder.parent):
            self._write_small_parts(folder)
        weights = copy_to_memory(self.accelerator.get_state_dict(self.model))
        optimizer = copy_to_memory(self.optimizer.state_dict())
        average = copy_to_memory(self.average.values) if self.average else None

        def write() -> None:
            with explain_full_disk(folder.parent):
                self.model.save_pretrained(folder, state_dict=weights)
                torch.save(optimizer, folder / OPTIMIZER_FILE)
                if average:
                    save_file(average, folder / AVERAGE_FILE)
                self._keep(folder, step)
            for other in folder.parent.glob(TRAINER_FOLDER.format(step="*")):
                if other.name not in {folder.name, TRAINER_FOLDER.format(step=best)}:
                    shutil.rmtree(other, ignore_errors=True)

        self.writer.submit(write)

    def _write_small_parts(self, folder: Path) -> None:
        """Random states, schedule, loss scale and Trainer's own state: some kilobytes."""
        folder.mkdir(parents=True, exist_ok=True)
        self._save_rng_state(str(folder))
        self._save_scaler(str(folder))
        torch.save(self.lr_scheduler.state_dict(), folder / SCHEDULER_FILE)
        for part in (*self.callback_handler.callbacks, self.control):
            if isinstance(part, ExportableState):
                self.state.stateful_callbacks[type(part).__name__] = part.state()
        self.state.save_to_json(str(folder / TRAINER_STATE_FILE))
        self.curves.save(folder)

    def _load_best_model(self) -> None:
        self.writer.wait()
        super()._load_best_model()
        if self.average:
            self.average.load(Path(self.state.best_model_checkpoint))
            self.average.put(self.average.values)
