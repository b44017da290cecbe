"""How classifiers of a text are examined."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.task_types.examiner_base import ExaminerBase

if TYPE_CHECKING:
    import pyarrow as pa

    from tasks.task_types.measures import Measured


@dataclass(frozen=True, kw_only=True)
class ClassificationExaminer(ExaminerBase):
    """One label of a fixed set for each text."""

    def predict(self, folder: Path, rows: "pa.Table") -> "pa.Table":
        """Columns answer, label, predicted and probabilities; see `Examiner.predict`."""
        from tasks.task_types.labels.classification_measures import predict_classes

        return predict_classes(folder, rows, self.labels, self.limits.max_length)

    def answer(self, folder: Path, rows: "pa.Table") -> "pa.Array":
        """The label with its probability; see `Examiner.answer`."""
        from tasks.task_types.labels.classification_measures import answer_classes

        return answer_classes(folder, rows, self.labels, self.limits.max_length)

    def answer_columns(self, folder: Path, rows: "pa.Table") -> "pa.Table":
        """The label, its probability, and those of all labels; see `Examiner.answer_columns`."""
        from tasks.task_types.labels.classification_measures import classes_as_columns

        return classes_as_columns(folder, rows, self.labels, self.limits.max_length)

    def measure(self, rows: "pa.Table", answers: "pa.Table", /) -> "Measured":
        """Metrics of single labels; see `Examiner.measure`."""
        from tasks.task_types.labels.classification_measures import measure_classes

        return measure_classes(rows, answers, self.labels)

    def baseline(self, train: "pa.Table", test: "pa.Table") -> "pa.Table | str":
        """A bag of words with logistic regression; see `Examiner.baseline`."""
        from tasks.task_types.labels.classification_measures import predict_by_words

        return predict_by_words(train, test, self.labels)
