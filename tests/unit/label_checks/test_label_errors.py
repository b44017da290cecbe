"""Wrong labels planted in real news: which suspects confident learning names, and how many."""

from dataclasses import replace

import numpy as np
import pytest
from cleanlab.count import compute_confident_joint, estimate_joint
from numpy.typing import NDArray

from tasks.label_checks.confident_learning import error_shares, find_label_errors
from tasks.label_checks.out_of_fold import out_of_fold
from tasks.label_checks.row_sample import LabelledRows
from tasks.label_checks.suspects import Judged, both_ways
from tasks.resampling import exact_ladder
from tasks.resampling_units import units_of_rows
from tests.unit.label_checks.news import TOPICS, news

SHARE = 0.10


def flipped(
    rows: LabelledRows, topic: str, share: float
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Labels of which a share of one topic's are another's, and which."""
    random = np.random.default_rng(7)
    here = np.flatnonzero(rows.class_ids == TOPICS.index(topic))
    wrong = random.choice(here, round(share * len(here)), replace=False)
    given = rows.class_ids.copy()
    given[wrong] = (given[wrong] + random.integers(1, len(TOPICS), len(wrong))) % len(TOPICS)
    planted = np.zeros(len(given), np.bool_)
    planted[wrong] = True
    return given, planted


@pytest.mark.parametrize("topic", ["business", "sports"])
def test_flipped_labels_of_one_topic_are_found(topic: str) -> None:
    rows = news(every=2)
    given, planted = flipped(rows, topic, SHARE)
    said = out_of_fold(rows, given, len(TOPICS), 0)
    assert not isinstance(said, str)
    suspects = find_label_errors(given, said)
    precision, recall = planted[suspects].mean(), suspects[planted].mean()
    print(f"{topic}: precision {precision:.2f}, recall {recall:.2f} of {planted.sum()} flipped")
    assert precision >= 0.75
    assert recall >= 0.65
    whole = error_shares(given, said, TOPICS, units_of_rows(rows.row_ids), repeats=4_000, seed=0)[0]
    assert whole.low is not None
    assert whole.high is not None
    assert whole.low <= planted.mean() <= whole.high


def test_clean_news_has_few_suspects() -> None:
    rows = news(every=2)
    said = out_of_fold(rows, rows.class_ids, len(TOPICS), 0)
    assert not isinstance(said, str)
    assert find_label_errors(rows.class_ids, said).mean() < 0.005


def test_the_share_of_errors_is_that_of_cleanlab() -> None:
    random = np.random.default_rng(1)
    given = random.integers(0, 3, 400)
    said = random.dirichlet(np.ones(3), 400)
    said[np.arange(400), given] += 1
    said /= said.sum(axis=1, keepdims=True)
    joint = compute_confident_joint(given, said, calibrate=True)
    theirs = estimate_joint(given, said, confident_joint=joint)
    units = units_of_rows([f"{row:04d}" for row in range(400)])
    whole, *each = error_shares(given, said, "abc", units, repeats=4_000, seed=0)
    assert whole.value == pytest.approx(1 - np.trace(theirs), abs=1e-3)
    for label, one in enumerate(each):
        expected = 1 - theirs[label, label] / theirs[label].sum()
        assert one.value == pytest.approx(expected, abs=3e-3)
        assert one.name == f"labels.error_share.{'abc'[label]}"


def sure_of_the_truth(given: NDArray[np.int64], truth: NDArray[np.int64]) -> NDArray[np.float64]:
    """Predictions that tell every row rightly, and are as sure of all."""
    return np.where(np.eye(int(given.max()) + 1)[truth] > 0, 0.9, 0.1)


@pytest.mark.parametrize("wrong", [0, 3])
def test_the_ends_of_a_label_are_the_exact_ones(wrong: int) -> None:
    """No wrong label among 100: a gate at 0.03 must not pass, as with the ends of Jeffreys."""
    truth = np.repeat([0, 1], 100)
    given = truth.copy()
    given[100 : 100 + wrong] = 0
    units = units_of_rows([f"{row:04d}" for row in range(200)])
    whole, of_a, of_b = error_shares(
        given, sure_of_the_truth(given, truth), "ab", units, repeats=20_000, seed=0
    )
    expected = ((of_a, wrong, 100 + wrong), (of_b, 0, 100 - wrong), (whole, wrong, 200))
    for one, hits, rows in expected:
        assert one.value == pytest.approx(hits / rows)
        for (low, high), (exact_low, exact_high) in zip(
            one.ladder[:4], exact_ladder(hits, rows)[:4], strict=True
        ):
            assert low == pytest.approx(exact_low, abs=0.002)
            assert high == pytest.approx(exact_high, rel=0.05)


def test_a_label_of_few_clusters_has_no_share_of_its_own() -> None:
    given = np.repeat([0, 1], [100, 30])
    said = sure_of_the_truth(given, given)
    authors = [f"{row // 5}" if row < 100 else f"b{row % 3}" for row in range(130)]
    units = units_of_rows([f"{row:03d}" for row in range(130)], authors)
    whole, of_a, of_b = error_shares(given, said, "ab", units, repeats=4_000, seed=0)
    assert (whole.value, of_a.value, of_b.value) == (0.0, 0.0, None)
    assert of_b.reason == "b has rows of 3 clusters, and at least 10 are needed"


def test_rows_of_one_author_share_a_fold() -> None:
    rows = news(every=4)
    clusters = tuple(f"author {number % 3}" for number in range(len(rows.row_ids)))
    topic_of_author = np.array([number % 3 for number in range(len(rows.row_ids))])
    said = out_of_fold(replace(rows, clusters=clusters), topic_of_author, 3, 0)
    assert isinstance(said, str)
    assert "clusters" in said


def test_few_clusters_leave_the_share_undetermined() -> None:
    given, said = np.array([0, 1] * 20), np.tile([[0.9, 0.1], [0.1, 0.9]], (20, 1))
    units = units_of_rows([f"{row}" for row in range(40)], [f"{row % 4}" for row in range(40)])
    assert all(
        one.value is None for one in error_shares(given, said, "ab", units, repeats=4_000, seed=0)
    )


def test_suspects_of_both_models_are_named_once_with_the_lower_probability() -> None:
    baseline = {"a": Judged("x", 0.2, "baseline"), "b": Judged("x", 0.1, "baseline")}
    model = {"b": Judged("y", 0.3, "model"), "c": Judged("z", 0.4, "model")}
    assert both_ways(baseline, model) == {
        "a": Judged("x", 0.2, "baseline"), "b": Judged("y", 0.1, "both"),
        "c": Judged("z", 0.4, "model"),
    }  # fmt: skip
