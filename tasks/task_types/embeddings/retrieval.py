"""How well vectors find the text that belongs to a text."""

from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import normalize
from sklearn.utils.extmath import safe_sparse_dot

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# Of N texts, (N, D), dense or sparse.
Vectors: TypeAlias = "NDArray[np.floating[Any]] | csr_matrix"

# Targets that are searched: those of the first rows, and a row's own. Retrieval gets harder with
# each, so ranks are compared only between models that were asked the same rows.
POOL_ROWS: Final = 10_000
# Cosines held at once: 32 MB of float64.
CHUNK: Final = 4_000_000
# Another text counts as nearer if its cosine is no further below the own target's than this, so
# that a model that gives all texts one vector finds nothing.
TIE: Final = 1e-6


def find_own_targets(
    source: Vectors, target: Vectors, texts: NDArray[np.number]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Rank of each row's own target among all by its cosine, from 1; and that cosine.

    Rows with one target text have it in common: it stands in the pool once.

    Args:
        source: vectors (N, D), dense or sparse; of zeros where a text has none.
        target: vectors (N, D).
        texts: number (N,) of each target text, equal for equal texts.

    """
    source, target = normalize(source), normalize(target)
    cosines = _row_products(source, target)
    kept = np.unique(texts[:POOL_ROWS], return_index=True)[1]
    pool, pool_texts = target[kept], texts[kept]
    ranks = np.empty(len(texts), dtype=np.int64)
    size = max(1, CHUNK // max(1, len(kept)))
    for start in range(0, len(texts), size):
        rows = slice(start, start + size)
        found = safe_sparse_dot(source[rows], pool.T, dense_output=True)
        nearer = found >= cosines[rows, None] - TIE
        ranks[rows] = 1 + (nearer & (pool_texts != texts[rows, None])).sum(axis=1)
    return ranks, cosines


def _row_products(first: Vectors, second: Vectors) -> NDArray[np.float64]:
    """Dot products (N,) of the rows."""
    if isinstance(first, np.ndarray):
        return np.asarray((first * second).sum(axis=1), dtype=np.float64)
    return np.asarray(first.multiply(second).sum(axis=1), dtype=np.float64).ravel()
