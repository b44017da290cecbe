"""What can be wrong with entities that are marked in a text.

The reasons are those for which rows are put aside. A sentence holds nothing of the text.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Final

from tasks.task_types.rows import Entity, RowShape

OUTSIDE_TEXT: Final = "entity outside the text"
EMPTY_ENTITY: Final = "empty entity"
OVERLAPPING: Final = "overlapping entities"
MARKER_IN_TEXT: Final = "marker in the text"
FAULTS: Final = (OUTSIDE_TEXT, EMPTY_ENTITY, OVERLAPPING, MARKER_IN_TEXT)
# Marks that were put in before: tags as of SemEval-2010 Task 8, or typed ones in punctuation.
_MARKER: Final = re.compile(
    r"</?e[12]>|\[/?E[12]\]|@\s*\*[^*@\n]{1,60}\*[^@\n]+@|#\s*\^[^\^#\n]{1,60}\^[^#\n]+#"
)

Row = Mapping[str, object]


def faults_of_entities(row: Row, entities: Sequence[Entity]) -> Iterator[tuple[str, str]]:
    """Reason and sentence of each fault of a row's entities.

    Args:
        row: its columns by name; what is missing is no fault here.
        entities: their columns; all in one text.

    """
    text = row[entities[0].text] if entities else None
    if not isinstance(text, str):
        return
    whole = []
    for one in entities:
        if fault := _fault_of(row, one, text):
            yield fault
        elif None not in (row[one.start], row[one.end]):
            whole.append(one)
    for one, other in combinations(whole, 2):
        if _share_characters(row, one, other):
            yield OVERLAPPING, f"{_told(row, one)}, {_told(row, other)}: they share characters"
    if found := _MARKER.search(text):
        told = f"at character {found.start():,} the text has marks around an entity already"
        yield MARKER_IN_TEXT, f"{told}; take them out, and count the places without them"


def fault_of_asked(row: Row, shape: RowShape) -> str:
    """Why a model cannot be asked of the entities of a row; empty where it can.

    Of an empty text there is nothing to mark, and marks already in a text are words.
    """
    if not shape.entities or not row[shape.entities[0].text]:
        return ""
    faults = faults_of_entities(row, shape.entities)
    return next((told for reason, told in faults if reason != MARKER_IN_TEXT), "")


def _fault_of(row: Row, one: Entity, text: str) -> tuple[str, str] | None:
    start, end = row[one.start], row[one.end]
    if not isinstance(start, int) or not isinstance(end, int):
        return None
    told = _told(row, one)
    if start < 0 or max(start, end) > len(text):
        return OUTSIDE_TEXT, f"{told}, and the text has {len(text):,} characters"
    if not text[start:end].strip():
        return EMPTY_ENTITY, f"{told}, between which nothing stands; the end is behind the last one"
    return None


def _told(row: Row, one: Entity) -> str:
    return f"{one.start} is {row[one.start]:,} and {one.end} {row[one.end]:,}"


def _share_characters(row: Row, one: Entity, other: Entity) -> bool:
    start, end, other_start, other_end = (
        int(str(row[name])) for name in (one.start, one.end, other.start, other.end)
    )
    return start < other_end and other_start < end
