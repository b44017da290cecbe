"""The large parts of a checkpoint, copied to memory and written to disk."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.distributed.checkpoint.state_dict import get_model_state_dict, get_optimizer_state_dict
from torch.distributed.fsdp import FSDPModule
from transformers.trainer import OPTIMIZER_NAME as OPTIMIZER_FILE
from transformers.utils import SAFE_WEIGHTS_NAME as WEIGHTS_FILE

from infra.errors import TrainingError
from tasks.training.averaging import AVERAGE_FILE
from tasks.training.background_writes import copy_to_memory
from tasks.training.sharding import WHOLE, whole_tensor


@dataclass(frozen=True)
class Snapshot:
    """A training's weights, optimizer state and average, in memory.

    Attributes:
        average: by parameter name; empty where there is none.

    """

    weights: dict[str, Tensor]
    optimizer: dict[str, Any]
    average: dict[str, Tensor]

    def write(self, model: Any, folder: Path) -> None:
        """Write all as files; `model` says how its weights are saved."""
        model.save_pretrained(folder, state_dict=self.weights)
        torch.save(self.optimizer, folder / OPTIMIZER_FILE)
        if self.average:
            save_file(self.average, folder / AVERAGE_FILE)


def take_snapshot(trainer: Any) -> Snapshot:
    """Copy what a trainer has learnt so far; of a sharded model, all workers must call it."""
    average = trainer.average.values if trainer.average else {}
    if trainer.is_fsdp_enabled:
        is_sharded = isinstance(trainer.model, FSDPModule)
        assert is_sharded  # noqa: S101  # accelerate passes over sharding on some devices
        optimizer = trainer.optimizer.optimizer
        weights: Any = get_model_state_dict(trainer.model, options=WHOLE)
        return Snapshot(
            weights,
            get_optimizer_state_dict(trainer.model, optimizer, options=WHOLE),
            copy_to_memory({name: whole_tensor(value) for name, value in average.items()}),
        )
    return Snapshot(
        copy_to_memory(trainer.accelerator.get_state_dict(trainer.model)),
        copy_to_memory(trainer.optimizer.state_dict()),
        copy_to_memory(average),
    )


def check_fits(model: Any, folder: Path) -> None:
    """Refuse the weights of a checkpoint that is not of this model.

    Trainer passes over names that the model lacks, or that the file lacks.

    Raises:
        TrainingError: a name or a shape differs.

    """
    path = folder / WEIGHTS_FILE
    if not path.exists():  # adapters, whose names peft checks
        return
    own = model.state_dict()
    with safe_open(path, framework="pt") as file:
        kept = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    there = {own[name].data_ptr() for name in kept if name in own}
    wrong = [
        *(f"{name} is not in the model" for name in kept if name not in own),
        *(
            f"{name} is {kept[name]} there and {tuple(own[name].shape)} in the model"
            for name in kept
            if name in own and kept[name] != tuple(own[name].shape)
        ),
        # A tensor that two names share is written once.
        *(
            f"{name} is not there"
            for name, value in own.items()
            if name not in kept and value.data_ptr() not in there
        ),
    ]
    if wrong:
        raise TrainingError(
            f"the checkpoint {folder.name} is of another model: {wrong[0]} ({len(wrong)} "
            "difference(s)); delete this training's checkpoints in the store, and run again"
        )
