"""Words that change places, go or come: easy data augmentation (EDA).

Wei and Zou 2019 (arXiv:1901.11196). Their fourth change, synonyms, and the insertion of synonyms
need a thesaurus, which no package on PyPI brings along; what is inserted here are words of
another training row with the same label.
"""

import re
from collections.abc import Sequence
from random import Random
from typing import Final

from tasks.perturbations.untouched import is_untouched

_PARTS: Final = re.compile(r"\S+|\s+")
_LEAST_WORDS: Final = 2


def count_of(strength: float, things: int) -> int:
    """How many of so many things change: the share, rounded, and at least one."""
    return max(1, round(strength * things))


def swap_words(text: str, strength: float, random: Random) -> str | None:
    """Exchange two words, so often as the strength says of the text's words.

    Args:
        text: with words parted by white space, which stays where it is.
        strength: share of its words, one exchange a word.
        random: of the row.

    Returns:
        The changed text; None where fewer than two words may move.

    """
    parts = _PARTS.findall(text)
    places = _movable(parts)
    if len(places) < _LEAST_WORDS:
        return None
    for _ in range(count_of(strength, len(places))):
        one, other = random.sample(places, 2)
        parts[one], parts[other] = parts[other], parts[one]
    return "".join(parts)


def delete_words(text: str, strength: float, random: Random) -> str | None:
    """Leave out a share of the words, and of two gaps the second; one word stays at least.

    Returns:
        The changed text; None where it has fewer than two words that may go.

    """
    parts = _PARTS.findall(text)
    places = _movable(parts)
    if len(places) < _LEAST_WORDS:
        return None
    gone = random.sample(places, min(count_of(strength, len(places)), len(places) - 1))
    left_out = {*gone, *(place + 1 for place in gone)}
    return "".join(part for place, part in enumerate(parts) if place not in left_out).strip()


def insert_words(text: str, strength: float, random: Random, donor: str) -> str | None:
    """Put words of another text between those of this one.

    Args:
        text: with words parted by white space.
        strength: words that come, as a share of the text's words.
        random: of the row.
        donor: a text that says the same of the label.

    Returns:
        The changed text; None where one of the two has no word that may be taken, or words are
        not parted by spaces.

    """
    parts = _PARTS.findall(text)
    places = [place for place, part in enumerate(parts) if not part.isspace()]
    others = [word for word in donor.split() if not is_untouched(word)]
    if len(places) < _LEAST_WORDS or len(others) < _LEAST_WORDS:
        return None
    chosen = random.choices(places, k=count_of(strength, len(places)))
    for place in sorted(chosen, reverse=True):
        parts.insert(place, f"{random.choice(others)} ")
    return "".join(parts)


def _movable(parts: Sequence[str]) -> list[int]:
    return [
        place for place, part in enumerate(parts) if not part.isspace() and not is_untouched(part)
    ]
