"""Terms inside longer words: where a term of a list does not mean what it means elsewhere."""

import re
from collections.abc import Sequence
from typing import Final

# Languages whose words are not set apart by spaces: a term is found anywhere in the text.
UNSPACED_LANGUAGES: Final = frozenset({"zh"})


def outside_words(term: str, longer: Sequence[str]) -> str:
    """Pattern of a term that stands in none of the longer words, wherever in them it stands."""
    guards = ""
    for word in longer:
        for found in re.finditer(re.escape(term), word):
            before, rest = re.escape(word[: found.start()]), re.escape(word[found.start() :])
            guards += rf"(?!(?<={before}){rest})" if before else rf"(?!{rest})"
    return guards + re.escape(term)
