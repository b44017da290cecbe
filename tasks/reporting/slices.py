"""Parts of the test rows as the page and the Prefect run show them: a forest of gaps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tasks.records.evaluation import Scores, SliceResult
from tasks.reporting.charts import Bar, Tick, plain_bar, scale_of
from tasks.reporting.estimates import EstimateTable, is_difference, tables_apart
from tasks.reporting.number_format import count, interval, is_drawable, number, p_value, words_of
from tasks.verdicts import ALPHA, Estimate

FOUND: Final = "search"


@dataclass(frozen=True)
class SliceRow:
    """One slice in words.

    Attributes:
        level: its own leading metric, number and interval; both empty where there is none.
        reading: what the gap says, or why it says nothing.
        judged: whether the slice was large enough to be judged.

    """

    name: str
    description: str
    rows: str
    score: str
    level: tuple[str, str]
    gap: str
    interval: str
    p_adjusted: str
    symbol: str
    reading: str
    judged: bool
    bar: Bar | None


@dataclass(frozen=True)
class SliceTable:
    """Slices on one axis of score gaps, which always holds 0.

    Attributes:
        metric: head of the column ``level``; empty where there is none.

    """

    metric: str
    rows: tuple[SliceRow, ...]
    ticks: tuple[Tick, ...]
    zero: float


@dataclass(frozen=True)
class Slices:
    """The slices that were asked for, and those that a search found, the worst first.

    Attributes:
        levels: every metric that was measured of a slice.

    """

    named: SliceTable
    found: SliceTable
    levels: list[EstimateTable]


def slices_of(scores: Scores) -> Slices:
    """All slices of a candidate, both kinds on axes of their own."""
    named = [one for one in scores.slices if one.origin != FOUND]
    found = [one for one in scores.slices if one.origin == FOUND]
    levels = [
        estimate
        for estimate in scores.estimates
        if estimate.name.startswith("slice.") and not is_difference(estimate.name)
    ]
    return Slices(_table(named, scores), _table(found, scores), tables_apart(levels))


def _table(slices: Sequence[SliceResult], scores: Scores) -> SliceTable:
    by_name = {estimate.name: estimate for estimate in scores.estimates}
    lead = next((one.metric for one in scores.comparisons), "")
    levels = [by_name.get(f"slice.{one.name}.{lead}") for one in slices]
    scale = scale_of([one.gap for one in slices if is_drawable(one.gap)], include=(0.0,))
    rows = []
    for one, level in zip(slices, levels, strict=True):
        symbol, reading = read_slice(one)
        rows.append(
            SliceRow(
                name=one.name,
                description=one.description,
                rows=count(one.rows),
                score=number(one.score),
                level=_level(level),
                gap=number(one.gap.value),
                interval=interval(one.gap.low, one.gap.high) if is_drawable(one.gap) else "",
                p_adjusted=p_value(one.p_adjusted),
                symbol=symbol,
                reading=reading,
                judged=is_judged(one),
                bar=plain_bar(one.gap, scale),
            )
        )
    head = words_of(f"quality.{lead}") if any(levels) else ""
    return SliceTable(head, tuple(rows), scale.ticks, scale.at(0.0))


def _level(estimate: Estimate | None) -> tuple[str, str]:
    if estimate is None or not is_drawable(estimate):
        return "", ""
    return number(estimate.value), interval(estimate.low, estimate.high)


def is_judged(one: SliceResult) -> bool:
    """Whether a slice is judged at all."""
    return one.p_adjusted is not None and is_drawable(one.gap)


def read_slice(one: SliceResult) -> tuple[str, str]:
    """A sign and a sentence for a slice's gap to all other rows."""
    if one.gap.value is None or one.p_adjusted is None or not is_drawable(one.gap):
        return "?", f"undetermined: {one.reason or one.gap.reason or 'no reason was recorded'}"
    if one.p_adjusted >= ALPHA:
        return "=", "no difference shown"
    return ("▲", "above all other rows") if one.gap.value > 0 else ("▼", "below all other rows")
