"""Means over explained rows with their intervals, by row or by cluster."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tasks.explanation.network import Floats
from tasks.resampling import generator, ladder_around, tail_quantiles
from tasks.resampling_units import MIN_CLUSTERS, units_of_rows
from tasks.verdicts import Estimate, undetermined

# Fewer rows may well agree by chance, and an interval would close around them.
LEAST_ROWS = 20


@dataclass(frozen=True)
class ExplainedRows:
    """Which rows are explained, as far as an interval asks.

    Attributes:
        row_ids: (N,).
        clusters: of them, (N,); None where rows are drawn one by one.
        repeats: draws of an interval.
        seed: of these.

    """

    row_ids: Sequence[str]
    clusters: Sequence[str | None] | None
    repeats: int
    seed: int

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
        units = units_of_rows([self.row_ids[row] for row in rows], clusters, seed=self.seed)
        if units.clustered and units.atoms < MIN_CLUSTERS:
            reason = (
                f"its rows are of {units.atoms} clusters, and at least {MIN_CLUSTERS} are needed"
            )
            return undetermined(name, len(rows), reason)
        kept = values[rows]
        low, high = bounds or (0.0, 0.0)
        summed = np.bincount(units.of_row, kept, units.count)
        counts = np.bincount(units.of_row, minlength=units.count).astype(np.float64)
        random, lows, highs = generator(self.seed, name), [], []
        for factors in units.factors(self.repeats, random):
            pseudo = random.standard_exponential(len(factors)) * units.rows_per_atom
            pseudo *= bounds is not None
            total, weight = factors @ summed, factors @ counts + pseudo
            lows.append((total + pseudo * low) / weight)
            highs.append((total + pseudo * high) / weight)
        value = float(kept.mean())
        ladder = ladder_around(
            value,
            tail_quantiles(np.concatenate(lows))[0],
            tail_quantiles(np.concatenate(highs))[1],
        )
        return Estimate(name, value, len(rows), ladder, units.method(self.repeats))
