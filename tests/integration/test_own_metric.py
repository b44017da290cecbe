"""A metric of another distribution, by the package of docs/own-metrics.md."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from flows.config import RetrainConfig
from infra import catalogue
from infra.code_digest import code_of
from infra.errors import SettingsError
from tasks.evaluation.comparison import Comparator, compare
from tasks.evaluation.intervals import levels
from tasks.evaluation.settings import EvaluationSettings
from tasks.resampling_units import units_of_rows
from tasks.task_types.examiner import examiner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.measures import Measured
from tasks.task_types.own_metrics import OWN_METRICS, OwnMetric, add_own_metrics
from tasks.verdicts import Gate, Verdict, judge
from tests.page_package import installed_package

PAGE = Path(__file__).parents[2] / "docs" / "own-metrics.md"
NAME, LABELS, ROWS = "near_misses", ("low", "middle", "high"), 300
SETTINGS = EvaluationSettings(repeats=4_000, own_metrics=(NAME,))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The package of the page, installed by pip into a folder on the path."""
    with installed_package(PAGE, tmp_path_factory.mktemp("package")) as target:
        yield target


def tables(seed: int) -> tuple[pa.Table, pa.Table]:
    """Rows of ordered labels, and answers of which four in five are right."""
    random, truth = np.random.default_rng(seed), np.arange(ROWS) % 3
    said = np.where(random.random(ROWS) < 0.8, truth, random.integers(0, 3, ROWS))
    rows = {"row_id": [f"{n:04d}" for n in range(ROWS)], "label": [LABELS[one] for one in truth]}
    return pa.table(rows), pa.table({"label": truth, "predicted": said})


def measured(seed: int) -> tuple[Measured, pa.Table]:
    rows, answers = tables(seed)
    examiner = examiner_of("classification", LABELS, TokenLimits(max_length=8))
    found = examiner.measure(rows, answers)
    return add_own_metrics(found, [NAME], examiner, rows, answers), answers


def line(**settings: Any) -> RetrainConfig:
    columns = {"text": "t", "label": "l"}
    source = {"format": "csv", "path": "rows.csv", "columns": columns}
    given = {"line": "prices", "source": source, "evaluation": {"own_metrics": [NAME]}}
    return RetrainConfig.model_validate(given | settings)


def test_it_has_an_exact_interval_is_compared_and_is_gated(installed: Path) -> None:
    (ours, answers), (theirs, _) = measured(0), measured(1)
    units = units_of_rows([f"{n:04d}" for n in range(ROWS)])
    gains, comparisons = compare(ours, [Comparator("champion", answers, theirs)], units, SETTINGS)
    own = [("quality", one) for one in ours.measures if one.name == NAME]
    (level,) = levels(own, units, SETTINGS.repeats, 0)
    right = np.abs(answers["predicted"].to_numpy() - answers["label"].to_numpy()) <= 1
    assert level.value == right.mean()
    from scipy.stats import binomtest

    interval = binomtest(int(right.sum()), ROWS).proportion_ci(0.95, method="exact")
    assert level.ladder[0] == pytest.approx((interval.low, interval.high))
    assert {one.metric for one in comparisons} == {"macro_f1", "accuracy", NAME}
    gates = [
        Gate(metric=f"quality.{NAME}", at_least=0.8),
        Gate(metric=f"champion.{NAME}_gain", at_least=-0.2),
    ]
    assert [one.verdict for one in judge(gates, [level, *gains])] == [Verdict.PASS] * 2


