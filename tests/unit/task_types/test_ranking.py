"""Areas with pseudo-rows, drawn anew and by their derivatives, against scikit-learn."""

import numpy as np
import pytest
import sklearn.metrics as sk
from numpy.typing import NDArray

from tasks.task_types.labels import ranking
from tasks.task_types.labels.ranking import (
    average_precision,
    macro_area,
    precision_influence,
    ranking_measures,
    roc_area,
    roc_influence,
)
from tasks.task_types.measures import Measure

AREAS = {
    "roc": (roc_area, roc_influence, sk.roc_auc_score),
    "pr": (average_precision, precision_influence, sk.average_precision_score),
}
CLASSES, ROWS = 3, 40
Floats = NDArray[np.float64]


def drawn(seed: int = 0) -> tuple[Floats, NDArray[np.bool_]]:
    """Scores (3, 40) with ties, far below 0 and above 1."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, CLASSES, ROWS)
    positive = np.stack([truth == c for c in range(CLASSES)])
    return np.round(random.normal(2 * positive, 2), 0), positive


def made(name: str, classes: int = CLASSES) -> Measure:
    scores, positive = drawn()
    area, influence, _ = AREAS[name]
    return macro_area("x", scores[:classes], positive[:classes], area, influence)


def by_scikit_learn(name: str, weights: Floats, classes: int = CLASSES) -> float:
    """Behind the rows: a positive below and a negative above all, and then the other way round."""
    scores, positive = drawn()
    bad, good = weights[ROWS:].reshape(2, classes, 2)
    found = [
        AREAS[name][2](
            [*positive[c], True, False, True, False],
            [*scores[c], -99, 99, 99, -99],
            sample_weight=[*weights[:ROWS], *bad[c], *good[c]],
        )
        for c in range(classes)
    ]
    return float(np.mean(found))


@pytest.mark.parametrize("classes", [1, 2, 3])
@pytest.mark.parametrize("name", AREAS)
def test_areas_of_rows_and_pseudo_rows_are_scikit_learns(name: str, classes: int) -> None:
    weights = np.random.default_rng(1).uniform(0, 2, (6, ROWS + 4 * classes))
    weights[::2, :ROWS] = np.round(weights[::2, :ROWS])
    expected = [by_scikit_learn(name, one, classes) for one in weights]
    one = made(name, classes)
    assert one.statistic(weights) == pytest.approx(expected)
    assert one.pseudo_masses == (0.5 / max(classes, 2),) * (4 * classes)


@pytest.mark.parametrize("name", AREAS)
def test_the_linear_form_moves_as_the_area_does(name: str) -> None:
    """By each row's and each pseudo-row's weight, and by those of rows that are left out."""
    one, step = made(name), 1e-5
    units = np.arange(ROWS)
    units[:3] = -1
    kept = np.concatenate([units >= 0, np.zeros(4 * CLASSES)])
    linear = one.over(units, ROWS)
    value = one.statistic(kept[None])[0]
    assert linear(kept[None])[0] == pytest.approx(value)
    for place in range(3, ROWS + 4 * CLASSES):
        moved = kept.copy()
        moved[place] += step
        slope = (one.statistic(moved[None])[0] - value) / step
        assert (linear(moved[None])[0] - value) / step == pytest.approx(slope, abs=1e-4), place
    # Twice the weight of all rows is no other area.
    assert linear(kept[None] * 2)[0] == pytest.approx(value)


@pytest.mark.parametrize("name", AREAS)
def test_the_linear_form_stays_an_area(name: str) -> None:
    one = made(name)
    linear = one.over(np.arange(ROWS), ROWS)
    weights = np.concatenate([np.full(ROWS, 1.0), np.repeat([50.0, 0.0], 2 * CLASSES)])
    assert linear(weights[None])[0] == 0
    assert linear(np.concatenate([weights[:ROWS], weights[ROWS:][::-1]])[None])[0] == 1


@pytest.mark.parametrize("name", AREAS)
def test_parts_that_a_cache_holds_change_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = np.random.default_rng(1).uniform(0, 2, (7, ROWS + 4 * CLASSES))
    whole = made(name).statistic(weights)
    for held in (1, 2 * (ROWS + 4)):
        monkeypatch.setattr(ranking, "RANKED_AT_ONCE", held)
        assert made(name).statistic(weights) == pytest.approx(whole)
    assert whole.shape == (7,)


@pytest.mark.parametrize("influence", [roc_influence, precision_influence])
def test_rows_without_a_score_move_nothing(influence: object) -> None:
    scores, positive = drawn()
    with_nan = np.append(scores[0], [np.nan, np.nan])
    value, share = influence(  # type: ignore[operator]
        with_nan, np.append(positive[0], [True, False]), np.append(np.ones(ROWS), [0, 0])
    )
    assert value == pytest.approx(influence(scores[0], positive[0], np.ones(ROWS))[0])  # type: ignore[operator]
    assert share[-2:].tolist() == [0, 0]
    assert np.isfinite(share).all()


def test_of_two_classes_one_is_ranked_and_of_three_each() -> None:
    truth = np.array([0, 1, 2, 0, 1, 2])
    probabilities = np.random.default_rng(0).dirichlet(np.ones(3), 6)
    for size in (2, 3):
        for one in ranking_measures(np.minimum(truth, size - 1), probabilities[:, :size], "why"):
            assert len(one.pseudo_masses) == 4 * (1 if size == 2 else 3)
            assert one.reason == "why"
