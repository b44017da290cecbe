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
from tasks.resampling_units import Units, units_of_cells
from tasks.task_types.measures import Measure, Statistic
from tasks.verdicts import Estimate, undetermined

# Without pseudo-rows, fewer rows may well all agree, and an interval would close around them.
MIN_ROWS_WITHOUT_PSEUDO = 20
# Of fewer clusters a bootstrap knows too little of how clusters differ.
MIN_CLUSTERS = 10


@dataclass(frozen=True)
class Quantity:
    """A number over rows that is to have an interval.

    Attributes:
        name: of the estimate.
        value: over the rows as they are.
        n: rows that it rests on.
        units: what is drawn.
        statistic: from factors of the units and weights of the pseudo-rows (r, U + P) to (r,).
        pseudo_masses: (P,).
        pseudo_name: the pseudo-rows of quantities that share it are drawn alike.
        distance: of a metric that resampling biases upward; see `Sums`.
        upper: the statistic for the upper end, where it is another than for the lower one.
        reason: why there is no such number; empty where there is.

    """

    name: str
    value: float
    n: int
    units: Units
    statistic: Statistic
    pseudo_masses: tuple[float, ...]
    pseudo_name: str
    distance: Statistic | None = None
    upper: Statistic | None = None
    reason: str = ""


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
    statistic, upper = measure.over(of_row, units.count), None
    if measure.pseudo_apart:
        half = units.count + len(measure.pseudo_masses) // 2
        bad, good = slice(units.count, half), slice(half, None)
        left_out = (good, bad) if measure.greater_is_better else (bad, good)
        statistic, upper = (_without(statistic, part) for part in left_out)
    return Quantity(
        name=name or f"{family}.{measure.name}",
        value=measure.value if where is None else measure.value_of(where),
        n=_rests_on(measure) if where is None else int((where >= 0).sum()),
        units=units,
        statistic=statistic,
        upper=upper,
        pseudo_masses=measure.pseudo_masses,
        pseudo_name=measure.name,
        distance=measure.distance_over(of_row, units.count),
        reason=measure.reason if where is None else "",
    )


def _without(statistic: Statistic, left_out: slice) -> Statistic:
    """The statistic with some of the weights at 0."""

    def rest(weights: Floats) -> Floats:
        kept = weights.copy()
        kept[:, left_out] = 0
        return statistic(kept)

    return rest


def gain_of(family: str, ours: Measure, theirs: Measure, units: Units) -> Quantity:
    """How much better the candidate is than a comparator, on the same draws of the same rows."""
    units = _cells_or(units, [ours, theirs])
    our, their = (measure.over(units.of_row, units.count) for measure in (ours, theirs))
    sign = 1.0 if ours.greater_is_better else -1.0
    pseudo, count = len(ours.pseudo_masses), units.count

    def statistic(weights: Floats) -> Floats:
        exchanged = np.roll(weights[:, count:], pseudo // 2, axis=1)
        comparator = np.concatenate([weights[:, :count], exchanged], axis=1) if pseudo else weights
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
        for index, (draws, others) in zip(members, _drawn(group, repeats, seed), strict=True):
            estimate = _estimate(quantities[index], draws, others, repeats)
            p_value = two_sided_p(draws) if estimate.value is not None else None
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
    if not quantity.pseudo_masses and quantity.n < MIN_ROWS_WITHOUT_PSEUDO:
        return f"{quantity.n} rows are too few for an interval; {MIN_ROWS_WITHOUT_PSEUDO} would do"
    return ""


def _drawn(
    group: Sequence[Quantity], repeats: int, seed: int
) -> Iterator[tuple[Floats, Floats | None]]:
    """Draws (R,) of quantities over the same units, and of their distances or upper ends."""
    units = group[0].units
    pseudo = {
        quantity.pseudo_name: generator(seed, f"pseudo-rows {quantity.pseudo_name}")
        for quantity in group
    }
    masses = {quantity.pseudo_name: np.array(quantity.pseudo_masses) for quantity in group}
    values: list[list[Floats]] = [[] for _ in group]
    others: list[list[Floats]] = [[] for _ in group]
    for factors in units.factors(repeats, generator(seed, "units")):
        added = {
            name: random.standard_gamma(masses[name], (len(factors), len(masses[name])))
            * units.rows_per_atom
            for name, random in pseudo.items()
        }
        for place, quantity in enumerate(group):
            weights = np.concatenate([factors, added[quantity.pseudo_name]], axis=1)
            with np.errstate(divide="ignore", invalid="ignore"):
                values[place].append(quantity.statistic(weights))
                if other := quantity.distance or quantity.upper:
                    others[place].append(other(weights))
    for value, other_draws in zip(values, others, strict=True):
        yield np.concatenate(value), np.concatenate(other_draws) if other_draws else None


def _estimate(quantity: Quantity, draws: Floats, others: Floats | None, repeats: int) -> Estimate:
    made = estimate_from_draws(quantity.name, quantity.value, draws, quantity.n)
    if made.value is None:
        return made
    lows, highs = np.array(made.ladder).T
    if others is not None and quantity.distance:
        # The upper end lies on the safe side; a percentile at the lower end would not.
        lows = np.maximum(quantity.value - tail_quantiles(others)[1], 0.0)
    elif others is not None:
        highs = tail_quantiles(others)[1]
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
