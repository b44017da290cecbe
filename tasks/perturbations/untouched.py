"""Words that no change touches: those that turn what a text says, and placeholders."""

import re
from collections import Counter
from typing import Final

# What stands in place of personal data, such as [MAIL].
PLACEHOLDER: Final = re.compile(r"\[[A-Z][A-Z_]*\]")
_WORD: Final = re.compile(r"[\w'\u2019]+")
_NEGATIONS: Final = frozenset(
    {
        "no", "not", "never", "none", "nobody", "nothing", "nowhere", "neither", "nor", "without",
        "hardly", "scarcely", "barely", "cannot", "cant", "dont", "isnt", "wasnt", "wont",
    }
)  # fmt: skip
_ENDING: Final = re.compile(r"n['\u2019]t\Z")
_HAN_NEGATIONS: Final = frozenset("不没沒无無非别別未勿莫")


def is_untouched(word: str) -> bool:
    """Whether a word, with the punctuation beside it, is a negation or holds a placeholder."""
    return bool(PLACEHOLDER.search(word)) or bool(negations_of(word))


def negations_of(text: str) -> Counter[str]:
    """The English and Chinese words of a text that turn what it says, and how often each stands.

    A change after which they differ may have turned the label: "good" is no "not good".
    """
    found = Counter(
        word
        for word in _WORD.findall(text.casefold())
        if word in _NEGATIONS or _ENDING.search(word)
    )
    found.update(sign for sign in text if sign in _HAN_NEGATIONS)
    return found
