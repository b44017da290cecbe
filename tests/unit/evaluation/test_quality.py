"""Quality: scikit-learn's values, and intervals that cover the truth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as sk

from tasks.evaluation.calibration import calibration_error, calibration_table
from tasks.evaluation.comparison import Rival, gain_estimates
from tasks.evaluation.confusion import cells_with_pseudo_row
from tasks.evaluation.quality import label_estimates, macro_estimates
from tasks.evaluation.settings import EvaluationSettings
from tasks.verdicts import MAX_FAMILY, Estimate

QUICK = EvaluationSettings(repeats=4_000)
LABELS = ("a", "b", "c", "d")
Ids = NDArray[np.int64]


def drawn(seed: int, *, size: int = 4, rows: int = 300, right: float = 0.8) -> tuple[Ids, Ids]:
    random = np.random.default_rng(seed)
    truth = random.integers(0, size, rows)
    hit = random.random(rows) < right
    return truth, np.where(hit, truth, random.integers(0, size, rows))


def all_estimates(truth: Ids, predicted: Ids, size: int = 4) -> dict[str, Estimate]:
    labels = LABELS[:size]
    made = [
        *macro_estimates("quality", truth, predicted, labels, QUICK),
        *label_estimates("quality", truth, predicted, labels),
    ]
    return {estimate.name: estimate for estimate in made}


@pytest.mark.parametrize("size", [2, 4])
@pytest.mark.parametrize("seed", range(3))
def test_values_are_scikit_learns(seed: int, size: int) -> None:
    truth, predicted = drawn(seed, size=size)
    made = all_estimates(truth, predicted, size)
    macro = sk.precision_recall_fscore_support(truth, predicted, average="macro")[:3]
    expected = {"quality.accuracy": sk.accuracy_score(truth, predicted)}
    names = ("precision", "recall", "f1")
    expected |= {f"quality.macro_{n}": v for n, v in zip(names, macro, strict=True)}
    each = sk.precision_recall_fscore_support(truth, predicted)[:3]
    expected |= {
        f"quality.{name}.{label}": values[index]
        for name, values in zip(names, each, strict=True)
        for index, label in enumerate(LABELS[:size])
    }
    assert {name: e.value for name, e in made.items()} == pytest.approx(expected)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_any_rows_give_scikit_learns_value_or_a_reason(pairs: list[tuple[int, int]]) -> None:
    truth, predicted = np.array(pairs).T
    scores = sk.precision_recall_fscore_support(
        truth, predicted, labels=range(4), zero_division=np.nan
    )[:3]
    made = {e.name: e for e in label_estimates("quality", truth, predicted, LABELS)}
    for name, values in zip(("precision", "recall", "f1"), scores, strict=True):
        for index, label in enumerate(LABELS):
            estimate = made[f"quality.{name}.{label}"]
            if estimate.value is None:
                assert estimate.reason
                assert (truth != index).all() or (name == "precision" and np.isnan(values[index]))
            else:
                assert estimate.value == pytest.approx(values[index])
                assert len(estimate.ladder) == MAX_FAMILY
                assert all(0 <= low <= estimate.value <= high <= 1 for low, high in estimate.ladder)


def test_a_label_without_test_rows_is_undetermined() -> None:
    truth, predicted = drawn(0, size=3)
    made = all_estimates(truth, predicted)
    for name in ("quality.macro_recall", "quality.macro_f1", "quality.recall.d", "quality.f1.d"):
        assert made[name].value is None
        assert made[name].reason == "the test split has no row with the label 'd'"
    assert made["quality.accuracy"].value is not None


def test_constant_predictions_leave_precision_undetermined() -> None:
    truth, _ = drawn(0)
    made = all_estimates(truth, np.zeros_like(truth))
    assert made["quality.macro_f1"].value == pytest.approx(
        sk.f1_score(truth, np.zeros_like(truth), average="macro")
    )
    assert made["quality.macro_precision"].value is None
    assert "predicted as 'b', 'c', 'd'" in made["quality.macro_precision"].reason
    assert made["quality.precision.b"].value is None
    assert made["quality.recall.b"].value == 0


def test_all_right_is_not_certainty() -> None:
    truth = np.repeat(np.arange(4), 5)
    made = all_estimates(truth, truth)
    for estimate in made.values():
        assert estimate.value == 1
        assert estimate.high == 1
        assert estimate.low is not None
        assert estimate.low < 0.95


@pytest.mark.parametrize(("rows", "right"), [(60, 0.97), (400, 0.97), (400, 0.8)])
def test_intervals_cover_the_true_macro_f1(rows: int, right: float) -> None:
    """Errors spread evenly over even labels, so the true macro F1 is the share of right rows."""
    random, covered = np.random.default_rng(3), np.zeros(3)
    for _ in range(150):
        truth = random.integers(0, 4, rows)
        other = (truth + random.integers(1, 4, rows)) % 4
        predicted = np.where(random.random(rows) < right, truth, other)
        made = all_estimates(truth, predicted)
        names = ("quality.macro_f1", "quality.macro_recall", "quality.accuracy")
        ladders = [made[name].ladder[0] for name in names if made[name].ladder]
        covered[: len(ladders)] += [low <= right <= high for low, high in ladders]
    assert (covered / 150 >= 0.92).all(), covered


@pytest.mark.parametrize("models", [1, 2])
def test_the_pseudo_row_is_one_row_and_favours_no_label(models: int) -> None:
    truth, predicted = drawn(0)
    cells = cells_with_pseudo_row(truth, (predicted,) * models, 4)
    assert cells.masses.sum() == pytest.approx(len(truth) + 1)
    added = slice(len(cells.masses) - 8, None)
    mass = cells.masses[added]
    for column in cells.predicted:
        assert np.bincount(column[added], mass) == pytest.approx(np.full(4, 0.25))
        assert mass[column[added] == cells.truth[added]].sum() == pytest.approx(0.5)


def test_a_gain_is_the_difference_of_scikit_learns_values() -> None:
    truth, ours = drawn(0)
    _, theirs = drawn(0, right=0.6)
    made = gain_estimates(truth, ours, Rival("champion", theirs), LABELS, QUICK)
    assert [e.name for e in made] == ["champion.accuracy_gain", "champion.macro_f1_gain"]
    f1 = [sk.f1_score(truth, p, average="macro") for p in (ours, theirs)]
    hits = [sk.accuracy_score(truth, p) for p in (ours, theirs)]
    assert [e.value for e in made] == pytest.approx([hits[0] - hits[1], f1[0] - f1[1]])


def test_the_same_rows_are_drawn_for_both() -> None:
    """Two models that mostly err on the same rows differ by little; unpaired intervals say more."""
    truth, ours = drawn(0, rows=600, right=0.7)
    theirs = ours.copy()
    theirs[:5] = (theirs[:5] + 1) % 4
    gain = gain_estimates(truth, ours, Rival("champion", theirs), LABELS, QUICK)[0]
    alone = all_estimates(truth, ours)["quality.accuracy"]
    assert gain.high - gain.low < (alone.high - alone.low) / 3  # type: ignore[operator]


def test_equal_predictions_gain_nothing_but_few_rows_do_not_prove_it() -> None:
    truth, ours = drawn(0, rows=40)
    for gain in gain_estimates(truth, ours, Rival("champion", ours), LABELS, QUICK):
        assert gain.value == 0
        assert gain.low is not None
        assert gain.high is not None
        assert gain.low < -0.01
        assert gain.high > 0.01


def test_paired_intervals_cover_the_true_gain() -> None:
    random, covered = np.random.default_rng(1), np.zeros(2)
    for _ in range(150):
        truth = random.integers(0, 4, 300)
        ours = np.where(random.random(300) < 0.95, truth, (truth + 1) % 4)
        theirs = np.where(random.random(300) < 0.92, truth, (truth + 1) % 4)
        made = gain_estimates(truth, ours, Rival("champion", theirs), LABELS, QUICK)
        covered += [e.ladder[0][0] <= 0.03 <= e.ladder[0][1] for e in made]
    assert (covered / 150 >= 0.92).all(), covered


def test_a_silent_rival_leaves_its_gains_undetermined() -> None:
    truth, ours = drawn(0)
    made = gain_estimates(truth, ours, Rival("champion", None, "lost"), LABELS, QUICK)
    assert [(e.value, e.reason) for e in made] == [(None, "lost")] * 2


def probabilities_of(confidence: NDArray[np.float64], predicted: Ids) -> NDArray[np.float64]:
    scores = np.tile(((1 - confidence) / 3)[:, None], (1, 4))
    scores[np.arange(len(predicted)), predicted] = confidence
    return scores


def ece_by_hand(truth: Ids, scores: NDArray[np.float64], bins: int) -> float:
    """Guo et al. 2017, equation 3, row by row."""
    total = 0.0
    for m in range(1, bins + 1):
        rows = [
            (max(row), int(np.argmax(row)) == label)
            for row, label in zip(scores.tolist(), truth, strict=True)
            if (m - 1) / bins < max(row) <= m / bins
        ]
        if rows:
            confidence, right = np.mean([c for c, _ in rows]), np.mean([r for _, r in rows])
            total += len(rows) / len(truth) * abs(right - confidence)
    return total


@pytest.mark.parametrize("bins", [2, 10, 15])
def test_calibration_error_is_the_papers(bins: int) -> None:
    truth, predicted = drawn(0)
    confidence = np.random.default_rng(0).uniform(0.26, 1, len(truth))
    scores = probabilities_of(confidence, predicted)
    chosen = EvaluationSettings(repeats=4_000, calibration_bins=bins)
    estimate = calibration_error("quality.calibration_error", truth, scores, chosen)
    table = calibration_table(truth, scores, bins)
    assert estimate.value == pytest.approx(ece_by_hand(truth, scores, bins))
    assert sum(rows for *_, rows in table) == len(truth)
    assert estimate.value == pytest.approx(
        sum(abs(mean - right) * rows for mean, right, rows in table) / len(truth)
    )
    assert all(0 <= low <= estimate.value <= high for low, high in estimate.ladder)


@pytest.mark.parametrize("slope", [0.0, 0.3])
def test_calibration_intervals_cover_the_true_error(slope: float) -> None:
    """Accuracy is confidence - slope in every bin, so the true error is the slope."""
    random, covered, wide = np.random.default_rng(0), 0, 0
    for _ in range(100):
        confidence = random.uniform(0.5, 1, 300)
        predicted = random.integers(0, 4, 300)
        right = random.random(300) < confidence - slope
        truth = np.where(right, predicted, (predicted + 1) % 4)
        low, high = calibration_error(
            "quality.calibration_error", truth, probabilities_of(confidence, predicted), QUICK
        ).ladder[0]
        covered += low <= slope <= high
        wide += high < slope + 0.2
    assert covered >= 93
    assert wide >= 90


def test_certain_and_right_is_not_certainly_calibrated() -> None:
    truth = np.repeat(np.arange(4), 5)
    estimate = calibration_error(
        "quality.calibration_error", truth, probabilities_of(np.ones(20), truth), QUICK
    )
    assert estimate.value == 0
    assert estimate.high is not None
    assert estimate.high > 0.05
