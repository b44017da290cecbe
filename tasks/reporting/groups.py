"""How the candidate treats groups, as the page and the Prefect run show it."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from tasks.protected_groups.group_names import EXCLUSIVE, exclusive_name
from tasks.records.fairness import Fairness, GroupRates
from tasks.reporting.charts import Bar, Scale, Tick, plain_bar, scale_of
from tasks.reporting.estimates import EstimateTable, tables_apart
from tasks.reporting.number_format import count, interval, is_drawable, number, p_value, words_of
from tasks.verdicts import ALPHA, Estimate

OF_CELLS = (
    "Each row is in one cell: of one group alone, of several, or of none. Rows of none are the "
    "background, which is compared with the others only where the settings name it."
)
# Families whose numbers stand beside both models in the comparison.
_OF_COMPARISON = ("unmitigated.",)
OVERLAPPING = "Rows of several groups count in each of them, so that gaps look smaller: see {}."


@dataclass(frozen=True)
class GroupRow:
    """One group in words.

    Attributes:
        reading: what the gap says, or why it says nothing.
        decided: whether the group was large enough to be judged.

    """

    attribute: str
    group: str
    rows: str
    rates: tuple[str, ...]
    gap: str
    interval: str
    p_adjusted: str
    symbol: str
    reading: str
    decided: bool
    bar: Bar | None


@dataclass(frozen=True)
class GroupTable:
    """Groups on one axis of gaps, which always holds 0.

    Attributes:
        attribute: that they are groups of.
        gap_of: what the gap is one of, for example accuracy.
        metrics: heads of the columns ``rates``.
        own: the groups' own rates with intervals.
        between: what was measured over all groups of the attribute.
        note: how the groups relate, where that is not plain.

    """

    attribute: str
    gap_of: str
    metrics: tuple[str, ...]
    rows: tuple[GroupRow, ...]
    ticks: tuple[Tick, ...]
    zero: float
    own: list[EstimateTable]
    between: list[EstimateTable]
    note: str = ""


def group_tables(fairness: Fairness) -> list[GroupTable]:
    """Every assessed group, the undetermined ones included; a table for each attribute."""
    gaps = [group.accuracy_gap for group in fairness.groups]
    scale = scale_of([gap for gap in gaps if is_drawable(gap)], include=(0.0,))
    attributes = dict.fromkeys(group.attribute for group in fairness.groups)
    return [
        _table(
            [group for group in fairness.groups if group.attribute == attribute],
            scale,
            _between(fairness, attribute.__eq__),
            _note(attribute, attributes),
        )
        for attribute in attributes
    ]


def _note(attribute: str, attributes: Collection[str]) -> str:
    """How the groups of an attribute relate; empty where each row is in one of them."""
    if attribute.endswith(EXCLUSIVE) and attribute.removesuffix(EXCLUSIVE) in attributes:
        return OF_CELLS
    cells = exclusive_name(attribute)
    return OVERLAPPING.format(cells) if cells in attributes else ""


def gap_of(group: GroupRates) -> str:
    """What a group's gap is one of, in words: accuracy, or the row score."""
    _, _, rest = group.accuracy_gap.name.partition(f".{group.attribute}.")
    metric = rest.partition("_gap")[0] or "accuracy"
    return words_of(f"group.{metric}")


def _table(
    groups: Sequence[GroupRates], scale: Scale, between: list[EstimateTable], note: str
) -> GroupTable:
    names = list(dict.fromkeys(name for group in groups for name in group.metrics))
    own = [estimate for group in groups for estimate in group.estimates]
    rows = []
    for group in groups:
        symbol, reading = read_gap(group)
        rows.append(
            GroupRow(
                attribute=group.attribute,
                group=group.group,
                rows=count(group.rows),
                rates=tuple(number(group.metrics.get(name)) for name in names),
                gap=number(group.accuracy_gap.value),
                interval=_span(group.accuracy_gap),
                p_adjusted=p_value(group.p_adjusted),
                symbol=symbol,
                reading=reading,
                decided=is_decided(group),
                bar=plain_bar(group.accuracy_gap, scale),
            )
        )
    return GroupTable(
        attribute=groups[0].attribute,
        gap_of=gap_of(groups[0]),
        metrics=tuple(words_of(f"group.{name}") for name in names),
        rows=tuple(rows),
        ticks=scale.ticks,
        zero=scale.at(0.0),
        own=tables_apart(own),
        between=between,
        note=note,
    )


def other_estimates(fairness: Fairness) -> list[EstimateTable]:
    """The estimates of attributes of which no group was found, and of no attribute."""
    attributes = {group.attribute for group in fairness.groups}
    return _between(fairness, lambda of: of not in attributes)


def _between(fairness: Fairness, wanted: Callable[[str], bool]) -> list[EstimateTable]:
    """What no other table shows, of the attributes that are wanted."""
    shown = {estimate.name for estimate in _shown_elsewhere(fairness)}
    kept = [
        estimate
        for estimate in fairness.estimates
        if estimate.name not in shown
        and wanted(estimate.name.split(".")[1])
        and not estimate.name.startswith(_OF_COMPARISON)
    ]
    return tables_apart(kept)


def _shown_elsewhere(fairness: Fairness) -> Iterator[Estimate]:
    for group in fairness.groups:
        yield group.accuracy_gap
        yield from group.estimates
    for auc in fairness.aucs:
        yield from (auc.subgroup_auc, auc.bpsn_auc, auc.bnsp_auc)
        yield from (auc.positive_aeg, auc.negative_aeg)
    for family in fairness.counterfactuals:
        yield from (family.flip_rate, family.score_shift, family.largest_shift)


def _span(gap: Estimate) -> str:
    return interval(gap.low, gap.high) if is_drawable(gap) else ""


def is_decided(group: GroupRates) -> bool:
    """Whether a group is judged at all."""
    return group.p_adjusted is not None and is_drawable(group.accuracy_gap)


def read_gap(group: GroupRates) -> tuple[str, str]:
    """A sign and a sentence for a group's accuracy gap to all other rows."""
    gap = group.accuracy_gap
    if gap.value is None or group.p_adjusted is None or not is_drawable(gap):
        return "?", f"undetermined: {group.reason or gap.reason or 'no reason was recorded'}"
    if group.p_adjusted >= ALPHA:
        return "=", "no difference shown"
    return ("▲", "above all other rows") if gap.value > 0 else ("▼", "below all other rows")


def undetermined_groups(groups: Sequence[GroupRates]) -> list[GroupRates]:
    """The groups that are not judged."""
    return [group for group in groups if not is_decided(group)]
