"""What is measured of a model's answers: metrics over rows that can be drawn anew.

A metric is a function of the rows' weights, so that one draw of weights serves all metrics, the
candidate and its comparators, and any slice of the rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from tasks.resampling import CHUNK_WEIGHTS, Floats, Ints, Ladder, exact_ladder

# From weights of rows and pseudo-rows (r, N + P) to the metric (r,); NaN where it is undefined.
Statistic = Callable[[Floats], Floats]
# Of metrics without bounds: mass of the pseudo-rows, and rows below which there is no interval.
UNBOUNDED_MASS = 1.5
LEAST_UNBOUNDED_ROWS = 100


@dataclass(frozen=True)
class Sums:
    """The sums that a metric follows from, so that it costs what its units cost, not its rows.

    Attributes:
        by_unit: from the unit (N,) of each row and the number U of units to the sums (U, K) over
            each unit's rows; a row of unit -1 counts nowhere.
        pseudo_rows: the K statistics of each pseudo-row, (P, K).
        value: from weighted sums (r, K) to the metric (r,).
        distance: likewise to how far drawn sums lie from the rows as they are, for a metric that
            resampling biases upward, such as a sum of absolute gaps; None for all others.

    """

    by_unit: Callable[[Ints, int], Floats]
    pseudo_rows: Floats
    value: Callable[[Floats], Floats]
    distance: Callable[[Floats], Floats] | None = None


@dataclass(frozen=True)
class Measure:
    """A metric of N rows.

    Attributes:
        name: without its family, for example ``macro_f1`` or ``f1.sports``.
        statistic: a row of weight 0 is as if it were not there.
        rows: N.
        pseudo_masses: mass (P,) of the pseudo-rows behind the rows, which keep an interval from
            closing where all rows agree (see `tasks.resampling`); the point value has them at 0.
            The first half of them is bad and the second is good, and each half bears on its own
            end of the interval; where two models are compared, the comparator has the halves
            exchanged, so that each is right where the other is wrong.
        reason: why the metric is undefined over these rows; empty where it is defined.
        sums: what the statistic follows from; None where it does not follow from sums.
        gather: from units as in `Sums.by_unit` to the statistic of factors of units and weights of
            pseudo-rows (r, U + P), where `sums` is None and spreading them over the rows would
            cost too much.
        alike: (N,) numbers from 0 up; rows of one number are the same to this metric. None where
            hardly two rows are.
        closed_form: intervals where every row is drawn for itself and a formula gives them.
        rests_on: rows that it is a rate of, where not all of them count.
        greater_is_better: whether a gain is a higher value.
        by_token: whether it counts tokens, so that it compares models of one tokenizer only.
        least_rows: with fewer, there is no interval.
        rarest: of an average over labels, the label of fewest rows and how many it has.

    """

    name: str
    statistic: Statistic
    rows: int
    pseudo_masses: tuple[float, ...] = ()
    reason: str = ""
    sums: Sums | None = None
    gather: Callable[[Ints, int], Statistic] | None = None
    alike: Ints | None = None
    closed_form: Ladder = ()
    rests_on: int | None = None
    greater_is_better: bool = True
    by_token: bool = False
    least_rows: int = 0
    rarest: tuple[str, int] | None = None

    @property
    def value(self) -> float:
        """Over the rows as they are."""
        return self.value_of(np.zeros(self.rows, dtype=np.int64))

    def value_of(self, units: Ints) -> float:
        """Over the rows of unit 0 alone."""
        if self.sums:
            statistic, count = self.over(units, 1), 1
        else:
            statistic, count = self.statistic, self.rows
        kept = np.ones(1) if self.sums else (units >= 0).astype(np.float64)
        weights = np.zeros((1, count + len(self.pseudo_masses)))
        weights[0, :count] = kept
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(statistic(weights)[0])

    def over(self, units: Ints, count: int) -> Statistic:
        """The metric as a function of factors on whole units of rows.

        Args:
            units: the unit (N,) of each row, from 0 to count - 1; rows of unit -1 are left out.
            count: units U.

        Returns:
            From factors of the units and weights of the pseudo-rows, (r, U + P), to (r,).

        """
        if self.sums:
            value, table = self.sums.value, self._table(units, count)
            return lambda weights: value(weights @ table)
        return self.gather(units, count) if self.gather else self._spread(units, count)

    def distance_over(self, units: Ints, count: int) -> Statistic | None:
        """`over` of the sums' distance; None where there is none."""
        if not (self.sums and self.sums.distance):
            return None
        distance, table = self.sums.distance, self._table(units, count)
        return lambda weights: distance(weights @ table)

    def _table(self, units: Ints, count: int) -> Floats:
        assert self.sums  # noqa: S101 - asked only where it is there
        return np.concatenate([self.sums.by_unit(units, count), self.sums.pseudo_rows])

    def _spread(self, units: Ints, count: int) -> Statistic:
        """Each row has its unit's factor; in parts that memory holds."""
        pseudo = len(self.pseudo_masses)
        nowhere = count + pseudo
        place = np.concatenate([np.where(units < 0, nowhere, units), count + np.arange(pseudo)])
        at_once = max(1, CHUNK_WEIGHTS // max(1, len(place)))

        def statistic(weights: Floats) -> Floats:
            padded = np.concatenate([weights, np.zeros((len(weights), 1))], axis=1)
            parts = range(0, len(padded), at_once)
            return np.concatenate([self.statistic(padded[p : p + at_once, place]) for p in parts])

        return statistic


@dataclass(frozen=True)
class Measured:
    """All that is measured of one model's answers to N rows.

    Attributes:
        measures: each metric.
        row_scores: (N,) from 0 to 1, how right the answer to each row is, for slices and groups of
            any task type; NaN where a row cannot be judged.
        leading: names of the metrics that comparators are compared in, the first one foremost.
        confusion: counts, confusion[true][predicted]; empty where there are no classes.
        calibration: (mean confidence, accuracy, rows) of each bin; empty likewise.

    """

    measures: tuple[Measure, ...]
    row_scores: Floats
    leading: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...] = field(default=())
    calibration: tuple[tuple[float, float, int], ...] = field(default=())


