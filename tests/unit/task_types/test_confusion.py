"""Metrics of sums by label, of any number of draws at once."""

import numpy as np
import pytest

from tasks.task_types.labels.confusion import (
    LabelSums,
    accuracy,
    macro_f1,
    macro_precision,
    macro_recall,
    matthews,
    overall_measures,
)

METRICS = (accuracy, macro_precision, macro_recall, macro_f1, matthews)


@pytest.mark.parametrize("metric", METRICS)
def test_a_stack_of_sums_gives_each_ones_value(metric: object) -> None:
    random = np.random.default_rng(0)
    matrices = random.integers(1, 9, (2, 4, 3, 3)).astype(float)
    stacked = LabelSums(
        np.diagonal(matrices, axis1=-2, axis2=-1), matrices.sum(axis=-2), matrices.sum(axis=-1)
    )
    found = metric(stacked)  # type: ignore[operator]
    assert found.shape == (2, 4)
    for place in np.ndindex(2, 4):
        alone = LabelSums(stacked.hits[place], stacked.predicted[place], stacked.true[place])
        assert found[place] == pytest.approx(metric(alone))  # type: ignore[operator]


def test_f1_is_undefined_without_true_rows_and_zero_without_hits() -> None:
    sums = LabelSums(np.array([0.0, 0.0]), np.array([3.0, 0.0]), np.array([0.0, 3.0]))
    assert np.isnan(macro_f1(sums))
    sums = LabelSums(np.array([0.0, 0.0]), np.array([3.0, 2.0]), np.array([2.0, 3.0]))
    assert macro_f1(sums) == 0


def test_a_wrong_pseudo_row_is_called_the_next_label() -> None:
    """So that each label is called once wrongly: its precision falls as all others' do."""
    truth = np.array([0, 1, 2])
    one = next(m for m in overall_measures(truth, truth, ("x", "y", "z")) if "precision" in m.name)
    assert one.sums is not None
    wrong, right = np.split(one.sums.pseudo_rows.reshape(6, 3, 3), 2)
    assert (wrong[:, 0] == 0).all()
    assert np.array_equal(wrong[:, 2], np.eye(3))
    assert np.array_equal(wrong[:, 1].argmax(axis=1), [1, 2, 0])
    assert all(np.array_equal(right[:, part], np.eye(3)) for part in range(3))
