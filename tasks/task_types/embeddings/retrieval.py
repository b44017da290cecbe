"""How well vectors find the text that belongs to a text."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import normalize
from sklearn.utils.extmath import safe_sparse_dot

from tasks.resampling import Floats
from tasks.task_types.measures import Measured, mean_of

# Targets that are searched: those of the first rows, and a row's own. Retrieval gets harder with
# each, so ranks are compared only between models that were asked the same rows.
POOL_ROWS: Final = 10_000
# Cosines held at once: 32 MB of float64.
CHUNK: Final = 4_000_000
# Another text counts as nearer if its cosine is no further below the own target's than this, so
# that a model that gives all texts one vector finds nothing.
TIE: Final = 1e-6


def find_own_targets(
    source: Any, target: Any, texts: NDArray[Any]
) -> tuple[NDArray[np.int64], Floats]:
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


def measure_ranks(ranks: NDArray[np.integer], cosines: Floats) -> Measured:
    """All measures of N rows; a row's score is the reciprocal of its rank."""
    reciprocal = 1 / ranks.astype(np.float64)
    return Measured(
        measures=(
            mean_of("mrr", reciprocal),
            mean_of("accuracy_at_1", (ranks == 1).astype(np.float64)),
            mean_of("mean_cosine", cosines, low=-1.0),
        ),
        row_scores=reciprocal,
        leading=("mrr", "accuracy_at_1"),
    )


def _row_products(first: Any, second: Any) -> Floats:
    """Dot products (N,) of the rows."""
    products = first.multiply(second) if hasattr(first, "multiply") else first * second
    return np.asarray(products.sum(axis=1), dtype=np.float64).ravel()
