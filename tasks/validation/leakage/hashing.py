"""Hashes of texts, of their shingles and of their n-grams, many texts at a time."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tasks.text_normalisation import WORDLESS_SCRIPTS

Hashes: TypeAlias = NDArray[np.uint64]
Positions: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]

# A hash of 0 stands for a value that is missing.
MISSING: Final = np.uint64(0)
_PADDING: Final = "\0"
_SPACE: Final = 32
# Odd, so that it has an inverse modulo 2^64.
_BASE: Final = 0x9E3779B97F4A7C15
_INVERSE: Final = pow(_BASE, -1, 2**64)


@dataclass(frozen=True)
class FlatTexts:
    """Texts as one array of code points, one text after the other.

    Attributes:
        codes: (characters of all texts,).
        ends: (texts,), where each ends; it starts where the one before ends.

    """

    codes: NDArray[np.uint32]
    ends: Positions

    @property
    def starts(self) -> Positions:
        """Where each text starts."""
        return np.concatenate([np.zeros(1, np.int64), self.ends[:-1]])


def flatten(texts: Sequence[str], min_characters: int = 0) -> FlatTexts:
    """Lay texts end to end, those that are shorter padded to `min_characters`."""
    padded = [text.ljust(min_characters, _PADDING) for text in texts]
    codes = np.frombuffer("".join(padded).encode("utf-32-le"), np.uint32)
    ends = np.cumsum(np.fromiter(map(len, padded), np.int64, len(padded)))
    return FlatTexts(codes, ends)


def hash_strings(values: Iterable[str | None]) -> Hashes:
    """BLAKE2b of each value in 64 bits; MISSING for None.

    Among 10 million distinct values, two share a hash with a probability of 3 in a million.
    """
    missing = bytes(8)
    digests = b"".join(
        missing if value is None else hashlib.blake2b(value.encode(), digest_size=8).digest()
        for value in values
    )
    return np.frombuffer(digests, np.uint64)


def hash_shingles(texts: Sequence[str], characters: int) -> tuple[Hashes, Positions]:
    """The hash of every run of so many characters; a shorter text is one shingle.

    Returns:
        Hashes of all texts' shingles in their order, repeated ones too, and (texts + 1,) offsets.

    """
    flat = flatten(texts, characters)
    runs = len(flat.codes) - characters + 1
    hashes = np.zeros(max(runs, 0), np.uint64)
    for place in range(characters):
        hashes *= np.uint64(_BASE)
        hashes += flat.codes[place : place + runs]
    inside = np.ones(len(flat.codes), np.bool_)
    # A run that starts in the last characters of a text would reach into the next one.
    inside[(flat.ends[:, None] - np.arange(1, characters)).ravel()] = False
    counts = np.diff(flat.ends, prepend=0) - characters + 1
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    return mix(hashes[inside[: len(hashes)]]), offsets


def hash_ngrams(texts: Sequence[str], words: int) -> tuple[Hashes, Positions, Positions]:
    """The hash of every run of so many words of normalised texts.

    A character of Chinese or Japanese is a word. Between its first and its last character an
    n-gram is a stretch of the text, so a stretch is what is hashed: the difference of two sums
    of code * base^place, brought back to place 0.

    Returns:
        Hashes, the text that each stands in, and (texts,) the number of words of each text.

    """
    flat = flatten(texts)
    starts, ends = _find_words(flat)
    text_of_word = np.searchsorted(flat.ends, starts, side="right")
    counts = np.bincount(text_of_word, minlength=len(texts)).astype(np.int64)
    runs = max(len(starts) - words + 1, 0)
    within = text_of_word[:runs] == text_of_word[words - 1 :]
    first, last = starts[:runs][within], ends[words - 1 :][within]
    sums = np.zeros(len(flat.codes) + 1, np.uint64)
    np.cumsum((flat.codes + np.uint64(1)) * _powers(_BASE, len(flat.codes)), out=sums[1:])
    stretches = (sums[last] - sums[first]) * _powers(_INVERSE, len(flat.codes))[first]
    return mix(stretches), text_of_word[:runs][within], counts


def mix(hashes: Hashes) -> Hashes:
    """Spread every bit over all 64 (the finaliser of SplitMix64); never MISSING."""
    mixed = hashes ^ (hashes >> np.uint64(30))
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    mixed[mixed == MISSING] = 1
    return mixed


def _powers(base: int, count: int) -> Hashes:
    """base^0, base^1, ... modulo 2^64."""
    factors = np.full(count, base, np.uint64)
    factors[:1] = 1
    return np.multiply.accumulate(factors)


def _find_words(flat: FlatTexts) -> tuple[Positions, Positions]:
    """First character of each word, and the place behind its last one."""
    is_space = flat.codes == _SPACE
    alone = _is_wordless(flat.codes)
    starts_here = is_space | alone
    # Whether a word ends before this character: a new text, or a space or a lone character on
    # one side.
    breaks = np.ones(len(flat.codes) + 1, np.bool_)
    breaks[1:-1] = starts_here[1:] | starts_here[:-1]
    breaks[flat.ends] = True
    starts = np.flatnonzero(breaks[:-1] & ~is_space)
    ends = np.flatnonzero(breaks[1:] & ~is_space) + 1
    return starts, ends


def _is_wordless(codes: NDArray[np.uint32]) -> Flags:
    found = np.zeros(len(codes), np.bool_)
    if len(codes) and codes.max() >= WORDLESS_SCRIPTS[0][0]:
        for first, last in WORDLESS_SCRIPTS:
            found |= (codes >= first) & (codes <= last)
    return found
