"""The space of a sweep: what may be tried, and a line's settings with some of it in place."""

import copy
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import JsonValue

from tasks.sweep.settings import SweptSetting

Space = Mapping[str, SweptSetting]
# A value for each swept setting, by its dotted name.
Assignment = dict[str, JsonValue]

# Combinations of choices and ends of ranges that are all checked before a sweep starts; to make and
# refuse a line takes some 30 ms. Of a larger space each pair of values is: what is wrong between
# settings is mostly wrong between two.
ALL_CHECKED: Final = 32
_NEAR: Final = 1e-9


def overlaid(content: Mapping[str, Any], assignment: Mapping[str, Any]) -> dict[str, Any]:
    """A line's settings, nested as its file has them, with some values in place of its own.

    Args:
        content: which stays as it is.
        assignment: value by dotted name; a mapping is laid over the section that stands there.

    """
    whole = copy.deepcopy(dict(content))
    for name, value in assignment.items():
        *sections, last = name.split(".")
        place = whole
        for section in sections:
            inner = place.get(section)
            place[section] = inner if isinstance(inner, dict) else {}
            place = place[section]
        place[last] = _merged(place.get(last), value)
    return whole


def _merged(standing: Any, value: Any) -> Any:
    if not isinstance(value, dict):
        return copy.deepcopy(value)
    standing = standing if isinstance(standing, dict) else {}
    inner = {key: _merged(standing.get(key), one) for key, one in value.items()}
    return {**copy.deepcopy(standing), **inner}


def corners(space: Space) -> list[Assignment]:
    """Assignments that are checked before anything runs: of choices each, of ranges both ends.

    All combinations where these are at most `ALL_CHECKED`; else some in which each pair of values
    of two settings stands at least once.
    """
    values = {name: _ends(swept) for name, swept in space.items()}
    if math.prod(len(each) for each in values.values()) <= ALL_CHECKED:
        rows = list(itertools.product(*(range(len(each)) for each in values.values())))
    else:
        rows = pairwise_cover([len(each) for each in values.values()])
    return [
        {name: each[place] for (name, each), place in zip(values.items(), row, strict=True)}
        for row in rows
    ]


def pairwise_cover(counts: Sequence[int]) -> list[tuple[int, ...]]:
    """Rows in which each pair of values of two columns stands, few of them but not the fewest.

    Greedy, as in AETG (Cohen, Dalal, Fredman and Patton 1997, doi:10.1109/32.605761): each row
    begins with a pair that stands nowhere yet, and each further value is the one by which most
    such pairs are added.

    Args:
        counts: values of each column, at least two columns.

    """
    missing = {
        ((one, first), (other, second)): None
        for one, other in itertools.combinations(range(len(counts)), 2)
        for first, second in itertools.product(range(counts[one]), range(counts[other]))
    }
    rows = []
    while missing:
        row = dict(next(iter(missing)))
        for column in (one for one in range(len(counts)) if one not in row):
            row[column] = max(
                range(counts[column]),
                key=lambda value: sum(_pair(column, value, *one) in missing for one in row.items()),
            )
        for pair in itertools.combinations(sorted(row.items()), 2):
            missing.pop(pair, None)
        rows.append(tuple(row[column] for column in range(len(counts))))
    return rows


def _pair(column: int, value: int, other: int, beside: int) -> tuple[tuple[int, int], ...]:
    one, two = sorted([(column, value), (other, beside)])
    return one, two


def _ends(swept: SweptSetting) -> list[JsonValue]:
    if swept.choices is not None:
        return list(swept.choices)
    assert swept.low is not None  # noqa: S101 - it is a range
    assert swept.high is not None  # noqa: S101
    # A setting that takes whole numbers is told one.
    return [int(end) if end.is_integer() else end for end in (swept.low, swept.high)]


def points_in(space: Space, whole: frozenset[str]) -> int | None:
    """How many points a space has; None where a range makes them too many to count.

    Args:
        space: what may be tried.
        whole: names of settings that take whole numbers alone.

    """
    points = 1
    for name, swept in space.items():
        if swept.choices is not None:
            points *= len(swept.choices)
        elif swept.step is None and name not in whole:
            return None
        else:
            low, high = swept.low or 0, swept.high or 0
            points *= math.floor((high - low) / (swept.step or 1) + _NEAR) + 1
    return points
