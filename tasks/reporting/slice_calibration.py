"""Over- and underconfidence by slice, as the report shows it."""

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.records.evaluation import SliceCalibration
from tasks.reporting.number_format import count, interval, number


@dataclass(frozen=True)
class CalibrationRow:
    """One slice in words."""

    name: str
    rows: str
    confidence: str
    accuracy: str
    gap: str
    interval: str
    symbol: str
    reading: str


def calibration_rows(found: Sequence[SliceCalibration]) -> list[CalibrationRow]:
    """Every slice, all rows first."""
    return [_row(one) for one in found]


def _row(one: SliceCalibration) -> CalibrationRow:
    estimate = one.overconfidence
    low, high = estimate.ladder[one.family - 1] if estimate.ladder else (None, None)
    symbol, reading = _reading(low, high, estimate.reason)
    return CalibrationRow(
        name=one.name or "all test rows",
        rows=count(one.rows),
        confidence=number(one.confidence),
        accuracy=number(one.accuracy),
        gap=number(estimate.value),
        interval=interval(low, high) if low is not None else "",
        symbol=symbol,
        reading=reading,
    )


def _reading(low: float | None, high: float | None, reason: str) -> tuple[str, str]:
    if low is None or high is None:
        return "?", f"undetermined: {reason}"
    if low > 0:
        return "▲", "overconfident"
    return ("▼", "underconfident") if high < 0 else ("=", "no difference shown")
