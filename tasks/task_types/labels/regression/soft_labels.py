"""Numbers as a teacher sees them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from tasks.task_types.examples import Batch, Example
from tasks.task_types.labels.regression.learner import RegressionLearner
from tasks.task_types.soft_labels_base import SoftLabelsBase

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor
    from transformers import PretrainedConfig

    from tasks.task_types.examples import Outputs

TARGETS: Final = "soft_targets"


@dataclass(frozen=True)
class SoftTargets(SoftLabelsBase):
    """The number that the teacher gives a text, in the target's own units.

    Attributes:
        learner: of the student, which knows in which units its own head learns.
        temperature: without meaning here.

    """

    auto_class: ClassVar[str] = "AutoModelForSequenceClassification"
    problem_type: ClassVar[str | None] = "regression"
    needed_in_config: ClassVar[tuple[str, ...]] = ("target_mean", "target_scale")

    learner: RegressionLearner

    def kept(
        self, outputs: "Outputs", _batch: Batch, config: "PretrainedConfig"
    ) -> "Mapping[str, Sequence[NDArray[np.generic]]]":
        """The predicted target (1,) of each text; see `SoftLabels.kept`."""
        logits = outputs["logits"].double().cpu().numpy()  # (B, 1)
        return {TARGETS: list(logits * config.target_scale + config.target_mean)}

    def collate(self, examples: Sequence[Example], _batch: Batch) -> "Mapping[str, Tensor]":
        """Standardised targets (B,); see `SoftLabels.collate`."""
        import numpy as np
        import torch

        targets = np.stack([example[TARGETS] for example in examples])[:, 0]
        own = (targets - self.learner.target_mean) / self.learner.target_scale
        return {TARGETS: torch.from_numpy(own.astype(np.float32))}

    def loss(self, outputs: "Outputs", batch: Batch, units: "Tensor") -> "Tensor":
        """Squared difference of the standardised numbers; see `SoftLabels.loss`."""
        from torch.nn.functional import mse_loss

        logits = outputs["logits"].float().squeeze(-1)  # (B,)
        return mse_loss(logits, batch.labels[TARGETS], reduction="sum") / units[0]
