"""Tags of other schemes as tags of BIO (IOB2).

IOB1 opens a span by B-TYPE only where it follows another of its type at once (Tjong Kim Sang and
Veenstra, EACL 1999); BIOES and BILOU mark the last token of a span (E, L) and the only one (S, U).
"""

from collections.abc import Sequence
from typing import Literal

TagSchemeOfFiles = Literal["BIO", "IOB1", "BIOES", "BILOU"]

_ROLES = {"B": "B", "I": "I", "E": "I", "L": "I", "S": "B", "U": "B"}


def as_bio(tags: Sequence[str], scheme: TagSchemeOfFiles) -> list[str]:
    """The tags of one sentence in BIO; what is no tag of the scheme stays as it is.

    Args:
        tags: one a token.
        scheme: that they are written in.

    """
    if scheme == "BIO":
        return list(tags)
    if scheme == "IOB1":
        return [_opened(tag, before) for tag, before in zip(tags, ["O", *tags], strict=False)]
    return [_renamed(tag, scheme) for tag in tags]


def _opened(tag: str, before: str) -> str:
    goes_on = before[:2] in {"I-", "B-"} and before[2:] == tag[2:]
    return f"B-{tag[2:]}" if tag.startswith("I-") and not goes_on else tag


def _renamed(tag: str, scheme: TagSchemeOfFiles) -> str:
    role, dash, kind = tag.partition("-")
    return f"{_ROLES[role]}-{kind}" if dash and kind and role in set(scheme) - {"O"} else tag