def test_a_line_may_gate_it_and_a_wrong_name_is_refused_before_anything_runs(
    installed: Path,
) -> None:
    gates = [
        {"metric": f"quality.{NAME}", "at_least": 0.9},
        {"metric": f"baseline.{NAME}_gain", "at_least": 0.0},
        {"metric": "staging.same_predictions", "at_least": 1.0},
    ]
    assert line(policy={"gates": gates}).policy.gates[0].metric == f"quality.{NAME}"
    gates[0]["at_least"] = 90
    with pytest.raises(ValueError, match=r"lies between 0 and 1; did you mean 0\.9\?"):
        line(policy={"gates": gates})
    with pytest.raises(
        ValueError, match=f"no metric 'near_mises' is installed; did you mean {NAME}"
    ):
        line(evaluation={"own_metrics": ["near_mises"]})
    with pytest.raises(ValueError, match="is of task type classification, and this line is of reg"):
        line(task_type="regression", source={"format": "csv", "path": "rows.csv"})


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        (
            lambda *_: np.zeros(3),
            r"shape \(3,\); right would be one score for each of the 300",
        ),
        (lambda *_: [0.5] * (ROWS - 1) + [7], r"gave row 300 the score 7, .*between 0 and 1"),
        (lambda *_: [float("inf")] * ROWS, "gave row 1 the score inf"),
        (
            lambda _, answers: answers["price"],
            r"failed: KeyError.*columns \['row_id', 'label'\]",
        ),
    ],
)
def test_a_metric_that_gives_no_score_is_told_with_the_row(
    scores: Any, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = OwnMetric(scores=scores, task_types=("classification",))
    monkeypatch.setattr(catalogue, "entries_of", lambda _: {NAME: "somewhere:BROKEN"})
    monkeypatch.setattr(OWN_METRICS, "load", lambda _: broken)
    with pytest.raises(SettingsError, match=said):
        measured(0)


@pytest.mark.parametrize("name", ["information_gain", "hit_ratio", "hits.rude"])
def test_a_name_that_other_numbers_have_is_refused(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a gate on golden.NAME.METRIC would be taken for one on a gain over the champion."""
    own = OwnMetric(scores=lambda *_: np.ones(ROWS), task_types=("classification",))
    monkeypatch.setattr(catalogue, "entries_of", lambda _: {name: "somewhere:OWN"})
    monkeypatch.setattr(OWN_METRICS, "load", lambda _: own)
    with pytest.raises(ValueError, match="would be taken for another number"):
        line(evaluation={"own_metrics": [name]})


def test_rows_that_do_not_count_leave_the_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = np.where(np.arange(ROWS) % 2, np.nan, np.arange(ROWS) % 4 / 2)
    own = OwnMetric(scores=lambda *_: scores, task_types=("classification",))
    monkeypatch.setattr(catalogue, "entries_of", lambda _: {NAME: "somewhere:OWN"})
    monkeypatch.setattr(OWN_METRICS, "load", lambda _: own)
    assert measured(0)[0].measures[-1].value == pytest.approx(np.nanmean(scores))


def test_rows_that_do_not_count_are_none_of_those_that_a_mean_rests_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of scores without a bound 100 rows are asked for: 40 that count are too few, of 300 too."""
    scores = np.where(np.arange(ROWS) < 40, 1.0 + np.arange(ROWS) % 5, np.nan)
    own = OwnMetric(scores=lambda *_: scores, task_types=("classification",), high=np.inf)
    monkeypatch.setattr(catalogue, "entries_of", lambda _: {NAME: "somewhere:OWN"})
    monkeypatch.setattr(OWN_METRICS, "load", lambda _: own)
    units = units_of_rows([f"{n:04d}" for n in range(ROWS)])
    (level,) = levels([("quality", measured(0)[0].measures[-1])], units, SETTINGS.repeats, 0)
    assert (level.value, level.n) == (None, 40)
    assert "40 rows are too few" in level.reason


def test_its_code_counts_where_a_line_asks_for_it_and_nowhere_else(installed: Path) -> None:
    def reached(names: list[str]) -> set[str]:
        asked = {"task_type": "classification", "settings": {"own_metrics": names}}
        return set(code_of("tasks.stages.evaluation", "evaluate", asked).modules)

    assert NAME in reached([NAME])
    assert NAME not in reached([])
