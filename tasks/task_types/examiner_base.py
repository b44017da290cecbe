"""What all examiners have in common."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from infra.errors import SettingsError
from tasks.task_types.limits import TokenLimits

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class ExaminerBase:
    """What an examiner is made with.

    Attributes:
        name: the task type's.
        labels: the label set, L of them; a label's index is its class id.
        limits: lengths in tokens.
        seed: of what a baseline draws.

    """

    name: str
    labels: tuple[str, ...]
    limits: TokenLimits
    seed: int = 0

    def answer(self, folder: Path, rows: "pa.Table") -> "pa.Array":  # noqa: ARG002
        """What the served model answers to rows; see `Examiner.answer`.

        Raises:
            SettingsError: the task type does not say how.

        """
        raise SettingsError(
            f"the examiner of the task type {self.name} has no method `answer`, so that its models "
            "can be evaluated, and not be asked by `assayline serve` or `score`; "
            "docs/task-types.md says what it returns"
        )

    @property
    def answer_fields(self) -> "pa.Schema | None":
        """Names and types of the fields of an answer; None: `answer_columns` keeps its JSON."""
        return None

    def answer_columns(self, folder: Path, rows: "pa.Table") -> "pa.Table":
        """What `answer` says, a column for each of its fields; see `Examiner.answer_columns`.

        Raises:
            SettingsError: an answer has other fields than the task type says.

        """
        import pyarrow as pa

        from tasks.task_types.answer_columns import columns_of_answers

        answers = self.answer(folder, rows)
        try:
            return columns_of_answers(answers, self.answer_fields)
        except pa.ArrowInvalid as error:
            raise SettingsError(
                f"an answer of the task type {self.name} is not of its answer_fields: {error}; "
                "mend the examiner (docs/task-types.md)"
            ) from error
