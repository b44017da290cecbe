"""Lengths of texts, counted between fixed edges, so that counts of shards add up."""

from typing import Final

import numpy as np
import numpy.typing as npt

from tasks.records.data import Histogram

_STEPS_PER_DECADE: Final = 10
_DECADES: Final = 9


def _edges() -> npt.NDArray[np.int64]:
    """0, 1, 2, 3, ... 10, 13, 16, 20, ...: ten a decade, as whole numbers."""
    steps = np.arange(_STEPS_PER_DECADE * _DECADES + 1) / _STEPS_PER_DECADE
    return np.unique(np.concatenate([[0], np.rint(10.0**steps)])).astype(np.int64)


class LengthCounts:
    """How many texts have which length."""

    def __init__(self) -> None:
        self._edges = _edges()
        self._counts = np.zeros(len(self._edges) - 1, np.int64)

    def add(self, lengths: npt.NDArray[np.int64]) -> None:
        """Count these lengths; one beyond the last edge counts in the last bin."""
        bins = np.searchsorted(self._edges, lengths, side="right") - 1
        bins = np.minimum(bins, len(self._counts) - 1)
        self._counts += np.bincount(bins, minlength=len(self._counts))

    def histogram(self) -> Histogram:
        """The bins from the first to the last that counts anything."""
        filled = np.flatnonzero(self._counts)
        if not len(filled):
            return Histogram((), ())
        first, last = int(filled[0]), int(filled[-1])
        return Histogram(
            tuple(float(edge) for edge in self._edges[first : last + 2]),
            tuple(int(count) for count in self._counts[first : last + 1]),
        )
