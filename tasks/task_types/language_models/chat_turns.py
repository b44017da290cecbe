"""Conversations as token ids, and which of the tokens an assistant wrote."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from infra.errors import BaseModelError, DataError
from tasks.task_types.examples import IGNORED

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


Turn = Mapping[str, str]
ASSISTANT: Final = "assistant"
SYSTEM: Final = "system"
# A chat template that marks itself what an assistant writes.
_MARKS_ANSWERS: Final = re.compile(r"\{%-?\s*generation\s*-?%\}")
# To find out how an answer ends.
_PROBE: Final = (
    {"role": "user", "content": "Hello"},
    {"role": ASSISTANT, "content": "Hello"},
)


@dataclass(frozen=True)
class Conversation:
    """A conversation as the model reads it.

    Attributes:
        ids: T token ids.
        written: T flags, whether an assistant wrote the token, the end token of its turn included.

    """

    ids: Sequence[int]
    written: Sequence[bool]


def check_chat_template(tokenizer: "PreTrainedTokenizerFast") -> None:
    """Refuse a tokenizer that does not know how a conversation is written.

    Raises:
        BaseModelError: it has no chat template, or not one as text.

    """
    if not isinstance(tokenizer.chat_template, str):
        raise BaseModelError(
            "the base model's tokenizer has no chat template; take an instruction-tuned base "
            "model, or put a chat_template into its tokenizer_config.json"
        )


def read_conversation(turns: Sequence[Turn], tokenizer: "PreTrainedTokenizerFast") -> Conversation:
    """Token ids of a conversation, as the tokenizer's chat template writes it.

    What an assistant wrote is what the template marks as such (``{% generation %}``); of other
    templates it is what a turn adds to the conversation before it and the prompt for an answer.

    Raises:
        DataError: the template refuses the turns.
        BaseModelError: it writes earlier turns differently as soon as more follow, so that it
            cannot be told what the assistant wrote.

    """
    if _MARKS_ANSWERS.search(tokenizer.chat_template):
        found = _render(
            tokenizer, turns, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
        )
        return Conversation(found["input_ids"], [bool(one) for one in found["assistant_masks"]])
    pieces = _split_answers(turns, tokenizer)
    return _tokenize(pieces, tokenizer)


def prompt_ids(turns: Sequence[Turn], tokenizer: "PreTrainedTokenizerFast") -> list[int]:
    """Token ids of a conversation that an assistant shall go on with.

    Raises:
        DataError: the template refuses the turns.

    """
    text = _render(tokenizer, turns, tokenize=False, add_generation_prompt=True)
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def fit_conversation(
    turns: Sequence[Turn], tokenizer: "PreTrainedTokenizerFast", max_length: int
) -> tuple[Conversation, bool]:
    """A conversation within a length, and whether something of it had to go."""
    conversation = read_conversation(turns, tokenizer)
    kept: Sequence[Turn] | None = turns
    while len(conversation.ids) > max_length and kept and (kept := drop_oldest(kept)):
        conversation = read_conversation(kept, tokenizer)
    short = Conversation(conversation.ids[-max_length:], conversation.written[-max_length:])
    return short, kept is not turns or len(short.ids) < len(conversation.ids)


def next_written(
    conversation: Conversation, but: frozenset[int] = frozenset()
) -> NDArray[np.int64]:
    """The token after each (T,), where an assistant wrote it; IGNORED elsewhere.

    Args:
        conversation: T tokens.
        but: tokens that are not asked for.

    """
    ids = np.asarray(conversation.ids, dtype=np.int64)
    asked = np.asarray(conversation.written, dtype=bool) & ~np.isin(ids, list(but))
    labels = np.full(len(ids), IGNORED, dtype=np.int64)
    labels[:-1][asked[1:]] = ids[1:][asked[1:]]
    return labels


def drop_oldest(turns: Sequence[Turn]) -> Sequence[Turn] | None:
    """The conversation without its first question and answer, and with its system turn.

    None where no question would be left.
    """
    system = 1 if turns and turns[0]["role"] == SYSTEM else 0
    questions = [place for place, turn in enumerate(turns) if turn["role"] == "user"]
    if len(questions) <= 1:
        return None
    return [*turns[:system], *turns[questions[1] :]]


def end_tokens(tokenizer: "PreTrainedTokenizerFast") -> list[int]:
    """The token that ends an assistant's turn in this template, where it is a special one."""
    conversation = read_conversation(_PROBE, tokenizer)
    special = special_ids(tokenizer)
    pairs = zip(conversation.ids, conversation.written, strict=True)
    return [token for token, written in pairs if written and token in special][:1]


