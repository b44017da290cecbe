"""What a threshold comes to: over all rows, by label and by group that it leaves out."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from tasks.abstention.fitting import fit_thresholds
from tasks.abstention.measuring import judged_rows, measure_abstention, risk_coverage
from tasks.abstention.settings import AbstentionSettings
from tasks.evaluation.settings import EvaluationSettings
from tasks.fairness.settings import FairnessSettings
from tasks.protected_groups.memberships import Membership
from tasks.records.abstention import Abstention
from tasks.records.abstention_scores import AbstentionScores
from tasks.resampling_units import units_of_rows
from tasks.verdicts import Estimate

LABELS = ("a", "b", "c")
FITTED = Abstention(0.6, 0.1, "answers", 0.9, 0.3, 0.9, 100, 90, 5)
EVALUATION = EvaluationSettings(repeats=4_000)


def world(rows: int = 600, *, unsure: float = 0.0, seed: int = 0) -> tuple[pa.Table, np.ndarray]:
    """Answers with calibrated probabilities; members of a group are less sure by so much."""
    random = np.random.default_rng(seed)
    member = random.random(rows) < 0.3
    best = np.clip(random.beta(6, 1.5, rows) - unsure * member, 0.4, 0.99)
    right = random.random(rows) < best
    predicted = random.integers(0, 3, rows)
    truth = np.where(right, predicted, (predicted + random.integers(1, 3, rows)) % 3)
    probabilities = np.repeat(((1 - best) / 2)[:, None], 3, axis=1)
    probabilities[np.arange(rows), predicted] = best
    told = pa.table(
        {
            "row_id": [f"{row:05d}" for row in range(rows)],
            "label": pa.array(truth, pa.int32()),
            "probabilities": pa.array(probabilities.tolist(), pa.list_(pa.float32())),
        }
    )
    return told, member


def measured(
    told: pa.Table,
    member: np.ndarray,
    fitted: Abstention = FITTED,
    clusters: list[str] | None = None,
) -> AbstentionScores:
    units = units_of_rows(told["row_id"].to_pylist(), clusters)
    groups = [Membership("region", ("north",), member[:, None])]
    return measure_abstention(
        judged_rows(told, fitted, units), fitted, LABELS, groups, AbstentionSettings(),
        FairnessSettings(), EVALUATION,
    )  # fmt: skip


def by_name(found: AbstentionScores) -> dict[str, Estimate]:
    names = [one.name for one in found.estimates]
    assert len(set(names)) == len(names)
    return dict(zip(names, found.estimates, strict=True))


def test_shares_are_those_of_a_count_by_hand() -> None:
    told, member = world()
    found = by_name(measured(told, member))
    probabilities = np.array(told["probabilities"].to_pylist())
    truth, best = told["label"].to_numpy(), probabilities.max(axis=1)
    answered = best >= 0.6
    wrong = probabilities.argmax(axis=1) != truth
    assert found["abstention.coverage"].value == pytest.approx(answered.mean())
    assert found["abstention.selective_risk"].value == pytest.approx(wrong[answered].mean())
    assert found["abstention.selective_risk"].n == answered.sum()
    assert found["abstention.error_rate"].value == pytest.approx((wrong & answered).mean())
    sets = probabilities >= np.float32(0.3)
    held = sets[np.arange(len(truth)), truth]
    assert found["abstention.set_coverage"].value == pytest.approx(held.mean())
    assert found["abstention.set_size"].value == pytest.approx(sets.sum(axis=1).mean())
    of_b = truth == 1
    assert found["abstention.label.coverage.b"].value == pytest.approx(answered[of_b].mean())
    assert found["abstention.label.set_coverage.b"].value == pytest.approx(held[of_b].mean())
    assert found["abstention.region.selective_risk.north"].value == pytest.approx(
        wrong[member & answered].mean()
    )
    gap = answered[member].mean() - answered[~member].mean()
    assert found["abstention.region.coverage_gap.north"].value == pytest.approx(gap)
    assert found["abstention.region.coverage_gap.north"].n == member.sum()
    for one in found.values():
        assert one.low is not None
        assert one.value is not None
        assert one.high is not None
        assert one.low <= one.value <= one.high


def test_a_planted_group_that_goes_without_answers_is_found_and_no_other() -> None:
    told, member = world(unsure=0.25)
    found = by_name(measured(told, member))
    gap = found["abstention.region.coverage_gap.north"]
    assert gap.high is not None
    assert gap.high < -0.2
    even, members = world()
    none = by_name(measured(even, members))["abstention.region.coverage_gap.north"]
    assert none.low is not None
    assert none.high is not None
    assert none.low < 0 < none.high


def test_few_rows_and_few_answers_are_undetermined() -> None:
    told, member = world(rows=200)
    few = np.zeros_like(member)
    few[:12] = True
    found = by_name(measured(told, few))
    assert found["abstention.region.coverage.north"].reason.startswith("rows of it are 12;")
    never = by_name(measured(told, member, replace(FITTED, threshold=0.999)))
    assert never["abstention.coverage"].value == 0.0
    assert never["abstention.selective_risk"].reason.startswith("answers are 0;")


def test_clusters_are_drawn_whole() -> None:
    told, member = world(rows=600)
    clusters = [f"author {row // 30}" for row in range(600)]
    one = by_name(measured(told, member, clusters=clusters))["abstention.coverage"]
    assert "20 clusters" in one.method
    few = [f"author {row // 100}" for row in range(600)]
    two = by_name(measured(told, member, clusters=few))["abstention.region.coverage.north"]
    assert "6 clusters" in two.reason


def test_the_curve_ends_at_the_error_of_all_rows() -> None:
    scores = np.array([0.9, 0.8, 0.8, 0.7])
    right = np.array([True, False, True, False])
    found = [(one.coverage, one.risk) for one in risk_coverage(scores, right)]
    assert found == [(0.25, 0.0), (0.75, pytest.approx(1 / 3)), (1.0, 0.5)]
    many = risk_coverage(np.linspace(0, 1, 5_000), np.ones(5_000, np.bool_))
    assert len(many) == 100
    assert many[-1].coverage == 1.0


def test_thresholds_are_fitted_and_counted() -> None:
    told, _ = world(rows=2_000)
    probabilities = np.array(told["probabilities"].to_pylist())
    truth = told["label"].to_numpy().astype(np.int64)
    fitted = fit_thresholds(probabilities, truth, AbstentionSettings(risk=0.15))
    answered = probabilities.max(axis=1) >= fitted.threshold
    assert 0 < fitted.threshold < 1
    assert (fitted.rows, fitted.answered) == (2_000, answered.sum())
    assert fitted.wrong == (answered & (probabilities.argmax(axis=1) != truth)).sum()
    assert fitted.wrong / fitted.answered < 0.15
