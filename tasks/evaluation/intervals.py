"""From metrics of rows to estimates with intervals, many at once over the same draws."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tasks.resampling import (
    EXACT,
    Floats,
    Ints,
    estimate_from_draws,
    generator,
    ladder_around,
    tail_quantiles,
    two_sided_p,
)
from tasks.resampling_units import MIN_CLUSTERS, Units, units_of_cells
from tasks.task_types.measures import Measure, Statistic
from tasks.verdicts import Estimate, undetermined

# Without pseudo-rows, fewer rows may well all agree, and an interval would close around them.
MIN_ROWS_WITHOUT_PSEUDO = 20


@dataclass(frozen=True)
class Quantity:
    """A number over rows that is to have an interval.

    Attributes:
        name: of the estimate.
        value: over the rows as they are.
        n: rows that it rests on.
        units: what is drawn.
        statistic: from factors of the units and weights of the pseudo-rows (r, U + P) to (r,).
        pseudo_masses: (P,), of which the first half pulls the number down and the second up.
        pseudo_name: the pseudo-rows of quantities that share it are drawn alike.
        distance: of a metric that resampling biases upward; see `Sums`.
        reason: why there is no such number; empty where there is.
        least_rows: with fewer, there is no interval.

    """

    name: str
    value: float
    n: int
    units: Units
    statistic: Statistic
    pseudo_masses: tuple[float, ...]
    pseudo_name: str
    distance: Statistic | None = None
    reason: str = ""
    least_rows: int = 0

    @property
    def ends(self) -> tuple[Statistic, Statistic]:
        """The statistics for the lower and the upper end of the interval.

        Each has only the pseudo-rows that pull it outwards. With a mass of 1 the quantiles of zeros
        and ones are then the exact ends of Clopper and Pearson, and those of other bounded scores
        Gaffke's (2005; Learned-Miller and Thomas 2019, arXiv:1905.06208). Of a metric with a
        distance, both ends have all of them.
        """
        if self.distance or not self.pseudo_masses:
            return self.statistic, self.statistic
        half, count = len(self.pseudo_masses) // 2, self.units.count
        return (
            _of_some_pseudo_rows(self.statistic, slice(count, count + half), count),
            _of_some_pseudo_rows(self.statistic, slice(count + half, None), count),
        )


def _of_some_pseudo_rows(statistic: Statistic, kept: slice, count: int) -> Statistic:
    """The statistic of some of the pseudo-rows, the others weighing nothing."""

    def of_some(weights: Floats) -> Floats:
        chosen = weights.copy()
        chosen[:, count:] = 0
        chosen[:, kept] = weights[:, kept]
        return statistic(chosen)

    return of_some


def level_of(
    family: str, measure: Measure, units: Units, where: Ints | None = None, name: str = ""
) -> Quantity:
    """A metric itself.

    Args:
        family: first part of the name.
        measure: the metric.
        units: what is drawn.
        where: (N,) 0 for the rows that count and -1 for others; None for all.
        name: of the estimate; by default ``<family>.<metric>``.

    """
    units = units if where is not None else _cells_or(units, [measure])
    of_row = units.of_row if where is None else np.where(where < 0, -1, units.of_row)
    return Quantity(
        name=name or f"{family}.{measure.name}",
        value=measure.value if where is None else measure.value_of(where),
        n=_rests_on(measure) if where is None else int((where >= 0).sum()),
        units=units,
        statistic=_rising(measure, units.count, measure.over(of_row, units.count)),
        pseudo_masses=measure.pseudo_masses,
        pseudo_name=measure.name,
        distance=measure.distance_over(of_row, units.count),
        reason=measure.reason if where is None else "",
        least_rows=measure.least_rows,
    )


def _rising(measure: Measure, count: int, statistic: Statistic) -> Statistic:
    """The statistic with the pseudo-rows in the order of `Quantity`; bad ones are a loss's high."""
    half = len(measure.pseudo_masses) // 2
    if measure.greater_is_better or not half:
        return statistic

    def exchanged(weights: Floats) -> Floats:
        return statistic(_exchange(weights, count, half))

    return exchanged


