"""How models that give a text any number of labels are examined."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from infra.errors import BaseModelError
from tasks.task_types.examiner_base import ExaminerBase
from tasks.task_types.labels.multi_label.label_sets import THRESHOLD, truth_of

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from tasks.task_types.measures import Measured


@dataclass(frozen=True, kw_only=True)
class MultiLabelExaminer(ExaminerBase):
    """The set of labels, maybe none, that a text has."""

    def predict(self, folder: Path, rows: "pa.Table") -> "pa.Table":
        """Columns answer and probabilities (lists of L); see `Examiner.predict`."""
        import pyarrow as pa

        known, own = self._probabilities(folder, rows)
        answers = [json.dumps(_answer(row, known), ensure_ascii=False) for row in own.tolist()]
        probabilities = own[:, [known.index(label) for label in self.labels]]
        return pa.table(
            {
                "answer": pa.array(answers, pa.string()),
                "probabilities": pa.array(list(probabilities), pa.list_(pa.float32())),
            }
        )

    def _probabilities(
        self, folder: Path, rows: "pa.Table"
    ) -> "tuple[tuple[str, ...], NDArray[np.float32]]":
        """The model's labels in its own order, and their probabilities (N, L)."""
        from tasks.task_types.labels.model_labels import model_labels
        from tasks.task_types.labels.text_logits import text_logits

        known = model_labels(folder)
        if sorted(known) != sorted(self.labels):
            raise BaseModelError(
                f"the model in {folder} knows the labels {sorted(known)}; right would be "
                f"{sorted(self.labels)}"
            )
        logits, _ = text_logits(folder, rows["text"].to_pylist(), max_length=self.limits.max_length)
        return known, _sigmoid(logits)

    def answer_columns(self, folder: Path, rows: "pa.Table") -> "pa.Table":
        """The labels, and the probabilities of all; see `Examiner.answer_columns`."""
        import pyarrow as pa

        from tasks.task_types.answer_columns import PROBABILITIES
        from tasks.task_types.labels.probabilities import probabilities_by_label

        known, own = self._probabilities(folder, rows)
        given = [_answer(row, known)["labels"] for row in own.tolist()]
        return pa.table(
            {
                "labels": pa.array(given, pa.list_(pa.string())),
                PROBABILITIES: probabilities_by_label(own, known),
            }
        )

    def answer(self, folder: Path, rows: "pa.Table") -> "pa.Array":
        """As `predict`, which reads the inputs alone; see `Examiner.answer`."""
        return self.predict(folder, rows).column("answer").combine_chunks()

    def measure(self, rows: "pa.Table", answers: "pa.Table", /) -> "Measured":
        """F1 and what it is made of, by label and over all, and how the labels are ranked."""
        import numpy as np

        from tasks.task_types.labels.multi_label_measures import measure_label_sets

        probabilities = np.array(answers["probabilities"].to_pylist(), dtype=np.float64)
        probabilities = probabilities.reshape(len(rows), len(self.labels))
        return measure_label_sets(
            truth_of(rows, self.labels), probabilities, THRESHOLD, self.labels
        )

    def baseline(self, train: "pa.Table", test: "pa.Table") -> "pa.Table | str":
        """A TF-IDF bag of words with one logistic regression a label."""
        import numpy as np
        import pyarrow as pa
        from sklearn.linear_model import LogisticRegression

        from tasks.task_types.labels.bag_of_words import MAX_ITERATIONS, bag_of_words

        texts = train["text"].to_pylist()
        words = bag_of_words(texts)
        try:
            known = words.fit_transform(texts)
        except ValueError as error:  # no word at all is left of the texts
            return f"no TF-IDF baseline of these texts: {error}"
        asked, truth = words.transform(test["text"].to_pylist()), truth_of(train, self.labels)
        probabilities = np.empty((test.num_rows, len(self.labels)), np.float32)
        for label, given in enumerate(truth.T):
            if given.all() or not given.any():
                probabilities[:, label] = given.any()
                continue
            model = LogisticRegression(max_iter=MAX_ITERATIONS, random_state=self.seed)
            probabilities[:, label] = model.fit(known, given).predict_proba(asked)[:, 1]
        return pa.table({"probabilities": pa.array(list(probabilities), pa.list_(pa.float32()))})


def _sigmoid(logits: "NDArray[np.float32]") -> "NDArray[np.float32]":
    from scipy.special import expit

    return expit(logits)


def _answer(probabilities: Sequence[float], labels: Sequence[str]) -> dict[str, object]:
    scores = dict(zip(labels, probabilities, strict=True))
    return {
        "labels": [label for label, score in scores.items() if score >= THRESHOLD],
        "scores": scores,
    }
