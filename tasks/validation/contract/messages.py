"""How messages name what was seen: in short, with the admitted values and the nearest of them."""

import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal
from difflib import get_close_matches
from typing import Final

from tasks.sources.values import number_text
from tasks.sources.visible import without_invisible

EXCERPT_CHARACTERS: Final = 60
# A message names at most this many admitted values.
_NAMED_VALUES: Final = 12
_BETWEEN_WORDS: Final = re.compile(r"[\s_-]+")
_NUMBER: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)


def plain_form(value: str) -> str:
    """The value without what a person overlooks.

    That is case, spacing, characters that cannot be seen, forms of the same letter, and whether a
    number was written as 1, 1.0 or 1e0.
    """
    seen = without_invisible(_BETWEEN_WORDS.sub(" ", value))
    folded = unicodedata.normalize("NFKC", seen).casefold()
    plain = _BETWEEN_WORDS.sub(" ", folded).strip()
    number = value.strip()
    return number_text(Decimal(number)) if _NUMBER.fullmatch(number) else plain


def nearest(seen: str, known: Sequence[str]) -> str | None:
    """The known value that was probably meant; None where none is near."""
    by_form = {plain_form(value): value for value in reversed(known)}
    near = get_close_matches(plain_form(seen[: 4 * EXCERPT_CHARACTERS]), by_form, n=1)
    return by_form[near[0]] if near else None


def excerpt(value: object) -> str:
    """The value as Python writes it, at most 60 characters of it."""
    shown = repr(value)
    if len(shown) <= EXCERPT_CHARACTERS:
        return shown
    return f"{shown[: EXCERPT_CHARACTERS - 1]}…"


def tell_apart(values: Sequence[str]) -> str:
    """Values that look alike, written so that one sees how they differ."""
    forms = {unicodedata.normalize("NFC", value) for value in values}
    shown = [excerpt(value) for value in values]
    if len(forms) < len(values) or len(set(shown)) < len(values):
        shown = [ascii(value)[: 2 * EXCERPT_CHARACTERS] for value in values]
    return " and ".join(shown)


def name_values(values: Sequence[str]) -> str:
    """The first values, and how many more there are."""
    more = len(values) - _NAMED_VALUES
    named = ", ".join(values[:_NAMED_VALUES])
    return f"{named} and {more} more" if more > 0 else named


def explain_unknown(seen: object, known: Sequence[str]) -> str:
    """That the value is none of these, and which one was probably meant."""
    near = nearest(seen, known) if isinstance(seen, str) else None
    meant = f"; did you mean {near!r}?" if near is not None else ""
    return f"{excerpt(seen)} is not one of {name_values(known)}{meant}"
