"""Letters that a machine mistakes for others when it reads them from an image (OCR).

Pairs of letters, alone or together, whose shapes are alike in print; rn for m is the commonest of
them (Nguyen et al. 2021, doi:10.1145/3453476, section 2.2). Numbers and negations stay.
"""

from random import Random
from typing import Final

from tasks.perturbations.typing_noise import change_words

# What is read for what is printed, either way.
_ALIKE: Final = (
    ("rn", "m"), ("cl", "d"), ("vv", "w"), ("li", "h"), ("ri", "n"), ("l", "1"), ("o", "0"),
    ("e", "c"), ("h", "b"), ("u", "v"), ("t", "f"), ("i", "l"), ("a", "o"), ("g", "q"), ("S", "5"),
    ("B", "8"), ("I", "l"), ("O", "0"), ("E", "F"), ("Q", "O"),
)  # fmt: skip


def _readings() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for one, other in _ALIKE:
        found[one] = (*found.get(one, ()), other)
        if other.isalpha():
            found[other] = (*found.get(other, ()), one)
    return found


READ_AS: Final = _readings()


def misread(text: str, strength: float, random: Random) -> str | None:
    """In a share of the words of four Latin letters or more, one place is read wrongly.

    Args:
        text: any.
        strength: share of these words, at least one.
        random: of the row.

    Returns:
        The changed text; None where it has no such word.

    """
    changed = change_words(text, strength, random, _misread_word)
    return None if changed == text else changed


def _misread_word(word: str, random: Random) -> str:
    places = [
        (start, printed)
        for printed in READ_AS
        for start in range(len(word))
        if word.startswith(printed, start)
    ]
    if not places:
        return word
    start, printed = random.choice(places)
    return word[:start] + random.choice(READ_AS[printed]) + word[start + len(printed) :]
