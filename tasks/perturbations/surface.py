"""How a text is written, and not what it says: case, punctuation, white space, accents."""

import re
import unicodedata
from collections.abc import Callable
from random import Random
from typing import Final

from tasks.perturbations.untouched import PLACEHOLDER, is_untouched
from tasks.perturbations.words import count_of

# Marks between words; those within one (3.5, don't, e.g.) tell what it is.
_MARKS: Final = re.compile(
    r"(?<![^\W_])[.,;:!?\"'()\u2013\u2014\u2018\u2019\u201c\u201d]"
    r"|[.,;:!?\"'()\u2013\u2014\u2018\u2019\u201c\u201d](?![^\W_])"
    r"|[\u3001\u3002\uff0c\uff1a\uff1b\uff01\uff1f\u300a\u300b\u300c\u300d]"
)
_PARTS: Final = re.compile(r"\S+|\s+")
_DOUBLED, _LOST = "  ", ""


def lower_case(text: str, strength: float, random: Random) -> str | None:  # noqa: ARG001
    """All in small letters; None where it is so already."""
    return other_than(text, beside_placeholders(text, str.lower))


def upper_case(text: str, strength: float, random: Random) -> str | None:  # noqa: ARG001
    """All in capitals; None where it is so already."""
    return other_than(text, beside_placeholders(text, str.upper))


def drop_punctuation(text: str, strength: float, random: Random) -> str | None:
    """Leave out a share of the punctuation marks, at least one; those within a word stay.

    Returns:
        The changed text; None where it has none.

    """
    places = [
        mark.start()
        for part in _PARTS.finditer(text)
        if not PLACEHOLDER.search(part[0])
        for mark in _MARKS.finditer(text, part.start(), part.end())
    ]
    if not places:
        return None
    gone = set(random.sample(places, min(len(places), count_of(strength, len(places)))))
    left = "".join(sign for place, sign in enumerate(text) if place not in gone)
    return left if left.strip() else None


def change_gaps(text: str, strength: float, random: Random) -> str | None:
    """A share of the gaps between words, at least one, is lost or twice as wide.

    Beside a negation or a placeholder no gap is touched, which would make another word of it.

    Returns:
        The changed text; None where there is no such gap.

    """
    parts = _PARTS.findall(text)
    gaps = [
        place
        for place in range(1, len(parts) - 1)
        if parts[place].isspace()
        and not is_untouched(parts[place - 1])
        and not is_untouched(parts[place + 1])
    ]
    if not gaps:
        return None
    for place in random.sample(gaps, min(len(gaps), count_of(strength, len(gaps)))):
        parts[place] = random.choice((_LOST, _DOUBLED))
    return "".join(parts)


def drop_accents(text: str, strength: float, random: Random) -> str | None:  # noqa: ARG001
    """Latin letters without their accents, as from a keyboard that has none; None without any."""
    return other_than(text, "".join(map(_without_accent, text)))


def _without_accent(sign: str) -> str:
    apart = unicodedata.normalize("NFD", sign)
    base, marks = apart[0], apart[1:]
    is_letter = base.isascii() and base.isalpha()
    return base if marks and is_letter and all(map(unicodedata.combining, marks)) else sign


def beside_placeholders(text: str, change: Callable[[str], str]) -> str:
    """A text changed in all but its placeholders, such as [MAIL]."""
    changed, end = [], 0
    for found in PLACEHOLDER.finditer(text):
        changed += [change(text[end : found.start()]), found[0]]
        end = found.end()
    return "".join([*changed, change(text[end:])])


def other_than(text: str, changed: str) -> str | None:
    """A changed text; None where the change left it as it was."""
    return None if changed == text else changed
