"""A model that answers in conversations, asked as the served one is."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.task_types.language_models.chat_turns import (
    ASSISTANT,
    check_chat_template,
    drop_oldest,
    end_tokens,
    prompt_ids,
)
from tasks.task_types.language_models.continuation import tokens_to_write, write_greedily
from tasks.task_types.language_models.template_tokens import Turn
from tasks.task_types.limits import TokenLimits

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


@dataclass(frozen=True)
class ChatModel:
    """A model with its tokenizer, and the tokens that end its turn."""

    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerFast"
    limits: TokenLimits
    ends: Sequence[int]

    @classmethod
    def load(cls, folder: Path, limits: TokenLimits) -> "ChatModel":
        """Load a trained model.

        Raises:
            BaseModelError: the folder holds no such model, or no chat template.

        """
        from tasks.task_types.scoring import load_model
        from tasks.task_types.tokenizers import load_tokenizer

        tokenizer = load_tokenizer(folder)
        check_chat_template(tokenizer)
        model = load_model(folder, "AutoModelForCausalLM")
        return cls(model, tokenizer, limits, end_tokens(tokenizer))

    def answer(self, turns: Sequence[Turn]) -> str:
        """What it says to a conversation, as the served model says it."""
        limits = self.limits
        asked = fit_prompt(turns, self.tokenizer, limits)
        said = write_greedily(
            self.model, self.tokenizer, asked, limits.max_length, limits.target_length, self.ends
        )
        return json.dumps({"answer": said}, ensure_ascii=False)


def fit_prompt(
    turns: Sequence[Turn], tokenizer: "PreTrainedTokenizerFast", limits: TokenLimits
) -> list[int]:
    """The conversation up to its last question, with room for the answer."""
    room = limits.max_length - tokens_to_write(limits.max_length, limits.target_length)
    kept = turns[:-1] if turns[-1]["role"] == ASSISTANT else turns
    ids = prompt_ids(kept, tokenizer)
    while len(ids) > room and (shorter := drop_oldest(kept)):
        kept = shorter
        ids = prompt_ids(kept, tokenizer)
    return ids[-room:]
