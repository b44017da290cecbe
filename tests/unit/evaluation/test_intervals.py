"""Intervals against the truth that they must cover, whatever is drawn."""

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import pyarrow as pa
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tasks import resampling_units as units_module
from tasks.evaluation.intervals import MIN_CLUSTERS, draw, gain_of, level_of, levels
from tasks.resampling_units import Units, units_of_cells, units_of_rows
from tasks.task_types.labels.classification_measures import measure_classes
from tasks.task_types.measures import Measure, mean_of, ratio_of_sums
from tasks.verdicts import MAX_FAMILY, Estimate
from tests.unit.evaluation.conftest import LABELS, Answered, answered

REPEATS = 4_000
METRICS = (
    "accuracy", "macro_f1", "macro_precision", "matthews_correlation", "roc_auc", "pr_auc",
    "log_loss", "brier",
)  # fmt: skip


def measures(answers: Answered, size: int = 4) -> list[Measure]:
    return list(measure_classes(*answers, LABELS[:size]).measures)


def estimates(
    answers: Answered, names: Sequence[str] = METRICS, clusters: Sequence[str] | None = None
) -> dict[str, Estimate]:
    chosen = [("quality", one) for one in measures(answers) if one.name in names]
    units = units_of_rows(answers[0]["row_id"].to_pylist(), clusters)
    made = levels(chosen, units, REPEATS, 0)
    return {estimate.name.removeprefix("quality."): estimate for estimate in made}


@cache
def truths(sharpness: float) -> dict[str, float]:
    """The metrics of 100,000 rows of the same kind."""
    made = measures(answered(99, 100_000, sharpness=sharpness))
    return {one.name: one.value for one in made if one.name in METRICS}


def coverage(trials: int, rows: int, sharpness: float) -> dict[str, float]:
    covered = dict.fromkeys(METRICS, 0)
    for seed in range(trials):
        for name, one in estimates(answered(seed, rows, sharpness=sharpness)).items():
            low, high = one.ladder[0]
            covered[name] += low <= truths(sharpness)[name] <= high
    return {name: count / trials for name, count in covered.items()}


def test_intervals_cover_the_truth() -> None:
    found = coverage(20, 100, 2.5)
    assert min(found.values()) >= 0.8, found  # 20 trials of 95%: below it once in 400
    assert sum(found.values()) / len(found) >= 0.9, found


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("rows", "sharpness"), [(120, 2.5), (400, 3.0), (400, 1.0)])
def test_intervals_cover_the_truth_at_their_rate(rows: int, sharpness: float) -> None:
    found = coverage(300, rows, sharpness)
    assert min(found.values()) >= 0.93, found


def clustered(seed: int, clusters: int, rows: int) -> tuple[Answered, list[str]]:
    """Authors who are easy or hard, and of one label each, so that their rows are alike."""
    random = np.random.default_rng(seed)
    author = np.repeat(np.arange(clusters), rows)
    truth = random.integers(0, 4, clusters)[author]
    right = random.random(len(author)) < random.beta(4, 1, clusters)[author]
    predicted = np.where(right, truth, (truth + random.integers(1, 4, len(author))) % 4)
    rows_table = pa.table(
        {
            "row_id": [f"{row:06d}" for row in range(len(author))],
            "label": [LABELS[label] for label in truth],
        }
    )
    return (rows_table, pa.table({"predicted": predicted})), [f"author {k}" for k in author]