def _exchange(weights: Floats, count: int, half: int) -> Floats:
    """The weights with the two halves of the pseudo-rows exchanged."""
    return np.concatenate([weights[:, :count], np.roll(weights[:, count:], half, axis=1)], axis=1)


def gain_of(family: str, ours: Measure, theirs: Measure, units: Units) -> Quantity:
    """How much better the candidate is than a comparator, on the same draws of the same rows."""
    units = _cells_or(units, [ours, theirs])
    our, their = (measure.over(units.of_row, units.count) for measure in (ours, theirs))
    sign = 1.0 if ours.greater_is_better else -1.0
    half, count = len(ours.pseudo_masses) // 2, units.count

    def statistic(weights: Floats) -> Floats:
        comparator = _exchange(weights, count, half) if half else weights
        return sign * (our(weights) - their(comparator))

    return Quantity(
        name=f"{family}.{ours.name}_gain",
        value=sign * (ours.value - theirs.value),
        n=_rests_on(ours),
        units=units,
        statistic=statistic,
        pseudo_masses=ours.pseudo_masses,
        pseudo_name=ours.name,
        reason=ours.reason or theirs.reason,
        least_rows=ours.least_rows,
    )


def ratio_of(family: str, ours: Measure, theirs: Measure, units: Units) -> Quantity:
    """The candidate's metric over a comparator's, on the same draws of the same rows.

    It is told only where the comparator's is above 0, as it is and as it is drawn: near 0 a ratio
    may be any number, and of a negative one a higher ratio is worse.
    """
    units = _cells_or(units, [ours, theirs])
    our, their = (measure.over(units.of_row, units.count) for measure in (ours, theirs))
    half, count = len(ours.pseudo_masses) // 2, units.count

    def statistic(weights: Floats) -> Floats:
        exchanged = _exchange(weights, count, half) if half else weights
        rises = ours.greater_is_better
        above, below = (weights, exchanged) if rises else (exchanged, weights)
        bottom = their(below)
        return np.asarray(our(above) / np.where(bottom > 0, bottom, np.nan))

    not_above = f"the {family}'s {ours.name} is {theirs.value:.4g}, and must be above 0 for a ratio"
    return Quantity(
        name=f"{family}.{ours.name}_ratio",
        value=ours.value / theirs.value if theirs.value > 0 else np.nan,
        n=_rests_on(ours),
        units=units,
        statistic=statistic,
        pseudo_masses=ours.pseudo_masses,
        pseudo_name=ours.name,
        reason=ours.reason or theirs.reason or ("" if theirs.value > 0 else not_above),
        least_rows=ours.least_rows,
    )


@dataclass(frozen=True)
class Drawn:
    """An estimate, and what its draws say of the hypothesis that the number is 0.

    Attributes:
        p_value: None where there is no estimate.

    """

    estimate: Estimate
    p_value: float | None = None


def draw(quantities: Sequence[Quantity], repeats: int, seed: int) -> list[Drawn]:
    """Estimates in the order of the quantities; those over the same units share their draws."""
    found: dict[int, Drawn] = {}
    waiting: dict[int, list[int]] = {}
    for index, quantity in enumerate(quantities):
        if reason := _why_not(quantity):
            found[index] = Drawn(undetermined(quantity.name, quantity.n, reason))
        else:
            waiting.setdefault(id(quantity.units), []).append(index)
    for members in waiting.values():
        group = [quantities[index] for index in members]
        for index, draws in zip(members, _drawn(group, repeats, seed), strict=True):
            estimate = _estimate(quantities[index], draws, repeats)
            p_value = two_sided_p(draws.low, draws.high) if estimate.value is not None else None
            found[index] = Drawn(estimate, p_value)
    return [found[index] for index in range(len(quantities))]


def _cells_or(units: Units, measures: Sequence[Measure]) -> Units:
    """Cells of like rows where rows are drawn one by one and many are alike."""
    numbers = [measure.alike for measure in measures if measure.alike is not None]
    if units.clustered or len(numbers) < len(measures):
        return units
    cells = units_of_cells(numbers)
    return cells if cells and cells.count < units.count else units


