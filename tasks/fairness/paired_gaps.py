"""How far gaps between groups moved from one model to another, by the same draws of the rows.

Of each metric a gap is the largest of K signed differences: of each two groups, either way round,
and of each told label. With t_k those of the other model and o_k ours, the gain is

    max_k t_k - max_j o_j = min_j max_k (t_k - o_j) = max_k min_j (t_k - o_j).

Its lower end is the smallest, over j, of simultaneous lower ends of the largest t_k - o_j. They
hold for the j that is truly our largest, whichever that is, so that no correction for the number of
j is due (the intersection-union test, Berger 1982, doi:10.1080/00401706.1982.10487790), and which
of the t_k is truly the largest need not be known either. So is the upper end, the two models
changing places. All rates of both models are of the same draws: where the models answer alike, t_k
and o_k move together, and the interval is as narrow as that leaves it. The largest difference
of groups is no smooth function of the rows where these are alike; each t_k - o_j is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tasks.fairness.gaps import ONE_VS_REST, told_labels
from tasks.fairness.groups import compared_groups
from tasks.fairness.rates import Outcomes, Rate, accuracy_rate, distinct_patterns
from tasks.fairness.settings import FairnessSettings
from tasks.protected_groups.memberships import Membership
from tasks.resampling import (
    Floats,
    Ints,
    Ladder,
    collapse,
    generator,
    ladder_around,
    places_in,
    tail_quantiles,
)
from tasks.resampling_units import MAX_CELLS, Units, in_clusters, resample_cells
from tasks.verdicts import MAX_FAMILY

# Signed differences of a metric: each of one model is held against each of the other.
MOST_DIFFERENCES: Final = 64
# Mass of a pseudo-row of each kind, of each group and rate: both models hit, one of them, or none.
_PSEUDO: Final = 0.25
# A gap lies between 0 and 1, and so a gain within these.
_WHOLE: Final = (-1.0, 1.0)


@dataclass(frozen=True)
class _Counted:
    """Which rows a rate counts, by true and predicted label, (L, L)."""

    metrics: tuple[str, ...]
    hit: NDArray[np.bool_]
    miss: NDArray[np.bool_]
    hit_weight: float


@dataclass(frozen=True)
class _Rates:
    """Rates of the other model and of ours.

    Attributes:
        values: over the rows as they are, by rate, model and group, (Q, 2, G).
        draws: of the same rows for all of them, (R, Q, 2, G).

    """

    values: Floats
    draws: Floats


def paired_gains(
    member: Membership,
    truth: Ints,
    theirs: Ints,
    ours: Ints,
    labels: tuple[str, ...],
    settings: FairnessSettings,
    units: Units | None = None,
) -> dict[str, Ladder]:
    """Ends of the gain of each metric's gap at every confidence, by the name of the gap.

    A metric of more than `MOST_DIFFERENCES` has none, nor has an attribute whose rows differ in
    more than MAX_CELLS ways: that would be too much to draw together.

    Args:
        member: groups of N rows.
        truth: class ids, (N,).
        theirs: predicted by the other model, (N,).
        ours: predicted by ours, (N,).
        labels: names of the class ids.
        settings: compared groups, told labels, repeats and seed.
        units: what the rows are drawn in; None for one by one.

    """
    groups = [one for one in compared_groups(member, settings) if one in member.groups]
    pairs = list(permutations(range(len(groups)), 2))
    rates = list(_counted(told_labels(labels, settings), len(labels), len(pairs)))
    if not rates:
        return {}
    rows = member.rows[:, [member.groups.index(one) for one in groups]]
    drawn = _draw(rows, (truth, theirs, ours), rates, member.attribute, settings, units)
    if drawn is None:
        return {}
    found = {}
    for metric in dict.fromkeys(metric for rate in rates for metric in rate.metrics):
        places = [place for place, rate in enumerate(rates) if metric in rate.metrics]
        if ladder := _ladder(drawn, places, pairs):
            found[f"fairness.{member.attribute}.{metric}_difference"] = ladder
    return found


def _counted(told: Sequence[int], size: int, pairs: int) -> Iterator[_Counted]:
    """The rates of all metrics that are not of too many differences."""
    if 0 < pairs <= MOST_DIFFERENCES:
        # Each cell of a confusion matrix as a pattern of its own: a rate says which of them count.
        yield _masks(("accuracy",), accuracy_rate(_of_cells(size)), size)
    asked = {
        metric: kinds
        for metric, kinds in ONE_VS_REST.items()
        if 0 < pairs * len(kinds) * len(told) <= MOST_DIFFERENCES
    }
    if not asked:
        return
    cells = _of_cells(size)
    for kind in dict.fromkeys(kind for kinds in asked.values() for kind in kinds):
        metrics = tuple(metric for metric, kinds in asked.items() if kind in kinds)
        for label in told:
            yield _masks(metrics, kind(cells, label), size)


def _of_cells(size: int) -> Outcomes:
    counts = np.eye(size**2, dtype=np.int64).reshape(-1, size, size)
    return Outcomes((), np.zeros((size**2, 0), dtype=np.bool_), counts)


def _masks(metrics: tuple[str, ...], rate: Rate, size: int) -> _Counted:
    hit, base = (part.reshape(size, size) > 0 for part in (rate.hits, rate.base))
    return _Counted(metrics, hit, base & ~hit, rate.hit_weight)


def _draw(
    rows: NDArray[np.bool_],
    answers: tuple[Ints, Ints, Ints],
    rates: Sequence[_Counted],
    attribute: str,
    settings: FairnessSettings,
    units: Units | None,
) -> _Rates | None:
    """Rates of both models, of rows (N, G) with truth, their answers and ours, (N,) each."""
    patterns, pattern = distinct_patterns(rows)
    columns = (pattern, *answers)
    cells = collapse(columns)
    if len(cells.counts) > MAX_CELLS:
        return None
    place, true, *called = cells.columns
    counted = np.stack(
        [
            [[rate.hit[true, one] * rate.hit_weight, rate.miss[true, one]] for one in called]
            for rate in rates
        ]
    )  # (Q, 2, 2, C)
    sums = counted[..., None] * patterns[place]  # (Q, 2, 2, C, G)
    shape = (len(rates), 2, 2, rows.shape[1])
    flat = np.moveaxis(sums, 3, 0).reshape(len(place), -1)
    random = generator(settings.seed, f"unmitigated.{attribute} gaps")
    clustered = in_clusters(units, rows, places_in(cells, columns), np.zeros(len(place), np.int64))
    counts = cells.counts.astype(np.float64)
    drawn = resample_cells(
        counts, np.zeros(len(place)), clustered, lambda weights: np.asarray(weights @ flat),
        settings.repeats, random,
    ).reshape(-1, *shape)  # fmt: skip
    drawn += _pseudo(drawn.shape, rates, units, random)
    whole = (counts @ flat).reshape(shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        return _Rates(*(part[..., 0, :] / part.sum(axis=-2) for part in (whole, drawn)))


def _pseudo(
    shape: tuple[int, ...],
    rates: Sequence[_Counted],
    units: Units | None,
    random: np.random.Generator,
) -> Floats:
    """Pseudo-rows, half a hit and half a miss of each model, whatever the other one says."""
    repeats, size, _, _, groups = shape
    both, alone, other, none = random.standard_gamma(_PSEUDO, (4, repeats, size, groups))
    hit = np.stack([both + alone, both + other], axis=2)
    miss = np.stack([other + none, alone + none], axis=2)
    weights = np.array([rate.hit_weight for rate in rates])[:, None, None]
    scale = units.rows_per_atom if units else 1.0
    return scale * np.stack([hit * weights, miss], axis=3)


def _ladder(
    rates: _Rates, places: Sequence[int], pairs: Sequence[tuple[int, int]]
) -> Ladder | None:
    one, other = (list(side) for side in zip(*pairs, strict=True))

    def apart(of: Floats, model: int) -> Floats:
        """Signed differences (..., K) of rates (..., Q, 2, G)."""
        own = of[..., places, model, :]
        differences = own[..., one] - own[..., other]
        return differences.reshape(*differences.shape[:-2], -1)

    values = [apart(rates.values, model) for model in (0, 1)]
    draws = [apart(rates.draws, model) for model in (0, 1)]
    if not all(np.isfinite(part).all() for part in (*values, *draws)):
        return None
    lows = least_over(values[0], draws[0], values[1], draws[1])
    highs = -least_over(values[1], draws[1], values[0], draws[0])
    ladder = ladder_around(float(values[0].max() - values[1].max()), lows, highs)
    return tuple((max(low, _WHOLE[0]), min(high, _WHOLE[1])) for low, high in ladder)


def least_over(values: Floats, draws: Floats, others: Floats, of_others: Floats) -> Floats:
    """Lower ends (MAX_FAMILY,) of the largest of some quantities less the largest of others.

    Args:
        values: of the first, (K,).
        draws: of these, (R, K).
        others: of the second, (K,).
        of_others: of these by the same draws, (R, K).

    """
    lows = np.full(MAX_FAMILY, np.inf)
    for place, other in enumerate(others):
        apart = draws - of_others[:, [place]]
        lows = np.minimum(lows, _of_largest(values - other, apart))
    return lows


def _of_largest(values: Floats, draws: Floats) -> Floats:
    """Simultaneous lower ends of quantities, and of these the largest, (MAX_FAMILY,).

    They reach as far as the draws deviate to either side: by those to one side alone the ends pass
    the truth too often where a group has few rows of a label, and no exact ends stand beside these.
    """
    spread = draws.std(axis=0)
    moved = draws - values
    scaled = np.divide(np.abs(moved), spread, out=np.zeros_like(moved), where=spread > 0)
    reach = tail_quantiles(scaled.max(axis=1))[1]
    lows: Floats = (values - reach[:, None] * spread).max(axis=1)
    return lows
