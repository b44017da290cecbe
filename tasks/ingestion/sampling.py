"""A stable sample of a snapshot's rows: the same rows each time, and alike in every split."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.ingestion.spilling import prefixes_of

# By the second half of the hash, since the first may already decide the split.
_SECOND_HALF: Final = 16


@dataclass
class Sample:
    """The rows with the smallest second halves of their digests.

    Attributes:
        below: all rows with a smaller one are in the sample.
        at: how many rows with just this one are in it too, in the snapshot's order.

    """

    below: np.uint64
    at: int

    def take(self, rows: pa.Table) -> pa.Table:
        """The rows of the sample; asked for all rows once, in the snapshot's order."""
        keys = _keys_of(rows)
        chosen = keys < self.below
        at_border = np.flatnonzero(keys == self.below)[: self.at]
        self.at -= len(at_border)
        chosen[at_border] = True
        return rows.filter(pa.array(chosen))


def choose_sample(tables: Iterable[pa.Table], max_rows: int) -> Sample | None:
    """The sample of so many rows; None where there are not more of them.

    Holds 8 bytes for each row of the sample.
    """
    smallest: NDArray[np.uint64] = np.empty(0, np.uint64)
    rows = 0
    for table in tables:
        rows += table.num_rows
        smallest = np.concatenate([smallest, _keys_of(table)])
        if len(smallest) > max_rows:
            smallest = np.partition(smallest, max_rows - 1)[:max_rows]
    if rows <= max_rows:
        return None
    border = smallest.max()
    return Sample(border, int((smallest == border).sum()))


def _keys_of(rows: pa.Table) -> NDArray[np.uint64]:
    return prefixes_of(rows["digest"].combine_chunks(), _SECOND_HALF)
