"""How models that find the answer in a text are examined."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.task_types.examiner_base import ExaminerBase

if TYPE_CHECKING:
    import pyarrow as pa

    from tasks.task_types.measures import Measured


@dataclass(frozen=True, kw_only=True)
class QuestionAnsweringExaminer(ExaminerBase):
    """A span of the context for each question, or none."""

    @property
    def answer_fields(self) -> "pa.Schema":
        """Of the answer; see `ExaminerBase.answer_fields`."""
        import pyarrow as pa

        return pa.schema([("answer", pa.string()), ("start", pa.int64()), ("score", pa.float64())])

    def predict(self, folder: Path, rows: "pa.Table") -> "pa.Table":
        """Columns answer, predicted_text and no_answer_score; see `Examiner.predict`."""
        from tasks.task_types.questions.question_answers import answer_questions

        return answer_questions(
            folder, rows.column("question").to_pylist(), rows.column("context").to_pylist(),
            self.limits.max_length, self.limits.stride,
        )  # fmt: skip

    def answer(self, folder: Path, rows: "pa.Table") -> "pa.Array":
        """As `predict`, which reads the inputs alone; see `Examiner.answer`."""
        return self.predict(folder, rows).column("answer").combine_chunks()

    def measure(self, rows: "pa.Table", answers: "pa.Table", /) -> "Measured":
        """Exact match, F1 and no-answer; see `question_answering_measures`."""
        from tasks.task_types.questions.question_answering_measures import measure_answers

        return measure_answers(
            rows.column("context").to_pylist(),
            [answer or "" for answer in rows.column("answer").to_pylist()],
            answers.column("predicted_text").to_pylist(),
        )

    def baseline(self, train: "pa.Table", test: "pa.Table") -> "pa.Table | str":
        """The sentence of the context that is most like the question; see `closest_sentences`."""
        from tasks.task_types.questions.closest_sentences import closest_sentences

        return closest_sentences(train, test)
