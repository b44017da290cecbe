"""How summaries are examined."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tasks.task_types.generation.baselines import leading_sentences
from tasks.task_types.generation.examiner import SequenceToSequenceExaminer

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class SummarisationExaminer(SequenceToSequenceExaminer):
    """A text from a text, compared with those that should be written."""

    leading: ClassVar[tuple[str, ...]] = ("rouge_l", "rouge_1", "rouge_2")

    def trivial_texts(self, train: "pa.Table", test: "pa.Table") -> list[str] | str:
        """The first sentences of each source."""
        return leading_sentences(train, test)
