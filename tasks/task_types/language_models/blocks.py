"""Texts of any length as blocks that a language model reads, so that no token is lost."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from infra.errors import BaseModelError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def bounds_of(tokenizer: "PreTrainedTokenizerFast") -> tuple[int, int]:
    """Token that stands before a text, so that its first token can be predicted; and its end token.

    The first is the tokenizer's begin token, or its end token where there is none, as in the
    language model evaluation harness (Gao et al.).

    Raises:
        BaseModelError: the tokenizer has no end token.

    """
    end = tokenizer.eos_token_id
    if end is None:
        raise BaseModelError(
            "the base model's tokenizer has no end token (eos_token), which a language model "
            "writes after a text; name one in its tokenizer_config.json"
        )
    start = tokenizer.bos_token_id
    return int(end if start is None else start), int(end)


def plain_ids(texts: Sequence[str], tokenizer: "PreTrainedTokenizerFast") -> list[list[int]]:
    """Token ids of whole texts, without special ones."""
    backend = tokenizer.backend_tokenizer
    backend.no_padding()
    backend.no_truncation()
    return [one.ids for one in backend.encode_batch(list(texts), add_special_tokens=False)]


def cut_into_blocks(ids: Sequence[int], length: int, shared: int = 1) -> Iterator[Sequence[int]]:
    """Consecutive blocks of at most `length` tokens.

    Two neighbours share tokens, at least one: the last of a block is the first of the next, so
    that each token but the first is predicted in just one block when the first `shared` of every
    later block are not asked for again.

    Args:
        ids: token ids, two or more.
        length: tokens of a block, more than `shared`.
        shared: tokens of context that a block takes over from the one before, 1 or more.

    """
    step = length - shared
    for start in range(0, max(len(ids) - shared, 1), step):
        yield ids[start : start + length]
