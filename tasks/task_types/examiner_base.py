"""What all examiners have in common."""

from dataclasses import dataclass

from tasks.task_types.limits import TokenLimits


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
