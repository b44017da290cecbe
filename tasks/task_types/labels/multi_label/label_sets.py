"""The labels that rows have, as class ids, and from which probability on one is given."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from infra.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

LABELS_SHOWN: Final = 5
# A label is given to a text from this probability on; the served script has the same number.
THRESHOLD: Final = 0.5


def class_ids_of(rows: Sequence[Sequence[str] | None], labels: Sequence[str]) -> list[list[int]]:
    """Class ids of each row, ascending.

    Raises:
        DataError: a label is outside the label set, or a row has no list.

    """
    index = {label: class_id for class_id, label in enumerate(labels)}
    if None in rows:
        raise DataError(
            f"row {rows.index(None)} has no list of labels; a text without labels has an empty one"
        )
    given = [set(row or ()) for row in rows]
    unknown = sorted({str(label) for label in set().union(*given) if label not in index})
    if unknown:
        shown = ", ".join(map(repr, unknown[:LABELS_SHOWN]))
        raise DataError(f"{len(unknown)} label(s) outside the label set {list(labels)}: {shown}")
    return [sorted(index[label] for label in row) for row in given]


def truth_of(rows: "pa.Table", labels: Sequence[str]) -> "NDArray[np.bool_]":
    """Which labels each row has, (N, L)."""
    import numpy as np

    class_ids = class_ids_of(rows["labels"].to_pylist(), labels)
    truth = np.zeros((len(class_ids), len(labels)), dtype=bool)
    for row, given in enumerate(class_ids):
        truth[row, given] = True
    return truth
