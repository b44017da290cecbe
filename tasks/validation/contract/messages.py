"""How messages name what was seen: in short, with the admitted values and the nearest of them."""

import re
import unicodedata
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

EXCERPT_CHARACTERS: Final = 60
# A message names at most this many admitted values.
_NAMED_VALUES: Final = 12
_BETWEEN_WORDS: Final = re.compile(r"[\s_-]+")


def plain_form(value: str) -> str:
    """The value without what a person overlooks: case, spacing, and forms of the same letter."""
    folded = unicodedata.normalize("NFKC", value).casefold()
    return _BETWEEN_WORDS.sub(" ", folded).strip()


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
