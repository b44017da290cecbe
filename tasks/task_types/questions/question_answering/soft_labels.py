"""Begin and end of answers as a teacher sees them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Final

from tasks.task_types.divergence import softened_divergence
from tasks.task_types.examples import Batch, Example
from tasks.task_types.questions.answer_spans import NEVER
from tasks.task_types.questions.question_answering.learner import possible_places
from tasks.task_types.soft_labels import LOGITS, padded_logits, real_logits
from tasks.task_types.soft_labels_base import SoftLabelsBase

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor
    from transformers import PretrainedConfig

    from tasks.task_types.examples import Outputs

SIDES: Final = ("start_logits", "end_logits")


class SoftSpans(SoftLabelsBase):
    """The logits of each token as the first and as the last one of the answer."""

    auto_class: ClassVar[str] = "AutoModelForQuestionAnswering"

    def kept(
        self, outputs: "Outputs", batch: Batch, _config: "PretrainedConfig"
    ) -> "Mapping[str, Sequence[NDArray[np.generic]]]":
        """Logits (2 T,) of each window; see `SoftLabels.kept`."""
        import torch

        both = torch.stack([outputs[side].float() for side in SIDES], dim=-1)  # (B, T, 2)
        return {LOGITS: real_logits(both, batch)}

    def collate(self, examples: Sequence[Example], batch: Batch) -> "Mapping[str, Tensor]":
        """Logits (B, T, 2); see `SoftLabels.collate`."""
        return {LOGITS: padded_logits(examples, batch)}

    def loss(self, outputs: "Outputs", batch: Batch, units: "Tensor") -> "Tensor":
        """The mean of `softened_divergence` of start and of end; see `SoftLabels.loss`.

        Both choose among the tokens that the learner's own loss lets them choose among.
        """
        possible = possible_places(batch)
        apart = [
            softened_divergence(
                outputs[side].float().masked_fill(~possible, NEVER),
                batch.labels[LOGITS][..., place].masked_fill(~possible, NEVER),
                self.temperature,
            ).sum()
            for place, side in enumerate(SIDES)
        ]
        return (apart[0] + apart[1]) / 2 / units[0]
