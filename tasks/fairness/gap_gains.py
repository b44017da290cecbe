"""By how much the gaps between groups are smaller than those of a model without mitigation."""

from collections.abc import Mapping, Sequence
from typing import Final

from tasks.fairness.gaps import gap_estimates
from tasks.fairness.group_gains import UNMITIGATED
from tasks.fairness.groups import compared_groups
from tasks.fairness.rates import collapse_outcomes, with_groups
from tasks.fairness.settings import FairnessSettings
from tasks.protected_groups.memberships import Membership
from tasks.resampling import Ints, Ladder
from tasks.resampling_units import Units
from tasks.verdicts import MAX_FAMILY, Estimate, undetermined

PREDICTED_WITHOUT: Final = f"{UNMITIGATED}_predicted"
_DIFFERENCE: Final = "_difference"
_OWN: Final = "fairness."
# A gap lies between 0 and 1, and so a gain within these.
_WHOLE: Final = (-1.0, 1.0)


def gaps_without(
    member: Membership,
    truth: Ints,
    predicted: Ints,
    labels: tuple[str, ...],
    settings: FairnessSettings,
    units: Units | None = None,
) -> list[Estimate]:
    """The differences between groups of a model, named ``fairness.<attribute>.<metric>``.

    Args:
        member: groups of N rows.
        truth: class ids, (N,).
        predicted: of the model, (N,).
        labels: names of the class ids.
        settings: compared groups, told labels, least rows, repeats and seed.
        units: what the rows are drawn in; None for one by one.

    """
    outcomes = collapse_outcomes(member.groups, member.rows, truth, predicted, len(labels), units)
    chosen = with_groups(outcomes, compared_groups(member, settings))
    found = gap_estimates(member.attribute, chosen, labels, settings, reason=member.reason)
    return [one for one in found if one.name.endswith(_DIFFERENCE)]


def gap_gains(
    ours: Sequence[Estimate],
    theirs: Sequence[Estimate],
    paired: Mapping[str, Ladder] | None = None,
) -> list[Estimate]:
    """``unmitigated.<attribute>.<metric>_difference``, and ``…_difference_gain`` of each.

    A gain is the gap of the model without mitigation less that of the candidate: above 0 the
    candidate's groups lie nearer together. Its interval is of the same draws for both models
    (`tasks.fairness.paired_gaps`). Where too much would have to be drawn together, it is of the
    ends of both gaps, each at half of alpha (Bonferroni): it holds whatever the two have to do with
    each other, and is wider.

    Args:
        ours: estimates of the candidate, those of its gaps among them.
        theirs: gaps of the other model, on the same rows, as `gaps_without` gives them.
        paired: ends of gains by the name of the gap, as `paired_gains` gives them.

    """
    by_name, paired = {one.name: one for one in ours}, paired or {}
    told: list[Estimate] = []
    for other in theirs:
        name = f"{UNMITIGATED}.{other.name.removeprefix(_OWN)}"
        told.append(Estimate(name, other.value, other.n, other.ladder, other.method, other.reason))
        ladder = paired.get(other.name)
        told.append(_gain(f"{name}_gain", by_name[other.name], other, ladder))
    return told


def _gain(name: str, ours: Estimate, theirs: Estimate, paired: Ladder | None) -> Estimate:
    if ours.value is None or theirs.value is None:
        return undetermined(name, ours.n, ours.reason or theirs.reason)
    if paired:
        method = f"the same draws of both models; {ours.method}"
        return Estimate(name, theirs.value - ours.value, ours.n, paired, method)
    ladder = tuple(
        _apart(ours.ladder[2 * share - 1], theirs.ladder[2 * share - 1])
        if 2 * share <= min(len(ours.ladder), len(theirs.ladder))
        else _WHOLE
        for share in range(1, MAX_FAMILY + 1)
    )
    method = f"ends of both gaps at half of alpha each; {ours.method}"
    return Estimate(name, theirs.value - ours.value, ours.n, ladder, method)


def _apart(ours: tuple[float, float], theirs: tuple[float, float]) -> tuple[float, float]:
    return theirs[0] - ours[1], theirs[1] - ours[0]
