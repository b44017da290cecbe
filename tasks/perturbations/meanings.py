"""Changes after which a text says something else: negations, numbers, names of places.

Whether the right answer is another then depends on what is asked: a topic stays, an opinion turns.
"""

import csv
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from random import Random
from typing import Final

from tasks.perturbations.chinese import HAN, segments
from tasks.perturbations.surface import other_than
from tasks.perturbations.untouched import PLACEHOLDER

PLACES_FILE: Final = Path(__file__).parent / "places.csv"
_VERBS: Final = "is|are|was|were|will|would|can|could|should|must|has been|have been"
# A negated verb, or one that is to be.
_NEGATABLE: Final = re.compile(rf"\b({_VERBS})(n't|n\u2019t|not| not)?\b", re.IGNORECASE)
_SHORT: Final = {"ca": "can", "wo": "will"}
_SHORT_NEGATED: Final = re.compile(r"\b(ca|wo)n['\u2019]t\b", re.IGNORECASE)
_HAN_VERBS: Final = frozenset({"是", "会", "能", "可以", "喜欢", "应该", "有", "好"})
_HAN_NEGATED: Final = {
    f"{'没' if verb == '有' else '不'}{verb}": verb for verb in sorted(_HAN_VERBS)
}
_NUMBER: Final = re.compile(r"(?<![A-Za-z0-9_\[])\d+(?:[.,]\d+)*")


def negate(text: str, strength: float, random: Random) -> str | None:  # noqa: ARG001
    """Each auxiliary verb with a "not" if it has none, and without if it has one.

    In Chinese likewise 不 or 没 before common verbs.

    Returns:
        The changed text; None where it has no such verb.

    """
    if HAN.search(text):
        return other_than(text, "".join(map(_turned, _joined(segments(text)))))
    plain = _SHORT_NEGATED.sub(lambda found: f"{_SHORT[found[1].lower()]} not", text)
    return other_than(text, _NEGATABLE.sub(_other_side, plain))


def _other_side(found: re.Match[str]) -> str:
    if found[2]:
        return found[1]
    first, *rest = found[1].split(" ")
    return " ".join([first, "not", *rest])


def _joined(parts: list[str]) -> list[str]:
    """Pieces of a Chinese text, a negation and its verb as one."""
    found: list[str] = []
    for part in parts:
        if found and found[-1] + part in _HAN_NEGATED:
            found[-1] += part
        else:
            found.append(part)
    return found


def _turned(part: str) -> str:
    if part in _HAN_NEGATED:
        return _HAN_NEGATED[part]
    if part in _HAN_VERBS:
        return f"{'没' if part == '有' else '不'}{part}"
    return part


def swap_numbers(text: str, strength: float, random: Random) -> str | None:  # noqa: ARG001
    """Each number with other digits, as many of them; within a placeholder none.

    Returns:
        The changed text; None where it has no number.

    """
    return other_than(text, _NUMBER.sub(lambda found: _other_number(found[0], random), text))


def _other_number(digits: str, random: Random) -> str:
    made = [
        random.choice([one for one in ("123456789" if place == 0 else "0123456789") if one != sign])
        if sign.isdigit()
        else sign
        for place, sign in enumerate(digits)
    ]
    return "".join(made)


def swap_places(text: str, strength: float, random: Random) -> str | None:  # noqa: ARG001
    """Each city and country of the list is another one, the same each time that it stands there.

    Returns:
        The changed text; None where it names none.

    """
    kinds = _kind_of()
    drawn: dict[str, str] = {}

    def other(found: re.Match[str]) -> str:
        name = found[0]
        if name not in drawn:
            alike = [one for one, kind in kinds.items() if kind == kinds[name] and one != name]
            drawn[name] = random.choice(alike)
        return drawn[name]

    parts, end = [], 0
    for held in PLACEHOLDER.finditer(text):
        parts += [_names().sub(other, text[end : held.start()]), held[0]]
        end = held.end()
    return other_than(text, "".join([*parts, _names().sub(other, text[end:])]))


@cache
def _kind_of() -> Mapping[str, tuple[str, str]]:
    """By name of a place what it is, and the language that it is written in."""
    with PLACES_FILE.open(encoding="utf-8", newline="") as file:
        return {row["name"]: (row["kind"], row["language"]) for row in csv.DictReader(file)}


@cache
def _names() -> re.Pattern[str]:
    ordered = sorted(_kind_of(), key=len, reverse=True)
    written = [re.escape(one) if HAN.match(one) else rf"\b{re.escape(one)}\b" for one in ordered]
    return re.compile("|".join(written))
