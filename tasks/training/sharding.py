"""A model that workers hold in shares (FSDP2): on CPUs too, and to and from whole tensors."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import torch
from accelerate.state import PartialState
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from safetensors.torch import load_file
from torch import Tensor
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from transformers.trainer import OPTIMIZER_NAME as OPTIMIZER_FILE
from transformers.utils import SAFE_WEIGHTS_NAME as WEIGHTS_FILE

# Whole tensors, in the memory of the first worker.
WHOLE: Final = StateDictOptions(full_state_dict=True, cpu_offload=True)


def shard_on_cpu(accelerator: Any, options: Mapping[str, Any]) -> None:
    """Have accelerate share a model between CPU workers.

    It heeds its FSDP plugin on GPUs alone, although torch's FSDP2 runs over gloo too.
    """
    accelerator.state.fsdp_plugin = FullyShardedDataParallelPlugin(**options)
    accelerator.state.distributed_type = DistributedType.FSDP
    PartialState._shared_state["distributed_type"] = DistributedType.FSDP  # noqa: SLF001


def whole_model(trainer: Any, new_model: Callable[[], Any]) -> Any:
    """The trained model, whole; of a sharded one, all workers must call it.

    Args:
        trainer: that has ended.
        new_model: gives a model of the same kind that takes the shards' weights.

    """
    if not trainer.is_fsdp_enabled:
        return trainer.model
    weights = get_model_state_dict(trainer.model, options=WHOLE)
    if not trainer.workers.is_first:
        return None
    model = new_model()
    model.load_state_dict(weights)
    return model


def load_sharded(model: Any, folder: Path) -> None:
    """Give a sharded model the weights of a checkpoint."""
    weights: dict[str, Any] = dict(load_file(folder / WEIGHTS_FILE))
    set_model_state_dict(model, weights, options=StateDictOptions(full_state_dict=True))


def load_sharded_optimizer(model: Any, optimizer: Any, folder: Path) -> None:
    """Give the optimizer of a sharded model its state from a checkpoint."""
    state = torch.load(folder / OPTIMIZER_FILE, map_location="cpu", weights_only=True)
    options = StateDictOptions(full_state_dict=True)
    set_optimizer_state_dict(model, optimizer.optimizer, state, options=options)


def whole_tensor(value: Any) -> Tensor:
    """A tensor that each worker may hold a share of; all of them must call it."""
    whole: Tensor = value.full_tensor() if hasattr(value, "full_tensor") else value
    return whole
