"""Means over explained rows with their intervals, by row or by cluster."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tasks.evaluation.intervals import level
from tasks.evaluation.settings import EvaluationSettings
from tasks.explanation.network import Floats
from tasks.resampling_units import units_of_rows
from tasks.task_types.measures import mean_of, ratio_of_sums
from tasks.verdicts import Estimate, undetermined

# Fewer rows may well agree by chance, and an interval would close around them.
LEAST_ROWS = 20


@dataclass(frozen=True)
class ExplainedRows:
    """Which rows are explained, as far as an interval asks.

    Attributes:
        row_ids: (N,).
        clusters: of them, (N,); None where rows are drawn one by one.
        evaluation: how intervals are made.

    """

    row_ids: Sequence[str]
    clusters: Sequence[str | None] | None
    evaluation: EvaluationSettings

    def mean(
        self, name: str, values: Floats, bounds: tuple[float, float] | None, why_none: str = ""
    ) -> Estimate:
        """The mean of the rows' values with its interval; undetermined over too few rows.

        Of values between bounds it is Gaffke's interval (see decision 0030): a pseudo-row at the
        lower bound stands behind the lower end, and one at the upper behind the upper. Without
        bounds it is the Bayesian bootstrap's.

        Args:
            name: of the estimate.
            values: (N,); a row without a number (NaN) does not count.
            bounds: between which each value lies; None where nothing bounds it.
            why_none: why rows have no number, for the reason where too few have one.

        """
        rows = np.flatnonzero(np.isfinite(values)).tolist()
        if len(rows) < LEAST_ROWS:
            reason = f"{len(rows)} rows are too few for an interval; {LEAST_ROWS} would do"
            return undetermined(name, len(rows), f"{reason}{why_none and f' ({why_none})'}")
        clusters = None if self.clusters is None else [self.clusters[row] for row in rows]
        units = units_of_rows(
            [self.row_ids[row] for row in rows], clusters, seed=self.evaluation.seed
        )
        kept = values[rows]
        measure = (
            ratio_of_sums("mean", [kept, np.ones(len(kept))], lambda s: s[..., 0] / s[..., 1])
            if bounds is None
            else mean_of("mean", kept, low=bounds[0], high=bounds[1])
        )
        return level(name, measure, units, self.evaluation.repeats, self.evaluation.seed)
