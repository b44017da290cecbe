"""Values of the classification metrics against scikit-learn and by brute force."""

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from infra.errors import DataError
from tasks.task_types.labels.calibration import (
    calibration_table,
    equal_mass_bins,
    equal_width_bins,
)
from tasks.task_types.labels.classification_measures import measure_classes
from tasks.task_types.labels.ranking import (
    average_precision,
    macro_area,
    precision_influence,
    ranking_measures,
    roc_area,
    roc_influence,
)
from tasks.task_types.measures import Measure, mean_of, ratio_of_sums
from tests.unit.evaluation.conftest import LABELS, Answered

Floats = NDArray[np.float64]


def by_name(answers: Answered, labels: tuple[str, ...] = LABELS) -> dict[str, Measure]:
    return {one.name: one for one in measure_classes(*answers, labels).measures}


def arrays(answers: Answered) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    rows, said = answers
    truth = np.array([LABELS.index(label) for label in rows["label"].to_pylist()])
    return truth, said["predicted"].to_numpy(), np.array(said["probabilities"].to_pylist())


def scikit_learns(truth: NDArray[np.int64], predicted: NDArray[np.int64], scores: Floats,
                  weights: Floats | None = None) -> dict[str, float]:  # fmt: skip
    given_weights, size = {"sample_weight": weights}, scores.shape[1]
    positive = truth == 1 if size == 2 else np.eye(size)[truth]
    ranked = scores[:, 1] if size == 2 else scores
    macro = sk.precision_recall_fscore_support(truth, predicted, average="macro", **given_weights)
    each = sk.precision_recall_fscore_support(truth, predicted, **given_weights)
    clipped = np.clip(scores, np.finfo(np.float32).eps, None)[np.arange(len(truth)), truth]
    values = {
        "accuracy": sk.accuracy_score(truth, predicted, **given_weights),
        "micro_f1": sk.f1_score(truth, predicted, average="micro", **given_weights),
        "balanced_accuracy": sk.balanced_accuracy_score(truth, predicted, **given_weights),
        "matthews_correlation": sk.matthews_corrcoef(truth, predicted, **given_weights),
        "roc_auc": sk.roc_auc_score(positive, ranked, **given_weights),
        "pr_auc": sk.average_precision_score(positive, ranked, **given_weights),
        "log_loss": np.average(-np.log(clipped), weights=weights),
        "brier": sk.brier_score_loss(
            truth, scores[:, 1] if size == 2 else scores, scale_by_half=True, **given_weights
        ),
    }
    for place, name in enumerate(("precision", "recall", "f1")):
        values[f"macro_{name}"] = macro[place]
        values |= {f"{name}.{LABELS[k]}": each[place][k] for k in range(size)}
    return values


@pytest.mark.parametrize("size", [2, 4])
@pytest.mark.parametrize("digits", [None, 1])
def test_values_are_scikit_learns(
    size: int, digits: int | None, answer: Callable[..., Answered]
) -> None:
    answers = answer(size, size=size, digits=digits)
    if digits is not None:  # rounded scores have ties, and must sum to 1 for the Brier score
        scores = arrays(answers)[2]
        scores /= scores.sum(axis=1, keepdims=True)
        said = {"predicted": scores.argmax(axis=1), "probabilities": list(scores)}
        answers = (answers[0], pa.table(said))
    made = by_name(answers, LABELS[:size])
    expected = scikit_learns(*arrays(answers))
    assert {name: made[name].value for name in expected} == pytest.approx(expected)
    assert made["log_loss"].value == pytest.approx(sk.log_loss(*arrays(answers)[::2]), rel=1e-5)


