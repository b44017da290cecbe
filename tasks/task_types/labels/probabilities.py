"""The probability of each label, as a column."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def probabilities_by_label(scores: NDArray[np.float32], labels: Sequence[str]) -> pa.Array:
    """A map from label to probability for each of N rows.

    Args:
        scores: probabilities (N, L).
        labels: L of them.

    """
    rows = len(scores)
    offsets = pa.array(np.arange(rows + 1, dtype=np.int32) * len(labels))
    names = pa.array(labels, pa.string()).take(pa.array(np.tile(np.arange(len(labels)), rows)))
    return pa.MapArray.from_arrays(offsets, names, pa.array(scores.reshape(-1), pa.float32()))
