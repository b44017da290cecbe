"""How groups are named: several of one row, and groups of two attributes at once."""

from collections.abc import Sequence
from typing import Final

# Parts the groups of a row that is in several: "Women|African".
SEPARATOR: Final = "|"
# Between the names of two attributes, and of two groups, that are looked at together.
AND: Final = "+"
# Ends the name of the attribute whose groups are exclusive cells of another's: gender_exclusive.
EXCLUSIVE: Final = "_exclusive"
# Beyond this a column holds names or numbers of its own, not groups.
MAX_GROUPS: Final = 200


def exclusive_name(attribute: str) -> str:
    """Name of the attribute whose groups are the exclusive cells of another's."""
    return f"{attribute}{EXCLUSIVE}"


def join_groups(names: Sequence[str]) -> str | None:
    """The groups of a row as one value of a column; None where there is none.

    Raises:
        ValueError: a name holds what parts them.

    """
    if any(SEPARATOR in name for name in names):
        raise ValueError(f"a group's name must not hold {SEPARATOR!r}")
    present = sorted({name.strip() for name in names} - {""})
    return SEPARATOR.join(present) if present else None
