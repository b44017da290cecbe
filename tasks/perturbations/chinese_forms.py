"""Chinese texts in other forms of the same signs: traditional characters, full width."""

from collections.abc import Mapping
from functools import cache
from random import Random
from typing import Final

from tasks.perturbations.chinese import HAN
from tasks.perturbations.surface import beside_placeholders, other_than

_FIRST_ASCII, _LAST_ASCII = "!", "~"
_TO_FULL_WIDTH: Final = 0xFF01 - ord(_FIRST_ASCII)


def traditional(text: str, strength: float, random: Random) -> str | None:  # noqa: ARG001
    """Simplified characters in their traditional form, where they have but one.

    Returns:
        The changed text; None where it has no such character.

    """
    if not HAN.search(text):
        return None
    return other_than(text, "".join(_traditional().get(sign, sign) for sign in text))


def full_width(text: str, strength: float, random: Random) -> str | None:  # noqa: ARG001
    """Latin letters, digits and marks of a Chinese text in full width, placeholders apart.

    Returns:
        The changed text; None where it has none, or no Chinese character.

    """
    return other_than(text, beside_placeholders(text, _widened)) if HAN.search(text) else None


def _widened(text: str) -> str:
    return "".join(
        chr(ord(sign) + _TO_FULL_WIDTH) if _FIRST_ASCII <= sign <= _LAST_ASCII else sign
        for sign in text
    )


@cache
def _traditional() -> Mapping[str, str]:
    """By simplified character the one traditional form that snownlp's table has for it."""
    from snownlp.normal.zh import zh2hans

    forms: dict[str, set[str]] = {}
    for other, simple in zh2hans.items():
        if len(other) == len(simple) == 1 and other != simple:
            forms.setdefault(simple, set()).add(other)
    return {
        simple: next(iter(others))
        for simple, others in forms.items()
        if len(others) == 1 and not _is_traditional_too(simple)
    }


def _is_traditional_too(sign: str) -> bool:
    """Whether a character stands in traditional texts as it is: such are those of Big5."""
    try:
        sign.encode("big5")
    except UnicodeEncodeError:
        return False
    return True
