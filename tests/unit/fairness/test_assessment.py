"""From a Scores artifact and clean rows to the record, on a real store, with all that is wrong."""

import tempfile
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.errors import DataError, SettingsError
from infra.store import ObjectStore
from tasks.fairness import row_scores
from tasks.fairness.assessment import assess_scores
from tasks.fairness.gaps import NAMES
from tasks.fairness.settings import FairnessSettings
from tasks.records.data import DataReport
from tasks.records.evaluation import Scores
from tasks.records.fairness import Fairness
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import arrow_type
from tasks.verdicts import Estimate, Verdict
from tests.conftest import NO_LEAKS

CLASSES = ("bad", "good", "other")
ROWS = 240
Columns = dict[str, Any]


def put(store: ObjectStore, name: str, table: pa.Table) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        pq.write_table(table, path)
        return store.put_file(store.uri("assess", f"{uuid.uuid4()}-{name}"), path)


def clean_rows(
    store: ObjectStore,
    columns: Columns,
    task_type: str = "classification",
    groups: tuple[str, ...] = ("region",),
) -> DataReport:
    shape = shape_of(task_type)
    size = len(next(iter(columns.values())))
    whole = {
        "row_id": [f"row {k}" for k in range(size)],
        "split": ["test"] * size,
        **{column.name: [None] * size for column in shape.columns},
        **columns,
    }
    kinds = {column.name: arrow_type(column.kind) for column in shape.columns}
    table = pa.table({name: pa.array(v, kinds.get(name, pa.string())) for name, v in whole.items()})
    artifact = put(store, "clean.parquet", table)
    return DataReport(
        clean=artifact, quarantine=artifact, docs_uri="", task_type=task_type, labels=CLASSES,
        group_columns=groups, rows_by_split={}, rows_by_label={}, rows_quarantined=0,
        quarantined_by_reason={}, lengths={}, personal_data=(), leakage=NO_LEAKS, checks=(),
        verdict=Verdict.PASS,
    )  # fmt: skip


def scores_of(store: ObjectStore, columns: Columns, labels: tuple[str, ...] = CLASSES) -> Scores:
    size = len(next(iter(columns.values())))
    table = pa.table({"row_id": [f"row {k}" for k in range(size)], **columns})
    return Scores(
        artifact=put(store, "scores.parquet", table), labels=labels, rows=size, estimates=(),
        confusion=(), calibration=(), champion_version=None, champion_note="",
    )  # fmt: skip


def rows(seed: int = 0) -> tuple[Columns, Columns]:
    """Texts and groups; labels, predictions and probabilities, worse in the south."""
    random = np.random.default_rng(seed)
    south = random.random(ROWS) < 0.5
    words = random.choice(["she came", "he came", "it came"], ROWS)
    truth = random.integers(0, 3, ROWS)
    right = random.random(ROWS) < np.where(south, 0.6, 0.95)
    predicted = np.where(right, truth, (truth + 1) % 3)
    sure = random.uniform(0.4, 0.9, ROWS)
    chances = np.repeat((1 - sure)[:, None] / 2, 3, axis=1)
    chances[np.arange(ROWS), predicted] = sure
    clean = {
        "text": [str(word) for word in words],
        "region": np.where(south, "south", "north").tolist(),
    }
    scores = {
        "label": pa.array(truth, pa.int32()),
        "predicted": pa.array(predicted, pa.int32()),
        "probabilities": pa.array(chances.tolist()),
        "row_score": pa.array((truth == predicted).astype(float)),
    }
    return clean, scores


def chosen(**settings: Any) -> FairnessSettings:
    return FairnessSettings.model_validate({"repeats": 4_000, "min_group_rows": 10} | settings)


def by_name(fairness: Fairness) -> dict[str, Estimate]:
    names = [estimate.name for estimate in fairness.estimates]
    assert len(set(names)) == len(names), "two estimates of one name cannot be judged"
    return {estimate.name: estimate for estimate in fairness.estimates}


