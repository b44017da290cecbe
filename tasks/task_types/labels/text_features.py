"""What the last layer of a classifier reads of texts, beside what it says of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from infra.errors import BaseModelError
from infra.onnx_files import ONNX_FILE
from infra.transformers_logs import quiet_transformers
from tasks.task_types.finite import check_finite
from tasks.task_types.labels.classifier_head import head_of
from tasks.task_types.labels.text_logits import run_texts
from tasks.task_types.scoring import load_model
from tasks.task_types.tokenizers import load_tokenizer

if TYPE_CHECKING:
    from torch import Tensor

Arrays = tuple[NDArray[np.float64], NDArray[np.float64]]


def has_features(folder: Path) -> bool:
    """Whether the layers of a model can be looked into: not of one file of ONNX."""
    return not (folder / ONNX_FILE).is_file()


def text_features(folder: Path, texts: Sequence[str], *, max_length: int) -> Arrays:
    """Logits (N, L) and the inputs (N, H) of the layer that gives them.

    Of a decoder, whose layer is asked at every token, those of the last one.

    Args:
        folder: a model and its tokenizer, as transformers saves them.
        texts: N texts; one without tokens is asked as one padding token.
        max_length: tokens that a text is cut to.

    Raises:
        BaseModelError: the folder holds no such model, or it has no such layer.
        TrainingError: the model gives a score that is no number.

    """
    with quiet_transformers():
        tokenizer = load_tokenizer(folder)
        model = load_model(folder, "AutoModelForSequenceClassification")
    seen: list[Tensor] = []

    def keep(_: Any, inputs: "tuple[Tensor, ...]") -> None:
        seen.append(inputs[0])

    labels = model.config.num_labels
    if not (head := head_of(model, labels)):
        raise BaseModelError(
            f"{type(model).__name__} has no linear layer of {labels} outputs, whose inputs would "
            "be the embeddings of its rows"
        )
    hook = head[1].register_forward_pre_hook(keep)
    logits, features = np.zeros((len(texts), labels)), np.zeros((0, 0))
    try:
        for rows, batch, outputs in run_texts(model, tokenizer, texts, max_length=max_length):
            check_finite(outputs.logits, folder)
            read = _of_last_token(seen.pop(), batch["attention_mask"]).float().cpu().numpy()
            if not features.size:
                features = np.zeros((len(texts), read.shape[1]))
            logits[rows], features[rows] = outputs.logits.float().cpu().numpy(), read
    finally:
        hook.remove()
    return logits, features


def _of_last_token(read: "Tensor", mask: "Tensor") -> "Tensor":
    """Of (B, T, H) the row at the last token that is no padding, (B, H)."""
    import torch

    if read.dim() == 2:  # noqa: PLR2004 - (B, H): pooled already
        return read
    last = mask.shape[1] - 1 - mask.flip(1).argmax(dim=1)
    return read[torch.arange(len(read), device=read.device), last]
