"""How groups fare where each row has one label: rates, disparity, calibration and ranking."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from tasks.fairness.calibration import (
    GroupCalibration,
    calibration_estimates,
    calibration_of_groups,
)
from tasks.fairness.conditional_disparity import disparity_estimates
from tasks.fairness.gaps import gap_estimates, rows_of, why_no_comparison
from tasks.fairness.group_rates import rates_of_groups
from tasks.fairness.groups import compared_groups
from tasks.fairness.predictions import ClassAnswers
from tasks.fairness.rankings import ranking_estimates
from tasks.fairness.rates import collapse_outcomes, with_groups
from tasks.fairness.settings import FairnessSettings
from tasks.protected_groups.memberships import Membership
from tasks.records.fairness import GroupRates, SubgroupAuc
from tasks.resampling_units import Units
from tasks.verdicts import Estimate


def class_estimates(
    member: Membership,
    answers: ClassAnswers,
    settings: FairnessSettings,
    units: Units | None = None,
) -> tuple[list[GroupRates], list[Estimate], list[SubgroupAuc]]:
    """Each group's numbers, those between the compared groups, and how each group is ranked.

    Args:
        member: groups of N rows.
        answers: to these rows.
        settings: compared groups, told labels, least rows, repeats and seed.
        units: what the rows are drawn in; None for one by one.

    """
    labels = answers.labels
    outcomes = collapse_outcomes(
        member.groups, member.rows, answers.truth, answers.predicted, len(labels), units
    )
    compared = compared_groups(member, settings)
    chosen = with_groups(outcomes, compared)
    calibration, unsure = _calibration(member, answers, settings, units)
    groups = rates_of_groups(member.attribute, outcomes, labels, settings, calibration)
    estimates = gap_estimates(member.attribute, chosen, labels, settings, reason=member.reason)
    own, disparity = disparity_estimates(
        member.attribute, chosen, labels, settings, reason=member.reason
    )
    groups = _with_estimates(groups, dict(zip(compared, own, strict=True)))
    estimates.append(disparity)
    unsure = (
        member.reason
        or why_no_comparison(member.attribute, chosen, settings.min_group_rows)
        or unsure
    )
    found = None
    if calibration and not unsure:
        found = calibration.of([member.groups.index(group) for group in compared])
    estimates += calibration_estimates(member.attribute, found, rows_of(chosen), unsure)
    aucs, more = _rankings(member, answers, settings, units)
    return groups, estimates + more, aucs


def _with_estimates(
    groups: Sequence[GroupRates], more: Mapping[str, Sequence[Estimate]]
) -> list[GroupRates]:
    """The groups with more numbers of their own, by group."""
    return [
        replace(group, estimates=(*group.estimates, *more.get(group.group, ()))) for group in groups
    ]


def _calibration(
    member: Membership, answers: ClassAnswers, settings: FairnessSettings, units: Units | None
) -> tuple[GroupCalibration | None, str]:
    """Of each group; or why there is none."""
    if answers.probabilities is None:
        return None, "the model gives no probabilities"
    confidence = answers.probabilities.max(axis=1, initial=0.0)
    if broken := int((~np.isfinite(confidence)).sum()):
        return None, f"{broken:,} of {len(confidence):,} confidences are no numbers"
    if not member.groups:
        return None, f"no test row belongs to a group of {member.attribute}"
    correct = answers.truth == answers.predicted
    found = calibration_of_groups(
        member.attribute, member.rows, correct, confidence, settings, units
    )
    return found, ""


def _rankings(
    member: Membership, answers: ClassAnswers, settings: FairnessSettings, units: Units | None
) -> tuple[list[SubgroupAuc], list[Estimate]]:
    """For each label that the settings tell from the rest."""
    aucs: list[SubgroupAuc] = []
    estimates: list[Estimate] = []
    for label in settings.positive_labels:
        place = answers.labels.index(label)
        nothing = np.full(len(answers.truth), np.nan)
        scores = nothing if answers.probabilities is None else answers.probabilities[:, place]
        positive = answers.truth == place
        found, over = ranking_estimates(member, positive, scores, label, settings, units)
        aucs += found
        estimates += over
        for one in found:
            estimates += [one.subgroup_auc, one.bpsn_auc, one.bnsp_auc]
            estimates += [one.positive_aeg, one.negative_aeg]
    return aucs, estimates
