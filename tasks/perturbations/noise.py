"""Test rows as people would have typed them in haste: the same noise for every model."""

from random import Random

from tasks.perturbations.chinese import HAN, homophones, similar_characters
from tasks.perturbations.typing_noise import keyboard_noise, spelling_noise


def add_noise(text: str, strength: float, random: Random) -> str | None:
    """Wrong keys and misspelt words, and in Chinese wrong characters of like sound and shape.

    Each kind is added at half of the strength.

    Args:
        text: any.
        strength: share of the words, or characters, that are hit.
        random: of the row.

    Returns:
        The changed text; None where there is nothing that noise could hit.

    """
    is_chinese = HAN.search(text) is not None
    kinds = (homophones, similar_characters) if is_chinese else (keyboard_noise, spelling_noise)
    changed: str | None = None
    for kind in kinds:
        found = kind(text if changed is None else changed, strength / 2, random)
        changed = changed if found is None else found
    return changed
