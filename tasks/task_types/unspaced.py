"""Scripts that set no spaces between words, in which a text is told by its characters."""

import re
from collections.abc import Sequence

# Thai, Lao, Myanmar, Khmer, kana and Han: scripts that set no spaces between words.
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff]"
)
# Words that stand side by side: of these scripts, and the punctuation of Chinese and Japanese.
_SIDE_BY_SIDE = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef"
    "\U00020000-\U0003ffff]"
)
WORD_CHARACTER = re.compile(r"\w")
# Above this share of unspaced letters, words cannot be told by spaces.
UNSPACED_SHARE = 0.3
# Texts that the share is measured on.
SAMPLE_TEXTS = 1_000


def unspaced_share(texts: Sequence[str]) -> float:
    """Share of the word characters of the first texts that belong to a script without spaces."""
    letters = "".join(WORD_CHARACTER.findall("".join(texts[:SAMPLE_TEXTS])))
    return len(UNSPACED.findall(letters)) / len(letters) if letters else 0.0


def joined_with_places(words: Sequence[str]) -> tuple[str, list[int]]:
    """Words as a text, and the first character of each.

    They are parted by a space, but not within a script that has none.
    """
    text, places = "", []
    for word in words:
        side_by_side = text and _SIDE_BY_SIDE.match(text[-1]) and _SIDE_BY_SIDE.match(word)
        gap = "" if side_by_side or not text else " "
        places.append(len(text) + len(gap))
        text += f"{gap}{word}"
    return text, places
