"""The layer of a classifier that gives its logits."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


def head_of(model: Any, labels: int) -> "tuple[str, nn.Linear] | None":
    """Name and layer of the last linear layer of one output a label; None where there is none.

    Args:
        model: as transformers makes it; without weights as well.
        labels: how many.

    """
    from torch import nn

    found = [
        (name, layer)
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Linear) and layer.out_features == labels
    ]
    return found[-1] if found else None
