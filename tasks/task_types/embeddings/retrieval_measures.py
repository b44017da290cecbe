"""What is measured of the ranks at which texts find the text that belongs to them."""

import numpy as np
from numpy.typing import NDArray

from tasks.resampling import Floats
from tasks.task_types.measures import Measured, mean_of


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
