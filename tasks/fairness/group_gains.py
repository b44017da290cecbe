"""What a method gains or costs each group: row scores beside those of a model without it.

A compressed model that loses nothing over all rows may lose much on the rows of a small group,
since what it learned of rare rows goes first (Hooker et al. 2020, arXiv:2010.03058). A mitigated
one may treat groups more alike by doing worse for one of them (Mittelstadt et al. 2023,
arXiv:2302.02404).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from tasks.fairness.disparities import WorstGroup
from tasks.fairness.gaps import why_few_clusters_of, why_no_groups, why_too_small
from tasks.fairness.groups import compared_groups
from tasks.fairness.rates import GroupNumbers
from tasks.fairness.row_scores import draw_scores, why_no_scores
from tasks.fairness.settings import FairnessSettings
from tasks.protected_groups.memberships import Membership
from tasks.resampling import Floats, estimate_from_two_draws, generator
from tasks.resampling_units import Units
from tasks.verdicts import Estimate, undetermined

UNCOMPRESSED: Final = "uncompressed"
UNMITIGATED: Final = "unmitigated"
# Column of a Scores artifact, by family: what the model without the method scores on each row.
SCORES_WITHOUT: Final = {family: f"{family}_row_score" for family in (UNCOMPRESSED, UNMITIGATED)}
GAIN: Final = "row_score_gain"
WORST: Final = f"worst_group_{GAIN}"


def gains_of_groups(
    member: Membership,
    gains: Floats,
    settings: FairnessSettings,
    units: Units | None = None,
    family: str = UNCOMPRESSED,
) -> list[Estimate]:
    """``<family>.<attribute>.row_score_gain.<group>``, and that of the worst compared group.

    Args:
        member: groups of N rows.
        gains: row scores less those of the model without the method, (N,), from -1 to 1; NaN where
            that cannot be told.
        settings: compared groups, least rows, repeats and seed.
        units: what the rows are drawn in; None for one by one.
        family: of the names, a key of `SCORES_WITHOUT`.

    """
    reason = why_no_scores(member.rows, gains)
    numbers = None if reason else _draw(member, gains, settings, units)
    prefix = f"{family}.{member.attribute}"
    groups = [
        _gain(prefix, member, place, numbers, settings, units, reason)
        for place in range(len(member.groups))
    ]
    return [*groups, _worst(prefix, member, numbers, settings, units, reason)]


@dataclass(frozen=True)
class _Gains:
    """The mean gain of each group.

    Attributes:
        values: over the rows as they are, (G,).
        lowered: joint draws for the lower ends, (R, G).
        raised: for the upper ones, (R, G).

    """

    values: Floats
    lowered: Floats
    raised: Floats


def _draw(
    member: Membership, gains: Floats, settings: FairnessSettings, units: Units | None
) -> _Gains:
    """Draws of row scores with half a pseudo-row more at the end that each is for.

    Few rows change at all, and the half that row scores have at each end is too little for those
    that did not: with one the lower end is Gaffke's (2005) for a mean between two bounds.
    """
    name = f"{member.attribute} {GAIN}"
    halves = (np.nan_to_num(gains) + 1) / 2  # between the bounds of a row score
    drawn = draw_scores(name, member.rows, halves, settings, units)
    sizes = member.rows.sum(axis=0) + 1.0
    random = generator(settings.seed, f"{name} ends")
    more = random.standard_gamma(0.5, drawn.draws_inside.shape)
    more *= units.rows_per_atom if units else 1.0
    whole = drawn.draws_inside * sizes
    return _Gains(
        2 * drawn.inside - 1,
        2 * whole / (sizes + more) - 1,
        2 * (whole + more) / (sizes + more) - 1,
    )


def _gain(
    prefix: str,
    member: Membership,
    place: int,
    numbers: _Gains | None,
    settings: FairnessSettings,
    units: Units | None,
    reason: str,
) -> Estimate:
    group, here = member.groups[place], member.rows[:, place]
    name, rows = f"{prefix}.{GAIN}.{group}", int(here.sum())
    reason = reason or why_too_small([(group, rows)], settings.min_group_rows)
    reason = reason or why_few_clusters_of({group: here}, units)
    if reason or numbers is None:
        return undetermined(name, rows, reason)
    return estimate_from_two_draws(
        name, float(numbers.values[place]), numbers.lowered[:, place], numbers.raised[:, place],
        rows,
    )  # fmt: skip


def _worst(
    prefix: str,
    member: Membership,
    numbers: _Gains | None,
    settings: FairnessSettings,
    units: Units | None,
    reason: str,
) -> Estimate:
    compared = compared_groups(member, settings)
    sizes = dict(zip(member.groups, map(int, member.rows.sum(axis=0)), strict=True))
    cells = [(group, sizes.get(group, 0)) for group in compared]
    name, rows = f"{prefix}.{WORST}", int(member.rows.any(axis=1).sum())
    reason = reason or member.reason
    reason = reason or why_no_groups(member.attribute, cells, settings.min_group_rows)
    if reason or numbers is None:
        return undetermined(name, rows, reason)
    places = [member.groups.index(group) for group in compared]
    parts = {member.groups[place]: member.rows[:, place] for place in places}
    if reason := why_few_clusters_of(parts, units):
        return undetermined(name, rows, reason)
    worst = WorstGroup()
    worst.add(GroupNumbers(numbers.values[places], numbers.lowered[:, places]))
    return worst.estimate(name, int(member.rows[:, places].any(axis=1).sum()))
