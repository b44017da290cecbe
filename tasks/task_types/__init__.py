"""What a line's model is for: one module a task type, which the stages ask and never test for."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from infra.errors import SettingsError
from tasks.task_types.classification import Classification
from tasks.task_types.examples import Encoded, Example

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


class TaskType(Protocol):
    """What the stages ask of a task type."""

    @property
    def name(self) -> str:
        """As in the setting ``task_type``."""

    @property
    def pipeline(self) -> str:
        """The transformers pipeline that serves such a model."""

    @property
    def selection_metric(self) -> str:
        """The validation metric whose highest value picks the best epoch."""

    def encode(self, rows: Any, tokenizer: Any, labels: Sequence[str], max_length: int) -> Encoded:
        """Turn rows into training examples.

        Args:
            rows: Arrow table with columns row_id, text and label.
            tokenizer: a fast tokenizer of transformers.
            labels: the label set; a label's index is its class id.
            max_length: tokens that a text is cut to.

        Raises:
            DataError: a row has a label outside the label set.

        """

    def load_model(self, folder: Path, labels: Sequence[str]) -> Any:
        """A base model in float32 with a head for these labels, drawn from torch's random state.

        Raises:
            BaseModelError: the weights cannot be read or do not fit.

        """

    def collate(self, examples: Sequence[Example], pad_id: int) -> "dict[str, Tensor]":
        """A batch as long as its longest row.

        Returns:
            input_ids and attention_mask (B, T), labels (B,), all int64.

        """

    def loss(
        self,
        outputs: Any,
        labels: "Tensor",
        rows: "int | Tensor",
        *,
        smoothing: float,
        class_weights: "Tensor | None" = None,
    ) -> "Tensor":
        """A batch's share of the mean loss of an optimizer step.

        Args:
            outputs: the model's outputs for the batch.
            labels: (B,) class ids.
            rows: rows of all batches of the optimizer step.
            smoothing: probability that is spread over all classes.
            class_weights: (L,) factor on the loss of an example by its class; None for equal ones.

        """

    def metrics(
        self, logits: "NDArray[np.float32]", labels: "NDArray[np.int64]"
    ) -> Mapping[str, float]:
        """Validation metrics by name, from logits (N, L) and class ids (N,)."""


_TASK_TYPES: Mapping[str, TaskType] = {kind.name: kind for kind in (Classification(),)}


def task_type(name: str) -> TaskType:
    """The task type of this name.

    Raises:
        SettingsError: there is none.

    """
    if name not in _TASK_TYPES:
        known = ", ".join(sorted(_TASK_TYPES))
        raise SettingsError(f"task_type {name!r} is unknown; known: {known}")
    return _TASK_TYPES[name]
