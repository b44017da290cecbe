"""Calibration errors of weighted rows and pseudo-rows, row by row."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.task_types.labels.calibration import (
    calibration_error,
    calibration_table,
    equal_mass_bins,
    equal_width_bins,
    probability_measures,
)

ROWS = 40
Floats = NDArray[np.float64]
RANDOM = np.random.default_rng(0)
CONFIDENCE = RANDOM.uniform(0.4, 1, ROWS)
CORRECT = RANDOM.random(ROWS) < 0.7
BINS = np.clip((CONFIDENCE * 5).astype(np.int64), 0, 4)  # the first two have no rows
ONE = calibration_error("x", CONFIDENCE, CORRECT, BINS)


def gaps(weights: Floats) -> Floats:
    """Of each bin: its rows', and its wrong and right pseudo-row's, correctness less confidence."""
    total, found = weights.sum(), np.zeros(5)
    for row in range(ROWS):
        found[BINS[row]] += weights[row] * (float(CORRECT[row]) - CONFIDENCE[row])
    for one in range(5):
        if (one == BINS).any():
            mean = CONFIDENCE[one == BINS].mean()
            found[one] += weights[ROWS + one] * -mean + weights[ROWS + 5 + one] * (1 - mean)
        else:
            found[one] += weights[ROWS + 5 + one]
    return found / total


def test_errors_and_distances_of_rows_and_pseudo_rows_by_definition() -> None:
    random, units = np.random.default_rng(1), np.arange(ROWS)
    as_it_is = gaps(np.concatenate([np.ones(ROWS), np.zeros(10)]))
    distance = ONE.distance_over(units, ROWS)
    assert distance is not None
    for _ in range(5):
        weights = random.uniform(0, 2, ROWS + 10)
        assert ONE.statistic(weights[None])[0] == pytest.approx(np.abs(gaps(weights)).sum())
        assert distance(weights[None])[0] == pytest.approx(np.abs(gaps(weights) - as_it_is).sum())
    assert ONE.value == pytest.approx(np.abs(as_it_is).sum())
    assert not ONE.greater_is_better


def test_a_pseudo_row_is_shared_among_the_bins_as_the_rows_are() -> None:
    share = np.bincount(BINS, minlength=5) / ROWS / 2
    assert ONE.pseudo_masses == pytest.approx([*share, *share])
    wrong = np.concatenate([np.zeros(ROWS), share, np.zeros(5)])
    right = np.concatenate([np.zeros(ROWS), np.zeros(5), share])
    assert ONE.statistic(wrong[None])[0] == pytest.approx(CONFIDENCE.mean())
    assert ONE.statistic(right[None])[0] == pytest.approx(1 - CONFIDENCE.mean())


@pytest.mark.parametrize(
    ("confidence", "expected"),
    [(0.0, 0), (0.2, 0), (0.2000001, 1), (0.4, 1), (0.6, 2), (0.8, 3), (0.81, 4), (1.0, 4)],
)
def test_bins_of_equal_width_are_open_on_the_left(confidence: float, expected: int) -> None:
    assert equal_width_bins(np.array([confidence]), 5)[0] == expected


@pytest.mark.parametrize("rows", [1, 4, 5, 6, 30])
def test_bins_of_equal_mass_hold_as_many_rows_each(rows: int) -> None:
    """A row is in the bin that the middle of its place falls in."""
    order = np.random.default_rng(0).permutation(rows)
    found = equal_mass_bins(order / 100, 5)
    assert found.tolist() == [int((2 * place + 1) * 5 / (2 * rows)) for place in order]


def test_ties_share_the_bin_of_their_middle_and_no_rows_have_none() -> None:
    assert equal_mass_bins(np.repeat([0.1, 0.2], [1, 9]), 5).tolist() == [0] + [2] * 9
    assert equal_mass_bins(np.full(7, 0.5), 5).tolist() == [2] * 7
    nothing = equal_mass_bins(np.zeros(0), 5)
    assert (nothing.shape, nothing.dtype) == ((0,), np.int64)


def test_gaps_of_either_sign_do_not_cancel_out() -> None:
    """Twenty sure rows that are wrong and twenty unsure ones that are right."""
    truth = np.repeat([0, 1], 20)
    sure = np.repeat([0.1, 0.6], 20)
    made = {one.name: one for one in probability_measures(truth, np.stack([sure, 1 - sure], 1))}
    for name in ("calibration_error", "adaptive_calibration_error"):
        assert made[name].value == pytest.approx((0.9 + 0.6) / 2)
    right = np.stack([1 - sure, sure], 1)
    made = {one.name: one for one in probability_measures(truth, right)}
    for name in ("calibration_error", "adaptive_calibration_error"):
        assert made[name].value == pytest.approx((0.1 + 0.4) / 2)
    mixed = np.stack([np.repeat([0.9, 0.6], 20), np.repeat([0.1, 0.4], 20)], 1)
    made = {one.name: one for one in probability_measures(np.repeat([1, 0], 20), mixed)}
    for name in ("calibration_error", "adaptive_calibration_error"):
        assert made[name].value == pytest.approx((0.9 + 0.4) / 2)


def test_the_table_has_a_line_for_each_bin_with_rows() -> None:
    table = calibration_table(CONFIDENCE, CORRECT, BINS)
    assert sum(rows for _, _, rows in table) == ROWS
    for (mean, accuracy, rows), one in zip(table, (2, 3, 4), strict=True):
        here = one == BINS
        assert (mean, accuracy, rows) == (
            pytest.approx(CONFIDENCE[here].mean()), pytest.approx(CORRECT[here].mean()), here.sum(),
        )  # fmt: skip


def test_losses_of_a_sure_and_of_a_wrong_model() -> None:
    truth = np.array([0, 1, 2, 1])
    for scores, log_loss, brier in (
        (np.eye(3)[truth], 0.0, 0.0),
        (np.eye(3)[(truth + 1) % 3], -np.log(np.finfo(np.float32).eps), 1.0),
        (np.full((4, 3), 1 / 3), np.log(3), 1 / 3),
    ):
        made = {one.name: one for one in probability_measures(truth, scores)}
        assert made["log_loss"].value == pytest.approx(log_loss)
        assert made["brier"].value == pytest.approx(brier)
        assert made["calibration_error"].rows == 4
