"""Conversations as token ids, and which of the tokens an assistant wrote."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from infra.errors import BaseModelError, DataError
from tasks.task_types.control_tokens import control_tokens
from tasks.task_types.examples import IGNORED
from tasks.task_types.language_models.template_tokens import (
    TemplateTokens,
    Turn,
    template_tokens,
)

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


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

    Only the template writes control tokens: those that a turn spells are text.

    What an assistant wrote is what the template marks as such (``{% generation %}``); of other
    templates it is what a turn adds to the conversation before it and the prompt for an answer.

    Raises:
        DataError: the template refuses the turns.
        BaseModelError: it writes earlier turns differently as soon as more follow, so that it
            cannot be told what the assistant wrote.

    """
    controls = template_tokens(tokenizer)
    marked = controls.spell_in(turns)
    given = controls.mark_typed(turns) if marked else turns
    if _MARKS_ANSWERS.search(tokenizer.chat_template):
        return _read_marks(_rendered_with_marks(tokenizer, given), controls, marked=marked)
    pieces = _split_answers(given, tokenizer)
    if marked:
        pieces = [(controls.mark_written(piece), written) for piece, written in pieces]
    return _tokenize(pieces, controls, marked=marked)


def prompt_ids(turns: Sequence[Turn], tokenizer: "PreTrainedTokenizerFast") -> list[int]:
    """Token ids of a conversation that an assistant shall go on with.

    Raises:
        DataError: the template refuses the turns.

    """
    controls = template_tokens(tokenizer)
    marked = controls.spell_in(turns)
    given = controls.mark_typed(turns) if marked else turns
    text = _render(tokenizer, given, add_generation_prompt=True)
    return controls.read(controls.mark_written(text) if marked else text, marked=marked).ids


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
    return frozenset(control_tokens(tokenizer).values())


def _render(
    tokenizer: "PreTrainedTokenizerFast",
    turns: Sequence[Turn],
    *,
    add_generation_prompt: bool = False,
) -> str:
    with _refusals(turns):
        return str(
            tokenizer.apply_chat_template(
                [dict(turn) for turn in turns],
                tokenize=False,
                add_generation_prompt=add_generation_prompt,
            )
        )


def _rendered_with_marks(
    tokenizer: "PreTrainedTokenizerFast", turns: Sequence[Turn]
) -> list[tuple[str, bool]]:
    """The conversation's text in pieces, and whether the template says an assistant wrote them."""
    from transformers.utils.chat_template_utils import render_jinja_template

    with _refusals(turns):
        (text,), (spans,) = render_jinja_template(
            [[dict(turn) for turn in turns]],
            chat_template=tokenizer.chat_template,
            return_assistant_tokens_mask=True,
            **tokenizer.special_tokens_map,
        )
    pieces, done = [], 0
    for begin, end in spans:
        pieces += [(text[done:begin], False), (text[begin:end], True)]
        done = end
    return [*pieces, (text[done:], False)]


@contextmanager
def _refusals(turns: Sequence[Turn]) -> Iterator[None]:
    """Say of which conversation it is that a chat template refuses one.

    Raises:
        DataError: it does.

    """
    from jinja2 import TemplateError

    try:
        yield
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
        asked = _render(tokenizer, turns[:place], add_generation_prompt=True)
        whole = _render(tokenizer, turns[: place + 1])
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


def _read_marks(
    pieces: Sequence[tuple[str, bool]], controls: TemplateTokens, *, marked: bool
) -> Conversation:
    """Tokens of all pieces together; one that an assistant began or ended counts as written."""
    if marked:
        pieces = [(controls.mark_written(piece), by_assistant) for piece, by_assistant in pieces]
    found = controls.read("".join(piece for piece, _ in pieces), marked=marked)
    written = [False] * len(found.ids)
    at = 0
    for piece, by_assistant in pieces:
        if by_assistant and piece:
            first, last = found.token_at(at), found.token_at(at + len(piece) - 1)
            if first is not None:
                behind = len(written) if last is None else last + 1
                written[first:behind] = [True] * (behind - first)
        at += len(piece)
    return Conversation(found.ids, written)


def _tokenize(
    pieces: Sequence[tuple[str, bool]], controls: TemplateTokens, *, marked: bool
) -> Conversation:
    """Tokens of all pieces together; of each alone where one token would span two of them."""
    found = controls.read("".join(piece for piece, _ in pieces), marked=marked)
    bounds = [0]
    for piece, _ in pieces:
        bounds.append(bounds[-1] + len(piece))
    written: list[bool] = []
    at = 0
    for start, end in found.offsets:
        while at + 1 < len(pieces) and start >= bounds[at + 1]:
            at += 1
        if end > bounds[at + 1]:
            return _tokenize_apart(pieces, controls, marked=marked)
        written.append(pieces[at][1])
    return Conversation(found.ids, written)


def _tokenize_apart(
    pieces: Sequence[tuple[str, bool]], controls: TemplateTokens, *, marked: bool
) -> Conversation:
    ids: list[int] = []
    written: list[bool] = []
    for piece, by_assistant in pieces:
        own = controls.read(piece, marked=marked).ids
        ids += own
        written += [by_assistant] * len(own)
    return Conversation(ids, written)