@pytest.mark.parametrize("size", [2, 4])
def test_weights_are_scikit_learns_too(size: int, answer: Callable[..., Answered]) -> None:
    answers = answer(7, 150, size=size)
    truth, predicted, scores = arrays(answers)
    weights = np.random.default_rng(0).integers(0, 4, len(truth)).astype(float)
    expected = scikit_learns(truth, predicted, scores, weights)
    made = by_name(answers, LABELS[:size])
    for name, value in expected.items():
        pseudo = np.zeros(len(made[name].pseudo_masses))
        drawn = made[name].statistic(np.concatenate([weights, pseudo])[None])
        assert drawn[0] == pytest.approx(value), name


def test_a_unit_stands_for_its_rows(answer: Callable[..., Answered]) -> None:
    """Factors of units give what weights of rows give; a linear form does so near factors of 1."""
    answers, random = answer(3, 120), np.random.default_rng(1)
    units = np.arange(120) % 17
    units[:10] = -1
    for one in by_name(answers).values():
        approximate = one.gather is not None
        pseudo = np.zeros((3, len(one.pseudo_masses)))
        factors = 1 + random.normal(size=(3, 17)) * (0.01 if approximate else 0.2)
        weights = np.where(units >= 0, factors[:, units], 0)
        drawn = one.over(units, 17)(np.concatenate([factors, pseudo], axis=1))
        expected = one.statistic(np.concatenate([weights, pseudo], axis=1))
        assert drawn == pytest.approx(expected, abs=1e-3 if approximate else 1e-9), one.name


@pytest.mark.parametrize(
    ("area", "influence"),
    [(roc_area, roc_influence), (average_precision, precision_influence)],
)
def test_the_influence_is_the_derivative(area: object, influence: object) -> None:
    random = np.random.default_rng(2)
    scores, positive = random.integers(0, 30, 80).astype(float), random.random(80) < 0.3
    value, share = influence(scores, positive, np.ones(80))  # type: ignore[operator]
    statistic = macro_area("x", scores[None], positive[None], area, influence).statistic  # type: ignore[arg-type]
    ones = np.concatenate([np.ones(80), np.zeros(4)])
    assert value == pytest.approx(statistic(ones[None])[0])
    assert share.sum() == pytest.approx(0, abs=1e-12)
    for row in range(0, 80, 7):
        moved = ones.copy()
        moved[row] += 1e-5
        slope = (statistic(moved[None])[0] - value) / 1e-5
        assert slope == pytest.approx(share[row], abs=1e-5)


def test_of_two_labels_the_last_is_positive() -> None:
    truth = np.array([0, 0, 0, 1, 1, 0])
    scores = np.random.default_rng(0).random((6, 1))
    both = np.concatenate([1 - scores, scores], axis=1)
    roc, pr = ranking_measures(truth, both, "")
    assert pr.value == pytest.approx(sk.average_precision_score(truth, scores[:, 0]))
    assert roc.value == pytest.approx(sk.roc_auc_score(truth, scores[:, 0]))


def ece_by_hand(truth: NDArray[np.int64], scores: Floats, edges: list[float]) -> float:
    """Guo et al. 2017, equation 3, row by row; bins are open on the left."""
    total = 0.0
    for low, high in itertools.pairwise(edges):
        rows = [
            (max(row), int(np.argmax(row)) == label)
            for row, label in zip(scores.tolist(), truth, strict=True)
            if low < max(row) <= high
        ]
        if rows:
            confidence, right = np.mean([c for c, _ in rows]), np.mean([r for _, r in rows])
            total += len(rows) / len(truth) * abs(right - confidence)
    return total