def cluster_coverage(trials: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of accuracy (truth 0.8) and macro F1 (0.8 too), by cluster and row by row."""
    by_cluster, by_row, names = np.zeros(2), np.zeros(2), ("accuracy", "macro_f1")
    for seed in range(trials):
        answers, authors = clustered(seed, 60, 12)
        for covered, clusters in ((by_cluster, authors), (by_row, None)):
            made = estimates(answers, names, clusters)
            covered += [made[n].ladder[0][0] <= 0.8 <= made[n].ladder[0][1] for n in names]
    return by_cluster / trials, by_row / trials


def test_clusters_are_drawn_whole() -> None:
    by_cluster, by_row = cluster_coverage(30)
    assert (by_cluster >= 0.85).all(), by_cluster
    assert (by_row < 0.85).all(), by_row


@pytest.mark.slow
def test_clusters_cover_the_truth_at_their_rate() -> None:
    by_cluster, by_row = cluster_coverage(300)
    assert (by_cluster >= 0.93).all(), by_cluster
    assert (by_row < 0.85).all(), by_row


def test_blocks_give_the_intervals_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 6,000 rows in 1,000 blocks; the width of an interval is known to about 5% then."""
    answers = answered(4, 6_000)
    row_ids = answers[0]["row_id"].to_pylist()
    chosen = [one for one in measures(answers) if one.name in {"pr_auc", "brier"}]
    monkeypatch.setattr(units_module, "MAX_UNITS", 10_000)
    by_row = units_of_rows(row_ids)
    monkeypatch.setattr(units_module, "MAX_UNITS", 1_000)
    by_block = units_of_rows(row_ids)
    assert (by_row.count, by_block.count) == (6_000, 1_000)
    assert by_block.drawn == "1000 blocks of 6000 rows"
    for one in chosen:
        wide, narrow = (
            draw([level_of("quality", one, units)], REPEATS, 0)[0].estimate
            for units in (by_row, by_block)
        )
        widths = [e.ladder[0][1] - e.ladder[0][0] for e in (wide, narrow)]
        assert widths[1] == pytest.approx(widths[0], rel=0.12), one.name
        assert narrow.low == pytest.approx(wide.low, abs=widths[0] * 0.12)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_blocks_cover_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units_module, "MAX_UNITS", 400)
    found = coverage(300, 2_000, 2.0)
    assert min(found.values()) >= 0.93, found


@pytest.mark.parametrize(("metric", "area"), [("roc_auc", 0), ("pr_auc", 1)])
def test_areas_have_the_intervals_of_scikit_learns_areas(metric: str, area: int) -> None:
    """Against a bootstrap that ranks the rows of each draw anew, without pseudo-rows."""
    answers, random = answered(8, 500, size=2, sharpness=1.0), np.random.default_rng(0)
    truth = np.array([LABELS.index(label) for label in answers[0]["label"].to_pylist()])
    scores = np.array(answers[1]["probabilities"].to_pylist())[:, 1]
    score = (sk.roc_auc_score, sk.average_precision_score)[area]
    draws = [
        score(truth, scores, sample_weight=random.standard_exponential(500)) for _ in range(300)
    ]
    one = next(one for one in measures(answers, 2) if one.name == metric)
    units = units_of_rows(answers[0]["row_id"].to_pylist())
    made = draw([level_of("quality", one, units)], REPEATS, 0)[0].estimate
    low, high = np.quantile(draws, [0.025, 0.975])
    assert made.low == pytest.approx(low, abs=0.25 * (high - low))
    assert made.high == pytest.approx(high, abs=0.25 * (high - low))


@settings(max_examples=5, deadline=None)
@given(shuffler=st.randoms(use_true_random=False), with_clusters=st.booleans())
def test_the_order_of_the_rows_does_not_matter(*, shuffler: object, with_clusters: bool) -> None:
    answers, authors = clustered(1, 20, 5)
    order = list(range(100))
    shuffler.shuffle(order)  # type: ignore[attr-defined]
    turned = (answers[0].take(order), answers[1].take(order))
    first = estimates(answers, METRICS, authors if with_clusters else None)
    again = estimates(turned, METRICS, [authors[k] for k in order] if with_clusters else None)
    for name, one in first.items():
        assert again[name].value == pytest.approx(one.value, abs=1e-12)
        assert np.array(again[name].ladder) == pytest.approx(np.array(one.ladder), abs=1e-9)


def test_probabilities_do_not_depend_on_the_order_either() -> None:
    answers = answered(2, 90)
    order = np.random.default_rng(0).permutation(90)
    names = (*METRICS, "calibration_error", "adaptive_calibration_error")
    first = estimates(answers, names)
    again = estimates((answers[0].take(order), answers[1].take(order)), names)
    assert set(first) == set(names)
    for name, one in first.items():
        assert np.array(again[name].ladder) == pytest.approx(np.array(one.ladder), abs=1e-9), name


def test_all_right_is_not_certainty() -> None:
    truth = np.repeat(np.arange(4), 25)
    sure = np.eye(4)[truth] * 0.96 + 0.01
    rows = pa.table(
        {"row_id": [f"{k:03d}" for k in range(100)], "label": [LABELS[label] for label in truth]}
    )
    answers = (rows, pa.table({"predicted": truth, "probabilities": list(sure)}))
    made = estimates(answers, [one.name for one in measures(answers)])
    for name, one in made.items():
        assert one.ladder, (name, one.reason)
        assert one.high is not None
        assert one.low is not None
        bad = one.high if name in {"brier", "log_loss"} else one.low
        assert abs(bad - one.value) > 0.005, name  # type: ignore[operator]
        for (low, high), (lower, higher) in zip(one.ladder, one.ladder[1:], strict=False):
            assert lower <= low <= one.value <= high <= higher  # type: ignore[operator]
    assert len(made["pr_auc"].ladder) == MAX_FAMILY


