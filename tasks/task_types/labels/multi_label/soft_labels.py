"""Sets of labels as a teacher sees them."""

from typing import TYPE_CHECKING, ClassVar

from tasks.task_types.divergence import softened_binary_divergence
from tasks.task_types.examples import Batch
from tasks.task_types.labels.classification.soft_labels import SoftClasses
from tasks.task_types.soft_labels import LOGITS

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.task_types.examples import Outputs


class SoftLabelSets(SoftClasses):
    """The logits of all labels of a text, each a yes or no."""

    problem_type: ClassVar[str | None] = "multi_label_classification"

    def loss(self, outputs: "Outputs", batch: Batch, units: "Tensor") -> "Tensor":
        """`softened_binary_divergence`, its mean over texts and labels; see `SoftLabels.loss`."""
        student, teacher = outputs["logits"].float(), batch.labels[LOGITS]  # (B, L)
        apart = softened_binary_divergence(student, teacher, self.temperature)
        return apart.sum() / units[0] / teacher.shape[-1]
