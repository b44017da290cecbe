"""Each group's own numbers, and how far its accuracy lies from that of all other rows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tasks.fairness.calibration import GroupCalibration, error_of_group
from tasks.fairness.gaps import (
    clusters_by_group,
    few_clusters,
    numbers_of,
    told_labels,
    why_few_clusters,
    why_too_small,
)
from tasks.fairness.rates import (
    Outcomes,
    Rate,
    accuracy_rate,
    by_group,
    f1_score,
    false_negative_share,
    false_positive_rate,
    group_draws,
    group_values,
    precision,
    selection_rate,
    true_positive_rate,
)
from tasks.fairness.settings import FairnessSettings
from tasks.records.fairness import GroupRates
from tasks.resampling import (
    Floats,
    estimate_from_draws,
    estimate_of_proportion,
    generator,
    holm,
    ladder_around,
    tail_quantiles,
    two_sided_p,
)
from tasks.verdicts import Estimate, undetermined

MACRO_RATES = {
    "true_positive_rate": true_positive_rate,
    "false_positive_rate": false_positive_rate,
    "precision": precision,
    "f1": f1_score,
}
# Shares of rows, whose intervals have a closed form.
SHARES = (
    selection_rate,
    true_positive_rate,
    false_positive_rate,
    precision,
    false_negative_share,
)


@dataclass(frozen=True)
class _Counts:
    """Right rows of all rows, in a group and outside of it."""

    right: int
    rows: int
    right_elsewhere: int
    rows_elsewhere: int


def rates_of_groups(
    attribute: str,
    outcomes: Outcomes,
    labels: tuple[str, ...],
    settings: FairnessSettings,
    calibration: GroupCalibration | None = None,
) -> list[GroupRates]:
    """Numbers of every group, its gap in accuracy to the rest, and p after Holm's correction.

    Args:
        attribute: for the names.
        outcomes: of all groups.
        labels: names of the class ids.
        settings: told labels, least rows, repeats and seed.
        calibration: of the same groups; None where there are no probabilities.

    """
    own = _own_estimates(attribute, outcomes, labels, settings, calibration)
    groups = [
        replace(_group_rates(attribute, outcomes, index, settings), estimates=own[index])
        for index in range(len(outcomes.groups))
    ]
    if calibration:
        errors = map(float, calibration.values)
        groups = [
            replace(group, metrics=group.metrics | {"calibration_error": error})
            if np.isfinite(error)
            else group
            for group, error in zip(groups, errors, strict=True)
        ]
    return correct_groups(groups)


def correct_groups(groups: Sequence[GroupRates]) -> list[GroupRates]:
    """The groups with p corrected over those that are large enough to be judged."""
    found = list(groups)
    judged = [index for index, group in enumerate(found) if group.p_adjusted is not None]
    adjusted = holm([group.p_adjusted for group in found if group.p_adjusted is not None])
    for index, p_adjusted in zip(judged, adjusted, strict=True):
        found[index] = replace(found[index], p_adjusted=p_adjusted)
    return found


def _own_estimates(
    attribute: str,
    outcomes: Outcomes,
    labels: tuple[str, ...],
    settings: FairnessSettings,
    calibration: GroupCalibration | None,
) -> list[tuple[Estimate, ...]]:
    """Rates of each group with their intervals: ``fairness.<attribute>.<rate>.<group>``."""
    rates = [accuracy_rate(outcomes)]
    for label in told_labels(labels, settings):
        rates += [share(outcomes, label) for share in SHARES]
    found: list[list[Estimate]] = [[] for _ in outcomes.groups]
    for rate in rates:
        if outcomes.clusters:
            _add_drawn(found, attribute, rate, outcomes, labels, settings)
            continue
        for index, group in enumerate(outcomes.groups):
            name = _name(attribute, rate, group, labels)
            hits, rows = (int(by_group(part, outcomes)[index]) for part in (rate.hits, rate.base))
            found[index].append(estimate_of_proportion(name, hits, rows))
    for label in told_labels(labels, settings):
        _add_drawn(found, attribute, f1_score(outcomes, label), outcomes, labels, settings)
    if calibration:
        everyone = accuracy_rate(outcomes)
        sizes, clusters = by_group(everyone.base, outcomes), clusters_by_group(everyone, outcomes)
        for index, group in enumerate(outcomes.groups):
            name, rows = f"fairness.{attribute}.calibration_error.{group}", int(sizes[index])
            reason = few_clusters(group, clusters[index])
            found[index].append(
                undetermined(name, rows, reason)
                if reason
                else error_of_group(name, calibration, index, rows)
            )
    return [tuple(own) for own in found]


def _add_drawn(
    found: list[list[Estimate]],
    attribute: str,
    rate: Rate,
    outcomes: Outcomes,
    labels: tuple[str, ...],
    settings: FairnessSettings,
) -> None:
    """Add each group's rate with the interval of its draws."""
    numbers, bases = numbers_of(attribute, rate, outcomes, settings), by_group(rate.base, outcomes)
    clusters = clusters_by_group(rate, outcomes)
    for index, group in enumerate(outcomes.groups):
        name, rows = _name(attribute, rate, group, labels), int(bases[index])
        if reason := few_clusters(group, clusters[index]):
            found[index].append(undetermined(name, rows, reason))
            continue
        value, draws = float(numbers.values[index]), numbers.draws[:, index]
        found[index].append(estimate_from_draws(name, value, draws, rows))


