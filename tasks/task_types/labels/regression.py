"""A number for a text.

The head learns the target less the training rows' mean, in units of their standard deviation: so
one learning rate suits prices and probabilities alike, and the head of a decoder, which has no
bias, can reach any level. Both numbers stand in the model's config.json as ``target_mean`` and
``target_scale``; the served script and `predict` give ``logit * target_scale + target_mean``.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from infra.errors import BaseModelError, DataError
from tasks.task_types.base import SERVED, CommonTaskType
from tasks.task_types.encoding import encode_texts
from tasks.task_types.examples import Batch, Encoded, Example, Vocabulary, pad
from tasks.task_types.loading import load_for_training

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from tasks.task_types import TokenLimits
    from tasks.task_types.measures import Measured


@dataclass(frozen=True, kw_only=True)
class Regression(CommonTaskType):
    """One number for each text.

    Attributes:
        target_mean: of the training rows; see `fitted_to`.
        target_scale: their standard deviation.

    """

    name: str = "regression"
    served: Path | None = SERVED / "regression.py"
    selection_metric: str = "rmse"
    greater_is_better: bool = False
    target_mean: float = 0.0
    target_scale: float = 1.0

    def fitted_to(self, examples: Any) -> Self:
        """The same, with the mean and the spread of the training targets; see `fitted_to`."""
        import numpy as np

        targets = np.asarray(examples.column("target"), dtype=np.float64)
        return replace(
            self,
            target_mean=float(targets.mean()),
            # Equal targets have no spread to measure in.
            target_scale=float(targets.std()) or 1.0,
        )

    def encode(
        self,
        rows: Any,
        tokenizer: Any,
        labels: Sequence[str],  # noqa: ARG002
        reading: "TokenLimits",
    ) -> Encoded:
        """Columns input_ids and target (float); see `TaskType.encode`."""
        import pyarrow as pa

        targets = _targets(rows)
        encoded = encode_texts(rows.column("text"), tokenizer, reading.max_length)
        table = pa.table(
            {
                "row_id": rows.column("row_id"),
                "input_ids": encoded.input_ids,
                "target": pa.array(targets, pa.float64()),
            }
        )
        return Encoded(table, encoded.tokens, encoded.truncated)

    def load_model(self, folder: Path, labels: Sequence[str]) -> Any:  # noqa: ARG002
        """A base model with one output; see `TaskType.load_model`."""
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
        """Texts (B, T) and standardised targets (B,); see `TaskType.collate`."""
        import torch

        inputs = pad([example["input_ids"] for example in examples], vocabulary.pad_id)
        targets = [
            (float(example["target"]) - self.target_mean) / self.target_scale
            for example in examples
        ]
        return Batch(inputs, {"labels": torch.tensor(targets, dtype=torch.float32)})

    def loss(
        self,
        outputs: Any,
        batch: Batch,
        units: "Tensor",
        *,
        smoothing: float = 0.0,  # noqa: ARG002
        class_weights: "Tensor | None" = None,  # noqa: ARG002
    ) -> "Tensor":
        """Squared error of the standardised target; see `TaskType.loss`."""
        from torch.nn.functional import mse_loss

        logits = outputs["logits"].float().squeeze(-1)  # (B,)
        return mse_loss(logits, batch.labels["labels"], reduction="sum") / units[0]

    def outcomes(self, outputs: Any, batch: Batch) -> "Tensor":
        """Standardised prediction and target, (B, 2)."""
        import torch

        logits = outputs["logits"].float().squeeze(-1)
        return torch.stack([logits, batch.labels["labels"]], dim=-1)

    def metrics(self, outcomes: "NDArray[np.float64]") -> dict[str, float]:
        """Root of the mean squared error, and mean absolute error, in the target's own units."""
        import numpy as np

        errors = (outcomes[:, 0] - outcomes[:, 1]) * self.target_scale
        return {"rmse": float(np.sqrt(np.mean(errors**2))), "mae": float(np.abs(errors).mean())}

    def predict(
        self,
        folder: Path,
        rows: Any,
        labels: Sequence[str],  # noqa: ARG002
        reading: "TokenLimits",
    ) -> Any:
        """Columns answer and predicted (float); see `TaskType.predict`."""
        import numpy as np
        import pyarrow as pa

        from tasks.task_types.labels.text_logits import text_logits

        logits, config = text_logits(
            folder, rows["text"].to_pylist(), max_length=reading.max_length
        )
        if logits.shape[1] != 1 or not hasattr(config, "target_scale"):
            raise BaseModelError(
                f"the model in {folder} was not trained for {self.name}: its config.json has no "
                "target_mean and target_scale"
            )
        predicted = logits[:, 0].astype(np.float64) * config.target_scale + config.target_mean
        answers = [json.dumps({"target": value}) for value in predicted.tolist()]
        return pa.table({"answer": pa.array(answers, pa.string()), "predicted": predicted})

    def measure(self, rows: Any, answers: Any, labels: Sequence[str]) -> "Measured":  # noqa: ARG002
        """Sizes of the errors, share of the variance explained, and agreement of the order."""
        import numpy as np

        from tasks.task_types.labels.regression_measures import measure_predictions

        targets = np.array(_targets(rows), dtype=np.float64)
        return measure_predictions(targets, answers["predicted"].to_numpy())

    def baseline(self, train: Any, test: Any, labels: Sequence[str], seed: int) -> Any:  # noqa: ARG002
        """A TF-IDF bag of words with ridge regression."""
        import pyarrow as pa
        from sklearn.linear_model import Ridge

        from tasks.task_types.labels.bag_of_words import bag_of_words

        texts = train["text"].to_pylist()
        words, model = bag_of_words(texts), Ridge(random_state=seed)
        try:
            model.fit(words.fit_transform(texts), _targets(train))
        except ValueError as error:  # no word at all is left of the texts
            return f"no TF-IDF baseline of these texts: {error}"
        predicted = model.predict(words.transform(test["text"].to_pylist()))
        return pa.table({"predicted": pa.array(predicted, pa.float64())})


def _targets(rows: Any) -> list[float]:
    import math

    targets: list[float | None] = rows.column("target").to_pylist()
    for row_id, target in zip(rows.column("row_id").to_pylist(), targets, strict=True):
        if target is None or not math.isfinite(target):
            raise DataError(f"row {row_id} has the target {target}; right would be a finite number")
    return [float(target) for target in targets if target is not None]
