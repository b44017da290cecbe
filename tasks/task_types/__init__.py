"""What a line's model is for: one module a task type, which the stages ask and never test for.

How to add one: docs/task-types.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from infra.errors import SettingsError
from tasks.task_types.examples import Batch, Encoded, Example, Vocabulary

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from tasks.task_types.measures import Measured


@dataclass(frozen=True)
class TokenLimits:
    """How long a text a model reads and writes.

    Attributes:
        max_length: tokens that a text is cut to, special ones included.
        stride: tokens that two windows of one text share, where a task type reads long texts in
            windows.
        max_target_length: tokens of a written text, where a task type writes one.

    """

    max_length: int
    stride: int = 0
    max_target_length: int = 0


class TaskType(Protocol):
    """What the stages ask of a task type."""

    @property
    def name(self) -> str:
        """As in the setting ``task_type``; its columns are `rows.ROW_SHAPES`'s of this name."""

    @property
    def selection_metric(self) -> str:
        """The validation metric that picks the best epoch."""

    @property
    def greater_is_better(self) -> bool:
        """Whether the highest value of that metric is the best, and not the lowest."""

    @property
    def methods(self) -> frozenset[str]:
        """Which of the settings class_weights and label_smoothing its loss knows."""

    @property
    def packs(self) -> bool:
        """Whether examples can stand in one row one behind the other: its loss is by token."""

    @property
    def couples_rows(self) -> bool:
        """Whether its loss compares the rows of an optimizer step with each other."""

    @property
    def pipeline(self) -> str | None:
        """The transformers pipeline that serves such a model; None where `served` does."""

    @property
    def served(self) -> Path | None:
        """The script that answers for a registered model, with mlflow, torch and transformers."""

    # Tokenization

    def encode(
        self, rows: Any, tokenizer: Any, labels: Sequence[str], reading: TokenLimits
    ) -> Encoded:
        """Turn rows into training examples.

        Args:
            rows: Arrow table with row_id and the columns of the task type.
            tokenizer: a fast tokenizer of transformers.
            labels: the label set; a label's index is its class id.
            reading: lengths in tokens.

        Raises:
            DataError: a row cannot be an example, for instance by a label outside the label set.
            BaseModelError: the tokenizer lacks what the task type needs.

        """

    # Training

    def load_model(self, folder: Path, labels: Sequence[str]) -> Any:
        """A base model in float32 with a head for these labels, drawn from torch's random state.

        Raises:
            BaseModelError: the weights cannot be read or do not fit.

        """

    def collate(self, examples: Sequence[Example], vocabulary: Vocabulary) -> Batch:
        """A batch as long as its longest row; the same examples give the same batch."""

    def units(self, batch: Batch) -> "Tensor":
        """What the loss is a mean over, (U,) counts in this batch: rows, or label tokens.

        Several where the loss is the sum of several means.
        """

    def loss(
        self,
        outputs: Any,
        batch: Batch,
        units: "Tensor",
        *,
        smoothing: float = 0.0,
        class_weights: "Tensor | None" = None,
    ) -> "Tensor":
        """A batch's share of the mean loss of an optimizer step, in float32.

        Args:
            outputs: the model's outputs for the batch; of a task type that couples rows, what
                `represent` made of them for all rows of the step.
            batch: the batch; of a task type that couples rows, that of all rows of the step.
            units: (U,) of all batches of the step.
            smoothing: probability that is spread over all classes.
            class_weights: (L,) factor on the loss of an example by its class; None for equal ones.

        """

    def class_counts(self, examples: Any, classes: int) -> "NDArray[np.int64] | None":
        """Training rows (L,) of each class; None where there are no classes to weigh.

        Args:
            examples: has the columns of `Encoded.table` as ``examples.column(name)``, arrays.
            classes: L.

        """

    def represent(self, outputs: Any, batch: Batch) -> "Tensor":
        """What a loss that couples rows compares, (B, D); asked of such a task type alone."""

    def outcomes(self, outputs: Any, batch: Batch) -> "Tensor":
        """What `metrics` needs to know of each row, (B, K)."""

    def metrics(self, outcomes: "NDArray[np.float64]") -> Mapping[str, float]:
        """Validation metrics by name, from the outcomes (N, K) of all rows."""

    # Evaluation

    def predict(self, folder: Path, rows: Any, labels: Sequence[str], reading: TokenLimits) -> Any:
        """What a trained model answers to rows.

        Args:
            folder: a model and its tokenizer, as transformers saves them.
            rows: Arrow table as for `encode`, N rows.
            labels: the label set.
            reading: lengths in tokens.

        Returns:
            Arrow table of N rows, in the order of the rows: ``answer`` (string, the JSON that the
            served model gives for the row; null where it was not asked, which a task type with
            costly answers may do for all but the first rows), and what `measure` reads.

        Raises:
            BaseModelError: the folder holds no such model.
            TrainingError: the model gives a score that is no number.

        """

    def measure(self, rows: Any, answers: Any, labels: Sequence[str]) -> "Measured":
        """What is measured of the answers that `predict` or `baseline` gave to these rows."""

    def baseline(self, train: Any, test: Any, labels: Sequence[str], seed: int) -> Any:
        """What a trivial model, trained on the training rows, answers to the test rows.

        Returns:
            As `predict`, ``answer`` left out; or a string, the reason why there is none.

        """


@runtime_checkable
class FitsItself(Protocol):
    """A task type that must know something of all training rows, which few must."""

    def fitted_to(self, examples: Any) -> TaskType:
        """The same task type, with what it took from the training rows.

        Args:
            examples: has the columns of `Encoded.table` as ``examples.column(name)``, arrays.

        """


def fitted_to(kind: TaskType, examples: Any) -> TaskType:
    """The task type that is to train on these rows; the same rows give the same one."""
    fitted: TaskType = kind.fitted_to(examples) if isinstance(kind, FitsItself) else kind
    return fitted


def task_type(name: str) -> TaskType:
    """The task type of this name.

    Raises:
        SettingsError: there is none.

    """
    # Whoever only asks for the shape of the rows shall not import all that they are measured by.
    from tasks.task_types.catalogue import TASK_TYPES

    if name not in TASK_TYPES:
        known = ", ".join(sorted(TASK_TYPES))
        raise SettingsError(f"task_type {name!r} is unknown; known: {known}")
    return TASK_TYPES[name]
