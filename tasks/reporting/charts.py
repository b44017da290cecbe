"""Where the marks of a chart stand, in per cent of the plot: the templates draw them as inline SVG.

Percentages let a chart take any width with crisp strokes and text of the page's own size.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from tasks.records.training import Epoch
from tasks.reporting.gates import threshold_of
from tasks.reporting.number_format import count, interval, number, title_of, words_of
from tasks.verdicts import Estimate, GateResult

_STEPS: Final = (1, 2, 2.5, 5, 10)
_MOST_STEPS: Final = 5
_MIN_DOT_PX: Final = 3.5
_MAX_DOT_PX: Final = 11.0
# Where a tick would have more digits behind the point, and be smaller, it has an exponent.
_MOST_DIGITS: Final = 4
_SMALL: Final = 1e-3


@dataclass(frozen=True)
class Tick:
    """A labelled place on an axis."""

    at: float
    label: str


@dataclass(frozen=True)
class Scale:
    """A linear axis from low to high."""

    low: float
    high: float

    def at(self, value: float) -> float:
        """Where a value stands, in per cent; what lies outside stands at the edge."""
        place = 100 * (value - self.low) / (self.high - self.low)
        return round(min(100.0, max(0.0, place)), 2)

    @property
    def ticks(self) -> tuple[Tick, ...]:
        """Three to six round values."""
        rough = (self.high - self.low) / _MOST_STEPS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(s * power for s in _STEPS if s * power >= rough * 0.999)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        digits = max(0, -math.floor(math.log10(step) + 1e-9))
        digits += round(step * 10**digits, 6) % 1 > 0  # a step of 0.25 needs one digit more
        values = [round(k * step, 10) for k in range(first, last + 1)]
        return tuple(Tick(self.at(value), _tick_label(value, digits)) for value in values)


def _tick_label(value: float, digits: int) -> str:
    minus = "\N{MINUS SIGN}" if value < 0 else ""
    small = digits > _MOST_DIGITS and abs(value) < _SMALL
    text = f"{abs(value):.9g}" if small else f"{abs(value):.{digits}f}"
    return f"{minus}{text}"


def scale_over(values: Iterable[float], *, margin: float = 0.08) -> Scale:
    """An axis that holds all finite values with a margin on both sides."""
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    width = high - low or abs(high) * 0.1 or 1.0
    return Scale(low - margin * width, high + margin * width)


@dataclass(frozen=True)
class Bar:
    """An interval with its point, and the threshold that it is held against.

    Attributes:
        threshold: None where there is nothing to hold it against.
        passes_from: start of the side that passes.
        passes_width: width of that side.
        described: the same in words.

    """

    low: float
    value: float
    high: float
    threshold: float | None
    passes_from: float
    passes_width: float
    described: str


def gate_bar(gate: GateResult) -> Bar | None:
    """A gate's interval against its threshold, on an axis of its own; None without a number."""
    rule = threshold_of(gate.rule)
    if rule is None or gate.low is None or gate.high is None or gate.value is None:
        return None
    scale = scale_over((gate.low, gate.value, gate.high, rule.value), margin=0.18)
    threshold = scale.at(rule.value)
    return Bar(
        low=scale.at(gate.low),
        value=scale.at(gate.value),
        high=scale.at(gate.high),
        threshold=threshold,
        passes_from=threshold if rule.passes_above else 0.0,
        passes_width=round(100 - threshold, 2) if rule.passes_above else threshold,
        described=f"{title_of(gate.metric)} {number(gate.value)}, interval "
        f"{interval(gate.low, gate.high)}, threshold {gate.rule}: {gate.verdict.value}",
    )


def plain_bar(estimate: Estimate, scale: Scale) -> Bar | None:
    """An interval at 95% on a shared axis; None without a number."""
    low, value, high = estimate.low, estimate.value, estimate.high
    if low is None or value is None or high is None:
        return None
    if not all(map(math.isfinite, (low, value, high))):
        return None
    described = f"{words_of(estimate.name)} {number(value)}, 95% interval {interval(low, high)}"
    return Bar(scale.at(low), scale.at(value), scale.at(high), None, 0.0, 0.0, described)


def scale_of(estimates: Iterable[Estimate], *, include: Sequence[float] = ()) -> Scale:
    """An axis that all of these intervals fit on."""
    ends = [end for e in estimates for end in (e.low, e.value, e.high) if end is not None]
    return scale_over([*ends, *include])


@dataclass(frozen=True)
class Dot:
    """A mark in a plane; y grows downwards, as in SVG."""

    x: float
    y: float
    radius: float
    described: str


@dataclass(frozen=True)
class Line:
    """A series of dots that are joined.

    Attributes:
        traced: whether the dots are so many that only the line through them is drawn.
        joined: whether the dots follow one another, so that lines join them.

    """

    name: str
    dots: tuple[Dot, ...]
    traced: bool = False
    joined: bool = True

    @property
    def points(self) -> str:
        """The dots as SVG's polyline has them."""
        return " ".join(f"{dot.x:g},{dot.y:g}" for dot in self.dots)


