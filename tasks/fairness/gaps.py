"""The largest difference between groups, with an interval that knows it for a maximum."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from tasks.fairness.rates import (
    Outcomes,
    Rate,
    accuracy_rate,
    by_group,
    false_positive_rate,
    group_draws,
    group_values,
    selection_rate,
    true_positive_rate,
)
from tasks.fairness.settings import FairnessSettings
from tasks.resampling import Floats, estimate_of_largest, generator, negated
from tasks.verdicts import Estimate, undetermined

LabelRate = Callable[[Outcomes, int], Rate]
ONE_VS_REST: dict[str, tuple[LabelRate, ...]] = {
    "demographic_parity_difference": (selection_rate,),
    "true_positive_rate_difference": (true_positive_rate,),
    "false_positive_rate_difference": (false_positive_rate,),
    "equalized_odds_difference": (true_positive_rate, false_positive_rate),
}
NAMES = ("accuracy_difference", "worst_group_accuracy", *ONE_VS_REST)
# Which rows a rate is a share of, in words.
BASES = {
    "selection rate": "with or without",
    "true positive rate": "labelled",
    "false positive rate": "not labelled",
}
# Cells named in a reason; the rest is counted.
CELLS_NAMED = 3
LEAST_GROUPS = 2


def gap_estimates(
    attribute: str, outcomes: Outcomes, labels: tuple[str, ...], settings: FairnessSettings
) -> list[Estimate]:
    """All estimates of one attribute, named ``fairness.<attribute>.<metric>``.

    Values are fairlearn's: the largest minus the smallest group's rate; of several labels, each
    against the rest, the largest difference (equalized odds: over TPR and FPR). Rows in several
    groups are compared in long form, each row once in each of its groups.
    """
    names = [f"fairness.{attribute}.{name}" for name in NAMES]
    rows = int(outcomes.counts[outcomes.membership.any(axis=1)].sum())
    if reason := why_no_comparison(attribute, outcomes, settings.min_group_rows):
        return [undetermined(name, rows, reason) for name in names]
    accuracy = [accuracy_rate(outcomes)]
    estimates = [
        largest_gap(names[0], accuracy, outcomes, rows, settings),
        worst_group(names[1], accuracy[0], outcomes, rows, settings),
    ]
    for name, (metric, kinds) in zip(names[2:], ONE_VS_REST.items(), strict=True):
        rates = [kind(outcomes, label) for kind in kinds for label in range(len(labels))]
        reason = why_no_rates(rates, outcomes, labels, settings.min_group_rows)
        if metric != "demographic_parity_difference" and reason:
            estimates.append(undetermined(name, rows, reason))
        else:
            estimates.append(largest_gap(name, rates, outcomes, rows, settings))
    return estimates


def why_no_comparison(attribute: str, outcomes: Outcomes, min_rows: int) -> str:
    """Why the groups of an attribute cannot be compared; empty where they can."""
    if len(outcomes.groups) < LEAST_GROUPS:
        found = ", ".join(outcomes.groups) or "none"
        return f"{attribute} needs two groups to compare; the test rows hold {found}"
    sizes = by_group(outcomes.counts.sum(axis=(1, 2)), outcomes)
    return why_too_small(list(zip(outcomes.groups, map(int, sizes), strict=True)), min_rows)


def why_no_rates(
    rates: Sequence[Rate], outcomes: Outcomes, labels: tuple[str, ...], min_rows: int
) -> str:
    """Which rates rest on too few rows in a group; empty where none does."""
    cells = []
    for rate in rates:
        which = f"{BASES[rate.kind]} {labels[rate.label]!r}" if rate.label is not None else ""
        for group, base in zip(outcomes.groups, by_group(rate.base, outcomes), strict=True):
            cells.append((f"{group} {which}".strip(), int(base)))
    return why_too_small(cells, min_rows)


def why_too_small(cells: Sequence[tuple[str, int]], min_rows: int) -> str:
    """Which of these named sets of rows are too small; empty where none is."""
    small = [
        f"{name} has {rows} test rows"
        for name, rows in sorted(cells, key=lambda cell: cell[1])
        if rows < min_rows
    ]
    if not small:
        return ""
    more = f"; {len(small) - CELLS_NAMED} more are too small" if len(small) > CELLS_NAMED else ""
    return f"{'; '.join(small[:CELLS_NAMED])}{more}; min_group_rows is {min_rows}"


def largest_gap(
    name: str, rates: Sequence[Rate], outcomes: Outcomes, rows: int, settings: FairnessSettings
) -> Estimate:
    """The largest difference of two groups in any of the rates.

    The draws of different rates are independent of each other; of one rate, all groups' draws are
    joint. `estimate_of_largest` says how the two ends are made.
    """

    def differences() -> Iterator[tuple[Floats, Floats]]:
        for rate in rates:
            values = group_values(rate, outcomes)
            random = generator(settings.seed, f"{name} {rate.kind} {rate.label}")
            draws = group_draws(rate, outcomes, settings.repeats, random)
            for group in range(len(outcomes.groups)):
                yield (
                    np.delete(values[group] - values, group),
                    np.delete(draws[:, [group]] - draws, group, axis=1),
                )

    return estimate_of_largest(name, differences(), rows, floor=0.0)


def worst_group(
    name: str, rate: Rate, outcomes: Outcomes, rows: int, settings: FairnessSettings
) -> Estimate:
    """The smallest rate of any group: the negative of the largest negative."""
    draws = group_draws(rate, outcomes, settings.repeats, generator(settings.seed, name))
    negative = [(-group_values(rate, outcomes), -draws)]
    return negated(estimate_of_largest(name, negative, rows, floor=-1.0))
