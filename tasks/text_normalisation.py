"""The form of a text in which case, punctuation and Unicode variants are the same."""

import re
import sys
import unicodedata
from functools import cache
from typing import Final

# Scripts that write no space between words, and of which each character is a word here: Han,
# Hiragana and Katakana, as first and last code point.
WORDLESS_SCRIPTS: Final = (
    (0x3005, 0x3007),
    (0x3040, 0x30FF),
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
_WORDLESS: Final = "".join(f"{chr(first)}-{chr(last)}" for first, last in WORDLESS_SCRIPTS)
_SPACE_BESIDE_WORDLESS: Final = re.compile(f"(?<=[{_WORDLESS}]) | (?=[{_WORDLESS}])")
# Controls, invisible formats and lone accents. Currency, mathematical signs and pictographs
# stay: 'good 👍' and 'good 👎' do not say the same, nor do 'a < b' and 'a > b'.
_DROPPED_CATEGORIES: Final = frozenset({"Cc", "Cf", "Sk"})


def normalise(text: str) -> str:
    """The text in NFKC and case-folded, without punctuation, one space between words.

    White space beside a Chinese or Japanese character is dropped, since it parts no words there.
    A text of nothing but punctuation keeps it, so that '?!' is not taken for '...'.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    bare = _collapse(folded.translate(_dropped_characters()))
    return bare or _collapse(folded)


def _collapse(text: str) -> str:
    spaced = " ".join(text.split())
    return spaced if spaced.isascii() else _SPACE_BESIDE_WORDLESS.sub("", spaced)


@cache
def _dropped_characters() -> dict[int, None]:
    return {
        code: None
        for code in range(sys.maxunicode + 1)
        if _is_dropped(unicodedata.category(chr(code))) and not chr(code).isspace()
    }


def _is_dropped(category: str) -> bool:
    return category.startswith("P") or category in _DROPPED_CATEGORIES
