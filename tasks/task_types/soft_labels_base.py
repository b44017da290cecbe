"""What most soft labels have in common: one row of logits, or one a token, kept as they are."""

from dataclasses import dataclass
from typing import ClassVar

from tasks.task_types.learner import Learner


@dataclass(frozen=True)
class SoftLabelsBase:
    """A learner and a temperature, on which nothing that is kept depends.

    Attributes:
        learner: of the student, fitted to its rows.
        temperature: of the loss.

    """

    problem_type: ClassVar[str | None] = None
    reads_temperature: ClassVar[bool] = False
    needed_in_config: ClassVar[tuple[str, ...]] = ()

    learner: Learner
    temperature: float
