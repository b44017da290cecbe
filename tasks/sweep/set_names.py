"""Which settings the entries of a space set, by their dotted names."""

import itertools
from collections.abc import Iterator, Mapping, Sequence

from pydantic import JsonValue

# The choices of an entry; None of a range.
Choices = Sequence[JsonValue] | None


def set_by(name: str, choices: Choices) -> set[str]:
    """Dotted names of the settings that one entry of a space sets.

    Args:
        name: of the entry.
        choices: mappings set what stands inside of them.

    """
    return {leaf for choice in choices or (None,) for leaf in _leaves(name, choice)}


def _leaves(name: str, value: JsonValue) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(f"{name}.{key}", inner)
    else:
        yield name


def set_twice(space: Mapping[str, Choices]) -> list[str]:
    """Settings that two entries set, or of which one is inside of the other; sorted.

    Args:
        space: the choices of each entry.

    """
    found = set()
    for (one, first), (other, second) in itertools.combinations(space.items(), 2):
        for ours, theirs in itertools.product(set_by(one, first), set_by(other, second)):
            longer, shorter = sorted((ours, theirs), key=len, reverse=True)
            if longer == shorter or longer.startswith(f"{shorter}."):
                found.add(longer)
    return sorted(found)
