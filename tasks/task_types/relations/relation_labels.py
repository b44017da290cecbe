"""What the label of a pair of entities says: a relation with or without a direction, or none."""

import re
from collections.abc import Sequence
from typing import Final

# The label of a pair without a relation. A line has one name for it, whatever that of its source:
# the readers of relations and source.label_map give it.
NO_RELATION: Final = "no_relation"
# As SemEval-2010 Task 8 writes which of two entities plays the first part.
_DIRECTED: Final = re.compile(r"(?P<relation>.+?)\s*\((e1,\s*e2|e2,\s*e1)\)")


def relation_of(label: str) -> str:
    """The relation without its direction: ``Cause-Effect`` of ``Cause-Effect(e2,e1)``."""
    found = _DIRECTED.fullmatch(label)
    return found["relation"] if found else label


def undirected_beside_directed(labels: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Labels without a direction whose relation other labels have with one, and these others."""
    return {
        label: others
        for label in labels
        if (others := tuple(o for o in labels if o != label and relation_of(o) == label))
    }
