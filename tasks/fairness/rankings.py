"""From the ranking of each group's rows to estimates that a gate can be judged on."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tasks.fairness.gaps import why_few_clusters_of, why_no_groups, why_too_small
from tasks.fairness.groups import compared_groups
from tasks.fairness.settings import FairnessSettings
from tasks.fairness.subgroup_auc import MEASURES, GroupRanking, generalised_mean, rank_groups
from tasks.protected_groups.memberships import Membership
from tasks.records.fairness import SubgroupAuc
from tasks.resampling import Floats, Largest, estimate_from_draws
from tasks.resampling_units import Units
from tasks.verdicts import Estimate, undetermined

# Of these the generalised mean over groups, and of the gaps the largest, whatever its sign.
AUCS: Final = MEASURES[:3]
GAPS: Final = MEASURES[3:]


def ranking_estimates(
    member: Membership,
    positive: NDArray[np.bool_],
    scores: Floats,
    label: str,
    settings: FairnessSettings,
    units: Units | None = None,
) -> tuple[list[SubgroupAuc], list[Estimate]]:
    """Each group's measures, and those over the compared groups.

    These are named ``fairness.<attribute>.<measure>.<group>.<label>``, and over the groups
    ``fairness.<attribute>.<auc>_mean.<label>`` and ``fairness.<attribute>.largest_<aeg>.<label>``.

    Args:
        member: groups of N rows.
        positive: which rows bear the label, shape (N,).
        scores: probability of the label, shape (N,).
        label: its name.
        settings: compared groups, least rows, repeats and seed.
        units: what the rows are drawn in; None for one by one.

    """
    reason = why_no_ranking(scores)
    ranking = None
    if not reason and member.groups:
        draws = f"fairness.{member.attribute} ranking {label}"
        ranking = rank_groups(draws, member.rows, positive, scores, settings, units)
    found = []
    for place in range(len(member.groups)):
        why = reason or _why_no_group(
            member, place, positive, label, settings.min_group_rows, units
        )
        found.append(_subgroup(member, place, positive, label, ranking, why))
    compared = compared_groups(member, settings)
    reason = reason or _why_no_comparison(member, compared, found, settings.min_group_rows)
    return found, _over_groups(member, compared, label, ranking, reason)


def why_no_ranking(scores: Floats) -> str:
    """Why scores give no order; empty where they do."""
    broken = int((~np.isfinite(scores)).sum())
    return f"{broken:,} of {len(scores):,} scores are no numbers" if broken else ""


def _why_no_group(
    member: Membership,
    place: int,
    positive: NDArray[np.bool_],
    label: str,
    min_rows: int,
    units: Units | None,
) -> str:
    here, group = member.rows[:, place], member.groups[place]
    parts = {
        f"{who} {what} {label!r}": side & sign
        for who, side in ((group, here), (f"all but {group}", ~here))
        for what, sign in (("labelled", positive), ("not labelled", ~positive))
    }
    cells = [(name, int(rows.sum())) for name, rows in parts.items()]
    return why_too_small(cells, min_rows) or why_few_clusters_of(parts, units)


def _subgroup(
    member: Membership,
    place: int,
    positive: NDArray[np.bool_],
    label: str,
    ranking: GroupRanking | None,
    reason: str,
) -> SubgroupAuc:
    here, group = member.rows[:, place], member.groups[place]
    rows = int(here.sum())
    estimates = []
    for which, measure in enumerate(MEASURES):
        name = f"fairness.{member.attribute}.{measure}.{group}.{label}"
        if reason or ranking is None:
            estimates.append(undetermined(name, rows, reason))
            continue
        value = float(ranking.values[place, which])
        estimates.append(estimate_from_draws(name, value, ranking.draws[:, place, which], rows))
    return SubgroupAuc(
        member.attribute,
        group,
        label,
        int((here & positive).sum()),
        int((here & ~positive).sum()),
        *estimates,
    )


def _why_no_comparison(
    member: Membership, compared: tuple[str, ...], found: list[SubgroupAuc], min_rows: int
) -> str:
    if member.reason:
        return member.reason
    by_group = {one.group: one for one in found}
    sizes = [
        (group, by_group[group].subgroup_auc.n if group in by_group else 0) for group in compared
    ]
    if reason := why_no_groups(member.attribute, sizes, min_rows):
        return reason
    chosen = [by_group[group] for group in compared]
    cells = [(f"{one.group} labelled {one.label!r}", one.positives) for one in chosen]
    cells += [(f"{one.group} not labelled {one.label!r}", one.negatives) for one in chosen]
    if reason := why_too_small(cells, min_rows):
        return reason
    return next((why for one in chosen if (why := one.subgroup_auc.reason)), "")


def _over_groups(
    member: Membership,
    compared: tuple[str, ...],
    label: str,
    ranking: GroupRanking | None,
    reason: str,
) -> list[Estimate]:
    prefix = f"fairness.{member.attribute}"
    places = [member.groups.index(group) for group in compared if group in member.groups]
    rows = int(member.rows[:, places].any(axis=1).sum())
    names = [
        *(f"{prefix}.{measure}_mean.{label}" for measure in AUCS),
        *(f"{prefix}.largest_{measure}.{label}" for measure in GAPS),
    ]
    if reason or ranking is None:
        why = reason or f"no test row belongs to a group of {member.attribute}"
        return [undetermined(name, rows, why) for name in names]
    values, draws = ranking.values[places], ranking.draws[:, places]
    estimates = [
        estimate_from_draws(
            name,
            float(generalised_mean(values[:, which])),
            generalised_mean(draws[..., which]),
            rows,
        )
        for which, name in enumerate(names[: len(AUCS)])
    ]
    for which, name in enumerate(names[len(AUCS) :], start=len(AUCS)):
        largest = Largest()
        largest.add(values[:, which], draws[..., which], both_signs=True)
        estimates.append(largest.estimate(name, rows, floor=0.0))
    return estimates
