"""How translations are examined."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tasks.task_types.generation.baselines import nearest_targets
from tasks.task_types.generation.examiner import SequenceToSequenceExaminer

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class TranslationExaminer(SequenceToSequenceExaminer):
    """A text from a text, compared with those that should be written."""

    leading: ClassVar[tuple[str, ...]] = ("chrf", "bleu")

    def trivial_texts(self, train: "pa.Table", test: "pa.Table") -> list[str] | str:
        """The target of the training row whose source is most like."""
        return nearest_targets(train, test, self.seed)