def mean_of(
    name: str,
    scores: Floats,
    *,
    low: float = 0.0,
    high: float = 1.0,
    greater_is_better: bool = True,
) -> Measure:
    """The mean of a score that lies between two bounds.

    A share, the mean of zeros and ones, has its exact interval where rows are drawn one by one.

    Args:
        name: of the metric.
        scores: (N,).
        low: the least that a row can have.
        high: the most.
        greater_is_better: whether a gain is a higher mean.

    """
    scores = np.asarray(scores, dtype=np.float64)
    distinct, alike = np.unique(scores, return_inverse=True)
    is_share = (low, high) == (0.0, 1.0) and len(scores) > 0 and set(distinct) <= {0.0, 1.0}
    bounds = (low, high) if greater_is_better else (high, low)
    return ratio_of_sums(
        name,
        [scores, np.ones(len(scores))],
        lambda sums: np.asarray(sums[..., 0] / sums[..., 1]),
        pseudo_rows=[(bound, 1.0) for bound in bounds],
        greater_is_better=greater_is_better,
        alike=alike,
        closed_form=exact_ladder(int(scores.sum()), len(scores)) if is_share else (),
    )


def mean_of_some(
    name: str,
    scores: Floats,
    counted: NDArray[np.bool_],
    *,
    low: float = 0.0,
    high: float = 1.0,
    greater_is_better: bool = True,
) -> Measure:
    """The mean of a score that lies between two bounds, over those of N rows that count.

    Args:
        name: of the metric.
        scores: (N,); whatever it is of a row that does not count.
        counted: (N,) which ones do.
        low: the least that a row can have.
        high: the most.
        greater_is_better: whether a gain is a higher mean.

    """
    if counted.all() and len(counted):
        return mean_of(name, scores, low=low, high=high, greater_is_better=greater_is_better)
    bounds = (low, high) if greater_is_better else (high, low)
    found = ratio_of_sums(
        name,
        [np.where(counted, scores, 0.0), counted.astype(np.float64)],
        lambda sums: np.asarray(sums[..., 0] / np.where(sums[..., 1] > 0, sums[..., 1], np.nan)),
        pseudo_rows=[(bound, 1.0) for bound in bounds],
        greater_is_better=greater_is_better,
    )
    return replace(found, rests_on=int(counted.sum()))


