"""The words of a text with their places, for models that read words."""

import re
from typing import Final, NamedTuple

from tasks.task_types.unspaced import UNSPACED

# A sign of a script without spaces; letters and digits, with what joins them within a word; or a
# mark by itself.
_WORD: Final = re.compile(
    rf"{UNSPACED.pattern}"
    rf"|(?:(?!{UNSPACED.pattern})\w)+(?:[.\-'\u2019](?:(?!{UNSPACED.pattern})\w)+)*"
    r"|[^\w\s]"
)


class PlacedWord(NamedTuple):
    """A word of a text.

    Attributes:
        start: its first character (Unicode code points), counted from 0.
        end: the character behind its last one.

    """

    word: str
    start: int
    end: int


def words_in(text: str) -> list[PlacedWord]:
    """The words of a text in their order: every character but white space is of one of them."""
    return [PlacedWord(one[0], one.start(), one.end()) for one in _WORD.finditer(text)]