def test_classes_are_compared_in_rates_calibration_and_ranking(store: ObjectStore) -> None:
    clean, scored = rows()
    settings = chosen(
        min_group_rows=5, positive_labels=["bad"], intersections=[["region", "gender"]]
    )
    fairness = assess_scores(
        scores_of(store, scored), clean_rows(store, clean), settings, store=store
    )
    found = by_name(fairness)
    for attribute in ("region", "gender", "region+gender"):
        for name in (*NAMES, "calibration_error_difference", "worst_group_calibration_error"):
            assert f"fairness.{attribute}.{name}" in found
        assert f"fairness.{attribute}.bpsn_auc_mean.bad" in found
        assert f"fairness.{attribute}.largest_cddpl" in found
    untold = {e.name: e.reason for e in fairness.estimates if e.value is None}
    assert set(untold) == {
        f"fairness.region+gender.treatment_equality_{kind}" for kind in ("difference", "ratio")
    }
    assert "north+male missed or wrongly predicted as 'bad' has 1 test rows" in min(untold.values())
    assert found["fairness.region.accuracy_difference"].low > 0.15
    assert found["fairness.gender.accuracy_difference"].low == 0
    pairs = [group.group for group in fairness.groups if group.attribute == "region+gender"]
    assert pairs == ["north+female", "north+male", "south+female", "south+male"]
    south = next(group for group in fairness.groups if group.group == "south")
    assert {"accuracy", "f1", "calibration_error"} <= set(south.metrics)
    own = {estimate.name: estimate for estimate in south.estimates}
    truth, predicted = (scored[name].to_numpy() for name in ("label", "predicted"))
    here = np.array(clean["region"]) == "south"
    expected = {
        "accuracy.south": (truth == predicted)[here].mean(),
        "selection_rate.south.bad": (predicted == 0)[here].mean(),
        "true_positive_rate.south.bad": (predicted == 0)[here & (truth == 0)].mean(),
        "false_positive_rate.south.bad": (predicted == 0)[here & (truth != 0)].mean(),
        "precision.south.bad": (truth == 0)[here & (predicted == 0)].mean(),
    }
    for name, value in expected.items():
        assert own[f"fairness.region.{name}"].value == pytest.approx(value)
    assert own["fairness.region.f1.south.bad"].low > 0
    assert own["fairness.region.calibration_error.south"].value == pytest.approx(
        south.metrics["calibration_error"]
    )
    cells = [group.group for group in fairness.groups if group.attribute == "gender_exclusive"]
    assert cells == ["female", "male", "none"]
    assert not [group for group in fairness.groups if group.attribute == "region_exclusive"]
    assert len(fairness.aucs) == 2 + 2 + 3 + 4
    again = assess_scores(scores_of(store, scored), clean_rows(store, clean), settings, store=store)
    assert again == fairness


def test_the_order_of_rows_changes_nothing(store: ObjectStore) -> None:
    clean, scored = rows()
    order = np.random.default_rng(1).permutation(ROWS)
    turned = {name: [values[k] for k in order] for name, values in clean.items()}
    moved = {name: values.take(pa.array(order)) for name, values in scored.items()}
    one, other = (
        by_name(
            assess_scores(
                scores_of(store, second),
                clean_rows(store, first),
                chosen(positive_labels=["bad"]),
                store=store,
            )
        )
        for first, second in ((clean, scored), (turned, moved))
    )
    assert one.keys() == other.keys()
    for name, estimate in one.items():
        assert estimate.value == pytest.approx(other[name].value), name
        assert np.array(estimate.ladder) == pytest.approx(np.array(other[name].ladder)), name


@pytest.mark.parametrize("task_type", ["question_answering", "tagging", "translation", "chat"])
def test_any_task_type_is_compared_in_its_row_scores(store: ObjectStore, task_type: str) -> None:
    inputs: dict[str, Columns] = {
        "question_answering": {"question": ["who is she?"] * 60, "context": ["here"] * 60},
        "tagging": {"tokens": [["she", "came"]] * 60},
        "translation": {"source": ["she came"] * 60},
        "chat": {"messages": [[{"role": "user", "content": "she"}]] * 60},
    }
    regions = ["north", "south"] * 30
    data = clean_rows(store, inputs[task_type] | {"region": regions}, task_type)
    scores = scores_of(store, {"row_score": np.tile([0.9, 0.4], 30)})
    fairness = assess_scores(scores, data, chosen(), store=store)
    found = by_name(fairness)
    assert found["fairness.region.row_score_difference"].value == pytest.approx(0.5)
    assert found["fairness.region.row_score_ratio"].value == pytest.approx(4 / 9)
    assert found["fairness.region.worst_group_row_score"].value == pytest.approx(0.4)
    assert [(g.group, g.rows) for g in fairness.groups if g.attribute == "gender"] == [
        ("female", 60), ("male", 0),
    ]  # fmt: skip
    assert all(
        found[f"fairness.gender.{name}"].reason == "male has 0 test rows; min_group_rows is 10"
        for name in row_scores.NAMES
    )
    with pytest.raises(SettingsError, match=f"a row of task type {task_type} has not one label"):
        assess_scores(scores, data, chosen(positive_labels=["bad"]), store=store)


def test_a_row_of_several_groups_counts_in_each(store: ObjectStore) -> None:
    clean, scored = rows()
    clean["region"] = [f"{one}|all" for one in clean["region"]]
    fairness = assess_scores(
        scores_of(store, scored), clean_rows(store, clean), chosen(), store=store
    )
    sizes = {g.group: g.rows for g in fairness.groups if g.attribute == "region"}
    assert sizes["all"] == ROWS == sizes["north"] + sizes["south"]


