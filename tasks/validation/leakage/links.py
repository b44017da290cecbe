"""Which row is like which."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.validation.leakage.hashing import Flags, Positions


@dataclass(frozen=True)
class Links:
    """Rows with one twin each, as positions in the snapshot.

    Attributes:
        rows: sorted, each once.
        twins: the row that each is like.
        similarities: Jaccard similarity of their shingle sets, or 1 where the texts are equal.

    """

    rows: Positions
    twins: Positions
    similarities: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.rows)

    def chosen(self, wanted: Flags) -> "Links":
        """Those of the links that are wanted."""
        return Links(self.rows[wanted], self.twins[wanted], self.similarities[wanted])

    def without(self, rows: Positions) -> "Links":
        """The links of all other rows."""
        return self.chosen(~np.isin(self.rows, rows))


def link_equal(rows: Positions, twins: Positions) -> Links:
    """Links between rows whose texts are equal."""
    return Links(rows, twins, np.ones(len(rows), np.float32))


def most_alike(parts: Sequence[Links]) -> Links:
    """For each row the link to the twin that it is most like; of several such, the first one."""
    rows = np.concatenate([np.zeros(0, np.int64), *(part.rows for part in parts)])
    twins = np.concatenate([np.zeros(0, np.int64), *(part.twins for part in parts)])
    similarities = np.concatenate([np.zeros(0, np.float32), *(part.similarities for part in parts)])
    order = np.lexsort((twins, -similarities, rows))
    rows, twins, similarities = rows[order], twins[order], similarities[order]
    is_first = np.diff(rows, prepend=-1) != 0
    return Links(rows[is_first], twins[is_first], similarities[is_first])
