"""The likeliest words in a blank: of a masked model in its mask, of a causal one behind a text."""

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from tasks.task_types.control_tokens import reading_masks
from tasks.task_types.examples import IGNORED
from tasks.task_types.language_models.likelihood import labelled_batch
from tasks.task_types.language_models.token_scoring import tokens_at_once
from tasks.task_types.scoring import batches_to_score

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

# Tokens that a causal model writes behind the first one of a word.
MORE_TOKENS: Final = 3
_WORD: Final = re.compile(r"\s*([^\W_][\w'\u2019-]*)")


def fill_masks(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerFast",
    texts: Sequence[tuple[str, str]],
    count: int,
    longest: int,
) -> list[list[str]]:
    """The likeliest tokens in the mask between two parts of a text, as words.

    As transformers' fill-mask pipeline gives them, so that numbers compare with published ones: a
    piece of a word, or a full stop, is one of them.

    Args:
        model: a masked language model.
        tokenizer: its tokenizer.
        texts: what stands before and behind each of N blanks.
        count: K tokens of each.
        longest: tokens that the model takes.

    Returns:
        N lists of K; empty for a text with more tokens, or that spells a mask of its own.

    """
    backend = reading_masks(tokenizer)
    backend.no_truncation()
    mask = tokenizer.mask_token_id
    filled = [f"{before}{tokenizer.mask_token}{behind}" for before, behind in texts]
    rows = [backend.encode(text).ids for text in filled]
    fits = [n for n, ids in enumerate(rows) if len(ids) <= longest and ids.count(mask) == 1]
    asked = [(rows[n], rows[n].index(mask)) for n in fits]
    found: list[list[str]] = [[] for _ in texts]
    for places, logits in _logits(model, asked, tokenizer.pad_token_id):
        for place, row in zip(places, logits.topk(count, dim=-1).indices.tolist(), strict=True):
            found[fits[place]] = [str(tokenizer.decode([token])).strip() for token in row]
    return found


def write_words(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerFast",
    rows: Sequence[Sequence[int]],
    count: int,
    longest: int,
) -> list[list[str]]:
    """The words that begin with the likeliest tokens behind a text, each gone on with greedily.

    Args:
        model: a causal language model.
        tokenizer: its tokenizer.
        rows: token ids of each of N texts.
        count: K words of each.
        longest: tokens that the model takes.

    Returns:
        N lists of K; empty for a text with no room for a word. What is no word (an end, a line's
        end, a full stop) is given as it is written.

    """
    fits = [n for n, ids in enumerate(rows) if len(ids) + 1 + MORE_TOKENS <= longest]
    begun: list[list[int]] = [[] for _ in range(len(fits) * count)]
    ends = [(list(rows[n]), len(rows[n]) - 1) for n in fits]
    for places, logits in _logits(model, ends, tokenizer.pad_token_id):
        for place, row in zip(places, logits.topk(count, dim=-1).indices.tolist(), strict=True):
            for number, token in enumerate(row):
                begun[place * count + number] = [token]
    for _ in range(MORE_TOKENS):
        written = [[*rows[fits[n // count]], *tokens] for n, tokens in enumerate(begun)]
        ends = [(ids, len(ids) - 1) for ids in written]
        for places, logits in _logits(model, ends, tokenizer.pad_token_id):
            for place, token in zip(places, logits.argmax(dim=-1).tolist(), strict=True):
                begun[place].append(token)
    found: list[list[str]] = [[] for _ in rows]
    for n, tokens in enumerate(begun):
        found[fits[n // count]].append(first_word(tokenizer.decode(tokens, True)))  # noqa: FBT003
    return found


def first_word(text: str) -> str:
    """The word that a text begins with; what is no word up to its first space."""
    if found := _WORD.match(text):
        return found.group(1)
    return next(iter(text.split()), "")


def _logits(
    model: "PreTrainedModel", asked: Sequence[tuple[list[int], int]], pad_id: int
) -> "Iterator[tuple[list[int], Tensor]]":
    """Numbers of some texts at a time, and the scores (B, V) at the place that is asked of each."""
    import torch

    for places in batches_to_score(model, [len(ids) for ids, _ in asked], tokens_at_once(model)):
        rows = [asked[n][0] for n in places]
        batch = labelled_batch(rows, [[IGNORED] * len(ids) for ids in rows], pad_id)
        batch = batch.to(model.device)
        with torch.inference_mode():
            logits = model(**batch.inputs).logits
            at = torch.tensor([asked[n][1] for n in places], device=logits.device)
            yield list(places), logits[torch.arange(len(rows), device=logits.device), at].float()