def _rests_on(measure: Measure) -> int:
    return measure.rows if measure.rests_on is None else measure.rests_on


def _why_not(quantity: Quantity) -> str:
    if quantity.reason:
        return quantity.reason
    if not np.isfinite(quantity.value):
        return "the metric is not defined over these rows"
    units = quantity.units
    if units.clustered and units.atoms < MIN_CLUSTERS:
        return f"{units.atoms} clusters say too little of how clusters differ; {MIN_CLUSTERS} would"
    least = max(quantity.least_rows, 0 if quantity.pseudo_masses else MIN_ROWS_WITHOUT_PSEUDO)
    if quantity.n < least:
        return f"{quantity.n} rows are too few for an interval; {least} would do"
    return ""


@dataclass(frozen=True)
class _Draws:
    """Draws of a quantity, (R,) each: for the two ends, and of its distance where it has one."""

    low: Floats
    high: Floats
    distance: Floats | None


def _drawn(group: Sequence[Quantity], repeats: int, seed: int) -> Iterator[_Draws]:
    """Draws of quantities over the same units."""
    units = group[0].units
    pseudo = {
        quantity.pseudo_name: generator(seed, f"pseudo-rows {quantity.pseudo_name}")
        for quantity in group
    }
    masses = {quantity.pseudo_name: np.array(quantity.pseudo_masses) for quantity in group}
    wanted = [
        (*quantity.ends, *([quantity.distance] if quantity.distance else [])) for quantity in group
    ]
    made: list[list[list[Floats]]] = [[[] for _ in statistics] for statistics in wanted]
    for factors in units.factors(repeats, generator(seed, "units")):
        added = {
            name: random.standard_gamma(masses[name], (len(factors), len(masses[name])))
            * units.rows_per_atom
            for name, random in pseudo.items()
        }
        for place, quantity in enumerate(group):
            weights = np.concatenate([factors, added[quantity.pseudo_name]], axis=1)
            with np.errstate(divide="ignore", invalid="ignore"):
                for which, statistic in enumerate(wanted[place]):
                    made[place][which].append(statistic(weights))
    for parts in made:
        low, high, *others = (np.concatenate(part) for part in parts)
        yield _Draws(low, high, others[0] if others else None)


def _estimate(quantity: Quantity, draws: _Draws, repeats: int) -> Estimate:
    made = estimate_from_draws(quantity.name, quantity.value, draws.low, quantity.n)
    if made.value is None:
        return made
    lows, highs = tail_quantiles(draws.low)[0], tail_quantiles(draws.high)[1]
    if draws.distance is not None:
        # The upper end lies on the safe side; a percentile at the lower end would not.
        lows = np.maximum(quantity.value - tail_quantiles(draws.distance)[1], 0.0)
    ladder = ladder_around(quantity.value, lows, highs)
    return replace(made, ladder=ladder, method=quantity.units.method(repeats))


def closed_form(family: str, measure: Measure, units: Units) -> Estimate | None:
    """The estimate by the metric's own formula; None where it has none, or clusters are drawn."""
    if not measure.closed_form or units.clustered or measure.reason:
        return None
    return Estimate(
        f"{family}.{measure.name}",
        measure.value,
        _rests_on(measure),
        measure.closed_form,
        EXACT,
    )


def levels(
    named: Sequence[tuple[str, Measure]], units: Units, repeats: int, seed: int
) -> list[Estimate]:
    """Metrics with their families, by formula where there is one and else by draws."""
    made: list[Estimate | None] = [closed_form(family, one, units) for family, one in named]
    rest = [
        level_of(family, one, units)
        for (family, one), done in zip(named, made, strict=True)
        if done is None
    ]
    drawn = iter(draw(rest, repeats, seed))
    return [done if done is not None else next(drawn).estimate for done in made]


def level(name: str, measure: Measure, units: Units, repeats: int, seed: int) -> Estimate:
    """One metric under a whole name of its own."""
    (found,) = levels([("", measure)], units, repeats, seed)
    return replace(found, name=name)
