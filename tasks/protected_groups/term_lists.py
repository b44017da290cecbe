"""Which protected attributes a term list is shipped for."""

from pathlib import Path
from typing import Final

TERMS_FOLDER: Final = Path(__file__).parent / "terms"


def known_attributes() -> tuple[str, ...]:
    """Attributes that a term list is shipped for, sorted."""
    return tuple(sorted(path.stem for path in TERMS_FOLDER.glob("*.csv")))


def check_attributes(attributes: tuple[str, ...]) -> tuple[str, ...]:
    """The attributes, each once and each with a term list.

    Raises:
        ValueError: one has none, or is named twice.

    """
    known = known_attributes()
    if unknown := [attribute for attribute in attributes if attribute not in known]:
        raise ValueError(f"no term list for {unknown}; known are {list(known)}")
    if len(set(attributes)) < len(attributes):
        raise ValueError(f"{list(attributes)} names an attribute twice")
    return attributes
