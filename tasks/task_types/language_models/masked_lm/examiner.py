"""How masked language models are examined: guesses of hidden words, always the same ones."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.task_types.answered_sample import answer_each, answer_first
from tasks.task_types.examiner_base import ExaminerBase

if TYPE_CHECKING:
    import pyarrow as pa

    from tasks.task_types.language_models.mask_filling import MaskFiller
    from tasks.task_types.measures import Measured


@dataclass(frozen=True, kw_only=True)
class MaskedLmExaminer(ExaminerBase):
    """The hidden words of a text."""

    @property
    def answer_fields(self) -> "pa.Schema":
        """Of the answer; see `ExaminerBase.answer_fields`."""
        import pyarrow as pa

        return pa.schema(
            [
                ("tokens", pa.list_(pa.list_(pa.string()))),
                ("scores", pa.list_(pa.list_(pa.float64()))),
                ("mean_log_likelihood", pa.float64()),
            ]
        )

    def predict(self, folder: Path, rows: "pa.Table") -> "pa.Table":
        """Sums over the hidden words of each text, and the guesses in the first ones."""
        import pyarrow as pa

        from tasks.task_types.language_models.mask_filling import MaskFiller

        texts = rows.column("text").to_pylist()
        filler = MaskFiller.load(folder, self.limits.max_length)
        sums = filler.score(texts)
        answers = answer_first(
            rows.column("row_id").to_pylist(), lambda row: _answer(filler, texts[row])
        )
        return pa.table({"answer": answers, **sums})

    def answer(self, folder: Path, rows: "pa.Table") -> "pa.Array":
        """The guesses in each text; see `Examiner.answer`."""
        from tasks.task_types.language_models.mask_filling import MaskFiller

        filler = MaskFiller.load(folder, self.limits.max_length)
        return answer_each(rows.column("text").to_pylist(), lambda text: _answer(filler, text))

    def measure(self, _rows: "pa.Table", answers: "pa.Table", /) -> "Measured":
        """Shares of hidden words and tokens that are right, and the perplexity of these tokens."""
        from tasks.task_types.language_models.masked_measures import measure_masked

        return measure_masked(answers)

    def baseline(self, train: "pa.Table", test: "pa.Table") -> "pa.Table | str":
        """The most frequent word of the training texts, whatever is hidden."""
        from tasks.task_types.language_models.masked_measures import frequent_word_baseline

        return frequent_word_baseline(
            train.column("text").to_pylist(), test.column("text").to_pylist()
        )


def _answer(filler: "MaskFiller", text: str) -> str:
    return json.dumps(filler.fill(text), ensure_ascii=False)
