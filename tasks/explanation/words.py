"""The words of a text, and which tokens of a model lie in which word."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tasks.perturbations.chinese import HAN, segments
from tasks.task_types.unspaced import UNSPACED

if TYPE_CHECKING:
    from tokenizers import Encoding

# Signs that stand within a word where letters stand on both sides: don't, well-known.
_JOINERS: Final = frozenset("'\u2019-")
NO_WORD: Final = -1


@dataclass(frozen=True)
class Word:
    """A word, or a run of punctuation, and where it stands in its text.

    Attributes:
        start: its first character (Unicode code points), counted from 0.
        end: the character behind its last one.

    """

    text: str
    start: int
    end: int


def words_in(text: str) -> list[Word]:
    """The words of a text in their order; what stands between two is white space alone.

    Letters, digits and marks that stand together are a word, signs that stand together another.
    A run of Han characters is cut in words by snownlp; of other scripts that set no spaces each
    character stands for itself.
    """
    found: list[Word] = []
    for start, end, kind in _runs(text):
        if kind == "han":
            place = start
            for part in segments(text[start:end]):
                found.append(Word(part, place, place + len(part)))
                place += len(part)
        elif kind == "unspaced":
            found += [Word(text[at], at, at + 1) for at in range(start, end)]
        else:
            found.append(Word(text[start:end], start, end))
    return found


def _runs(text: str) -> Iterator[tuple[int, int, str]]:
    """Runs of characters of one kind, white space left out."""
    kinds = [_kind(text, place) for place in range(len(text))]
    start = 0
    for place in range(1, len(text) + 1):
        if place == len(text) or kinds[place] != kinds[start]:
            if kinds[start] != "space":
                yield start, place, kinds[start]
            start = place


def _kind(text: str, place: int) -> str:
    """Whether a character is white space, a sign, of an unspaced script, or part of a word."""
    sign = text[place]
    if sign.isspace():
        return "space"
    if HAN.match(sign):
        return "han"
    if UNSPACED.match(sign):
        return "unspaced"
    if unicodedata.category(sign)[0] not in "PS":
        return "letter"
    inside = 0 < place < len(text) - 1 and sign in _JOINERS
    return "letter" if inside and _is_letter(text[place - 1], text[place + 1]) else "sign"


def _is_letter(*signs: str) -> bool:
    return all(sign.isalnum() and not UNSPACED.match(sign) for sign in signs)


@dataclass(frozen=True)
class EncodedText:
    """A text as a model reads it.

    Attributes:
        text: as it was given.
        words: W of them.
        ids: token ids (T,), special ones among them; never empty.
        word_of: for each token its word's place, or `NO_WORD` of special tokens and white space.

    """

    text: str
    words: tuple[Word, ...]
    ids: tuple[int, ...]
    word_of: tuple[int, ...]

    @property
    def read(self) -> tuple[int, ...]:
        """Places of the words that the model reads a token of; others lie behind the cut."""
        return tuple(sorted({place for place in self.word_of if place != NO_WORD}))

    def without(self, gone: frozenset[int]) -> tuple[int, ...]:
        """Token ids with those of some words left out.

        Args:
            gone: places of the words.

        """
        return tuple(
            one for one, word in zip(self.ids, self.word_of, strict=True) if word not in gone
        )


def encoded_text(text: str, encoding: "Encoding", pad_id: int) -> EncodedText:
    """A text with its tokens put to its words.

    Args:
        text: as it was encoded.
        encoding: of the tokenizers library, with the places of the tokens.
        pad_id: the one token of a text that has none.

    """
    words = tuple(words_in(text))
    if not encoding.ids:
        return EncodedText(text, words, (pad_id,), (NO_WORD,))
    owner = word_owners(text, words)
    places = [
        NO_WORD if special else word_standing_at(owner, *span)
        for special, span in zip(encoding.special_tokens_mask, encoding.offsets, strict=True)
    ]
    return EncodedText(text, words, tuple(encoding.ids), tuple(places))


def word_owners(text: str, words: Sequence[Word]) -> list[int]:
    """For each character of a text the place of its word, or `NO_WORD`."""
    owner = [NO_WORD] * len(text)
    for place, word in enumerate(words):
        owner[word.start : word.end] = [place] * (word.end - word.start)
    return owner


def word_standing_at(owner: Sequence[int], start: int, end: int) -> int:
    """The first word that a token stands in: those of bytes may begin with the space before it."""
    return next((one for one in owner[start:end] if one != NO_WORD), NO_WORD)
