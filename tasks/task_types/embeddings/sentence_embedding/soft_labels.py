"""Vectors of texts as a teacher gives them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Final

from tasks.task_types.examples import Batch, Example
from tasks.task_types.soft_labels_base import SoftLabelsBase

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor
    from transformers import PretrainedConfig

    from tasks.task_types.examples import Outputs

VECTORS: Final = "soft_vectors"
# Numbers of texts that stand behind the vectors in what the learner compares.
NUMBERS: Final = 4


class SoftVectors(SoftLabelsBase):
    """The vectors of source and target, of which a student's shall have the directions.

    Each text by itself (as Reimers and Gurevych 2020, arXiv:2004.09813, whose loss is the squared
    difference): by the cosine, since that is what vectors are compared by in the task's own loss,
    in evaluation and in use.
    """

    auto_class: ClassVar[str] = "AutoModel"
    same_width: ClassVar[bool] = True
    has_states: ClassVar[bool] = False

    def kept(
        self, outputs: "Outputs", batch: Batch, _config: "PretrainedConfig"
    ) -> "Mapping[str, Sequence[NDArray[np.generic]]]":
        """Vectors (2 H,) of each pair; see `SoftLabels.kept`."""
        return {VECTORS: list(self._vectors(outputs, batch).cpu().numpy())}

    def collate(self, examples: Sequence[Example], _batch: Batch) -> "Mapping[str, Tensor]":
        """Vectors (B, 2 H); see `SoftLabels.collate`."""
        import numpy as np
        import torch

        return {VECTORS: torch.from_numpy(np.stack([example[VECTORS] for example in examples]))}

    def loss(self, outputs: "Outputs", batch: Batch, units: "Tensor") -> "Tensor":
        """One less the cosine, a mean over both texts of each pair; see `SoftLabels.loss`."""
        from torch.nn.functional import cosine_similarity

        pairs = (self._vectors(outputs, batch), batch.labels[VECTORS])
        ours, theirs = (one.reshape(len(one), 2, -1) for one in pairs)  # (B, 2, H)
        return (1 - cosine_similarity(ours, theirs, dim=-1)).mean(dim=-1).sum() / units[0]

    def _vectors(self, outputs: "Outputs", batch: Batch) -> "Tensor":
        """Vectors (B, 2 H) of source and target."""
        return self.learner.represent(outputs, batch)[:, :-NUMBERS]