def test_pairs_are_made_of_the_groups_that_are_compared(store: ObjectStore) -> None:
    clean, scored = rows()
    clean["region"][:3] = ["moon"] * 3
    settings = chosen(
        intersections=[["region", "gender"]], groups={"region": ["north", "south"]},
        positive_labels=["bad"], min_group_rows=5,
    )  # fmt: skip
    fairness = assess_scores(
        scores_of(store, scored), clean_rows(store, clean), settings, store=store
    )
    found = by_name(fairness)
    assert {"moon", "north", "south"} < {group.group for group in fairness.groups}
    assert not [group.group for group in fairness.groups if group.group.startswith("moon+")]
    for name in ("accuracy_difference", "calibration_error_difference", "bpsn_auc_mean.bad"):
        assert found[f"fairness.region.{name}"].value is not None
        assert found[f"fairness.region.{name}"].n == ROWS - 3
        assert found[f"fairness.region+gender.{name}"].value is not None
    assert found["fairness.region.bpsn_auc.moon.bad"].value is None


def undecided(fairness: Fairness, attribute: str) -> set[str]:
    return {
        estimate.reason
        for estimate in fairness.estimates
        if estimate.name.startswith(f"fairness.{attribute}.")
    }


def test_texts_that_no_term_matches_leave_it_undetermined(store: ObjectStore) -> None:
    clean, scored = rows()
    settings = chosen(
        identity_attributes=["religion"], positive_labels=["bad"],
        intersections=[["region", "religion"]],
    )  # fmt: skip
    fairness = assess_scores(
        scores_of(store, scored), clean_rows(store, clean), settings, store=store
    )
    reasons = undecided(fairness, "religion")
    assert "no test row belongs to a group of religion" in reasons
    assert "" not in reasons
    pair = "region+religion needs two groups to compare; the test rows hold none"
    found = by_name(fairness)
    assert found["fairness.region+religion.accuracy_ratio"].reason == pair
    assert found["fairness.region+religion.bnsp_auc_mean.bad"].reason == pair
    assert "" not in undecided(fairness, "region+religion")


@pytest.mark.parametrize(
    ("region", "reason"),
    [
        (["north"] * ROWS, "region needs two groups to compare; the test rows hold north"),
        (["north"] * (ROWS - 1) + ["south"], "south has 1 test rows; min_group_rows is 10"),
        ([None] * ROWS, "region needs two groups to compare; the test rows hold none"),
        ([f"r{k}" for k in range(ROWS)], "the column region has 240 different values"),
    ],
)
def test_groups_that_cannot_be_compared(
    store: ObjectStore, region: list[str | None], reason: str
) -> None:
    clean, scored = rows()
    data = clean_rows(store, clean | {"region": region})
    fairness = assess_scores(
        scores_of(store, scored), data, chosen(positive_labels=["bad"]), store=store
    )
    of_pairs = [
        estimate
        for estimate in fairness.estimates
        if estimate.name.startswith("fairness.region.") and "_gap." not in estimate.name
        and "_auc." not in estimate.name and "aeg." not in estimate.name
    ]  # fmt: skip
    assert of_pairs
    assert all(e.value is None and reason in e.reason for e in of_pairs), of_pairs
    assert all(
        estimate.value is None
        for estimate in fairness.estimates
        if estimate.name.startswith("fairness.region.")
    )


def test_one_prediction_for_all_has_no_ratio_and_no_precision(store: ObjectStore) -> None:
    clean, scored = rows()
    scored["predicted"] = pa.array([1] * ROWS, pa.int32())
    scored["probabilities"] = pa.array([[0.2, 0.6, 0.2]] * ROWS)
    settings = chosen(positive_labels=["bad"])
    found = by_name(
        assess_scores(scores_of(store, scored), clean_rows(store, clean), settings, store=store)
    )
    assert found["fairness.region.demographic_parity_difference"].value == 0
    assert found["fairness.region.demographic_parity_ratio"].reason == (
        "the selection rate of 'bad' is 0 in every group, so that its ratio is not defined"
    )
    assert found["fairness.region.predictive_parity_difference"].value is None
    assert "predicted 'bad' has 0 test rows" in (
        found["fairness.region.predictive_parity_difference"].reason
    )
    assert found["fairness.region.subgroup_auc_mean.bad"].value == pytest.approx(0.5)


