"""Calibration error by group: by its definition, and with intervals that cover the truth."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.fairness.calibration import (
    calibration_estimates,
    calibration_of_groups,
    error_of_group,
)
from tasks.fairness.settings import FairnessSettings

QUICK = FairnessSettings(repeats=4_000, calibration_bins=5)
Rows = tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.float64]]


def drawn(random: np.random.Generator, sizes: tuple[int, ...], shift: tuple[float, ...]) -> Rows:
    """Groups whose accuracy lies below their confidence, by a shift each."""
    group = np.repeat(np.arange(len(sizes)), sizes)
    confidence = random.uniform(0.5, 1, len(group))
    correct = random.random(len(group)) < confidence - np.array(shift)[group]
    return np.eye(len(sizes), dtype=bool)[group], correct, confidence


def by_definition(rows: Rows, group: int, bins: int) -> float:
    """Bins of equal numbers of all rows, row by row."""
    member, correct, confidence = rows
    rank = np.argsort(np.argsort(confidence))
    bin_of = ((rank + 0.5) / len(rank) * bins).astype(int)
    here = member[:, group]
    return sum(
        abs((correct[here & (bin_of == one)] - confidence[here & (bin_of == one)]).sum())
        for one in range(bins)
    ) / int(here.sum())


def test_errors_are_those_of_the_definition() -> None:
    rows = drawn(np.random.default_rng(0), (150, 60, 90), (0.0, 0.2, 0.05))
    rows = (rows[0] | (np.random.default_rng(1).random(rows[0].shape) < 0.2), *rows[1:])
    found = calibration_of_groups("x", *rows, QUICK)
    expected = [by_definition(rows, group, 5) for group in range(3)]
    assert found.values == pytest.approx(expected)
    gap, worst = calibration_estimates("x", found, 300)
    assert gap.value == pytest.approx(max(expected) - min(expected))
    assert worst.value == pytest.approx(max(expected))
    for estimate in (gap, worst, error_of_group("a.b", found, 1, 60)):
        assert estimate.value is not None
        assert all(0 <= low <= estimate.value <= high for low, high in estimate.ladder)


def test_the_order_of_rows_and_of_groups_changes_nothing() -> None:
    member, correct, confidence = drawn(np.random.default_rng(2), (80, 80), (0.0, 0.1))
    order = np.random.default_rng(3).permutation(160)
    one = calibration_of_groups("x", member, correct, confidence, QUICK)
    other = calibration_of_groups("x", member[order], correct[order], confidence[order], QUICK)
    assert one.values == pytest.approx(other.values)
    assert one.draws == pytest.approx(other.draws)


def test_a_group_without_rows_has_no_error() -> None:
    member, correct, confidence = drawn(np.random.default_rng(2), (80, 0), (0.0, 0.1))
    found = calibration_of_groups("x", member, correct, confidence, QUICK)
    estimate = error_of_group("a.b", found, 1, 0)
    assert (estimate.value, estimate.reason) == (None, "it rests on no rows")
    assert error_of_group("a.b", found, 0, 80).value is not None


def test_constant_confidence_is_one_bin() -> None:
    member = np.eye(2, dtype=bool)[np.repeat([0, 1], 50)]
    correct = np.tile([True, True, False, True, False], 20)
    found = calibration_of_groups("x", member, correct, np.full(100, 0.8), QUICK)
    assert found.values == pytest.approx([0.2, 0.2])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sizes", "shift"),
    [
        ((300, 300), (0.0, 0.0)),
        ((1000, 100), (0.1, 0.0)),
        ((1000, 100), (0.0, 0.1)),
        ((200,) * 6, (0.0, 0.05, 0.0, 0.0, 0.0, 0.1)),
        ((2000, 2000), (0.0, 0.1)),
    ],
)
def test_intervals_cover_the_true_errors(
    sizes: tuple[int, ...], shift: tuple[float, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """At 95%, at least 93 of 100."""
    random, trials, covered = np.random.default_rng(7), 200, np.zeros(3)
    for _ in range(trials):
        found = calibration_of_groups("x", *drawn(random, sizes, shift), QUICK)
        gap, worst = calibration_estimates("x", found, 1)
        truths = (max(shift) - min(shift), max(shift), shift[0])
        for place, (estimate, truth) in enumerate(
            zip((gap, worst, error_of_group("a.b", found, 0, 1)), truths, strict=True)
        ):
            low, high = estimate.ladder[0]
            covered[place] += low <= truth + 1e-12 and truth <= high
    with capsys.disabled():
        print(f"\ncalibration {sizes} {shift}: gap, worst, own {covered / trials}")
    assert (covered / trials >= 0.93).all(), covered
