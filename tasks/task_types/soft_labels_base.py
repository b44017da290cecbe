"""What most soft labels have in common: one row of logits, or one a token, kept as they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tasks.task_types.examples import Example
from tasks.task_types.learner import Learner

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


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
    of_tokens: ClassVar[bool] = False
    drawn: ClassVar[bool] = False
    writes: ClassVar[bool] = False
    same_width: ClassVar[bool] = False
    has_states: ClassVar[bool] = True

    learner: Learner
    temperature: float

    def written(
        self,
        teacher: "PreTrainedModel",
        tokenizer: "PreTrainedTokenizerFast",
        examples: Sequence[Example],
    ) -> list[list[int]]:
        """Not asked of models that write nothing."""
        raise NotImplementedError
