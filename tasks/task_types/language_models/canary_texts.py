"""Secrets in texts of language models: how likely they are, and what is written behind a prefix."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from tasks.task_types.language_models.blocks import bounds_of, plain_ids
from tasks.task_types.language_models.chat_model import ChatModel, fit_prompt
from tasks.task_types.language_models.chat_turns import ASSISTANT, fit_conversation, next_written
from tasks.task_types.language_models.continuation import write_by_beams, write_greedily
from tasks.task_types.language_models.template_tokens import Turn
from tasks.task_types.language_models.text_likelihood import CausalLikelihood, MaskedLikelihood
from tasks.task_types.language_models.token_scoring import check_numbers, score_tokens
from tasks.task_types.limits import TokenLimits

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

Floats = NDArray[np.float64]
_USER = "user"


@dataclass(frozen=True)
class _PlainCanaries:
    """Secrets in plain texts."""

    asked: CausalLikelihood | MaskedLikelihood
    limits: TokenLimits

    writes: ClassVar[bool]
    _kind: ClassVar[type[CausalLikelihood] | type[MaskedLikelihood]]

    @classmethod
    def row(cls, prefix: str, secret: str) -> dict[str, Any]:
        """See `CanaryTexts.row`."""
        return {"text": prefix + secret}

    @classmethod
    def load(cls, folder: Path, limits: TokenLimits) -> Self:
        """See `CanaryTexts.load`."""
        return cls(cls._kind.load(folder), limits)

    def losses(self, prefixes: Sequence[str], secrets: Sequence[str]) -> Floats:
        """Over the tokens that end behind the prefix; see `CanaryTexts.losses`."""
        read = self.asked.read([one + two for one, two in zip(prefixes, secrets, strict=True)])
        places = [
            [place for place in text.places if text.ends[place] > len(prefix)]
            for text, prefix in zip(read, prefixes, strict=True)
        ]
        return -self.asked.log_likelihoods(read, places)

    def written(self, prefix: str, tokens: int, beams: int) -> list[str]:
        """See `CanaryTexts.written`."""
        raise NotImplementedError


class MaskedCanaries(_PlainCanaries):
    """Each token of a secret is hidden in turn, all others being seen; nothing is written."""

    writes: ClassVar[bool] = False
    _kind = MaskedLikelihood


class CausalCanaries(_PlainCanaries):
    """A secret is told by what stands before it, and written behind it."""

    writes: ClassVar[bool] = True
    _kind = CausalLikelihood

    def written(self, prefix: str, tokens: int, beams: int) -> list[str]:
        """The space before a secret is the model's to write; see `CanaryTexts.written`."""
        tokenizer = self.asked.tokenizer
        ids = [bounds_of(tokenizer)[0], *plain_ids([prefix.rstrip()], tokenizer)[0]]
        return _written(self.asked.model, tokenizer, ids, self.limits.max_length, tokens, (), beams)


@dataclass(frozen=True)
class ChatCanaries:
    """A user's turn asks for the secret, and the assistant's tells it."""

    folder: Path
    chat: ChatModel

    writes: ClassVar[bool] = True

    @classmethod
    def row(cls, prefix: str, secret: str) -> dict[str, Any]:
        """See `CanaryTexts.row`."""
        return {"messages": _turns(prefix, secret)}

    @classmethod
    def load(cls, folder: Path, limits: TokenLimits) -> Self:
        """See `CanaryTexts.load`."""
        return cls(folder, ChatModel.load(folder, limits))

    def losses(self, prefixes: Sequence[str], secrets: Sequence[str]) -> Floats:
        """Over what the assistant writes; see `CanaryTexts.losses`."""
        tokenizer, length = self.chat.tokenizer, self.chat.limits.max_length
        read = [
            fit_conversation(_turns(*one), tokenizer, length)[0]
            for one in zip(prefixes, secrets, strict=True)
        ]
        ids, wanted = [one.ids for one in read], [next_written(one) for one in read]
        nll = score_tokens(self.chat.model, ids, wanted, tokenizer.pad_token_id)[:, 0]
        check_numbers(nll, self.folder)
        return nll

    def written(self, prefix: str, tokens: int, beams: int) -> list[str]:
        """See `CanaryTexts.written`."""
        asked = fit_prompt(_turns(prefix, "")[:1], self.chat.tokenizer, self.chat.limits)
        return _written(
            self.chat.model, self.chat.tokenizer, asked, self.chat.limits.max_length, tokens,
            self.chat.ends, beams,
        )  # fmt: skip


def _turns(prefix: str, secret: str) -> list[Turn]:
    return [
        {"role": _USER, "content": prefix.rstrip()},
        {"role": ASSISTANT, "content": secret.lstrip()},
    ]


def _written(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerFast",
    ids: Sequence[int],
    max_length: int,
    tokens: int,
    ends: Sequence[int],
    beams: int,
) -> list[str]:
    greedy = write_greedily(model, tokenizer, ids, max_length, tokens, ends)
    if beams == 1:
        return [greedy]
    found = write_by_beams(model, tokenizer, ids, max_length, tokens, ends, beams)
    return [greedy, *found]
