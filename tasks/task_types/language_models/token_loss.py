"""What the learners have in common whose loss is the cross-entropy of tokens."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tasks.task_types.examples import Batch
from tasks.task_types.language_models.likelihood import label_tokens, row_sums, summed_loss
from tasks.task_types.learner import Method
from tasks.task_types.learner_base import LearnerBase

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.task_types.examples import Outputs


@dataclass(frozen=True, kw_only=True)
class TokenLoss(LearnerBase):
    """A mean over the tokens that are asked for.

    Attributes:
        few: whether most tokens of a row are not asked for, so that their scores are left out.

    """

    greater_is_better: ClassVar[bool] = False
    methods: ClassVar[frozenset[Method]] = frozenset({"label_smoothing"})
    few: ClassVar[bool] = False
    why_not_private: ClassVar[str] = ""

    def units(self, batch: Batch) -> "Tensor":
        """Tokens that are asked for."""
        return label_tokens(batch)[None]

    def loss(self, outputs: "Outputs", batch: Batch, units: "Tensor") -> "Tensor":
        """Cross-entropy of the tokens that are asked for; see `Learner.loss`."""
        labels = batch.labels["labels"]
        smoothing = self.loss_settings.label_smoothing
        return summed_loss(outputs["logits"], labels, smoothing=smoothing, few=self.few) / units[0]

    def outcomes(self, outputs: "Outputs", batch: Batch) -> "Tensor":
        """Negative log-likelihood in nats, tokens, and those that are right of each row, (B, 3)."""
        return row_sums(outputs["logits"], batch.labels["labels"])
