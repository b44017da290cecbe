"""Calibration error by group: by its definition, and with intervals that cover the truth."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import beta

from tasks.fairness.calibration import (
    GroupCalibration,
    calibration_estimates,
    calibration_of_groups,
    error_of_group,
)
from tasks.fairness.settings import FairnessSettings
from tasks.resampling import TAILS

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


@pytest.mark.parametrize("wrong", [0, 10, 40])
def test_of_one_bin_the_draws_are_those_of_a_share(wrong: int) -> None:
    """Accuracy less confidence, with half a pseudo-row right and half of one wrong."""
    correct = np.repeat([False, True], [wrong, 40 - wrong])
    # The group is spread over two patterns of membership; the other group holds all rows.
    member = np.stack([np.ones(80, bool), np.arange(80) < 40, np.arange(80) % 2 == 0], axis=1)
    chosen = QUICK.model_copy(update={"repeats": 40_000, "calibration_bins": 1})
    found = calibration_of_groups("x", member, np.tile(correct, 2), np.full(80, 0.3), chosen)
    share = beta(40 - wrong + 0.5, wrong + 0.5)
    levels = np.array([0.05, 0.5, 0.95])
    seen = np.quantile(found.draws[:, 1], levels)
    if wrong < 20:  # the share lies above the confidence
        assert seen == pytest.approx(share.ppf(levels) - 0.3, abs=0.01)
    if wrong == 40:
        assert seen == pytest.approx(np.abs(share.ppf(levels) - 0.3), abs=0.1)
    drawn = share.rvs(40_000, random_state=0)
    distance = np.quantile(np.abs(drawn - (40 - wrong) / 40), levels)
    assert np.quantile(found.distances[:, 1], levels) == pytest.approx(distance, abs=0.01)


def test_bins_without_rows_of_a_group_are_drawn_at_the_confidence_of_the_bin() -> None:
    """A group that is right in each of two bins is drawn wrong there at that confidence."""
    confidence = np.tile(np.repeat([0.4, 0.9], 10), 2)
    member = np.eye(2, dtype=bool)[np.repeat([0, 1], 20)]
    correct = np.concatenate([np.ones(20, bool), np.zeros(20, bool)])
    chosen = QUICK.model_copy(update={"repeats": 40_000, "calibration_bins": 2})
    found = calibration_of_groups("x", member, correct, confidence, chosen)
    assert found.values == pytest.approx([0.35, 0.65])
    random = np.random.default_rng(0)
    # Of each group and bin ten rows of one kind, and of either kind a quarter of a pseudo-row.
    weights = random.standard_gamma([10.25, 0.25, 10.25, 0.25], (40_000, 4))
    for group, gaps in enumerate(((0.6, -0.4, 0.1, -0.9), (-0.4, 0.6, -0.9, 0.1))):
        signed = (weights * gaps).reshape(-1, 2, 2).sum(axis=2) / weights.sum(axis=1)[:, None]
        expected = np.abs(signed).sum(axis=1)
        assert found.draws[:, group].mean() == pytest.approx(expected.mean(), abs=0.003)
        assert found.draws[:, group].std() == pytest.approx(expected.std(), rel=0.08)
        far = np.abs(signed - np.array([gaps[0], gaps[2]]) / 2).sum(axis=1)
        assert found.distances[:, group].mean() == pytest.approx(far.mean(), abs=0.003)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_ends_are_those_of_their_definition_whatever_group_is_best(order: tuple[int, ...]) -> None:
    random, chosen = np.random.default_rng(0), list(order)
    values = np.array([0.02, 0.05, 0.12])
    draws = values + random.gamma(2, [0.004, 0.02, 0.01], (500, 3))
    distances = random.gamma(2, [0.006, 0.02, 0.012], (500, 3))
    found = GroupCalibration(values, draws, distances).of(chosen)
    assert np.array_equal(found.values, values[chosen])
    gap, worst = calibration_estimates("x", found, 77)
    own = error_of_group("a.b", found, 1, 50)
    assert (gap.name, worst.name, own.name) == (
        "fairness.x.calibration_error_difference", "fairness.x.worst_group_calibration_error",
        "a.b",
    )  # fmt: skip
    assert (gap.n, worst.n, own.n) == (77, 77, 50)
    assert gap.method == worst.method == own.method == "Bayesian bootstrap, 500 repeats"
    at = order[1]
    for k, tail in enumerate(TAILS):

        def upper(drawn: NDArray[np.float64], tail: float = tail) -> float:
            return float(np.sort(drawn)[int(np.ceil(499 * (1 - tail)))])

        assert own.ladder[k] == pytest.approx(
            (max(values[at] - upper(distances[:, at]), 0), max(upper(draws[:, at]), values[at]))
        )
        assert worst.ladder[k] == pytest.approx(
            (max(0.12 - upper(distances.max(axis=1)), 0), max(upper(draws[:, g]) for g in range(3)))
        )
        pairs = [(g, h) for g in range(3) for h in range(3) if g != h]
        high = max(upper(draws[:, g] + distances[:, h]) - values[h] for g, h in pairs)
        moved = np.max([draws[:, g] + distances[:, h] - values[g] for g, h in pairs], axis=0)
        assert gap.ladder[k] == pytest.approx((max(0.1 - upper(moved), 0), high))


def test_without_calibration_both_say_why() -> None:
    for one in calibration_estimates("x", None, 9, "no probabilities"):
        assert (one.value, one.n, one.reason) == (None, 9, "no probabilities")


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