@dataclass(frozen=True)
class Plane:
    """Two axes and what stands on them.

    Attributes:
        marker: where on x the kept epoch, or what was chosen, stands; None without one.

    """

    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[Line, ...]
    marker: float | None = None


def calibration_plane(bins: Sequence[tuple[float, float, int]]) -> Plane:
    """Accuracy over mean confidence, both 0 to 1; a dot's area grows with its rows."""
    scale = Scale(0.0, 1.0)
    most = max((rows for *_, rows in bins), default=1)
    dots = [
        Dot(
            x=scale.at(confidence),
            y=round(100 - scale.at(accuracy), 2),
            radius=_dot_radius(rows / most),
            described=f"confidence {number(confidence)}, accuracy {number(accuracy)}, "
            f"{count(rows)} rows",
        )
        for confidence, accuracy, rows in bins
    ]
    return Plane(scale.ticks, _upwards(scale), (Line("bins", tuple(dots)),))


def _dot_radius(portion: float) -> float:
    return round(_MIN_DOT_PX + (_MAX_DOT_PX - _MIN_DOT_PX) * math.sqrt(portion), 2)


def training_plane(epochs: Sequence[Epoch], best: int, series: dict[str, list[float]]) -> Plane:
    """Values per epoch, one line a series."""
    numbers = [epoch.number for epoch in epochs]
    across = Scale(numbers[0] - 0.25, numbers[-1] + 0.25)
    scale = scale_over([value for values in series.values() for value in values], margin=0.12)
    lines = [
        Line(
            name,
            tuple(
                Dot(across.at(x), round(100 - scale.at(y), 2), 4.0, f"epoch {x}: {number(y)}")
                for x, y in zip(numbers, values, strict=True)
                if math.isfinite(y)
            ),
        )
        for name, values in series.items()
    ]
    every = max(1, math.ceil(len(numbers) / 10))
    x_ticks = tuple(Tick(across.at(x), str(x)) for x in numbers[::every])
    marker = across.at(best) if best in numbers else None
    return Plane(x_ticks, _upwards(scale), tuple(lines), marker)


def step_plane(steps: Sequence[int], name: str, values: Sequence[float]) -> Plane:
    """One value over the steps of training, as a line without marks."""
    across = Scale(min(steps) - 0.5, max(steps) + 0.5)
    scale = scale_over(values, margin=0.06)
    dots = tuple(
        Dot(across.at(x), round(100 - scale.at(y), 2), 0.0, f"step {count(x)}: {number(y)}")
        for x, y in zip(steps, values, strict=True)
        if math.isfinite(y)
    )
    whole = tuple(tick for tick in across.ticks if "." not in tick.label)
    return Plane(whole, _upwards(scale), (Line(name, dots, traced=True),))


def risk_coverage_plane(points: Sequence[tuple[float, float]], coverage: float) -> Plane:
    """Risk over coverage as a line, with a mark at the coverage that is taken."""
    across = Scale(0.0, 1.0)
    scale = scale_over([0.0, *(risk for _, risk in points)], margin=0.06)
    dots = tuple(
        Dot(across.at(x), round(100 - scale.at(y), 2), 0.0, f"coverage {number(x)}: {number(y)}")
        for x, y in points
    )
    line = Line("selective risk", dots, traced=True)
    return Plane(across.ticks, _upwards(scale), (line,), across.at(coverage))


def tradeoff_plane(price: Estimate, bought: Estimate) -> Plane | None:
    """Two gains as a cross of their 95% intervals, with 0 marked on x; None without numbers."""
    ends = [
        (low, value, high)
        for low, value, high in ((one.low, one.value, one.high) for one in (price, bought))
        if low is not None and value is not None and high is not None
    ]
    if len(ends) < len((price, bought)):
        return None
    across, up = (scale_of([one], include=(0.0,)) for one in (price, bought))
    (left, x, right), (below, y, above) = ends

    def dot(at_x: float, at_y: float, radius: float = 0.0) -> Dot:
        return Dot(across.at(at_x), round(100 - up.at(at_y), 2), radius, described)

    described = ", ".join(
        f"{words_of(one.name)} {number(one.value)} {interval(one.low, one.high)}"
        for one in (price, bought)
    )
    middle = dot(x, y, 5.0)
    arms = (dot(left, y), dot(right, y), middle, dot(x, below), dot(x, above))
    unchanged = replace(dot(0.0, 0.0, 3.5), described="no change")
    return Plane(
        across.ticks,
        _upwards(up),
        (Line("candidate", (middle, *arms)), Line("no change", (unchanged,))),
        across.at(0.0),
    )


def _upwards(scale: Scale) -> tuple[Tick, ...]:
    return tuple(Tick(round(100 - tick.at, 2), tick.label) for tick in scale.ticks)
