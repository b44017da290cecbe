"""How many rows gates on groups and swapped words rest on: counted without looking at an answer."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from tasks.fairness.gaps import told_labels, why_no_groups
from tasks.fairness.groups import compared_groups
from tasks.fairness.settings import LEAST_GROUPS, FairnessSettings
from tasks.protected_groups.memberships import Membership
from tasks.records.gate_rows import GateRows
from tasks.resampling import Ints
from tasks.resampling_units import Units, clusters_of_groups

Parts = Mapping[str, NDArray[np.bool_]]


def gate_rows_of_groups(
    member: Membership,
    truth: Ints | None,
    labels: tuple[str, ...],
    settings: FairnessSettings,
    units: Units | None,
) -> Iterator[GateRows]:
    """What the gaps of an attribute rest on.

    Args:
        member: groups of N rows.
        truth: class ids, (N,); None where a row has not one class.
        labels: of the class ids.
        settings: compared groups, told labels and least rows.
        units: what the rows are drawn in; None for one by one.

    """
    compared = compared_groups(member, settings)
    held = {group: member.rows[:, place] for place, group in enumerate(member.groups)}
    nobody = np.zeros(len(member.rows), dtype=np.bool_)
    groups = {group: held.get(group, nobody) for group in compared}
    sizes = [(group, int(rows.sum())) for group, rows in groups.items()]
    reason = member.reason or (
        why_no_groups(member.attribute, sizes, 0)
        if len(sizes) < LEAST_GROUPS or not any(rows for _, rows in sizes)
        else ""
    )
    prefix, least = f"fairness.{member.attribute}", settings.min_group_rows
    if truth is None:
        yield _smallest(f"{prefix}.row_score_difference", groups, least, units, reason)
        return
    told = told_labels(labels, settings)
    true = {
        f"{group} labelled {labels[label]!r}": rows & (truth == label)
        for label in told
        for group, rows in groups.items()
    }
    false = {
        f"{group} not labelled {labels[label]!r}": rows & (truth != label)
        for label in told
        for group, rows in groups.items()
    }
    for name, parts in (
        ("accuracy_difference", groups),
        ("equal_opportunity_difference", true),
        ("false_positive_rate_difference", false),
        ("equalized_odds_difference", {**true, **false}),
    ):
        yield _smallest(f"{prefix}.{name}", parts, least, units, reason)


def _smallest(metric: str, parts: Parts, least: int, units: Units | None, reason: str) -> GateRows:
    if reason or not parts:
        return GateRows(metric, 0, 0, least, reason or "there is nothing to compare")
    rows = {name: int(part.sum()) for name, part in parts.items()}
    name = min(rows, key=lambda one: rows[one])
    drawn = rows[name]
    if units is not None and units.clustered:
        counts = clusters_of_groups(units, np.stack(list(parts.values()), axis=1))
        drawn = int(counts.min())
    part = f"{name} is the smallest part" if rows[name] else f"no test row is {name}"
    return GateRows(metric, rows[name], drawn, least, part)


def gate_rows_of_swaps(family: str, rows: int, units: int, least: int) -> GateRows:
    """What the flip rate of a family rests on.

    Args:
        family: its name.
        rows: with something to swap.
        units: clusters that these come from where whole clusters are drawn, else the rows.
        least: rows below which nothing is judged.

    """
    part = "rows with a word to swap" if rows else "no test row has a word to swap"
    return GateRows(f"counterfactual.{family}.flip_rate", rows, units, least, part)
