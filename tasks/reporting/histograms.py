"""Counts over edges as columns of a chart."""

from collections.abc import Mapping
from dataclasses import dataclass

from tasks.records.data import Histogram
from tasks.reporting.charts import Tick
from tasks.reporting.number_format import count, number, share

_MOST_TICKS = 8


@dataclass(frozen=True)
class Column:
    """A column in per cent of the plot; y grows downwards, as in SVG."""

    x: float
    y: float
    width: float
    height: float
    described: str


@dataclass(frozen=True)
class HistogramPlot:
    """Columns of one or more histograms over the same edges, side by side in each bin."""

    series: tuple[tuple[str, tuple[Column, ...]], ...]
    x_ticks: tuple[Tick, ...]


def histogram_plot(histograms: Mapping[str, Histogram]) -> HistogramPlot | None:
    """The histograms as shares of their own rows; None where there is no row.

    Bins take equal widths, whatever their edges; those empty at both ends are left out.
    """
    used = [i for one in histograms.values() for i, rows in enumerate(one.counts) if rows]
    if not used:
        return None
    first, last = min(used), max(used)
    edges = next(iter(histograms.values())).edges[first : last + 2]
    shares = {
        name: [rows / max(1, sum(one.counts)) for rows in one.counts[first : last + 1]]
        for name, one in histograms.items()
    }
    highest = max(max(values) for values in shares.values())
    bins, lanes = last - first + 1, len(histograms)
    series = []
    for lane, (name, one) in enumerate(histograms.items()):
        columns = []
        for place, part in enumerate(shares[name]):
            rows = one.counts[first + place]
            low, high = number(edges[place]), number(edges[place + 1])
            height = round(100 * part / highest, 2)
            columns.append(
                Column(
                    x=round(100 * (place + (lane + 0.08) / lanes) / bins, 2),
                    y=round(100 - height, 2),
                    width=round(84 / bins / lanes, 2),
                    height=height,
                    described=f"{name}: {count(rows)} rows ({share(part, 1)}) from {low} to {high}",
                )
            )
        series.append((name, tuple(columns)))
    every = -(-(bins + 1) // _MOST_TICKS)
    ticks = tuple(
        Tick(round(100 * place / bins, 2), _short(edge))
        for place, edge in enumerate(edges)
        if place % every == 0
    )
    return HistogramPlot(tuple(series), ticks)


def _short(edge: float) -> str:
    return f"{edge:,.0f}" if edge >= 1 else f"{edge:g}"
