"""What most learners have in common; each says for itself where it differs."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

from tasks.task_types.examples import Batch, Example
from tasks.task_types.learner import PLAIN_LOSS, LossSettings, Method
from tasks.task_types.limits import TokenLimits

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from tasks.task_types.examples import Outputs, TrainingRows


@dataclass(frozen=True, kw_only=True)
class LearnerBase:
    """Answers as `Learner` has them: nothing to fit, and a loss of each row's own.

    Attributes:
        name: the task type's.
        labels: the label set, L of them; a label's index is its class id.
        limits: lengths in tokens.
        loss_settings: what training adds to the plain loss.

    """

    greater_is_better: ClassVar[bool] = True
    written_metrics: ClassVar[tuple[str, ...]] = ()
    methods: ClassVar[frozenset[Method]] = frozenset()
    packs: ClassVar[bool] = False
    couples_rows: ClassVar[bool] = False
    asked_with_control_tokens: ClassVar[bool] = False
    why_not_private: ClassVar[str] = (
        "its task type does not say that the loss of a row is of that row alone"
    )

    name: str
    labels: tuple[str, ...]
    limits: TokenLimits
    loss_settings: LossSettings = PLAIN_LOSS

    def fitted_to(self, _examples: "TrainingRows", /) -> Self:
        """The same: nothing of the training rows must be known."""
        return self

    def without_loss_settings(self) -> Self:
        """The same with the plain loss."""
        return replace(self, loss_settings=PLAIN_LOSS)

    def units(self, batch: Batch) -> "Tensor":
        """Rows."""
        import torch

        return torch.tensor([batch.rows])

    def loss(self, outputs: "Outputs", batch: Batch, units: "Tensor") -> "Tensor":
        """Not asked where the rows are coupled, and written by all others."""
        raise NotImplementedError

    def written(
        self,
        model: "PreTrainedModel",
        tokenizer: "PreTrainedTokenizerFast",
        examples: Sequence[Example],
        metric: str,
    ) -> float:
        """Not asked of models that write nothing."""
        raise NotImplementedError

    def represent(self, outputs: "Outputs", batch: Batch) -> "Tensor":
        """Not asked: each row's loss is its own."""
        raise NotImplementedError

    def coupled_loss(self, representations: "Tensor", units: "Tensor") -> "Tensor":
        """Not asked: each row's loss is its own."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class ClassLearner(LearnerBase):
    """A learner whose classes can be weighed against each other.

    Attributes:
        class_weights: factor on the loss of an example by its class, (L,); empty for equal ones.

    """

    methods: ClassVar[frozenset[Method]] = frozenset({"class_weights", "label_smoothing"})
    why_not_private: ClassVar[str] = ""

    class_weights: tuple[float, ...] = ()

    @abstractmethod
    def class_counts(self, examples: "TrainingRows") -> "NDArray[np.int64]":
        """Training examples (L,) of each class."""

    def fitted_to(self, examples: "TrainingRows") -> Self:
        """The same, with the weights of balanced classes, whose mean over the examples is 1."""
        if not self.loss_settings.balanced:
            return self
        counts = self.class_counts(examples)
        weights = counts.sum() / (len(self.labels) * counts.clip(min=1))
        return replace(self, class_weights=tuple(weights.tolist()))

    def without_loss_settings(self) -> Self:
        """The same with the plain loss."""
        return replace(self, loss_settings=PLAIN_LOSS, class_weights=())

    def weights_like(self, logits: "Tensor") -> "Tensor | None":
        """The weights (L,) in float32 on the device of the logits; None for equal ones."""
        import torch

        if not self.class_weights:
            return None
        return torch.tensor(self.class_weights, dtype=torch.float32, device=logits.device)
