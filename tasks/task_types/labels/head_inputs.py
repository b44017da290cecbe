"""What the last linear layer of a classifier reads of a text: one vector."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from infra.errors import TrainingError
from infra.transformers_logs import quiet_transformers
from tasks.task_types.labels.classifier_head import head_of
from tasks.task_types.labels.text_logits import run_texts
from tasks.task_types.scoring import load_model
from tasks.task_types.tokenizers import load_tokenizer

# How far the layer's own outputs may lie from the model's logits.
_TOLERANCE: Final = 1e-3


@dataclass(frozen=True)
class HeadInputs:
    """Representations of texts.

    Attributes:
        layer: name of the last linear layer.
        inputs: what it reads, (N, D).

    """

    layer: str
    inputs: NDArray[np.float32]


def head_inputs(folder: Path, texts: Sequence[str], *, max_length: int) -> HeadInputs:
    """What the last linear layer reads of each text, in the order of the texts.

    Args:
        folder: a classifier and its tokenizer, as transformers saves them.
        texts: N texts, one or more.
        max_length: tokens that a text is cut to.

    Raises:
        BaseModelError: the folder holds no such model.
        TrainingError: its logits are not those of one linear layer with a bias over one vector.

    """
    with quiet_transformers():
        tokenizer = load_tokenizer(folder)
        model = load_model(folder, "AutoModelForSequenceClassification")
    found = head_of(model, model.config.num_labels) if hasattr(model, "named_modules") else None
    if found is None or found[1].bias is None:
        raise _wrong_head(model, "it has no linear layer with a bias of one output a label")
    name, layer = found
    read: list[torch.Tensor] = []
    hook = layer.register_forward_pre_hook(lambda _layer, inputs: read.append(inputs[0]))
    inputs = np.zeros((len(texts), layer.in_features), np.float32)
    try:
        for rows, _, outputs in run_texts(model, tokenizer, texts, max_length=max_length):
            one = read[-1]
            read.clear()
            if one.shape != (len(rows), layer.in_features):
                raise _wrong_head(model, "its last layer reads each token, and not one vector")
            with torch.inference_mode():
                told = torch.nn.functional.linear(one, layer.weight, layer.bias)
                apart = float((told - outputs.logits).abs().max())
            if apart > _TOLERANCE * max(1.0, float(outputs.logits.abs().max())):
                raise _wrong_head(model, f"its logits lie {apart:.2g} off its last layer's outputs")
            inputs[rows] = one.float().cpu().numpy()
    finally:
        hook.remove()
    return HeadInputs(name, inputs)


def _wrong_head(model: Any, why: str) -> TrainingError:
    return TrainingError(
        f"mitigation.inlp takes directions out of what the last layer reads, which "
        f"{type(model).__name__} does not allow: {why}; leave inlp out, or take another base_model"
    )


def replace_head(
    folder: Path, layer: str, weights: NDArray[np.float64], biases: NDArray[np.float64]
) -> None:
    """Write other weights (L, D) and biases (L,) into the last layer of a model's folder.

    Raises:
        TrainingError: its files hold no such layer of this shape.

    """
    from safetensors.torch import load_file, save_file

    wanted = {f"{layer}.weight": weights, f"{layer}.bias": biases}
    for path in sorted(folder.glob("*.safetensors")):
        tensors = load_file(path)
        for name in wanted.keys() & tensors.keys():
            new = torch.from_numpy(wanted[name]).to(tensors[name].dtype)
            if new.shape != tensors[name].shape:
                raise TrainingError(f"{name} is {tuple(tensors[name].shape)}, not {new.shape}")
            tensors[name] = new.contiguous()
            wanted.pop(name)
        save_file(tensors, path, metadata={"format": "pt"})
    if wanted:
        raise TrainingError(f"the model's files hold no {', '.join(sorted(wanted))}")
