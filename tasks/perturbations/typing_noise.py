"""Mistakes of people who type: a key beside the right one, and words that are spelt wrong.

Inner letters change and the first one stays, since readers and models bear that best (Pruthi et al.
2019, arXiv:1905.11268; Belinkov and Bisk 2018, arXiv:1711.02173). Numbers and negations stay.
"""

import re
from collections.abc import Callable
from random import Random
from typing import Final

from tasks.perturbations.untouched import is_untouched
from tasks.perturbations.words import count_of

# The rows of a QWERTY keyboard, each shifted by about half a key.
_ROWS: Final = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_LEAST_LETTERS: Final = 4
_LETTERS: Final = re.compile(rf"[A-Za-z]{{{_LEAST_LETTERS},}}")
_TOKENS: Final = re.compile(r"\S+")
_VOWELS: Final = "aeiou"


def _neighbours() -> dict[str, str]:
    """The keys that touch each key."""
    found: dict[str, str] = {}
    for number, row in enumerate(_ROWS):
        for place, key in enumerate(row):
            beside = row[max(0, place - 1) : place] + row[place + 1 : place + 2]
            above = _ROWS[number - 1][place : place + 2] if number else ""
            below = _ROWS[number + 1][max(0, place - 1) : place + 1] if number < 2 else ""  # noqa: PLR2004
            found[key] = beside + above + below
    return found


KEYS_BESIDE: Final = _neighbours()


def keyboard_noise(text: str, strength: float, random: Random) -> str | None:
    """In a share of the words, one inner letter is that of a key beside it.

    Args:
        text: of which words of four Latin letters or more are touched.
        strength: share of these words, at least one.
        random: of the row.

    Returns:
        The changed text; None where it has no such word.

    """
    return change_words(text, strength, random, _hit_beside)


def spelling_noise(text: str, strength: float, random: Random) -> str | None:
    """In a share of the words, inner letters change places, go, stand twice, or a vowel is another.

    Args and returns as `keyboard_noise`.
    """
    return change_words(text, strength, random, _misspell)


def change_words(
    text: str, strength: float, random: Random, change: Callable[[str, Random], str]
) -> str | None:
    """Change a share of the words of four Latin letters or more, at least one.

    Args:
        text: any; negations and placeholders in it are left alone.
        strength: share of these words.
        random: of the row.
        change: from one word to what stands in its place.

    Returns:
        The changed text; None where it has no such word.

    """
    words = [
        (token.start() + letters.start(), token.start() + letters.end())
        for token in _TOKENS.finditer(text)
        if not is_untouched(token[0])
        for letters in _LETTERS.finditer(token[0])
    ]
    if not words:
        return None
    chosen = random.sample(range(len(words)), min(len(words), count_of(strength, len(words))))
    for place in sorted(chosen, reverse=True):
        start, end = words[place]
        text = text[:start] + change(text[start:end], random) + text[end:]
    return text


def _hit_beside(word: str, random: Random) -> str:
    place = random.randrange(1, len(word))
    key = random.choice(KEYS_BESIDE[word[place].lower()])
    return word[:place] + (key.upper() if word[place].isupper() else key) + word[place + 1 :]


def _misspell(word: str, random: Random) -> str:
    return random.choice((_transpose, _drop, _double, _other_vowel))(word, random)


def _transpose(word: str, random: Random) -> str:
    differing = [n for n in range(1, len(word) - 1) if word[n] != word[n + 1]]
    if not differing:
        return _drop(word, random)
    n = random.choice(differing)
    return word[:n] + word[n + 1] + word[n] + word[n + 2 :]


def _drop(word: str, random: Random) -> str:
    n = random.randrange(1, len(word))
    return word[:n] + word[n + 1 :]


def _double(word: str, random: Random) -> str:
    n = random.randrange(1, len(word))
    return word[: n + 1] + word[n] + word[n + 1 :]


def _other_vowel(word: str, random: Random) -> str:
    places = [n for n in range(1, len(word)) if word[n] in _VOWELS]
    if not places:
        return _transpose(word, random)
    n = random.choice(places)
    return word[:n] + random.choice(_VOWELS.replace(word[n], "")) + word[n + 1 :]
