"""A prompt with the answer that was chosen and the one that was rejected, as token ids.

Each is written as the base model's chat template writes a conversation that ends with it. Both
answers of a pair follow the same tokens: where one is too long, the prompt loses its oldest
questions with their answers, never its system turn, and then tokens from the left, in both alike.
At least half of the maximum length is left to it if it needs that, as where the model is served; an
answer that is longer than the rest is cut at its end.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.errors import BaseModelError
from tasks.task_types.language_models.chat_turns import (
    ASSISTANT,
    Conversation,
    drop_oldest,
    read_conversation,
)
from tasks.task_types.language_models.continuation import tokens_to_write
from tasks.task_types.language_models.template_tokens import Turn
from tasks.task_types.limits import TokenLimits

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True)
class AnsweredPrompt:
    """A prompt and one answer.

    Attributes:
        ids: T token ids, the end token of the answer included.
        first: place of the answer's first token.

    """

    ids: Sequence[int]
    first: int

    def within(self, room: int, max_length: int) -> "AnsweredPrompt":
        """The last `room` tokens of the prompt, and as much of the answer as then fits."""
        prompt = list(self.ids[: self.first])[-room:]
        answer = list(self.ids[self.first :])[: max_length - len(prompt)]
        return AnsweredPrompt([*prompt, *answer], len(prompt))


def fit_pair(
    turns: Sequence[Turn],
    answers: tuple[str, str],
    tokenizer: "PreTrainedTokenizerFast",
    limits: TokenLimits,
) -> tuple[AnsweredPrompt, AnsweredPrompt, bool]:
    """Both answers behind the same prompt, within a length, and whether something had to go.

    Args:
        turns: of the prompt, the last one a user's.
        answers: the chosen and the rejected one.
        tokenizer: with a chat template.
        limits: lengths in tokens.

    Raises:
        DataError: the template refuses the turns.
        BaseModelError: it cannot be told which tokens are the assistant's.

    """
    kept, read = turns, _read(turns, answers, tokenizer)
    longest = limits.max_length
    while max(len(one.ids) for one in read) > longest and (shorter := drop_oldest(kept)):
        kept, read = shorter, _read(shorter, answers, tokenizer)
    answer = max(len(one.ids) - one.first for one in read)
    room = longest - min(answer, tokens_to_write(longest, limits.target_length))
    chosen, rejected = (one.within(room, longest) for one in read)
    whole = [len(one.ids) for one in read] == [len(chosen.ids), len(rejected.ids)]
    return chosen, rejected, kept is not turns or not whole


def _read(
    turns: Sequence[Turn], answers: tuple[str, str], tokenizer: "PreTrainedTokenizerFast"
) -> list[AnsweredPrompt]:
    return [
        _last_answer(read_conversation([*turns, {"role": ASSISTANT, "content": answer}], tokenizer))
        for answer in answers
    ]


def _last_answer(conversation: Conversation) -> AnsweredPrompt:
    """Up to the end of the last answer; those before it are of the prompt.

    Raises:
        BaseModelError: the template writes no answer, or nothing before it.

    """
    written = [bool(one) for one in conversation.written]
    behind = len(written) - written[::-1].index(True) if any(written) else 0
    first = behind
    while first and written[first - 1]:
        first -= 1
    if not first:
        raise BaseModelError(
            "the base model's chat template writes no answer behind a prompt, so that no two can "
            "be compared; take another chat_template"
        )
    return AnsweredPrompt(conversation.ids[:behind], first)
