"""Scores of a trained model must be numbers before anything follows from them."""

from pathlib import Path
from typing import TYPE_CHECKING

from infra.errors import TrainingError

if TYPE_CHECKING:
    from torch import Tensor


def check_finite(scores: "Tensor", folder: Path) -> None:
    """Raise TrainingError where a score is no number.

    Args:
        scores: of any shape.
        folder: of the model, for the message.

    """
    import torch

    if not bool(torch.isfinite(scores).all()):
        raise TrainingError(
            f"the model in {folder} gives scores that are no numbers; its training diverged: "
            "train it again with a lower learning rate"
        )
