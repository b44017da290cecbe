"""How far the groups of an attribute lie apart in the rates of their predictions."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.fairness.disparities import Spread
from tasks.fairness.rates import (
    GroupNumbers,
    Outcomes,
    Rate,
    accuracy_rate,
    by_group,
    exact_ends,
    f1_score,
    false_negative_share,
    false_positive_rate,
    group_draws,
    group_values,
    precision,
    selection_rate,
    true_positive_rate,
)
from tasks.fairness.settings import LEAST_GROUPS, FairnessSettings
from tasks.resampling import Floats, generator
from tasks.resampling_units import MIN_CLUSTERS, Units, clusters_of_groups
from tasks.verdicts import Estimate, undetermined

LabelRate = Callable[[Outcomes, int], Rate]
# Of these, the largest difference and the smallest ratio between groups, over the told labels.
ONE_VS_REST: dict[str, tuple[LabelRate, ...]] = {
    "demographic_parity": (selection_rate,),
    "equal_opportunity": (true_positive_rate,),
    "false_positive_rate": (false_positive_rate,),
    "equalized_odds": (true_positive_rate, false_positive_rate),
    "predictive_parity": (precision,),
    "f1": (f1_score,),
    "treatment_equality": (false_negative_share,),
}
# Of these, the worst group as well.
WORST = ("accuracy", "f1")
# Which rows a rate is a share of, in words.
BASES = {
    "selection rate": "with or without",
    "true positive rate": "labelled",
    "false positive rate": "not labelled",
    "precision": "predicted",
    "F1": "labelled or predicted",
    "false negative share": "missed or wrongly predicted as",
}
# Cells named in a reason; the rest is counted.
CELLS_NAMED = 3


def names_of(metric: str) -> tuple[str, ...]:
    """Names of the estimates of one metric."""
    worst = (f"worst_group_{metric}",) if metric in WORST else ()
    return (f"{metric}_difference", f"{metric}_ratio", *worst)


NAMES = tuple(name for metric in ("accuracy", *ONE_VS_REST) for name in names_of(metric))


def gap_estimates(
    attribute: str,
    outcomes: Outcomes,
    labels: tuple[str, ...],
    settings: FairnessSettings,
    *,
    metrics: Sequence[str] = ("accuracy", *ONE_VS_REST),
    reason: str = "",
) -> list[Estimate]:
    """All estimates of one attribute, named ``fairness.<attribute>.<metric>``.

    Values are fairlearn's: the largest minus the smallest group's rate, and the smallest over the
    largest; of several labels, each against the rest, the largest difference and the smallest ratio
    (equalized odds: over TPR and FPR). Treatment equality, which fairlearn lacks, compares the
    share of false negatives among the wrong answers about a label. Rows in several groups are
    compared in long form, each row once in each of its groups.

    Args:
        attribute: for the names.
        outcomes: of the groups that are compared.
        labels: names of the class ids.
        settings: told labels, least rows, repeats and seed.
        metrics: accuracy and keys of `ONE_VS_REST`.
        reason: why nothing can be compared; empty where it can.

    """
    rows = rows_of(outcomes)
    if reason := reason or why_no_comparison(attribute, outcomes, settings.min_group_rows):
        names = [name for metric in metrics for name in names_of(metric)]
        return [undetermined(f"fairness.{attribute}.{name}", rows, reason) for name in names]
    spreads = {metric: Spread() for metric in metrics}
    reasons = dict.fromkeys(metrics, "")
    if "accuracy" in metrics:
        rate = accuracy_rate(outcomes)
        spreads["accuracy"].add(numbers_of(attribute, rate, outcomes, settings), "accuracy")
    kinds = dict.fromkeys(kind for metric in metrics for kind in ONE_VS_REST.get(metric, ()))
    for kind in kinds:
        asking = [metric for metric in metrics if kind in ONE_VS_REST.get(metric, ())]
        rates = [kind(outcomes, label) for label in told_labels(labels, settings)]
        if reason := why_no_rates(rates, outcomes, labels, settings.min_group_rows):
            reasons |= {metric: reasons[metric] or reason for metric in asking}
            continue
        for rate in rates:
            numbers = numbers_of(attribute, rate, outcomes, settings)
            for metric in asking:
                spreads[metric].add(numbers, in_words(rate, labels))
    estimates = []
    for metric, spread in spreads.items():
        estimates += spread_estimates(attribute, metric, spread, rows, reasons[metric])
    return estimates


def spread_estimates(
    attribute: str, metric: str, spread: Spread, rows: int, reason: str
) -> list[Estimate]:
    """The estimates of one metric; undetermined where there is a reason."""
    names = [f"fairness.{attribute}.{name}" for name in names_of(metric)]
    if reason:
        return [undetermined(name, rows, reason) for name in names]
    return spread.estimates(names, rows)


def told_labels(labels: tuple[str, ...], settings: FairnessSettings) -> list[int]:
    """Class ids of the labels that are told from the rest."""
    return [labels.index(label) for label in settings.positive_labels or labels]


def numbers_of(
    attribute: str, rate: Rate, outcomes: Outcomes, settings: FairnessSettings
) -> GroupNumbers:
    """A rate of all groups, with draws of its own.

    The draws of different rates are independent of each other; of one rate, all groups' draws are
    joint.
    """
    random = generator(settings.seed, f"fairness.{attribute} {rate.kind} {rate.label}")
    draws = group_draws(rate, outcomes, settings.repeats, random)
    return GroupNumbers(group_values(rate, outcomes), draws, exact_ends(rate, outcomes))


def in_words(rate: Rate, labels: tuple[str, ...]) -> str:
    """A rate with its label."""
    return rate.kind if rate.label is None else f"the {rate.kind} of {labels[rate.label]!r}"


def rows_of(outcomes: Outcomes) -> int:
    """Rows that are in any of the groups."""
    return int(outcomes.counts[outcomes.membership.any(axis=1)].sum())


def why_no_comparison(attribute: str, outcomes: Outcomes, min_rows: int) -> str:
    """Why the groups of an attribute cannot be compared; empty where they can."""
    sizes = by_group(outcomes.counts.sum(axis=(1, 2)), outcomes)
    cells = list(zip(outcomes.groups, map(int, sizes), strict=True))
    return why_no_groups(attribute, cells, min_rows) or why_few_clusters(
        accuracy_rate(outcomes), outcomes
    )


def why_no_groups(attribute: str, sizes: Sequence[tuple[str, int]], min_rows: int) -> str:
    """Why groups of these sizes cannot be compared; empty where they can."""
    if len(sizes) < LEAST_GROUPS:
        found = ", ".join(group for group, _ in sizes) or "none"
        return f"{attribute} needs two groups to compare; the test rows hold {found}"
    if not any(rows for _, rows in sizes):
        return f"no test row belongs to a group of {attribute}"
    return why_too_small(sizes, min_rows)


def why_no_rates(
    rates: Sequence[Rate], outcomes: Outcomes, labels: tuple[str, ...], min_rows: int
) -> str:
    """Which rates rest on too few rows in a group; empty where none does."""
    cells = []
    for rate in rates:
        which = f"{BASES[rate.kind]} {labels[rate.label]!r}" if rate.label is not None else ""
        for group, base in zip(outcomes.groups, by_group(rate.base, outcomes), strict=True):
            cells.append((f"{group} {which}".strip(), int(base)))
    few = (why_few_clusters(rate, outcomes) for rate in rates)
    return why_too_small(cells, min_rows) or next(filter(None, few), "")


def clusters_by_group(rate: Rate, outcomes: Outcomes) -> Floats:
    """Clusters that hold base rows of each group, (G,); infinitely many where none are drawn."""
    if rate.of_clusters is None:
        return np.full(len(outcomes.groups), np.inf)
    _, base = rate.of_clusters
    held: Floats = ((base @ outcomes.membership) > 0).sum(axis=0).astype(np.float64)
    return held


def why_few_clusters(rate: Rate, outcomes: Outcomes) -> str:
    """Which group's rows come from too few clusters; empty where none do."""
    counts = clusters_by_group(rate, outcomes)
    fewest = int(counts.argmin())
    return few_clusters(outcomes.groups[fewest], counts[fewest])


def why_few_clusters_of(parts: Mapping[str, NDArray[np.bool_]], units: Units | None) -> str:
    """The same of parts of the N rows by name, each (N,)."""
    if units is None or not units.clustered:
        return ""
    counts = clusters_of_groups(units, np.stack(list(parts.values()), axis=1))
    fewest = int(counts.argmin())
    return few_clusters(list(parts)[fewest], int(counts[fewest]))


def few_clusters(who: str, clusters: float) -> str:
    """Why rows of so few clusters tell nothing; empty where they are enough."""
    if clusters >= MIN_CLUSTERS:
        return ""
    return f"{who} has rows of {int(clusters)} clusters, and at least {MIN_CLUSTERS} are needed"


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
