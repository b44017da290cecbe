"""How models that name the relation of two marked entities are examined."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.task_types.examiner_base import ExaminerBase

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from tasks.task_types.measures import Measured


@dataclass(frozen=True, kw_only=True)
class RelationExaminer(ExaminerBase):
    """One relation, with its direction, for two entities that are marked with their types."""

    def predict(self, folder: Path, rows: "pa.Table") -> "pa.Table":
        """Columns answer, label, predicted and probabilities; see `Examiner.predict`."""
        import pyarrow as pa

        from tasks.task_types.relations.relation_labels import class_ids

        shares = self._shares(folder, rows)
        return pa.table(
            {
                "answer": self._answers(shares),
                "label": pa.array(class_ids(rows, self.labels), pa.int32()),
                "predicted": pa.array(shares.argmax(axis=1), pa.int32()),
                "probabilities": pa.array(list(shares), pa.list_(pa.float32())),
            }
        )

    def answer(self, folder: Path, rows: "pa.Table") -> "pa.Array":
        """The relation with its probability; see `Examiner.answer`."""
        return self._answers(self._shares(folder, rows))

    def answer_columns(self, folder: Path, rows: "pa.Table") -> "pa.Table":
        """The relation, its probability, and those of all labels; see `Examiner.answer_columns`."""
        import numpy as np
        import pyarrow as pa

        from tasks.task_types.answer_columns import PROBABILITIES
        from tasks.task_types.labels.probabilities import probabilities_by_label

        shares = self._shares(folder, rows)
        return pa.table(
            {
                "label": pa.array(self.labels, pa.string()).take(pa.array(shares.argmax(axis=1))),
                "score": pa.array(shares.max(axis=1, initial=0).astype(np.float64)),
                PROBABILITIES: probabilities_by_label(shares, self.labels),
            }
        )

    def measure(self, rows: "pa.Table", answers: "pa.Table", /) -> "Measured":
        """Relations, and the probabilities where the answers have any; see `Examiner.measure`."""
        import numpy as np

        from tasks.task_types.labels.calibration import (
            BINS,
            calibration_table,
            equal_width_bins,
            probability_measures,
        )
        from tasks.task_types.labels.confusion import confusion_matrix
        from tasks.task_types.measures import Measured
        from tasks.task_types.relations.relation_labels import class_ids
        from tasks.task_types.relations.relation_measures import LEADING, relation_measures

        truth = class_ids(rows, self.labels)
        predicted = answers["predicted"].to_numpy().astype(np.int64)
        matrix = confusion_matrix(truth, predicted, len(self.labels))
        found = Measured(
            measures=tuple(relation_measures(truth, predicted, self.labels)),
            row_scores=(truth == predicted).astype(np.float64),
            leading=LEADING,
            confusion=tuple(tuple(int(count) for count in row) for row in matrix),
        )
        if "probabilities" not in answers.column_names:
            return found
        flat = answers["probabilities"].combine_chunks().flatten()
        shares = flat.to_numpy(zero_copy_only=False).astype(np.float64)
        shares = shares.reshape(-1, len(self.labels))
        confidence, correct = shares.max(axis=1), shares.argmax(axis=1) == truth
        return replace(
            found,
            measures=(*found.measures, *probability_measures(truth, shares)),
            calibration=calibration_table(confidence, correct, equal_width_bins(confidence, BINS)),
        )

    def baseline(self, train: "pa.Table", test: "pa.Table") -> "pa.Table | str":
        """Types and words between with logistic regression; see `Examiner.baseline`."""
        from tasks.task_types.relations.words_between import predict_by_words_between

        return predict_by_words_between(train, test, self.labels)

    def _shares(self, folder: Path, rows: "pa.Table") -> "NDArray[np.float32]":
        from tasks.task_types.relations.pair_probabilities import pair_probabilities

        return pair_probabilities(folder, rows, self.labels, self.limits.max_length)

    def _answers(self, shares: "NDArray[np.float32]") -> "pa.Array":
        import pyarrow as pa

        told = [
            {"label": self.labels[int(one.argmax())], "score": float(one.max())} for one in shares
        ]
        return pa.array([json.dumps(one, ensure_ascii=False) for one in told], pa.string())
