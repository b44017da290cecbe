"""Tags as a teacher sees them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from tasks.task_types.divergence import softened_divergence
from tasks.task_types.examples import IGNORED, Batch, Example
from tasks.task_types.soft_labels import LOGITS, padded_logits, real_logits
from tasks.task_types.soft_labels_base import SoftLabelsBase

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor
    from transformers import PretrainedConfig

    from tasks.task_types.examples import Outputs


class SoftTags(SoftLabelsBase):
    """The logits of all tags of each token."""

    auto_class: ClassVar[str] = "AutoModelForTokenClassification"

    def kept(
        self, outputs: "Outputs", batch: Batch, _config: "PretrainedConfig"
    ) -> "Mapping[str, Sequence[NDArray[np.generic]]]":
        """Logits (T L,) of each window; see `SoftLabels.kept`."""
        return {LOGITS: real_logits(outputs["logits"], batch)}

    def collate(self, examples: Sequence[Example], batch: Batch) -> "Mapping[str, Tensor]":
        """Logits (B, T, L); see `SoftLabels.collate`."""
        return {LOGITS: padded_logits(examples, batch)}

    def loss(self, outputs: "Outputs", batch: Batch, units: "Tensor") -> "Tensor":
        """`softened_divergence`, its mean over the words; see `SoftLabels.loss`.

        A word is told by its first token, and the others are told by nobody.
        """
        asked = batch.labels["labels"] != IGNORED  # (B, T)
        student, teacher = outputs["logits"][asked].float(), batch.labels[LOGITS][asked]
        return softened_divergence(student, teacher, self.temperature).sum() / units[0]
