"""How models that write a text from a text are examined: they write by beam search."""

import json
from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from tasks.task_types.answered_sample import answer_each, first_rows
from tasks.task_types.examiner_base import ExaminerBase
from tasks.task_types.generation.generation_measures import measure_texts, signatures
from tasks.task_types.generation.opening import open_writer
from tasks.task_types.generation.written_texts import WrittenTexts
from tasks.task_types.measures import Measured

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class SequenceToSequenceExaminer(ExaminerBase):
    """A text from a text; what a trivial model writes is the task's own.

    Attributes:
        leading: metrics that comparators are compared in.

    """

    leading: ClassVar[tuple[str, ...]]

    @property
    def answer_fields(self) -> "pa.Schema":
        """Of the answer; see `ExaminerBase.answer_fields`."""
        import pyarrow as pa

        return pa.schema([("text", pa.string())])

    def predict(self, folder: Path, rows: "pa.Table") -> "pa.Table":
        """Column hypothesis, and answers of the first rows; the metrics' signatures as metadata.

        The first rows are written one at a time, as the served model does: rows that stand beside
        it would change the last bits of a score, and could turn a text where two are as likely.
        """
        import pyarrow as pa

        sources = rows.column("source").to_pylist()
        first = first_rows(rows.column("row_id").to_pylist())
        writer = open_writer(folder, self.limits.max_length, self.limits.target_length)
        written = {source: writer.write_one(source) for source in {sources[row] for row in first}}
        others = list(dict.fromkeys(source for source in sources if source not in written))
        written |= dict(zip(others, writer.write(others), strict=True))
        hypotheses = [written[source] for source in sources]
        answers: list[str | None] = [None] * len(sources)
        for row in first:
            answers[row] = _answer(hypotheses[row])
        table = pa.table(
            {
                "hypothesis": pa.array(hypotheses, pa.string()),
                "answer": pa.array(answers, pa.string()),
            }
        )
        return table.replace_schema_metadata(signatures(rows.column("target").to_pylist()))

    def answer(self, folder: Path, rows: "pa.Table") -> "pa.Array":
        """The text that is written for each source, one at a time; see `Examiner.answer`."""
        sources = rows.column("source").to_pylist()
        writer = open_writer(folder, self.limits.max_length, self.limits.target_length)
        written = {source: writer.write_one(source) for source in dict.fromkeys(sources)}
        return answer_each(sources, lambda source: _answer(written[source]))

    def measure(self, rows: "pa.Table", answers: "pa.Table", /) -> "Measured":
        """BLEU, chrF, ROUGE, length and repetition; see `generation_measures`."""
        targets, hypotheses = rows.column("target"), answers.column("hypothesis")
        texts = WrittenTexts(targets.to_pylist(), hypotheses.to_pylist())
        return measure_texts(texts, self.leading)

    def baseline(self, train: "pa.Table", test: "pa.Table") -> "pa.Table | str":
        """What the trivial model of this task type writes."""
        import pyarrow as pa

        written = self.trivial_texts(train, test)
        if isinstance(written, str):
            return written
        return pa.table({"hypothesis": pa.array(written, pa.string())})

    @abstractmethod
    def trivial_texts(self, train: "pa.Table", test: "pa.Table") -> list[str] | str:
        """A text for each test row; or why there is none."""


def _answer(text: str) -> str:
    return json.dumps({"text": text}, ensure_ascii=False)
