"""Where the marks of the charts stand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.reporting.charts import (
    Scale,
    calibration_plane,
    gate_bar,
    plain_bar,
    scale_of,
    scale_over,
    training_plane,
)
from tasks.reporting.curves import loss_plane
from tasks.reporting.evidence import Evidence
from tasks.reporting.funnel import data_funnel
from tasks.reporting.quality import confusion_cells
from tasks.verdicts import Estimate, Gate, Verdict, judge

FINITE = st.floats(min_value=-1e6, max_value=1e6, allow_subnormal=False)


@given(st.lists(FINITE, min_size=1, max_size=8))
def test_a_scale_holds_its_values_in_order(values: list[float]) -> None:
    scale = scale_over(values)
    places = [scale.at(value) for value in sorted(values)]
    assert places == sorted(places)
    assert 0 <= places[0] <= places[-1] <= 100


@given(FINITE, st.floats(min_value=1e-5, max_value=1e6))
def test_ticks_are_few_round_and_inside(low: float, width: float) -> None:
    scale = Scale(low, low + width)
    if abs(low) / width > 1e6:  # labels of that many digits are beyond any chart here
        return
    ticks = scale.ticks
    assert 1 <= len(ticks) <= 6
    assert len({tick.label for tick in ticks}) == len(ticks)
    for tick in ticks:
        value = float(tick.label.replace("\N{MINUS SIGN}", "-"))
        assert scale.at(value) == pytest.approx(tick.at, abs=0.02)


@given(
    st.floats(-1, 1), st.floats(0.001, 0.5), st.floats(0.001, 0.5), st.floats(-1, 1), st.booleans()
)
def test_a_gate_passes_where_its_bar_lies_in_the_passing_zone(
    value: float,
    below: float,
    above: float,
    limit: float,
    upwards: bool,  # noqa: FBT001 - drawn by hypothesis
) -> None:
    estimate = Estimate("a.b", value, 10, ((value - below, value + above),))
    gate = Gate(metric="a.b", **{"at_least" if upwards else "at_most": limit})  # type: ignore[arg-type]
    (result,) = judge([gate], [estimate])
    bar = gate_bar(result)
    assert bar is not None
    assert bar.low <= bar.value <= bar.high
    zone = (bar.passes_from, bar.passes_from + bar.passes_width)
    inside = zone[0] - 0.011 <= bar.low and bar.high <= zone[1] + 0.011
    touches = bar.high >= zone[0] - 0.011 and bar.low <= zone[1] + 0.011
    if result.verdict is Verdict.PASS:
        assert inside
    if result.verdict is Verdict.FAIL:
        assert bar.low >= zone[1] - 0.011 or bar.high <= zone[0] + 0.011
    if result.verdict is Verdict.UNDETERMINED:
        assert touches


def test_no_bar_without_a_finite_number() -> None:
    scale = Scale(0, 1)
    for value in (None, math.nan, math.inf):
        ladder = () if value is None else ((value, value),)
        assert plain_bar(Estimate("a.b", value, 3, ladder), scale) is None


def test_gate_bars_of_the_records(refused: Evidence) -> None:
    drawn = {gate.metric: gate_bar(gate) for gate in refused.judgement.gates}
    assert drawn["champion.macro_f1_gain"] is None
    bar = drawn["quality.macro_f1"]
    assert bar is not None
    assert bar.threshold is not None
    assert bar.threshold < bar.low < bar.high < 100
    assert "0.9718, interval [0.9561, 0.9875], threshold at least 0.9: pass" in bar.described


def test_calibration_dots_stand_at_their_values_and_grow_with_rows() -> None:
    plane = calibration_plane(((0.25, 0.5, 4), (0.75, 0.75, 100)))
    few, many = plane.lines[0].dots
    assert (few.x, few.y, many.x, many.y) == (25.0, 50.0, 75.0, 25.0)
    assert few.radius < many.radius


def test_training_curves_keep_every_finite_epoch(refused: Evidence) -> None:
    plane = loss_plane(refused.weights)
    assert [len(line.dots) for line in plane.lines] == [4, 4]
    assert plane.marker == plane.x_ticks[2].at
    broken = training_plane(refused.weights.epochs, 3, {"loss": [0.5, math.nan, 0.2, 0.1]})
    assert len(broken.lines[0].dots) == 3


def test_the_funnel_accounts_for_every_row(refused: Evidence) -> None:
    steps = data_funnel(refused.snapshot, refused.data)
    rows = {step.name: int(step.rows.replace(",", "")) for step in steps}
    left = rows["exact duplicates, dropped"] + rows["quarantined"]
    assert left + rows["keep the contract"] == rows["read from the source"] == 2227
    assert rows["train"] + rows["validation"] + rows["test"] == rows["keep the contract"]
    assert not [name for name in rows if "no recorded reason" in name]
    assert all(step.start >= 0 and step.start + step.width <= 100.02 for step in steps)


def test_a_confusion_cell_without_rows_has_no_shade(refused: Evidence) -> None:
    cells = [cell for line in confusion_cells(refused.scores) for cell in line]
    assert all((cell.shade == 0) == (cell.rows == "0") for cell in cells)
    assert max(cell.shade for cell in cells) == 100


def test_a_shared_scale_holds_zero_where_asked() -> None:
    scale = scale_of([Estimate("a.b", 0.5, 3, ((0.4, 0.6),))], include=(0.0,))
    assert scale.low <= 0
    assert scale.high >= 0.6
