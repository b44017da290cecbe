"""Tokens of a written text as a teacher sees them, each after those before it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tasks.task_types.examples import Example
from tasks.task_types.generation.learner import SequenceToSequenceLearner
from tasks.task_types.language_models.soft_labels import SoftTokens

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


@dataclass(frozen=True)
class SoftTargetTokens(SoftTokens):
    """The likeliest tokens at each place of a target: word-level distillation.

    Kim and Rush 2016 (arXiv:1606.07947), section 3.1; where the teacher writes the targets, that
    is beside their section 3.2.
    """

    auto_class: ClassVar[str] = "AutoModelForSeq2SeqLM"
    writes: ClassVar[bool] = True
    has_states: ClassVar[bool] = False

    learner: SequenceToSequenceLearner

    def written(
        self,
        teacher: "PreTrainedModel",
        tokenizer: "PreTrainedTokenizerFast",
        examples: Sequence[Example],
    ) -> list[list[int]]:
        """What it writes by beam search, by its own settings of generation, as target tokens."""
        from tasks.task_types.generation.beam_search import BeamWriter

        limits = self.learner.limits
        writer = BeamWriter(teacher, tokenizer, limits.max_length, limits.target_length)
        return writer.write_ids([list(map(int, example["input_ids"])) for example in examples])
