"""Classes as a teacher sees them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from tasks.task_types.divergence import softened_divergence
from tasks.task_types.examples import Batch, Example
from tasks.task_types.soft_labels import LOGITS, rows_of_logits
from tasks.task_types.soft_labels_base import SoftLabelsBase

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor
    from transformers import PretrainedConfig

    from tasks.task_types.examples import Outputs


class SoftClasses(SoftLabelsBase):
    """The logits of all classes of a text."""

    auto_class: ClassVar[str] = "AutoModelForSequenceClassification"
    problem_type: ClassVar[str | None] = "single_label_classification"

    def kept(
        self, outputs: "Outputs", _batch: Batch, _config: "PretrainedConfig"
    ) -> "Mapping[str, Sequence[NDArray[np.generic]]]":
        """Logits (L,) of each text; see `SoftLabels.kept`."""
        return {LOGITS: rows_of_logits(outputs["logits"])}

    def collate(self, examples: Sequence[Example], _batch: Batch) -> "Mapping[str, Tensor]":
        """Logits (B, L); see `SoftLabels.collate`."""
        import numpy as np
        import torch

        return {LOGITS: torch.from_numpy(np.stack([example[LOGITS] for example in examples]))}

    def loss(self, outputs: "Outputs", batch: Batch, units: "Tensor") -> "Tensor":
        """`softened_divergence`, its mean over the texts; see `SoftLabels.loss`."""
        student, teacher = outputs["logits"].float(), batch.labels[LOGITS]  # (B, L)
        return softened_divergence(student, teacher, self.temperature).sum() / units[0]