def special_ids(tokenizer: "PreTrainedTokenizerFast") -> frozenset[int]:
    """Tokens that stand for no text."""
    added = tokenizer.added_tokens_decoder.items()
    return frozenset(tokenizer.all_special_ids) | {place for place, one in added if one.special}


def _render(tokenizer: "PreTrainedTokenizerFast", turns: Sequence[Turn], **how: Any) -> Any:
    from jinja2 import TemplateError

    try:
        return tokenizer.apply_chat_template([dict(turn) for turn in turns], **how)
    except (TemplateError, ValueError) as error:
        roles = [turn["role"] for turn in turns]
        raise DataError(
            f"the base model's chat template refuses a conversation with the roles {roles}: {error}"
        ) from error


def _split_answers(
    turns: Sequence[Turn], tokenizer: "PreTrainedTokenizerFast"
) -> list[tuple[str, bool]]:
    """The conversation's text in pieces, and whether an assistant wrote them."""
    pieces = []
    done = ""
    for place, turn in enumerate(turns):
        if turn["role"] != ASSISTANT:
            continue
        asked = _render(tokenizer, turns[:place], tokenize=False, add_generation_prompt=True)
        whole = _render(tokenizer, turns[: place + 1], tokenize=False)
        if not (asked.startswith(done) and whole.startswith(asked)):
            raise BaseModelError(
                "the base model's chat template writes earlier turns differently as soon as more "
                "follow, so that it cannot be told which tokens are the assistant's; take a "
                "template that marks them with {% generation %}"
            )
        answer = _without_space_behind_the_end(whole[len(asked) :], tokenizer)
        pieces += [(asked[len(done) :], False), (answer, True)]
        done = asked + answer
    return pieces


def _without_space_behind_the_end(answer: str, tokenizer: "PreTrainedTokenizerFast") -> str:
    """An answer up to its end token: the line break behind it is the template's."""
    stripped = answer.rstrip()
    ends = [one.content for one in tokenizer.added_tokens_decoder.values() if one.special]
    return stripped if stripped.endswith(tuple(ends)) else answer


def _tokenize(
    pieces: Sequence[tuple[str, bool]], tokenizer: "PreTrainedTokenizerFast"
) -> Conversation:
    """Tokens of all pieces together; of each alone where one token would span two of them."""
    text = "".join(piece for piece, _ in pieces)
    found = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    bounds = [0]
    for piece, _ in pieces:
        bounds.append(bounds[-1] + len(piece))
    written: list[bool] = []
    at = 0
    for start, end in found["offset_mapping"]:
        while at + 1 < len(pieces) and start >= bounds[at + 1]:
            at += 1
        if end > bounds[at + 1]:
            return _tokenize_apart(pieces, tokenizer)
        written.append(pieces[at][1])
    return Conversation(found["input_ids"], written)


def _tokenize_apart(
    pieces: Sequence[tuple[str, bool]], tokenizer: "PreTrainedTokenizerFast"
) -> Conversation:
    ids: list[int] = []
    written: list[bool] = []
    for piece, by_assistant in pieces:
        own = tokenizer(piece, add_special_tokens=False)["input_ids"]
        ids += own
        written += [by_assistant] * len(own)
    return Conversation(ids, written)
