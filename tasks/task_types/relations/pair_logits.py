"""A head over the states of two tokens, as one that transformers knows.

Zhou and Chen classify the states at both opening marks, one behind the other. A linear layer over
two vectors is the sum of one over each, so the head is that of a token classifier with two outputs
a relation: the first is read at the mark of the subject, the second at that of the object.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def head_names(labels: Sequence[str]) -> tuple[str, ...]:
    """What the outputs of the head are called: 2 L names."""
    return tuple(f"{label} @ {part}" for part in ("subject", "object") for label in labels)


def pair_logits(logits: "Tensor", subjects: "Tensor", objects: "Tensor") -> "Tensor":
    """The score of each relation, (B, L).

    Args:
        logits: of each token, (B, T, 2 L).
        subjects: place of the mark of each subject, (B,).
        objects: of each object.

    """
    import torch

    rows = torch.arange(len(logits), device=logits.device)
    size = logits.shape[-1] // 2
    return logits[rows, subjects, :size] + logits[rows, objects, size:]
