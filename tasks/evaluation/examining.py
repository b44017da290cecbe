"""The examiner of a task type, measuring what the settings of an evaluation ask for."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from tasks.evaluation.label_rows import with_enough_label_rows
from tasks.evaluation.settings import EvaluationSettings
from tasks.task_types.examiner import Examiner
from tasks.task_types.measures import Measured
from tasks.task_types.own_metrics import add_own_metrics


@dataclass(frozen=True)
class AskedExaminer:
    """An examiner that measures a line's own metrics, too, and averages where rows are enough.

    Attributes:
        examiner: of the task type.
        settings: of the evaluation.

    """

    examiner: Examiner
    settings: EvaluationSettings

    @property
    def name(self) -> str:
        """Of the task type."""
        return self.examiner.name

    def predict(self, folder: Path, rows: pa.Table) -> pa.Table:
        """As the task type's examiner."""
        return self.examiner.predict(folder, rows)

    def answer(self, folder: Path, rows: pa.Table) -> pa.Array:
        """As the task type's examiner."""
        return self.examiner.answer(folder, rows)

    def answer_columns(self, folder: Path, rows: pa.Table) -> pa.Table:
        """As the task type's examiner."""
        return self.examiner.answer_columns(folder, rows)

    def measure(self, rows: pa.Table, answers: pa.Table, /) -> Measured:
        """As the task type's examiner, with what the settings ask.

        Raises:
            SettingsError: a metric of another distribution fails.

        """
        found = self.examiner.measure(rows, answers)
        own = self.settings.own_metrics
        found = add_own_metrics(found, own, self.examiner, rows, answers)
        return with_enough_label_rows(found, self.settings.min_label_rows)

    def baseline(self, train: pa.Table, test: pa.Table) -> pa.Table | str:
        """As the task type's examiner."""
        return self.examiner.baseline(train, test)