def test_a_group_without_positives_leaves_what_rests_on_them_undetermined(
    store: ObjectStore,
) -> None:
    clean, scored = rows()
    south = np.array(clean["region"]) == "south"
    truth = np.where(south & (scored["label"].to_numpy() == 0), 1, scored["label"].to_numpy())
    scored["label"] = pa.array(truth, pa.int32())
    settings = chosen(positive_labels=["bad"])
    found = by_name(
        assess_scores(scores_of(store, scored), clean_rows(store, clean), settings, store=store)
    )
    reason = "south labelled 'bad' has 0 test rows; min_group_rows is 10"
    for name in ("equal_opportunity_ratio", "equalized_odds_difference", "subgroup_auc_mean.bad"):
        assert found[f"fairness.region.{name}"].reason == reason
    assert found["fairness.region.accuracy_difference"].value is not None


def test_scores_that_are_no_numbers_leave_what_rests_on_them_undetermined(
    store: ObjectStore,
) -> None:
    clean, scored = rows()
    chances = np.array(scored["probabilities"].to_pylist())
    chances[3] = np.nan
    scored["probabilities"] = pa.array(chances.tolist())
    settings = chosen(positive_labels=["bad"])
    found = by_name(
        assess_scores(scores_of(store, scored), clean_rows(store, clean), settings, store=store)
    )
    assert found["fairness.region.calibration_error_difference"].reason == (
        "1 of 240 confidences are no numbers"
    )
    assert found["fairness.region.bpsn_auc_mean.bad"].reason == "1 of 240 scores are no numbers"
    assert found["fairness.region.accuracy_difference"].value is not None
    scores = np.full(ROWS, 0.5)
    scores[0] = np.nan
    of_rows = assess_scores(
        scores_of(store, {"row_score": scores}), clean_rows(store, clean), chosen(), store=store
    )
    assert undecided(of_rows, "region") == {
        "1 test rows of its groups have no score that is a number"
    }


def test_without_probabilities_rates_are_compared_all_the_same(store: ObjectStore) -> None:
    clean, scored = rows()
    del scored["probabilities"]
    found = by_name(
        assess_scores(
            scores_of(store, scored),
            clean_rows(store, clean),
            chosen(positive_labels=["bad"]),
            store=store,
        )
    )
    assert found["fairness.region.f1_difference"].value is not None
    assert found["fairness.region.worst_group_calibration_error"].reason == (
        "the model gives no probabilities"
    )
    assert "no numbers" in found["fairness.region.subgroup_auc_mean.bad"].reason


def test_what_does_not_belong_together_is_refused(store: ObjectStore) -> None:
    clean, scored = rows()
    data, scores = clean_rows(store, clean), scores_of(store, scored)

    def refused(message: str, kind: type[Exception] = DataError, **parts: Any) -> None:
        with pytest.raises(kind, match=message):
            assess_scores(
                parts.get("scores", scores),
                parts.get("data", data),
                parts.get("settings", chosen()),
                store=store,
            )

    fewer = {name: values[:100] for name, values in scored.items()}
    refused("different test rows", scores=scores_of(store, fewer))
    missing = clean_rows(store, clean, groups=("planet",))
    refused(r"no group column \['planet'\]", data=missing)
    unknown = scored | {"predicted": pa.array([3] * ROWS, pa.int32())}
    refused("hold predicted 3 to 3, and the label set has 3", scores=scores_of(store, unknown))
    nothing = scored | {"label": pa.array([None] * ROWS, pa.int32())}
    refused("lack the label of 240 test rows", scores=scores_of(store, nothing))
    short = scored | {"probabilities": pa.array([[0.5, 0.5]] * ROWS)}
    refused("has not 3 probabilities", scores=scores_of(store, short))
    refused("label and predicted, or in row_score", scores=scores_of(store, {"x": [1] * ROWS}))
    refused(
        r"positive_labels names \['evil'\]; the labels of the data are \['bad', 'good', 'other'\]",
        SettingsError,
        settings=chosen(positive_labels=["evil"]),
    )
    refused(
        r"name \['caste'\], which nothing assesses; assessed are \['region', 'region_exclusive', "
        r"'gender'",
        SettingsError,
        settings=chosen(intersections=[["region", "caste"]]),
    )


def test_clusters_of_the_clean_rows_are_drawn_where_the_settings_say_so(store: ObjectStore) -> None:
    clean, scored = rows()
    data = clean_rows(store, clean | {"cluster": [f"author {k // 8}" for k in range(ROWS)]})
    scores = scores_of(store, scored)
    by_cluster, by_row = (
        by_name(assess_scores(scores, data, chosen(by_cluster=asked), store=store))
        for asked in (True, False)
    )
    plain = by_name(assess_scores(scores, clean_rows(store, clean), chosen(), store=store))
    name = "fairness.region.accuracy_difference"
    assert by_row[name] == plain[name]
    assert by_cluster[name].value == plain[name].value
    assert by_cluster[name].ladder != plain[name].ladder