def test_calibration_errors_by_brute_force(answer: Callable[..., Answered]) -> None:
    answers = answer(1, 300)
    truth, _, scores = arrays(answers)
    made = by_name(answers)
    width = [k / 15 for k in range(16)]
    assert made["calibration_error"].value == pytest.approx(ece_by_hand(truth, scores, width))
    mass = [0.0, *np.sort(scores.max(axis=1))[19::20]]  # 15 bins of 20 rows
    assert made["adaptive_calibration_error"].value == pytest.approx(
        ece_by_hand(truth, scores, mass)
    )
    confidence, correct = scores.max(axis=1), scores.argmax(axis=1) == truth
    table = calibration_table(confidence, correct, equal_width_bins(confidence, 15))
    assert made["calibration_error"].value == pytest.approx(
        sum(abs(mean - right) * rows for mean, right, rows in table) / 300
    )


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.integers(2, 7))
@settings(max_examples=40, deadline=None)
def test_bins_of_equal_mass_part_no_ties(values: list[int], bins: int) -> None:
    confidence = np.array(values) / 10
    found = equal_mass_bins(confidence, bins)
    assert found.min() >= 0
    assert found.max() < bins
    for value in set(values):
        assert len(set(found[confidence == value / 10])) == 1
    order = np.argsort(confidence, kind="stable")
    assert (np.diff(found[order]) >= 0).all()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_any_rows_give_scikit_learns_value_or_a_reason(pairs: list[tuple[int, int]]) -> None:
    truth, predicted = np.array(pairs).T
    rows = pa.table({"label": [LABELS[label] for label in truth]})
    made = by_name((rows, pa.table({"predicted": predicted})))
    scores = sk.precision_recall_fscore_support(
        truth, predicted, labels=range(4), zero_division=np.nan
    )[:3]
    for name, values in zip(("precision", "recall", "f1"), scores, strict=True):
        for index, label in enumerate(LABELS):
            one = made[f"{name}.{label}"]
            if one.reason:
                assert (truth != index).all() or (name == "precision" and np.isnan(values[index]))
            else:
                assert one.value == pytest.approx(values[index])
                assert all(0 <= low <= high <= 1 for low, high in one.closed_form)
    matthews = made["matthews_correlation"]
    if matthews.reason:
        assert len(set(truth)) == 1 or len(set(predicted)) == 1
    else:
        assert matthews.value == pytest.approx(sk.matthews_corrcoef(truth, predicted))


def test_what_is_undefined_says_why(answer: Callable[..., Answered]) -> None:
    rows, said = answer(0, size=3)
    made = by_name((rows, said.select(["predicted"])))
    for name in ("macro_recall", "macro_f1", "recall.d", "f1.d"):
        assert made[name].reason == "no row has the label 'd'"
    rows, _ = answer(0)
    constant = by_name((rows, pa.table({"predicted": np.zeros(400, np.int32)})))
    assert "predicted as 'b', 'c', 'd'" in constant["macro_precision"].reason
    assert constant["precision.b"].reason == "no row is predicted as 'b'"
    assert "are called 'a'" in constant["matthews_correlation"].reason
    assert constant["macro_f1"].reason == ""
    assert constant["recall.b"].value == 0
    assert "roc_auc" not in constant
    with pytest.raises(DataError, match=r"labels outside \['a'\]: \['b', 'c', 'd'\]"):
        measure_classes(*answer(0), ("a",))


def test_a_metric_of_a_part_is_that_of_its_rows(answer: Callable[..., Answered]) -> None:
    answers = answer(5, 200)
    inside = np.arange(200) % 3 == 0
    part = (answers[0].filter(inside), answers[1].filter(inside))
    alone, whole = by_name(part), by_name(answers)
    where = np.where(inside, 0, -1)
    for name in ("accuracy", "macro_f1", "roc_auc", "pr_auc", "brier", "f1.a"):
        assert whole[name].value_of(where) == pytest.approx(alone[name].value), name


def test_means_and_ratios() -> None:
    scores = np.array([0.25, 0.5, 1.0])
    assert mean_of("x", scores).value == pytest.approx(scores.mean())
    assert mean_of("x", scores).closed_form == ()
    assert len(mean_of("x", np.array([0.0, 1.0])).closed_form) == 20
    ratio = ratio_of_sums(
        "x", [scores, scores**2], lambda sums: sums[..., 0] / sums[..., 1], greater_is_better=False
    )
    assert ratio.value == pytest.approx(1.75 / (0.0625 + 0.25 + 1))
    assert not ratio.greater_is_better
    assert replace(ratio, reason="no").reason == "no"
