"""The parts of a model that can be cut away so that plain transformers still loads what is left.

A configuration names one width of the feed-forward networks, for all layers, and one number of
layers. So each layer loses as many neurons as any other. Heads of attention stay: a configuration
such as BERT's takes their size to be ``hidden_size / num_attention_heads``, so that a model with
fewer heads of the same size cannot be described, and transformers 5 has no list of pruned heads.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from infra.errors import BaseModelError, SettingsError
from tasks.training.layer_stacks import keep_layers, stack_of
from tasks.training.pruning.settings import PruningSettings

if TYPE_CHECKING:
    from torch import nn

# How configurations call the width of a feed-forward network: BERT and Llama, DistilBERT, others.
_WIDTHS: Final = ("intermediate_size", "hidden_dim", "ffn_dim")
# A gate beside the first matrix makes two that write into the neurons, as in Llama.
_MOST_WRITERS: Final = 2
LAYERS: Final = ("pruning.layers", "leave pruning.layers out")
NEURONS: Final = ("pruning", "leave pruning out")


@dataclass(frozen=True)
class FeedForward:
    """The feed-forward network of one layer, (H) to (N) neurons to (H).

    Attributes:
        into: whose outputs the neurons are.
        out_of: whose inputs they are.

    """

    into: "tuple[nn.Linear, ...]"
    out_of: "nn.Linear"


@dataclass(frozen=True)
class Kept:
    """What is left of a model.

    Attributes:
        layers: counted from 0, rising.
        neurons: of each of these layers the kept ones, (K,), rising; None where all are.

    """

    layers: tuple[int, ...]
    neurons: tuple[NDArray[np.int64], ...] | None


def width_name(config: Any) -> str:
    """How a configuration calls the number of neurons; empty where it says nothing that is known.

    Args:
        config: of transformers.

    """
    return next((name for name in _WIDTHS if isinstance(getattr(config, name, None), int)), "")


def feed_forwards(model: Any) -> list[FeedForward]:
    """The feed-forward network of each layer, told by the widths of its matrices.

    Args:
        model: of transformers, with one stack of layers.

    Raises:
        BaseModelError: a layer has none of this form, or another matrix is as wide.

    """
    from torch import nn

    _, stack = stack_of(model, *NEURONS)
    name = width_name(model.config)
    width, found = getattr(model.config, name, 0), []
    for layer in stack:
        matrices = [module for module in layer.modules() if isinstance(module, nn.Linear)]
        into = tuple(one for one in matrices if one.out_features == width)
        out_of = [one for one in matrices if one.in_features == width]
        if len(out_of) != 1 or not 1 <= len(into) <= _MOST_WRITERS:
            raise BaseModelError(
                f"{type(model).__name__} has no feed-forward network in each layer whose neurons "
                "can be told from the rest; pruning.neurons is of models such as BERT, DistilBERT "
                "and Llama. Leave it out, or take a smaller model by distillation"
            )
        found.append(FeedForward(into, out_of[0]))
    return found


def cut(model: Any, kept: Kept) -> None:
    """Leave a model with some of its layers and neurons, in place; its configuration says so.

    Args:
        model: of transformers.
        kept: of it.

    Raises:
        BaseModelError: as `feed_forwards`, or it has several stacks of layers.

    """
    keep_layers(model, kept.layers, *LAYERS)
    if kept.neurons is None:
        return
    for network, neurons in zip(feed_forwards(model), kept.neurons, strict=True):
        for one in network.into:
            _keep(one, neurons, dimension=0)
        _keep(network.out_of, neurons, dimension=1)
    setattr(model.config, width_name(model.config), len(kept.neurons[0]))


def _keep(matrix: "nn.Linear", neurons: NDArray[np.int64], dimension: int) -> None:
    import torch
    from torch import nn

    index = torch.from_numpy(neurons).to(matrix.weight.device)
    matrix.weight = nn.Parameter(matrix.weight.detach().index_select(dimension, index))
    if dimension == 1:
        matrix.in_features = len(neurons)
        return
    matrix.out_features = len(neurons)
    if matrix.bias is not None:
        matrix.bias = nn.Parameter(matrix.bias.detach().index_select(0, index))


def counts_left(config: Any, settings: PruningSettings) -> tuple[int, int]:
    """Layers, and neurons of each, that are left; 0 neurons where none are asked about.

    Args:
        config: of the model that is pruned.
        settings: what is cut away.

    Raises:
        SettingsError: nothing is left, or nothing is cut away.

    """
    layers, name = int(config.num_hidden_layers), width_name(config)
    if settings.layers >= layers:
        raise SettingsError(
            f"pruning.layers is {settings.layers}, and the model has {layers} layers, of which "
            f"one must stay; set it to {layers - 1} or less"
        )
    if not settings.neurons or not name:
        return layers - settings.layers, 0
    width = int(getattr(config, name))
    left = round(width * (1 - settings.neurons))
    if not 0 < left < width:
        what = "all" if left == 0 else "none"
        raise SettingsError(
            f"pruning.neurons is {settings.neurons:g}, which is {what} of the {width} of a layer; "
            f"right would be {1 / width:.3g} to {1 - 1 / width:.6g}"
        )
    return layers - settings.layers, left


def check_prunable(folder: Path, auto_class: str, settings: PruningSettings) -> None:
    """Refuse a base model that could not be pruned; no weights are read.

    Args:
        folder: of the base model.
        auto_class: name in transformers of what it becomes.
        settings: what is cut away of it.

    Raises:
        SettingsError: nothing would be left of it, or nothing cut away.
        BaseModelError: its architecture cannot be pruned so that transformers loads it.

    """
    import torch
    import transformers

    config = transformers.AutoConfig.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False
    )
    layers, width = counts_left(config, settings)
    with torch.device("meta"):
        build = getattr(transformers, auto_class).from_config
        model = build(copy.deepcopy(config))
        if settings.neurons:
            feed_forwards(model)
        cut(model, first_of(layers, width))
        again = build(copy.deepcopy(model.config))
    if _shapes(model) != _shapes(again):
        raise BaseModelError(
            f"{type(model).__name__} with fewer parts is not what transformers makes of such a "
            f"configuration, so that it could not be loaded; {NEURONS[1]}"
        )


def first_of(layers: int, width: int) -> Kept:
    """The first layers and neurons, whatever they do.

    Args:
        layers: that are kept.
        width: neurons that are kept of each; 0 for all.

    """
    neurons: Sequence[NDArray[np.int64]] = [np.arange(width)] * layers
    return Kept(tuple(range(layers)), tuple(neurons) if width else None)


def _shapes(model: "nn.Module") -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}