@pytest.mark.parametrize("slope", [0.0, 0.3])
@pytest.mark.parametrize("name", ["calibration_error", "adaptive_calibration_error"])
def test_calibration_intervals_cover_the_true_error(slope: float, name: str) -> None:
    """Accuracy is confidence - slope in every bin, so the true error is the slope."""
    random, covered, wide = np.random.default_rng(0), 0, 0
    for _ in range(20):
        confidence = random.uniform(0.5, 1, 300)
        predicted = random.integers(0, 4, 300)
        right = random.random(300) < confidence - slope
        truth = np.where(right, predicted, (predicted + 1) % 4)
        scores = np.tile(((1 - confidence) / 3)[:, None], (1, 4))
        scores[np.arange(300), predicted] = confidence
        rows = {"row_id": [str(k) for k in range(300)], "label": [LABELS[k] for k in truth]}
        said = {"predicted": predicted, "probabilities": list(scores)}
        low, high = estimates((pa.table(rows), pa.table(said)), (name,))[name].ladder[0]
        covered += low <= slope <= high
        wide += high < slope + 0.2
    assert covered >= 18
    assert wide >= 18


def test_cells_of_like_rows_give_the_intervals_of_rows() -> None:
    answers = answered(0, 300)
    row_ids = answers[0]["row_id"].to_pylist()
    one = next(one for one in measures(answers) if one.name == "macro_f1")
    assert one.alike is not None
    cells = units_of_cells([one.alike])
    assert cells is not None
    assert cells.masses.sum() == 300
    assert cells.count < 20
    by_cell, by_row = (
        draw([level_of("quality", one, units, where)], 20_000, 0)[0].estimate
        for units, where in (
            (cells, None),
            (units_of_rows(row_ids), np.zeros(300, dtype=np.int64)),
        )
    )
    assert by_cell.low == pytest.approx(by_row.low, abs=0.002)
    assert by_cell.high == pytest.approx(by_row.high, abs=0.002)


def test_a_row_without_cluster_is_one_of_its_own() -> None:
    units = units_of_rows(["r1", "r2", "r3", "r4"], ["x", None, "x", "r1"])
    assert units.clustered
    assert units.atoms == 3
    assert units.of_row[0] == units.of_row[2]
    assert len({*units.of_row[[0, 1, 3]]}) == 3
    assert not units_of_rows(["r1", "r2"], [None, None]).clustered


def test_too_few_to_tell_is_undetermined() -> None:
    scores = np.tile([1.0, 0.0], 30)
    few = Units(np.arange(60) % (MIN_CLUSTERS - 1), np.ones(MIN_CLUSTERS - 1), MIN_CLUSTERS - 1,
                "9 clusters", clustered=True)  # fmt: skip
    made = draw([level_of("quality", mean_of("x", scores), few)], REPEATS, 0)[0].estimate
    assert made.value is None
    assert "9 clusters say too little" in made.reason
    bare = ratio_of_sums("x", [np.ones(5)], lambda sums: sums[..., 0])
    made = draw([level_of("quality", bare, units_of_rows([*"abcde"]))], REPEATS, 0)[0].estimate
    assert made.value is None
    assert "5 rows are too few" in made.reason


def test_a_gain_is_better_whatever_the_metric_s_direction() -> None:
    random = np.random.default_rng(0)
    ours, theirs = random.random(200) * 0.5, random.random(200)
    units = units_of_rows([str(k) for k in range(200)])
    for better, sign in ((True, 1), (False, -1)):
        pair = [mean_of("x", each, greater_is_better=better) for each in (ours, theirs)]
        made = draw([gain_of("champion", *pair, units)], REPEATS, 0)[0].estimate
        assert made.name == "champion.x_gain"
        assert made.value == pytest.approx(sign * (ours.mean() - theirs.mean()))


def test_the_draws_of_a_metric_do_not_depend_on_which_others_are_made(
    answer: Callable[..., Answered],
) -> None:
    answers = answer(0, 100)
    alone, among = estimates(answers, ("brier",)), estimates(answers)
    assert alone["brier"] == among["brier"]
