"""Which words of a text a masked language model has to guess.

A word is what the tokenizer's own pre-tokenizer keeps together: words and punctuation marks, and
for BERT's Chinese tokenizers single characters. So Chinese text is masked by character; masking by
Chinese words would need a segmentation, which is not done here.
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from infra.errors import BaseModelError
from tasks.task_types.examples import IGNORED, Vocabulary
from tasks.task_types.language_models.likelihood import Numbers

if TYPE_CHECKING:
    from tokenizers import Encoding
    from transformers import PreTrainedTokenizerFast


# Devlin et al. 2019, section 3.1: 15% of the words; of their tokens, 80% become the mask token, 10%
# a random one, and 10% stay.
MASKED_SHARE: Final = 0.15
BECOMES_MASK: Final = 0.8
BECOMES_RANDOM: Final = 0.1
# No word: special and unknown tokens, which are never masked.
NO_WORD: Final = -1


def check_mask_token(tokenizer: "PreTrainedTokenizerFast") -> None:
    """Refuse a tokenizer that cannot hide a word.

    Raises:
        BaseModelError: it has no mask token.

    """
    if tokenizer.mask_token_id is None:
        raise BaseModelError(
            "the base model's tokenizer has no mask token, which a masked language model fills; "
            "use a base model such as BERT or RoBERTa, or task_type causal_lm"
        )


def word_numbers(encoding: "Encoding", special_ids: frozenset[int]) -> list[int]:
    """Number of the word that each token belongs to, NO_WORD for special and unknown tokens.

    Args:
        encoding: of the tokenizers library, T tokens.
        special_ids: tokens that stand for no text.

    """
    return [
        NO_WORD if word is None or token in special_ids else word
        for token, word in zip(encoding.ids, encoding.word_ids, strict=True)
    ]


def pair_words(encoding: "Encoding", special_ids: frozenset[int]) -> list[int]:
    """As `masking.word_numbers`; the second sentence's words are numbered on from the first's."""
    words = word_numbers(encoding, special_ids)
    first = [word for word, side in zip(words, encoding.sequence_ids, strict=True) if side == 0]
    behind = max(first, default=NO_WORD) + 1
    return [
        word + behind if side == 1 and word != NO_WORD else word
        for word, side in zip(words, encoding.sequence_ids, strict=True)
    ]


def mask_words(
    ids: Numbers, words: Numbers, seed: int, vocabulary: Vocabulary
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Token ids with 15% of the words hidden, at least one, and labels (T,) at their tokens.

    Args:
        ids: T token ids.
        words: number of the word of each token; NO_WORD is never masked.
        seed: the same seed hides the same words in the same way.
        vocabulary: with a mask token.

    """
    rng = np.random.default_rng(seed)
    tokens, numbers = np.asarray(ids, dtype=np.int64), np.asarray(words)
    distinct = np.unique(numbers[numbers != NO_WORD])
    if not len(distinct):
        return tokens, np.full(len(tokens), IGNORED)
    count = max(1, round(MASKED_SHARE * len(distinct)))
    hidden = np.isin(numbers, rng.choice(distinct, count, replace=False))
    draw = rng.random(len(tokens))
    masked = np.where(hidden & (draw < BECOMES_MASK), _mask_of(vocabulary), tokens)
    swapped = hidden & (draw >= BECOMES_MASK) & (draw < BECOMES_MASK + BECOMES_RANDOM)
    masked[swapped] = rng.choice(_plain_tokens(vocabulary), int(swapped.sum()))
    return masked, np.where(hidden, tokens, IGNORED)


def _mask_of(vocabulary: Vocabulary) -> int:
    if vocabulary.mask_id is None:
        raise BaseModelError("the base model's tokenizer has no mask token")
    return vocabulary.mask_id


@lru_cache(maxsize=4)
def _plain_tokens(vocabulary: Vocabulary) -> NDArray[np.int64]:
    """All tokens that stand for text."""
    return np.setdiff1d(np.arange(vocabulary.size), list(vocabulary.special_ids))
