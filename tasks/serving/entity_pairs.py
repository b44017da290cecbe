"""Entities that a tagging model found in a text, and the pairs of them whose relation is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from math import isqrt
from typing import Any

from tasks.task_types.rows import RowShape
from tasks.task_types.words_in_text import PlacedWord


@dataclass(frozen=True)
class FoundEntity:
    """What a tagging model found.

    Attributes:
        type: as that model names it.
        start: first character (Unicode code points) of the text, counted from 0.
        end: the character behind its last one.
        text: of it.

    """

    type: str
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class AskedPairs:
    """The pairs of a text's entities.

    Attributes:
        places: of subject and object among the entities, one pair a row.
        rows: of the relation model, in the same order.
        left_out: pairs that are not asked, since there are more than may be.

    """

    places: tuple[tuple[int, int], ...]
    rows: tuple[dict[str, Any], ...]
    left_out: int


def entities_in(text: str, words: Sequence[PlacedWord], answer: Any) -> list[FoundEntity]:
    """The entities of a tagging model's answer, at their places in the text, in their order.

    Args:
        text: that was asked.
        words: of it, as the model was asked.
        answer: ``entities``, each with its type, and the places of its first word and behind its
            last one.

    """
    found = []
    for one in answer["entities"]:
        start, end = words[one["start"]].start, words[one["end"] - 1].end
        found.append(FoundEntity(str(one["type"]), start, end, text[start:end]))
    return sorted(found, key=lambda one: (one.start, one.end))


def pairs_of(
    text: str,
    entities: Sequence[FoundEntity],
    shape: RowShape,
    types: Mapping[str, str],
    most: int,
) -> AskedPairs:
    """Every ordered pair of two entities; of more than may be asked those that stand closest.

    A pair with k - 1 entities between has k (k + 1) - 2 ordered pairs that stand closer, those of
    the entities from one to the other. So of a text with thousands of entities only pairs of near
    places are looked at.

    Args:
        text: that they stand in.
        entities: in the order of their places, of which none reaches into another.
        shape: of the relation model's rows.
        types: what the relation model calls a type, where that is another name.
        most: pairs that are asked at most.

    """
    count, reach = len(entities), isqrt(most) + 1
    near = (
        (one, other)
        for one in range(count)
        for other in range(max(0, one - reach), min(count, one + reach + 1))
        if one != other
    )
    asked = sorted(
        nsmallest(most, near, key=lambda pair: (_apart(*(entities[one] for one in pair)), pair))
    )
    rows = tuple(
        _row(text, [entities[place] for place in pair], shape, types) for pair in asked
    )  # fmt: skip
    return AskedPairs(tuple(asked), rows, count * (count - 1) - len(asked))


def _apart(one: FoundEntity, other: FoundEntity) -> int:
    """Characters between two entities."""
    return max(one.start, other.start) - min(one.end, other.end)


def _row(
    text: str, pair: Sequence[FoundEntity], shape: RowShape, types: Mapping[str, str]
) -> dict[str, Any]:
    row: dict[str, Any] = {shape.entities[0].text: text}
    for columns, entity in zip(shape.entities, pair, strict=True):
        row[columns.start], row[columns.end] = entity.start, entity.end
        row[columns.type] = types.get(entity.type, entity.type)
    return row
