"""Two groups and one label against the rest: the values of AIF360, and of fairlearn."""

import numpy as np
import pandas as pd
import pytest
from fairlearn import metrics as fl
from numpy.typing import NDArray

from tasks.fairness.gaps import gap_estimates
from tasks.fairness.rates import collapse_outcomes
from tasks.fairness.settings import FairnessSettings

TOLD = FairnessSettings(repeats=4_000, min_group_rows=5, positive_labels=("yes",))


def drawn(seed: int) -> tuple[NDArray[np.int64], ...]:
    random = np.random.default_rng(seed)
    group, truth = random.integers(0, 2, 400), random.integers(0, 2, 400)
    right = random.random(400) < 0.7 + 0.2 * group
    return group, truth, np.where(right, truth, 1 - truth)


def ours(group: NDArray, truth: NDArray, predicted: NDArray) -> dict[str, float | None]:
    outcomes = collapse_outcomes(("a", "b"), np.eye(2, dtype=bool)[group], truth, predicted, 2)
    made = gap_estimates("x", outcomes, ("no", "yes"), TOLD)
    return {estimate.name.removeprefix("fairness.x."): estimate.value for estimate in made}


@pytest.mark.parametrize("seed", range(3))
def test_values_are_those_of_aif360(seed: int) -> None:
    from aif360.datasets import BinaryLabelDataset
    from aif360.metrics import ClassificationMetric

    group, truth, predicted = drawn(seed)

    def data_set(labels: NDArray) -> BinaryLabelDataset:
        frame = pd.DataFrame({"group": group.astype(float), "label": labels.astype(float)})
        return BinaryLabelDataset(
            df=frame, label_names=["label"], protected_attribute_names=["group"]
        )

    theirs = ClassificationMetric(
        data_set(truth),
        data_set(predicted),
        unprivileged_groups=[{"group": 0}],
        privileged_groups=[{"group": 1}],
    )

    def ratio(value: float) -> float:
        """AIF360 divides the unprivileged group's rate by the privileged one's."""
        return min(value, 1 / value)

    found = ours(group, truth, predicted)
    precision = [theirs.positive_predictive_value(privileged=one) for one in (True, False)]
    expected = {
        "accuracy_difference": abs(theirs.error_rate_difference()),
        "demographic_parity_difference": abs(theirs.statistical_parity_difference()),
        "demographic_parity_ratio": ratio(theirs.disparate_impact()),
        "equal_opportunity_difference": abs(theirs.equal_opportunity_difference()),
        "equalized_odds_difference": theirs.equalized_odds_difference(),
        "false_positive_rate_difference": abs(theirs.false_positive_rate_difference()),
        "false_positive_rate_ratio": ratio(theirs.false_positive_rate_ratio()),
        "predictive_parity_difference": abs(theirs.false_discovery_rate_difference()),
        "predictive_parity_ratio": min(precision) / max(precision),
        "worst_group_accuracy": min(theirs.accuracy(privileged=one) for one in (True, False)),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(3))
def test_one_told_label_gives_fairlearns_binary_values(seed: int) -> None:
    group, truth, predicted = drawn(seed)
    found = ours(group, truth, predicted)
    names = ("demographic_parity", "equal_opportunity", "equalized_odds", "false_positive_rate")
    for name in (f"{metric}_{kind}" for metric in names for kind in ("difference", "ratio")):
        expected = getattr(fl, name)(truth, predicted, sensitive_features=group)
        assert found[name] == pytest.approx(expected), name
    assert found["worst_group_f1"] == pytest.approx(
        fl.f1_score_group_min(truth, predicted, sensitive_features=group)
    )
