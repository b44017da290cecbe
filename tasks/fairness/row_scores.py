"""How groups fare in the score of each row, for task types without classes."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tasks.fairness.disparities import Spread
from tasks.fairness.gaps import why_few_clusters_of, why_no_groups, why_too_small
from tasks.fairness.group_rates import correct_groups
from tasks.fairness.groups import compared_groups
from tasks.fairness.rates import GroupNumbers, distinct_patterns, pseudo_rows
from tasks.fairness.settings import FairnessSettings
from tasks.protected_groups.memberships import Membership
from tasks.records.fairness import GroupRates
from tasks.resampling import Floats, Ints, estimate_from_draws, generator, two_sided_p
from tasks.resampling_units import (
    Units,
    in_clusters,
    resample_cells,
)
from tasks.task_types.labels.calibration import equal_mass_bins
from tasks.verdicts import Estimate, undetermined

NAMES = ("row_score_difference", "row_score_ratio", "worst_group_row_score")
# Rows of one pattern whose scores lie in the same of so many bins of equal mass are drawn as one
# cell, at their mean; the value itself is computed on the rows.
STEPS = 64


@dataclass(frozen=True)
class ScoreDraws:
    """Mean score of each group and of all rows outside of it.

    Attributes:
        inside: over the rows as they are, shape (G,); NaN of a group without rows.
        outside: likewise, shape (G,).
        draws_inside: joint bootstrap draws, shape (R, G).
        draws_outside: shape (R, G).

    """

    inside: Floats
    outside: Floats
    draws_inside: Floats
    draws_outside: Floats


@dataclass(frozen=True)
class _Cells:
    """Rows and pseudo-rows of like membership and score.

    Attributes:
        counts: rows, shape (C,).
        pseudo: mass of pseudo-rows, shape (C,).
        scores: shape (C,).
        membership: shape (C, G).
        of_row: the cell of each row, shape (N,).
        pattern: of membership, of each cell, shape (C,).

    """

    counts: Floats
    pseudo: Floats
    scores: Floats
    membership: Floats
    of_row: Ints
    pattern: Ints


def score_estimates(
    member: Membership, scores: Floats, settings: FairnessSettings, units: Units | None = None
) -> tuple[list[GroupRates], list[Estimate]]:
    """Each group's numbers, and the estimates ``fairness.<attribute>.row_score_...``.

    Args:
        member: groups of N rows.
        scores: shape (N,), from 0 to 1, how right each answer is; NaN where that cannot be told.
        settings: compared groups, least rows, repeats and seed.
        units: what the rows are drawn in; None for one by one.

    """
    if reason := why_no_scores(member.rows, scores):
        return _undetermined_groups(member, reason), undetermined_scores(member, reason)
    draws = draw_scores(member.attribute, member.rows, scores, settings, units)
    groups = [
        _group(member, place, draws, settings.min_group_rows, units)
        for place in range(len(member.groups))
    ]
    return correct_groups(groups), gap_estimates(member, draws, settings, units)


def why_no_scores(membership: NDArray[np.bool_], scores: Floats) -> str:
    """Why rows cannot be compared by their scores; empty where they can."""
    broken = int((~np.isfinite(scores[membership.any(axis=1)])).sum())
    return f"{broken:,} test rows of its groups have no score that is a number" if broken else ""


def undetermined_scores(member: Membership, reason: str) -> list[Estimate]:
    """All estimates of an attribute without a number."""
    rows = int(member.rows.any(axis=1).sum())
    return [undetermined(f"fairness.{member.attribute}.{name}", rows, reason) for name in NAMES]


def gap_estimates(
    member: Membership, draws: ScoreDraws, settings: FairnessSettings, units: Units | None = None
) -> list[Estimate]:
    """Largest difference, smallest ratio and worst group of the compared groups."""
    compared = compared_groups(member, settings)
    sizes = dict(zip(member.groups, map(int, member.rows.sum(axis=0)), strict=True))
    cells = [(group, sizes.get(group, 0)) for group in compared]
    reason = member.reason or why_no_groups(member.attribute, cells, settings.min_group_rows)
    if reason:
        return undetermined_scores(member, reason)
    places = [member.groups.index(group) for group in compared]
    parts = {member.groups[place]: member.rows[:, place] for place in places}
    if reason := why_few_clusters_of(parts, units):
        return undetermined_scores(member, reason)
    spread = Spread()
    spread.add(GroupNumbers(draws.inside[places], draws.draws_inside[:, places]), "the row score")
    rows = int(member.rows[:, places].any(axis=1).sum())
    return spread.estimates([f"fairness.{member.attribute}.{name}" for name in NAMES], rows)


def draw_scores(
    name: str,
    membership: NDArray[np.bool_],
    scores: Floats,
    settings: FairnessSettings,
    units: Units | None = None,
) -> ScoreDraws:
    """Mean scores of the groups, and bootstrap draws of them over rows or clusters.

    Each group has one pseudo-row in all, half of it at 0 and half of it at 1.

    Args:
        name: of the attribute.
        membership: shape (N, G).
        scores: shape (N,); those of rows in no group may be NaN.
        settings: repeats and seed.
        units: what the rows are drawn in; None for one by one.

    """
    known = np.isfinite(scores)
    cells = _collapse(membership[known], scores[known])
    size = cells.membership.shape[1]
    apart = np.concatenate([cells.membership, 1 - cells.membership], axis=1)  # (C, 2G)

    def means(weights: Floats) -> Floats:
        return np.asarray(((weights * cells.scores) @ apart) / (weights @ apart))

    random = generator(settings.seed, f"fairness.{name} row score")
    known_units = units and replace(units, of_row=units.of_row[known])
    clustered = in_clusters(known_units, membership[known], cells.of_row, cells.pattern)
    draws = resample_cells(cells.counts, cells.pseudo, clustered, means, settings.repeats, random)
    rows = np.concatenate([membership[known], ~membership[known]], axis=1).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = (scores[known] @ rows) / rows.sum(axis=0)
    return ScoreDraws(values[:size], values[size:], draws[:, :size], draws[:, size:])


def _collapse(membership: NDArray[np.bool_], scores: Floats) -> _Cells:
    patterns, pattern = distinct_patterns(membership)
    code = pattern * STEPS + equal_mass_bins(scores, STEPS)
    size = len(patterns) * STEPS
    counts = np.bincount(code, minlength=size)
    means = np.bincount(code, scores, minlength=size) / np.maximum(counts, 1)
    held = np.flatnonzero(counts)
    rows = np.bincount(pattern, minlength=len(patterns))
    # Rows of no group, which the others are compared with, have a pseudo-row of their own.
    pseudo = np.where(patterns.any(axis=1), pseudo_rows(rows, patterns), 1.0)
    ends, every = np.zeros(len(patterns)), np.arange(len(patterns))
    return _Cells(
        counts=np.concatenate([counts[held], ends, ends]),
        pseudo=np.concatenate([np.zeros(len(held)), pseudo / 2, pseudo / 2]),
        scores=np.concatenate([means[held], ends, ends + 1]),
        membership=np.concatenate([patterns[held // STEPS], patterns, patterns]).astype(np.float64),
        of_row=np.searchsorted(held, code).astype(np.int64),
        pattern=np.concatenate([held // STEPS, every, every]),
    )


def _group(
    member: Membership, place: int, draws: ScoreDraws, min_rows: int, units: Units | None
) -> GroupRates:
    """One group, with p as it is before the correction."""
    group, rows = member.groups[place], int(member.rows[:, place].sum())
    name = f"fairness.{member.attribute}.row_score_gap.{group}"
    sizes = [(group, rows), (f"all but {group}", len(member.rows) - rows)]
    inside = draws.inside[place]
    metrics = {"row_score": float(inside)} if np.isfinite(inside) else {}
    here = member.rows[:, place]
    parts = {group: here, f"all but {group}": ~here}
    if reason := why_too_small(sizes, min_rows) or why_few_clusters_of(parts, units):
        gap = undetermined(name, rows, reason)
        return GroupRates(member.attribute, group, rows, metrics, gap, None, reason)
    apart = draws.draws_inside[:, place] - draws.draws_outside[:, place]
    gap = estimate_from_draws(name, float(inside - draws.outside[place]), apart, rows)
    own = estimate_from_draws(
        f"fairness.{member.attribute}.row_score.{group}",
        float(inside),
        draws.draws_inside[:, place],
        rows,
    )
    return GroupRates(
        member.attribute, group, rows, metrics, gap, two_sided_p(apart), "", estimates=(own,)
    )


def _undetermined_groups(member: Membership, reason: str) -> list[GroupRates]:
    found = []
    for place, group in enumerate(member.groups):
        rows = int(member.rows[:, place].sum())
        name = f"fairness.{member.attribute}.row_score_gap.{group}"
        gap = undetermined(name, rows, reason)
        found.append(GroupRates(member.attribute, group, rows, {}, gap, None, reason))
    return found
