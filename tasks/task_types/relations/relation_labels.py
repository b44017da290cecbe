"""What the label of a pair of entities says: a relation with or without a direction, or none."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from infra.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

# The label of a pair without a relation. A line has one name for it, whatever that of its source:
# the readers of relations and source.label_map give it.
NO_RELATION: Final = "no_relation"
# As SemEval-2010 Task 8 writes which of two entities plays the first part.
_DIRECTED: Final = re.compile(r"(?P<relation>.+?)\s*\((e1,\s*e2|e2,\s*e1)\)")


def relation_of(label: str) -> str:
    """The relation without its direction: ``Cause-Effect`` of ``Cause-Effect(e2,e1)``."""
    found = _DIRECTED.fullmatch(label)
    return found["relation"] if found else label


def class_ids(rows: "pa.Table", labels: Sequence[str]) -> "NDArray[np.int64]":
    """Class id (N,) of each row's relation.

    Raises:
        DataError: a relation is outside the label set, or missing.

    """
    import numpy as np

    ids = {label: place for place, label in enumerate(labels)}
    names = rows["relation"].to_pylist()
    if unknown := sorted({str(name) for name in names if name not in ids}):
        raise DataError(f"the rows have labels outside {list(labels)}: {unknown}")
    return np.array([ids[name] for name in names], dtype=np.int64)


def undirected_beside_directed(labels: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Labels without a direction whose relation other labels have with one, and these others."""
    return {
        label: others
        for label in labels
        if (others := tuple(o for o in labels if o != label and relation_of(o) == label))
    }