def ratio_of_sums(
    name: str,
    columns: Sequence[Floats],
    value: Callable[[Floats], Floats],
    *,
    pseudo_rows: Sequence[tuple[float, ...]] = (),
    greater_is_better: bool = True,
    by_token: bool = False,
    alike: Ints | None = None,
    closed_form: Ladder = (),
    pseudo_mass: float = 1.0,
) -> Measure:
    """A metric that follows from sums over the rows: F1, BLEU, perplexity, RMSE.

    Args:
        name: of the metric.
        columns: K statistics of each row, (N,) each.
        value: from their weighted sums (r, K) to the metric (r,).
        pseudo_rows: rows that might as well have been seen, the worst and the best, K values each.
        greater_is_better: see `Measure`.
        by_token: see `Measure`.
        alike: see `Measure`.
        closed_form: see `Measure`.
        pseudo_mass: of the bad pseudo-rows, and of the good ones.

    """
    table = np.stack([np.asarray(column, dtype=np.float64) for column in columns], axis=1)
    pseudo = np.asarray(pseudo_rows, dtype=np.float64).reshape(len(pseudo_rows), table.shape[1])

    def by_unit(units: Ints, count: int) -> Floats:
        kept = units >= 0
        return np.stack(
            [np.bincount(units[kept], column[kept], minlength=count) for column in table.T], axis=1
        )

    return of_sums(
        name,
        Sums(by_unit, pseudo, value),
        len(table),
        pseudo_masses=(2 * pseudo_mass / max(len(pseudo_rows), 1),) * len(pseudo_rows),
        greater_is_better=greater_is_better,
        by_token=by_token,
        alike=alike,
        closed_form=closed_form,
    )


def unbounded_ratio(
    name: str,
    above: Floats,
    below: Floats,
    *,
    of_ratio: Callable[[Floats], Floats] = np.asarray,
    might_be: Sequence[tuple[float, float]] = (),
    greater_is_better: bool = False,
    by_token: bool = False,
) -> Measure:
    """A ratio of sums that no row's bound holds: perplexity, log loss, a ratio of lengths.

    How far a row may lie out cannot be told, and means of such rows are skewed: the percentiles of
    their draws miss the truth on the better side three times as often as they say. So the
    pseudo-rows are the rows that lie out farthest of those that were seen, on either side, with a
    mass of one and a half at the end that each bears on; less leaves too many misses in
    tests/simulation. Of few rows none may be of those that weigh most, so they tell nothing.

    Args:
        name: of the metric.
        above: numerator of each row, (N,).
        below: denominator of each row, (N,).
        of_ratio: from the ratio (r,) to the metric (r,), rising.
        might_be: numerator and denominator of rows that are to be reckoned with, seen or not.
        greater_is_better: see `Measure`.
        by_token: see `Measure`.

    """

    def value(sums: Floats) -> Floats:
        return of_ratio(sums[..., 0] / np.where(sums[..., 1] > 0, sums[..., 1], np.nan))

    total, ends = float(below.sum()), list[tuple[float, float]]()
    if total > 0:
        table = np.concatenate(
            [np.stack([above, below], axis=1), *np.reshape(might_be, (-1, 1, 2))]
        )
        out = table[:, 0] - table[:, 1] * (float(above.sum()) / total)
        ends = [(float(one), float(other)) for one, other in table[[out.argmin(), out.argmax()]]]
    found = ratio_of_sums(
        name,
        [above, below],
        value,
        pseudo_rows=ends if greater_is_better else ends[::-1],
        greater_is_better=greater_is_better,
        by_token=by_token,
        pseudo_mass=UNBOUNDED_MASS,
    )
    counted = int(np.count_nonzero(below))
    return replace(
        found,
        least_rows=LEAST_UNBOUNDED_ROWS,
        rests_on=counted if counted < found.rows else None,
    )


def of_sums(
    name: str,
    sums: Sums,
    rows: int,
    *,
    pseudo_masses: tuple[float, ...],
    reason: str = "",
    greater_is_better: bool = True,
    by_token: bool = False,
    alike: Ints | None = None,
    closed_form: Ladder = (),
    rests_on: int | None = None,
) -> Measure:
    """A metric of sums that are made unit by unit; the arguments are those of `Measure`."""

    def statistic(weights: Floats) -> Floats:
        each = sums.by_unit(np.arange(rows), rows)
        return sums.value(weights @ np.concatenate([each, sums.pseudo_rows]))

    return Measure(
        name,
        statistic,
        rows,
        pseudo_masses,
        reason,
        sums=sums,
        alike=alike,
        closed_form=closed_form,
        rests_on=rests_on,
        greater_is_better=greater_is_better,
        by_token=by_token,
    )
