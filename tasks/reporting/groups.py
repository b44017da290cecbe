"""How the candidate treats groups, as the page and the Prefect run show it."""

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.records import Fairness, GroupRates
from tasks.reporting.charts import Bar, Tick, plain_bar, scale_of
from tasks.reporting.figures import count, interval, is_drawable, number, p_value, words_of
from tasks.verdicts import ALPHA, Estimate


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
    """All groups on one axis of accuracy gaps, which always holds 0.

    Attributes:
        metrics: heads of the columns ``rates``.

    """

    metrics: tuple[str, ...]
    rows: tuple[GroupRow, ...]
    ticks: tuple[Tick, ...]
    zero: float


def group_table(fairness: Fairness) -> GroupTable:
    """Every assessed group, the undetermined ones included."""
    names = list(dict.fromkeys(name for group in fairness.groups for name in group.metrics))
    gaps = [group.accuracy_gap for group in fairness.groups]
    scale = scale_of([gap for gap in gaps if is_drawable(gap)], include=(0.0,))
    rows = []
    for group in fairness.groups:
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
    heads = tuple(words_of(f"group.{name}") for name in names)
    return GroupTable(heads, tuple(rows), scale.ticks, scale.at(0.0))


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
