"""What the layers of a student learn from those of its teacher: their hidden states.

As in TinyBERT (Jiao et al. 2020, arXiv:1909.10351, section 3.1), without its projection: both have
one width. The loss is of each token and layer ``|s - t|^2 / |t|^2``: TinyBERT's squared difference
over what there is to learn, so that a weight means as much for one model as for another.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from infra.errors import TrainingError
from tasks.task_types.examples import Batch, Example

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from tasks.task_types.examples import Outputs

# Column of what is kept, in half precision; and the label that tells tokens from padding.
STATES: Final = "soft_states"
REAL: Final = "soft_real"
# Bytes of a kept number, and the largest that half precision holds.
BYTES: Final = 2
LARGEST: Final = 65_504.0
# Of |t|^2: a state that is 0, as padding's may be, has nothing to learn.
LEAST_SQUARE: Final = 1e-6


def kept_states(
    outputs: "Outputs", batch: Batch, layers: Sequence[int]
) -> "list[NDArray[np.float16]]":
    """Hidden states of B examples in half precision, one flat array (T' L H,) each.

    Args:
        outputs: of a model that was asked for its hidden states.
        batch: that it read.
        layers: L of them, 0 for the embeddings.

    Raises:
        TrainingError: a state is too large for half precision.

    """
    import torch

    states = torch.stack([outputs["hidden_states"][layer] for layer in layers], dim=2)
    if (largest := float(states.abs().max())) > LARGEST:
        raise TrainingError(
            f"a hidden state of the teacher is {largest:g}, and half precision, in which they are "
            f"kept, holds at most {LARGEST:g}; leave distillation.hidden_states out, or name "
            "lower layers in distillation.hidden_states.layers"
        )
    lengths = batch.inputs["attention_mask"].sum(dim=1).tolist()
    whole = states.half().cpu().numpy()  # (B, T, L, H)
    return [own[:length].reshape(-1) for own, length in zip(whole, lengths, strict=True)]


@dataclass(frozen=True)
class HiddenStates:
    """The loss on hidden states.

    Attributes:
        layers: of the student, L of them in the order of those that are kept of the teacher.

    """

    layers: tuple[int, ...]

    def collate(self, examples: Sequence[Example], batch: Batch) -> "Mapping[str, Tensor]":
        """States (B, T, L, H) and which tokens are real (B, T)."""
        import numpy as np
        import torch

        real = batch.inputs["attention_mask"]
        lengths = real.sum(dim=1).tolist()
        width = len(examples[0][STATES]) // lengths[0] // len(self.layers)
        filled = np.zeros((*real.shape, len(self.layers), width), dtype=np.float16)
        for own, example, length in zip(filled, examples, lengths, strict=True):
            own[:length] = example[STATES].reshape(length, len(self.layers), width)
        return {STATES: torch.from_numpy(filled), REAL: real.clone()}

    def units(self, batch: Batch) -> "Tensor":
        """Tokens (1,), over which the loss is a mean."""
        return batch.labels[REAL].sum()[None]

    def loss(self, outputs: "Outputs", batch: Batch, tokens: "Tensor") -> "Tensor":
        """A batch's share of the mean over tokens and layers, in float32.

        Args:
            outputs: the student's, with its hidden states.
            batch: with what `collate` gave among its labels.
            tokens: real ones of the whole step.

        """
        import torch

        real = batch.labels[REAL].bool()
        states = outputs["hidden_states"]
        ours = torch.stack([states[layer][real].float() for layer in self.layers], dim=1)
        theirs = batch.labels[STATES][real].float()  # (N, L, H)
        apart = (ours - theirs).square().sum(dim=-1)
        whole = theirs.square().sum(dim=-1).clamp(min=LEAST_SQUARE)
        return (apart / whole).mean(dim=1).sum() / tokens
