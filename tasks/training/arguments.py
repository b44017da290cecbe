"""Trainer's arguments for a line's settings."""

import math
from dataclasses import fields
from pathlib import Path
from typing import Any

from transformers import TrainingArguments

from infra.device import Device
from tasks.task_types.learner import Learner
from tasks.training.settings import TrainingSettings

STEPS_BETWEEN_LOGS = 10
# Trainer's names of the schedules.
SCHEDULES = {
    "linear": "linear",
    "cosine": "cosine",
    "constant": "constant_with_warmup",
    "inverse_sqrt": "inverse_sqrt",
    "on_plateau": "reduce_lr_on_plateau",
}
# Its name changed between transformers 5.17, which machines with a GPU may have, and 5.23.
_CHECKPOINTING = next(
    name
    for name in ("activation_checkpointing", "gradient_checkpointing")
    if name in {field.name for field in fields(TrainingArguments)}
)


def trainer_arguments(
    settings: TrainingSettings, device: Device, folder: Path, learner: Learner
) -> Any:
    """Trainer's arguments for these settings on this device, with `folder` for its checkpoints."""
    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=SCHEDULES[settings.schedule],
        lr_scheduler_kwargs=_schedule_options(settings, learner),
        **{_CHECKPOINTING: settings.gradient_checkpointing},
        warmup_steps=settings.warmup_ratio,  # below 1 it is a share of all steps
        weight_decay=settings.weight_decay,
        # Rows were clipped one by one already.
        max_grad_norm=math.inf if settings.differential_privacy else settings.max_grad_norm,
        seed=settings.seed,
        bf16=device.precision == "bfloat16",
        fp16=device.precision == "float16",
        use_cpu=device.name == "cpu",
        eval_strategy="epoch",
        save_strategy="epoch",
        load_best_model_at_end=True,
        metric_for_best_model=settings.select_by or learner.selection_metric,
        greater_is_better=_rises(settings, learner),
        logging_strategy="steps",
        logging_steps=STEPS_BETWEEN_LOGS,
        logging_nan_inf_filter=False,  # LineTrainer refuses such a loss
        remove_unused_columns=False,
        report_to=[],
        disable_tqdm=True,
        # Not every parameter is used in every model: poolers, and layers that learn later.
        ddp_find_unused_parameters=True,
        ddp_backend="gloo" if device.name == "cpu" and settings.workers > 1 else None,
        fsdp=settings.sharding == "fsdp" or None,
    )
    # Trainer would spread a batch over all GPUs that it sees; this process has picked one device.
    if arguments.n_gpu > 1:
        arguments._n_gpu = 1  # noqa: SLF001
    return arguments


def _schedule_options(settings: TrainingSettings, learner: Learner) -> dict[str, Any]:
    if settings.schedule != "on_plateau":
        return {}
    return {
        "patience": settings.plateau_epochs,
        "mode": "max" if _rises(settings, learner) else "min",
    }


def _rises(settings: TrainingSettings, learner: Learner) -> bool:
    """Whether the metric that picks the epoch is better where it is higher."""
    return settings.select_by is not None or learner.greater_is_better
