"""How models that give a number for a text are examined."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from infra.errors import BaseModelError
from tasks.task_types.examiner_base import ExaminerBase
from tasks.task_types.labels.regression.targets import targets_of

if TYPE_CHECKING:
    import pyarrow as pa

    from tasks.task_types.measures import Measured


@dataclass(frozen=True, kw_only=True)
class RegressionExaminer(ExaminerBase):
    """One number for each text, as `regression.learner` scales it."""

    @property
    def answer_fields(self) -> "pa.Schema":
        """Of the answer; see `ExaminerBase.answer_fields`."""
        import pyarrow as pa

        return pa.schema([("target", pa.float64())])

    def predict(self, folder: Path, rows: "pa.Table") -> "pa.Table":
        """Columns answer and predicted (float); see `Examiner.predict`."""
        import numpy as np
        import pyarrow as pa

        from tasks.task_types.labels.text_logits import text_logits

        logits, config = text_logits(
            folder, rows["text"].to_pylist(), max_length=self.limits.max_length
        )
        if logits.shape[1] != 1 or not hasattr(config, "target_scale"):
            raise BaseModelError(
                f"the model in {folder} was not trained for {self.name}: its config.json has no "
                "target_mean and target_scale"
            )
        predicted = logits[:, 0].astype(np.float64) * config.target_scale + config.target_mean
        answers = [json.dumps({"target": value}) for value in predicted.tolist()]
        return pa.table({"answer": pa.array(answers, pa.string()), "predicted": predicted})

    def answer(self, folder: Path, rows: "pa.Table") -> "pa.Array":
        """As `predict`, which reads the inputs alone; see `Examiner.answer`."""
        return self.predict(folder, rows).column("answer").combine_chunks()

    def measure(self, rows: "pa.Table", answers: "pa.Table", /) -> "Measured":
        """Sizes of the errors, share of the variance explained, and agreement of the order."""
        import numpy as np

        from tasks.task_types.labels.regression_measures import measure_predictions

        targets = np.array(targets_of(rows), dtype=np.float64)
        return measure_predictions(targets, answers["predicted"].to_numpy())

    def baseline(self, train: "pa.Table", test: "pa.Table") -> "pa.Table | str":
        """A TF-IDF bag of words with ridge regression."""
        import pyarrow as pa
        from sklearn.linear_model import Ridge

        from tasks.task_types.labels.bag_of_words import bag_of_words

        texts = train["text"].to_pylist()
        words, model = bag_of_words(texts), Ridge(random_state=self.seed)
        try:
            model.fit(words.fit_transform(texts), targets_of(train))
        except ValueError as error:  # no word at all is left of the texts
            return f"no TF-IDF baseline of these texts: {error}"
        predicted = model.predict(words.transform(test["text"].to_pylist()))
        return pa.table({"predicted": pa.array(predicted, pa.float64())})
