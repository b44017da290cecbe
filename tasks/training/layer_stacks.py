"""The layers of a model of transformers, one on the other, and the same model with some of them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from infra.errors import BaseModelError

if TYPE_CHECKING:
    from torch import nn

# How transformers names a stack of layers: BERT, Llama, GPT-2, T5.
_STACKS: Final = ("layer", "layers", "h", "block")


def stack_of(model: Any, asked_by: str, instead: str) -> "tuple[str, nn.ModuleList]":
    """The one stack of layers of a model, with its name in it.

    Args:
        model: of transformers.
        asked_by: the setting that asks for it, for the message.
        instead: what would be right for another model, likewise.

    Raises:
        BaseModelError: it has several stacks, or none by a name that is known.

    """
    from torch import nn

    count = model.config.num_hidden_layers
    stacks = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList)
        and name.rpartition(".")[2] in _STACKS
        and len(module) == count
    ]
    if len(stacks) != 1 or getattr(model.config, "is_encoder_decoder", False):
        raise BaseModelError(
            f"{type(model).__name__} has {len(stacks)} stacks of {count} layers, and "
            f"{asked_by} takes them of models with one, such as BERT or GPT-2; {instead}"
        )
    return stacks[0]


def keep_layers(model: Any, layers: Sequence[int], asked_by: str, instead: str) -> None:
    """Leave a model with these of its layers, in place.

    Args:
        model: of transformers, with one stack of layers.
        layers: counted from 0, rising.
        asked_by: as `stack_of` has it.
        instead: likewise.

    Raises:
        BaseModelError: it has several stacks, or none by a name that is known.

    """
    from torch import nn

    name, stack = stack_of(model, asked_by, instead)
    parent, _, own = name.rpartition(".")
    kept = nn.ModuleList([stack[layer] for layer in layers])
    setattr(model.get_submodule(parent), own, kept)
    kinds = getattr(model.config, "layer_types", None)
    if kinds and len(kinds) == model.config.num_hidden_layers:
        model.config.layer_types = [kinds[layer] for layer in layers]
    model.config.num_hidden_layers = len(layers)
