"""What the task types have in common whose loss is the cross-entropy of tokens."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tasks.task_types.base import CommonTaskType
from tasks.task_types.examples import Batch
from tasks.task_types.language_models.likelihood import label_tokens, row_sums, summed_loss

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class TokenLoss(CommonTaskType):
    """A mean over the tokens that are asked for.

    Attributes:
        few: whether most tokens of a row are not asked for, so that their scores are left out.

    """

    greater_is_better: bool = False
    methods: frozenset[str] = frozenset({"label_smoothing"})
    few: bool = False

    def units(self, batch: Batch) -> "Tensor":
        """Tokens that are asked for."""
        return label_tokens(batch)[None]

    def loss(
        self,
        outputs: Any,
        batch: Batch,
        units: "Tensor",
        *,
        smoothing: float = 0.0,
        class_weights: "Tensor | None" = None,  # noqa: ARG002
    ) -> "Tensor":
        """Cross-entropy of the tokens that are asked for; see `TaskType.loss`."""
        labels = batch.labels["labels"]
        return summed_loss(outputs["logits"], labels, smoothing=smoothing, few=self.few) / units[0]

    def outcomes(self, outputs: Any, batch: Batch) -> "Tensor":
        """Negative log-likelihood in nats, tokens, and those that are right of each row, (B, 3)."""
        return row_sums(outputs["logits"], batch.labels["labels"])
