"""Draws that follow from a seed and from what they are of, in whatever order they are made."""

import hashlib
from random import Random

_PARTED_BY = "\x1f"


def random_of(seed: int, *names: str) -> Random:
    """A generator for one row: the same for the same seed and names, on every machine.

    Args:
        seed: of the settings.
        names: what is drawn for, such as a method and a row_id.

    """
    return Random(_digest(seed, names))  # noqa: S311 - draws of samples, seeded on purpose


def rank_of(seed: int, *names: str) -> int:
    """64 bits by which rows are put in an order that their file does not shape."""
    return int.from_bytes(_digest(seed, names)[:8], "big")


def _digest(seed: int, names: tuple[str, ...]) -> bytes:
    return hashlib.sha256(_PARTED_BY.join((str(seed), *names)).encode()).digest()
