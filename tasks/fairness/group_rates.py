"""Each group's own numbers, and how far its accuracy lies from that of all other rows."""

from dataclasses import dataclass, replace

import numpy as np

from tasks.fairness.gaps import why_too_small
from tasks.fairness.rates import (
    Outcomes,
    accuracy_rate,
    by_group,
    false_positive_rate,
    group_values,
    precision,
    true_positive_rate,
)
from tasks.fairness.settings import FairnessSettings
from tasks.records import GroupRates
from tasks.resampling import estimate_from_draws, generator, holm, two_sided_p
from tasks.verdicts import undetermined

MACRO_RATES = {
    "true_positive_rate": true_positive_rate,
    "false_positive_rate": false_positive_rate,
    "precision": precision,
}


@dataclass(frozen=True)
class _Counts:
    """Right rows of all rows, in a group and outside of it."""

    right: int
    rows: int
    right_elsewhere: int
    rows_elsewhere: int


def rates_of_groups(
    attribute: str, outcomes: Outcomes, settings: FairnessSettings
) -> list[GroupRates]:
    """Numbers of every group, its gap in accuracy to the rest, and p after Holm's correction.

    The correction is over the groups of the attribute that are large enough to be judged.
    """
    groups = [
        _group_rates(attribute, outcomes, index, settings) for index in range(len(outcomes.groups))
    ]
    judged = [index for index, group in enumerate(groups) if group.p_adjusted is not None]
    adjusted = holm([group.p_adjusted for group in groups if group.p_adjusted is not None])
    for index, p_adjusted in zip(judged, adjusted, strict=True):
        groups[index] = replace(groups[index], p_adjusted=p_adjusted)
    return groups


def _group_rates(
    attribute: str, outcomes: Outcomes, index: int, settings: FairnessSettings
) -> GroupRates:
    """One group, with p as it is before the correction."""
    group = outcomes.groups[index]
    counts = _accuracy_counts(outcomes, index)
    name = f"fairness.{attribute}.accuracy_gap.{group}"
    metrics = group_metrics(outcomes, index)
    reason = why_too_small(
        [(group, counts.rows), (f"all but {group}", counts.rows_elsewhere)],
        settings.min_group_rows,
    )
    if reason:
        gap = undetermined(name, counts.rows, reason)
        return GroupRates(attribute, group, counts.rows, metrics, gap, None, reason)
    # Two disjoint sets of rows with one pseudo-row each: their shares are drawn from two Betas.
    random, repeats = generator(settings.seed, name), settings.repeats
    draws = random.beta(
        counts.right + 0.5, counts.rows - counts.right + 0.5, repeats
    ) - random.beta(
        counts.right_elsewhere + 0.5,
        counts.rows_elsewhere - counts.right_elsewhere + 0.5,
        repeats,
    )
    value = counts.right / counts.rows - counts.right_elsewhere / counts.rows_elsewhere
    gap = estimate_from_draws(name, value, draws, counts.rows)
    return GroupRates(attribute, group, counts.rows, metrics, gap, two_sided_p(draws), "")


def _accuracy_counts(outcomes: Outcomes, index: int) -> _Counts:
    rate = accuracy_rate(outcomes)
    right, rows = (int(by_group(c, outcomes)[index]) for c in (rate.hits, rate.base))
    return _Counts(right, rows, int(rate.hits.sum()) - right, int(rate.base.sum()) - rows)


def group_metrics(outcomes: Outcomes, index: int) -> dict[str, float]:
    """Accuracy, and the mean over the labels of each one-vs-rest rate of a group.

    A mean over a label whose rate has no rows in the group is left out. The mean selection rate is
    left out always: it is one over the number of labels, whatever the model does.
    """
    labels = range(outcomes.counts.shape[1])
    means = {"accuracy": float(group_values(accuracy_rate(outcomes), outcomes)[index])}
    for name, rate in MACRO_RATES.items():
        values = [group_values(rate(outcomes, label), outcomes)[index] for label in labels]
        means[name] = float(np.mean(values))
    return {name: value for name, value in means.items() if np.isfinite(value)}