def _name(attribute: str, rate: Rate, group: str, labels: tuple[str, ...]) -> str:
    kind = rate.kind.lower().replace(" ", "_")
    label = "" if rate.label is None else f".{labels[rate.label]}"
    return f"fairness.{attribute}.{kind}.{group}{label}"


def _group_rates(
    attribute: str, outcomes: Outcomes, index: int, settings: FairnessSettings
) -> GroupRates:
    """One group, with p as it is before the correction."""
    group = outcomes.groups[index]
    counts = _accuracy_counts(outcomes, index)
    name = f"fairness.{attribute}.accuracy_gap.{group}"
    metrics = group_metrics(outcomes, index)
    sides = _group_and_rest(outcomes, index)
    reason = why_too_small(
        [(group, counts.rows), (f"all but {group}", counts.rows_elsewhere)],
        settings.min_group_rows,
    ) or why_few_clusters(accuracy_rate(sides), sides)
    if reason:
        gap = undetermined(name, counts.rows, reason)
        return GroupRates(attribute, group, counts.rows, metrics, gap, None, reason)
    gap, p_value = _accuracy_gap(name, counts, sides, settings)
    return GroupRates(attribute, group, counts.rows, metrics, gap, p_value, "")


def _accuracy_gap(
    name: str, counts: _Counts, sides: Outcomes, settings: FairnessSettings
) -> tuple[Estimate, float]:
    """A group's accuracy less that of all other rows, and its p.

    Rows that are drawn one by one have melded intervals (Fay, Proschan and Brittain 2015,
    doi:10.1111/biom.12231): either end is a quantile of the difference of two draws, each from the
    Beta distribution whose quantiles are that side's exact end.
    """
    random, repeats = generator(settings.seed, name), settings.repeats
    value = counts.right / counts.rows - counts.right_elsewhere / counts.rows_elsewhere
    if sides.clusters:
        draws = np.subtract(*group_draws(accuracy_rate(sides), sides, repeats, random).T)
        return estimate_from_draws(name, value, draws, counts.rows), two_sided_p(draws)
    here, elsewhere = (counts.right, counts.rows), (counts.right_elsewhere, counts.rows_elsewhere)
    ours, theirs = _exact_draws(*here, repeats, random), _exact_draws(*elsewhere, repeats, random)
    lows, highs = ours[0] - theirs[1], ours[1] - theirs[0]
    ladder = ladder_around(value, tail_quantiles(lows)[0], tail_quantiles(highs)[1])
    gap = Estimate(name, value, counts.rows, ladder, f"melded exact intervals, {repeats} draws")
    return gap, two_sided_p(lows, highs)


def _exact_draws(
    hits: int, rows: int, repeats: int, random: np.random.Generator
) -> tuple[Floats, Floats]:
    """Draws whose quantiles are the exact lower and upper ends of a share, (R,) each."""
    lows = random.beta(hits, rows - hits + 1, repeats) if hits else np.zeros(repeats)
    highs = random.beta(hits + 1, rows - hits, repeats) if hits < rows else np.ones(repeats)
    return lows, highs


def _group_and_rest(outcomes: Outcomes, index: int) -> Outcomes:
    """The outcomes of a group and of all other rows."""
    group, inside = outcomes.groups[index], outcomes.membership[:, index]
    names = (group, f"all but {group}")
    return replace(outcomes, groups=names, membership=np.stack([inside, ~inside], axis=1))


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
