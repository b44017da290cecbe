"""A number for a text.

The head learns the target less the training rows' mean, in units of their standard deviation: so
one learning rate suits prices and probabilities alike, and the head of a decoder, which has no
bias, can reach any level. Both numbers stand in the model's config.json as ``target_mean`` and
``target_scale``; the served script and `predict` give ``logit * target_scale + target_mean``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from tasks.task_types.encoding import encode_texts
from tasks.task_types.examples import Batch, Encoded, Example, Vocabulary, pad
from tasks.task_types.labels.regression.targets import targets_of
from tasks.task_types.learner_base import LearnerBase
from tasks.task_types.loading import load_for_training

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from tasks.task_types.examples import Outputs, TrainingRows


@dataclass(frozen=True, kw_only=True)
class RegressionLearner(LearnerBase):
    """One number for each text.

    Attributes:
        target_mean: of the training rows; see `fitted_to`.
        target_scale: their standard deviation.

    """

    selection_metric: ClassVar[str] = "rmse"
    greater_is_better: ClassVar[bool] = False
    why_not_private: ClassVar[str] = (
        "the mean and the spread of all training targets go into the weights without noise"
    )
    target_mean: float = 0.0
    target_scale: float = 1.0

    def fitted_to(self, examples: "TrainingRows") -> Self:
        """The same, with the mean and the spread of the training targets; see `fitted_to`."""
        import numpy as np

        targets = np.asarray(examples.column("target"), dtype=np.float64)
        return replace(
            self,
            target_mean=float(targets.mean()),
            # Equal targets have no spread to measure in.
            target_scale=float(targets.std()) or 1.0,
        )

    def encode(self, rows: "pa.Table", tokenizer: "PreTrainedTokenizerFast") -> Encoded:
        """Columns input_ids and target (float); see `Learner.encode`."""
        import pyarrow as pa

        targets = targets_of(rows)
        encoded = encode_texts(rows.column("text"), tokenizer, self.limits.max_length)
        table = pa.table(
            {
                "row_id": rows.column("row_id"),
                "input_ids": encoded.input_ids,
                "target": pa.array(targets, pa.float64()),
            }
        )
        return Encoded(table, encoded.tokens, encoded.truncated)

    def load_model(self, folder: Path) -> "PreTrainedModel":
        """A base model with one output; see `Learner.load_model`."""
        model = load_for_training(
            folder,
            "AutoModelForSequenceClassification",
            self.name,
            problem_type="regression",
            num_labels=1,
        )
        model.config.target_mean = self.target_mean
        model.config.target_scale = self.target_scale
        return model

    def collate(self, examples: Sequence[Example], vocabulary: Vocabulary) -> Batch:
        """Texts (B, T) and standardised targets (B,); see `Learner.collate`."""
        import torch

        inputs = pad([example["input_ids"] for example in examples], vocabulary.pad_id)
        targets = [
            (float(example["target"]) - self.target_mean) / self.target_scale
            for example in examples
        ]
        return Batch(inputs, {"labels": torch.tensor(targets, dtype=torch.float32)})

    def loss(self, outputs: "Outputs", batch: Batch, units: "Tensor") -> "Tensor":
        """Squared error of the standardised target; see `Learner.loss`."""
        from torch.nn.functional import mse_loss

        logits = outputs["logits"].float().squeeze(-1)  # (B,)
        return mse_loss(logits, batch.labels["labels"], reduction="sum") / units[0]

    def outcomes(self, outputs: "Outputs", batch: Batch) -> "Tensor":
        """Standardised prediction and target, (B, 2)."""
        import torch

        logits = outputs["logits"].float().squeeze(-1)
        return torch.stack([logits, batch.labels["labels"]], dim=-1)

    def metrics(self, outcomes: "NDArray[np.float64]") -> dict[str, float]:
        """Root of the mean squared error, and mean absolute error, in the target's own units."""
        import numpy as np

        errors = (outcomes[:, 0] - outcomes[:, 1]) * self.target_scale
        return {"rmse": float(np.sqrt(np.mean(errors**2))), "mae": float(np.abs(errors).mean())}
