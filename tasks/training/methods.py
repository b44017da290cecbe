"""Which parameters learn, when, and how fast: the methods of fine-tuning.

Depth is counted from the input: 0 for the embeddings, 1 to L for the layers of the backbone, and
L + 1 for all that stands above them (pooler, last norm, head).
"""

import re
from typing import Any, Final

from torch import nn
from transformers import TrainerCallback

from infra.errors import BaseModelError
from tasks.training.settings import TrainingSettings

# How transformers names the stacks of layers: BERT, GPT-2, Llama, T5.
_LAYER: Final = re.compile(r"\.(?:layer|layers|h|block)\.(\d+)\.")
# Trainer's epoch is a sum of fractions, and may end a hair short.
HAIR: Final = 1e-6
_EMBEDDING: Final = re.compile(r"(?:^|\.)(?:embeddings?|wte|wpe|embed_tokens|shared)\.")


def depths_of(model: nn.Module) -> dict[str, int]:
    """Depth of every parameter by its name.

    Raises:
        BaseModelError: the model has no stack of layers by a name that is known.

    """
    names = [name for name, _ in model.named_parameters()]
    layers = {int(found[1]) for name in names if (found := _LAYER.search(f".{name}"))}
    if not layers:
        raise BaseModelError(
            f"{type(model).__name__} has no stack of layers named layer, layers, h or block, so "
            "its depth cannot be told; use training.method full or frozen with layer_decay 1"
        )
    top = max(layers) + 2
    return {name: _depth(name, top) for name in names}


def _depth(name: str, top: int) -> int:
    if found := _LAYER.search(f".{name}"):
        return int(found[1]) + 1
    return 0 if _EMBEDDING.search(name) else top


def layer_classes(model: nn.Module) -> list[str]:
    """Names of the classes of the model's layers, of which each is sharded as one."""
    found = {
        type(module).__name__
        for name, module in model.named_modules()
        if (at := _LAYER.search(f".{name}.")) and f".{name}.".endswith(at[0])
    }
    return sorted(found)


def prepare(model: Any, settings: TrainingSettings) -> Any:
    """Make a model learn as the settings say, from its first step on.

    Returns:
        The model itself, or for LoRA a peft model around it.

    Raises:
        BaseModelError: the method does not fit the model.

    """
    if settings.dropout is not None:
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = settings.dropout
    if settings.method == "lora":
        return _with_adapters(model, settings)
    if settings.method == "frozen":
        freeze_below(model, max(depths_of(model).values()))
    elif settings.method == "unfreeze":
        freeze_below(model, first_depth(model, settings, epoch=0))
    return model


def freeze_below(model: nn.Module, depth: int) -> None:
    """Let the parameters of this depth and above learn, and no others.

    A frozen parameter has no gradient, and an optimizer passes over it, weight decay included.
    """
    depths = depths_of(model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(depths[name] >= depth)
        if depths[name] < depth:
            parameter.grad = None


def first_depth(model: nn.Module, settings: TrainingSettings, *, epoch: int) -> int:
    """The lowest depth that learns in an epoch, counted from 0, of gradual unfreezing.

    The head alone learns in the first epoch, and `unfreeze_layers` more from the top in each
    (Howard and Ruder 2018, section 3.3).
    """
    top = max(depths_of(model).values())
    return max(0, top - epoch * settings.unfreeze_layers)


class UnfreezeCallback(TrainerCallback):  # type: ignore[misc]
    """Lets the next layers from the top learn at the start of each epoch."""

    def __init__(self, settings: TrainingSettings) -> None:
        self._settings = settings

    def on_epoch_begin(self, _args: Any, state: Any, _control: Any, **others: Any) -> None:
        """Choose the layers of this epoch; a resumed one is begun too."""
        model = others["model"]
        freeze_below(
            model, first_depth(model, self._settings, epoch=int((state.epoch or 0) + HAIR))
        )


def parameter_groups(
    model: nn.Module, settings: TrainingSettings, decaying: set[str]
) -> list[dict[str, Any]]:
    """Groups of parameters with one learning rate and one weight decay each.

    The rate of depth d is ``learning_rate * layer_decay ** (top - d)`` (Clark et al. 2020, ELECTRA,
    appendix A). With gradual unfreezing, parameters that learn later are in a group from the start.

    Args:
        model: the model.
        settings: rates and decays.
        decaying: names of the parameters that weight decay applies to.

    """
    learns = [
        (name, parameter)
        for name, parameter in model.named_parameters()
        if parameter.requires_grad or settings.method == "unfreeze"
    ]
    layered = settings.layer_decay < 1
    depths = depths_of(model) if layered else {}
    top = max(depths.values(), default=0)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in learns:
        rate = settings.learning_rate * settings.layer_decay ** (top - depths.get(name, top))
        decay = settings.weight_decay if name in decaying else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    return [
        {"params": parameters, "lr": rate, "weight_decay": decay}
        for (rate, decay), parameters in sorted(groups.items(), key=lambda item: item[0])
    ]


def learning_parameters(model: nn.Module, settings: TrainingSettings) -> int:
    """How many parameters learn, in the last epoch where that grows."""
    if settings.method == "unfreeze":
        depths = depths_of(model)
        first = first_depth(model, settings, epoch=settings.epochs - 1)
        return sum(p.numel() for name, p in model.named_parameters() if depths[name] >= first)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def _with_adapters(model: Any, settings: TrainingSettings) -> Any:
    """Low-rank adapters on every linear layer of the backbone; the head learns in full."""
    from peft import LoraConfig, get_peft_model

    depths = depths_of(model)
    top = max(depths.values())
    head = {name.split(".")[0] for name, depth in depths.items() if depth == top}
    linear = sorted(
        {
            name
            for name, module in model.named_modules()
            if isinstance(module, nn.Linear) and _LAYER.search(f".{name}.")
        }
    )
    if not linear:
        raise BaseModelError(
            f"{type(model).__name__} has no linear layers that LoRA adapts; use training.method "
            "full or frozen"
        )
    backbone = model.base_model_prefix
    config = LoraConfig(
        r=settings.lora_rank,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=linear,
        modules_to_save=sorted(head - {backbone}) or None,
    )
    return get_peft_model(model, config)


def merged(model: Any) -> Any:
    """A plain transformers model with the weights that were learnt."""
    return model.merge_and_unload() if hasattr(model, "merge_and_unload") else model
