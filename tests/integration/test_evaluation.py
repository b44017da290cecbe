"""Evaluation and fairness over a real store, a real MLflow server and a real tiny model."""

import hashlib
import io
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from numpy.typing import NDArray
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from infra.errors import DataError, SettingsError, TrackingError, TrainingError
from infra.settings import Settings
from infra.store import Artifact, ObjectStore
from infra.tracking import Tracking
from tasks.evaluation.evaluation import NO_CHAMPION, evaluate_weights
from tasks.evaluation.settings import EvaluationSettings
from tasks.fairness.assessment import assess_scores
from tasks.fairness.settings import FairnessSettings
from tasks.records import Champion, DataReport, Scores, Weights
from tasks.verdicts import Estimate, Verdict
from tests.conftest import NO_LEAKS, free_port

LABELS = ("bad", "good")
QUICK = EvaluationSettings(repeats=4_000)


def put_clean(
    store: ObjectStore, *, rows: int = 240, splits: Sequence[str] = ("train", "test")
) -> Artifact:
    random = np.random.default_rng(0)
    good = random.integers(0, 2, rows)
    subject = np.array(["he likes a", "she likes a", "the"])[random.integers(0, 3, rows)]
    texts = [
        f"{s} {LABELS[g]} film {k}" for k, (s, g) in enumerate(zip(subject, good, strict=True))
    ]
    table = pa.table(
        {
            "row_id": [hashlib.sha256(text.encode()).hexdigest() for text in texts],
            "text": texts,
            "label": [LABELS[g] for g in good],
            "split": [splits[k % len(splits)] for k in range(rows)],
            "region": [["north", "south", None][k // 2 % 3] for k in range(rows)],
        }
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    content = buffer.getvalue()
    return store.put_bytes(
        store.uri("clean", f"{hashlib.sha256(content).hexdigest()}.parquet"), content
    )


@pytest.fixture(scope="module")
def data(store: ObjectStore) -> DataReport:
    clean = put_clean(store)
    return DataReport(
        clean=clean, quarantine=clean, docs_uri="", labels=LABELS, group_columns=("region",),
        rows_by_split={"train": 120, "validation": 0, "test": 120}, rows_by_label={},
        task_type="classification", rows_quarantined=0, quarantined_by_reason={}, lengths={},
        personal_data=(), leakage=NO_LEAKS, checks=(), verdict=Verdict.PASS,
    )  # fmt: skip


@pytest.fixture(scope="module")
def classifier(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("classifier") / "model"
    torch.manual_seed(1)
    model = AutoModelForSequenceClassification.from_pretrained(
        tiny_model, num_labels=2, id2label=dict(enumerate(LABELS)),
        label2id={label: index for index, label in enumerate(LABELS)},
    )  # fmt: skip
    model.save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    tokenizer.model_max_length = 32
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def weights(classifier: Path, store: ObjectStore, tracking: Tracking) -> Weights:
    artifact = store.put_folder(store.uri("weights", "tiny"), classifier)
    run_id = tracking.open_run("films", "evaluation", {})
    return Weights(
        artifact=artifact, labels=LABELS, max_length=32, epochs=(), best_epoch=1, parameters=1,
        precision="float32", run_id=run_id, device="cpu", training_s=0, tokens_per_s=0,
        resumed_from_step=0,
    )  # fmt: skip


def by_name(scores: Scores) -> dict[str, Estimate]:
    return {estimate.name: estimate for estimate in scores.estimates}


def rows_of(scores: Scores, store: ObjectStore) -> pa.Table:
    return pq.read_table(io.BytesIO(store.get_bytes(scores.artifact.uri)))


def by_words(folder: Path, texts: Sequence[str], max_length: int) -> NDArray[np.float32]:
    """A scorer that is right except on every tenth text."""
    good = np.array([("good" in text) != (k % 10 == 0) for k, text in enumerate(texts)])
    return np.where(good[:, None], [0.1, 0.9], [0.9, 0.1]).astype(np.float32)


def test_a_first_candidate_is_measured_on_the_test_rows(
    weights: Weights,
    data: DataReport,
    store: ObjectStore,
    tracking: Tracking,
    mlflow_settings: Settings,
) -> None:
    scores = evaluate_weights(
        weights, data, None, "classification", QUICK, store=store, tracking=tracking
    )
    made, rows = by_name(scores), rows_of(scores, store)
    assert rows.column_names == [
        "row_id",
        "label",
        "predicted",
        "probabilities",
        "baseline_predicted",
    ]
    assert scores.rows == rows.num_rows == 120
    assert sum(map(sum, scores.confusion)) == sum(n for *_, n in scores.calibration) == 120
    truth, predicted = rows["label"].to_numpy(), rows["predicted"].to_numpy()
    assert made["quality.accuracy"].value == pytest.approx((truth == predicted).mean())
    assert predicted.tolist() == [int(np.argmax(p)) for p in rows["probabilities"].to_pylist()]
    assert made["baseline.accuracy"].value == 1
    assert made["baseline.accuracy_gain"].value == pytest.approx((truth == predicted).mean() - 1)
    assert (scores.champion_version, scores.champion_note) == (None, NO_CHAMPION)
    assert not any(name.startswith("champion.") for name in made)

    import mlflow

    run = mlflow.MlflowClient(mlflow_settings.mlflow_url).get_run(weights.run_id)
    assert run.data.metrics["test_accuracy"] == pytest.approx(made["quality.accuracy"].value)


def test_the_same_inputs_give_the_same_bytes(
    weights: Weights, data: DataReport, store: ObjectStore, tracking: Tracking
) -> None:
    first, second = (
        evaluate_weights(
            weights,
            data,
            None,
            "classification",
            QUICK,
            store=store,
            tracking=tracking,
            score=by_words,
        )
        for _ in range(2)
    )
    assert first == second
    assert first.artifact.uri.endswith(f"/scores/{first.artifact.sha256}.parquet")


class WithChampion(Tracking):
    """Real tracking whose registry holds one champion: registration is another stage's matter."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        super().__init__(settings)
        self.folder = folder

    def download_version(self, line: str, version: int, folder: Path) -> Path:  # noqa: ARG002
        return Path(shutil.copytree(self.folder, folder / "model"))


def test_a_champion_is_scored_on_the_same_rows_with_its_own_cut(
    weights: Weights,
    data: DataReport,
    store: ObjectStore,
    mlflow_settings: Settings,
    classifier: Path,
) -> None:
    cuts = {}

    def score(folder: Path, texts: Sequence[str], max_length: int) -> NDArray[np.float32]:
        champion = "champion" in folder.parts
        cuts[champion] = max_length
        right = by_words(folder, texts, max_length)
        return right[:, ::-1] if champion else right

    scores = evaluate_weights(
        replace(weights, max_length=16), data, Champion("films", 3, ""), "classification", QUICK,
        store=store, tracking=WithChampion(mlflow_settings, classifier), score=score,
    )  # fmt: skip
    made, rows = by_name(scores), rows_of(scores, store)
    assert cuts == {False: 16, True: 32}
    assert made["champion.accuracy_gain"].value == pytest.approx(0.8)
    assert made["champion.macro_f1_gain"].low > 0.5
    assert rows["champion_predicted"].to_pylist() == [1 - p for p in rows["predicted"].to_pylist()]
    assert (scores.champion_version, scores.champion_note) == (3, "")


def test_a_champion_with_its_classes_in_another_order_is_mapped(
    weights: Weights, data: DataReport, store: ObjectStore, mlflow_settings: Settings,
    classifier: Path, tmp_path: Path,
) -> None:  # fmt: skip
    folder = Path(shutil.copytree(classifier, tmp_path / "turned"))
    config = json.loads((folder / "config.json").read_text())
    config["id2label"] = {"0": "good", "1": "bad"}
    (folder / "config.json").write_text(json.dumps(config))
    scores = evaluate_weights(
        weights, data, Champion("films", 3, ""), "classification", QUICK,
        store=store, tracking=WithChampion(mlflow_settings, folder), score=by_words,
    )  # fmt: skip
    rows = rows_of(scores, store)
    assert rows["champion_predicted"].to_pylist() == [1 - p for p in rows["predicted"].to_pylist()]


def test_a_champion_that_is_not_in_the_registry_is_undetermined(
    weights: Weights, data: DataReport, store: ObjectStore, tracking: Tracking
) -> None:
    scores = evaluate_weights(
        weights, data, Champion("films", 99, ""), "classification", QUICK,
        store=store, tracking=tracking, score=by_words,
    )  # fmt: skip
    made = by_name(scores)
    for name in ("champion.accuracy_gain", "champion.macro_f1_gain"):
        assert made[name].value is None
        assert "the champion cannot be fetched" in made[name].reason
    assert scores.champion_version == 99
    assert scores.champion_note == made["champion.accuracy_gain"].reason
    assert rows_of(scores, store)["champion_predicted"].null_count == 120


def test_a_server_that_is_gone_leaves_no_result_to_be_kept(
    weights: Weights, data: DataReport, store: ObjectStore, mlflow_settings: Settings
) -> None:
    gone = mlflow_settings.model_copy(update={"mlflow_url": f"http://127.0.0.1:{free_port()}"})
    with pytest.raises(TrackingError, match="does not answer"):
        evaluate_weights(
            weights, data, Champion("films", 1, ""), "classification", QUICK,
            store=store, tracking=Tracking(gone), score=by_words,
        )  # fmt: skip


def test_a_user_reads_what_is_wrong(
    weights: Weights, data: DataReport, store: ObjectStore, tracking: Tracking
) -> None:
    def no_number(folder: Path, texts: Sequence[str], max_length: int) -> NDArray[np.float32]:
        return np.full((len(texts), 2), np.nan, np.float32)

    with pytest.raises(SettingsError, match="singing"):
        evaluate_weights(weights, data, None, "singing", QUICK, store=store, tracking=tracking)
    with pytest.raises(TrainingError, match="120 of 120 test rows"):
        evaluate_weights(
            weights, data, None, "classification", QUICK,
            store=store, tracking=tracking, score=no_number,
        )  # fmt: skip
    no_test = replace(data, clean=put_clean(store, splits=("train",)))
    with pytest.raises(DataError, match="the test split has no rows"):
        evaluate_weights(
            weights, no_test, None, "classification", QUICK, store=store, tracking=tracking
        )


@pytest.fixture
def scores(weights: Weights, data: DataReport, store: ObjectStore, tracking: Tracking) -> Scores:
    return evaluate_weights(
        weights, data, None, "classification", QUICK, store=store, tracking=tracking, score=by_words
    )


def test_groups_come_from_columns_and_from_mentions(
    scores: Scores, data: DataReport, store: ObjectStore
) -> None:
    chosen = FairnessSettings(repeats=4_000, min_group_rows=5)
    fairness = assess_scores(scores, data, chosen, store=store)
    assert [(g.attribute, g.group) for g in fairness.groups] == [
        ("region", "north"), ("region", "south"), ("gender", "female"), ("gender", "male"),
    ]  # fmt: skip
    assert [g.rows for g in fairness.groups[:2]] == [40, 40]
    names = {estimate.name for estimate in fairness.estimates}
    assert {
        "fairness.region.accuracy_difference",
        "fairness.gender.equalized_odds_difference",
    } <= names
    assert "fairness.gender.accuracy_gap.female" in names
    assert {e.name: e.reason for e in fairness.estimates if e.value is None} == {}
    assert fairness == assess_scores(scores, data, chosen, store=store)


def test_a_column_stands_in_for_the_list_of_its_name(
    scores: Scores, data: DataReport, store: ObjectStore
) -> None:
    table = pq.read_table(io.BytesIO(store.get_bytes(data.clean.uri)))
    table = table.rename_columns({"region": "gender"})
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    clean = store.put_bytes(store.uri("clean", "gender.parquet"), buffer.getvalue())
    named = replace(data, clean=clean, group_columns=("gender",))
    fairness = assess_scores(scores, named, FairnessSettings(repeats=4_000), store=store)
    assert [(g.attribute, g.group) for g in fairness.groups] == [
        ("gender", "north"), ("gender", "south"),
    ]  # fmt: skip


def test_scores_of_other_rows_are_refused(
    scores: Scores, data: DataReport, store: ObjectStore
) -> None:
    other = replace(data, clean=put_clean(store, rows=100))
    with pytest.raises(DataError, match="different test rows"):
        assess_scores(scores, other, FairnessSettings(), store=store)
    missing = replace(data, group_columns=("planet",))
    with pytest.raises(DataError, match=r"no group column \['planet'\]; it has \['row_id'"):
        assess_scores(scores, missing, FairnessSettings(), store=store)


def test_importing_the_tasks_is_light() -> None:
    import subprocess
    import sys

    heavy = "{'torch', 'transformers', 'sklearn', 'pandas', 'mlflow', 'pyarrow', 'scipy'}"
    code = (
        "import sys, tasks.evaluation, tasks.fairness; "
        f"assert not {heavy} & set(sys.modules), {heavy} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
