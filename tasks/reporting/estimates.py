"""Estimates in words and on axes, for every section that shows numbers with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.reporting.charts import Bar, Tick, plain_bar, scale_of
from tasks.reporting.metrics import is_better_lower, metric_of
from tasks.reporting.number_format import count, interval, is_drawable, number, with_unit, words_of
from tasks.verdicts import Estimate

NO_TICKS: tuple[Tick, ...] = ()


@dataclass(frozen=True)
class EstimateRow:
    """One estimate in words, with its bar on the table's axis.

    Attributes:
        reason: why there is no number, where there is none.
        falls: whether a lower number is better.

    """

    metric: str
    name: str
    number: str
    interval: str
    n: str
    method: str
    reason: str
    bar: Bar | None
    falls: bool = False

    @property
    def told(self) -> str:
        """Number, interval and count in a sentence; why there is none, where there is none."""
        return self.reason or f"{self.number}, interval {self.interval}, n = {self.n}"


@dataclass(frozen=True)
class EstimateTable:
    """Estimates that share one axis.

    Attributes:
        zero: where 0 stands on the axis; None where the axis does not hold it.
        method: how the intervals were made, and which rows' were made otherwise.

    """

    rows: tuple[EstimateRow, ...]
    ticks: tuple[Tick, ...]
    zero: float | None
    method: str


def estimate_table(estimates: Sequence[Estimate], names: Sequence[str] = ()) -> EstimateTable:
    """Estimates of one unit on one axis, under their own or under these names."""
    drawable = [estimate for estimate in estimates if is_drawable(estimate)]
    differences = any(is_difference(estimate.name) for estimate in estimates)
    scale = scale_of(drawable, include=(0.0,) if differences else ())
    heads = names or [words_of(estimate.name) for estimate in estimates]
    rows = tuple(
        estimate_row(estimate, plain_bar(estimate, scale), name)
        for estimate, name in zip(estimates, heads, strict=True)
    )
    zero = scale.at(0.0) if drawable and differences else None
    method = _methods([row for row in rows if row.bar])
    return EstimateTable(rows, scale.ticks if drawable else NO_TICKS, zero, method)


def _methods(rows: Sequence[EstimateRow]) -> str:
    """The commonest method, then each other one with the rows that it is of."""
    by_method: dict[str, list[str]] = {}
    for row in rows:
        by_method.setdefault(row.method, []).append(row.name)
    common, *others = sorted(by_method, key=lambda method: -len(by_method[method])) or [""]
    return "; ".join([common, *(f"{', '.join(by_method[m])}: {m}" for m in others)])


def is_difference(name: str) -> bool:
    """Whether an estimate compares two numbers, so that 0 means no difference."""
    return any(part.endswith(("_gain", "_gap", "_difference", "_drop")) for part in name.split("."))


def tables_apart(estimates: Sequence[Estimate], names: Sequence[str] = ()) -> list[EstimateTable]:
    """A table for each axis: differences apart from levels, each scale, and each better side."""
    heads = names or [words_of(estimate.name) for estimate in estimates]
    parts: dict[tuple[bool, str, bool], list[tuple[Estimate, str]]] = {}
    for estimate, head in zip(estimates, heads, strict=True):
        name = estimate.name
        axis = (not is_difference(name), metric_of(name).scale, is_better_lower(name))
        parts.setdefault(axis, []).append((estimate, head))
    ordered = sorted(parts.items(), key=lambda part: part[0][0])
    return [estimate_table([e for e, _ in part], [h for _, h in part]) for _, part in ordered]


def estimate_row(estimate: Estimate, bar: Bar | None = None, name: str = "") -> EstimateRow:
    """One estimate in words."""
    return EstimateRow(
        metric=estimate.name,
        name=name or words_of(estimate.name),
        number=with_unit(number(estimate.value), estimate.name),
        interval=with_unit(interval(estimate.low, estimate.high), estimate.name),
        n=count(estimate.n),
        method=estimate.method,
        reason=estimate.reason,
        bar=bar,
        falls=is_better_lower(estimate.name),
    )
