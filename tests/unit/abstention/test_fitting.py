"""The stages' functions on a real small classifier: fitted, evaluated, measured and probed."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.gpu.folder_store import FolderStore, NoTracking
from infra.errors import DataError, TrainingError
from tasks.abstention.fitting import fit_abstention
from tasks.abstention.measuring import add_abstention
from tasks.abstention.settings import AbstentionSettings
from tasks.evaluation.evaluation import evaluate_weights
from tasks.evaluation.settings import EvaluationSettings, SliceSettings
from tasks.fairness.settings import FairnessSettings
from tasks.probes.out_of_distribution.files import pin_out_of_distribution_texts
from tasks.probes.out_of_distribution.probing import add_out_of_distribution
from tasks.probes.out_of_distribution.settings import OutOfDistributionSettings
from tasks.records.data import DataReport
from tasks.records.evaluation import Scores
from tasks.records.training import Weights
from tasks.task_types.labels.abstention import FILE, read_threshold
from tasks.task_types.labels.text_logits import text_probabilities
from tests.unit.compression.compressed_models import LABELS, MAX_LENGTH, weights_of
from tests.unit.reporting.conftest import build_evidence
from tests.unit.task_types.every_task_type import trained

SPLITS = {"train": 60, "validation": 120, "test": 120}
EVALUATION = EvaluationSettings(repeats=4_000, slices=SliceSettings(by=(), search=False))
FAIRNESS = FairnessSettings(identity_attributes=())
ABSTENTION = AbstentionSettings(risk=0.2, confidence=0.8)


@dataclass(frozen=True)
class World:
    """A classifier, and rows whose labels it knows where it is sure."""

    store: FolderStore
    weights: Weights
    data: DataReport


@pytest.fixture(scope="module")
def world(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Where the model is surest its label is right, and elsewhere it is a guess."""
    folder, random = tmp_path_factory.mktemp("world"), np.random.default_rng(0)
    store = FolderStore(folder / "store")
    model = trained("classification", tiny_model, LABELS, folder / "classifier" / "model")
    words = np.array(["shares", "bank", "film", "good", "said", "match", "goal", "he", "she"])
    count = sum(SPLITS.values())
    texts = [
        " ".join([*random.choice(words, random.integers(2, 20)), str(n)]) for n in range(count)
    ]
    told = text_probabilities(model, texts, max_length=MAX_LENGTH)
    sure = told.max(axis=1) > np.quantile(told.max(axis=1), 0.6)
    labels = np.where(sure, told.argmax(axis=1), random.integers(0, 3, count))
    rows = {
        "row_id": [f"{n:064x}" for n in range(count)],
        "text": texts,
        "label": [LABELS[one] for one in labels],
        "split": [name for name, rows in SPLITS.items() for _ in range(rows)],
        "author": [("woman", "man")[n % 2] for n in range(count)],
    }
    pq.write_table(pa.table(rows), folder / "clean.parquet")
    clean = store.put_file(store.uri("clean", "rows.parquet"), folder / "clean.parquet")
    data = replace(
        build_evidence().data, clean=clean, labels=LABELS, group_columns=("author",),
        rows_by_split=SPLITS, task_type="classification",
    )  # fmt: skip
    return World(store, weights_of(model, store), data)


def evaluated(world: World, weights: Weights) -> Scores:
    return evaluate_weights(
        weights, world.data, None, "classification", EVALUATION, store=world.store,
        tracking=NoTracking(),
    )  # fmt: skip


@pytest.fixture(scope="module")
def fitted(world: World) -> Weights:
    return fit_abstention(
        world.weights, world.data, "classification", ABSTENTION, store=world.store
    )


@pytest.fixture(scope="module")
def scores(world: World, fitted: Weights) -> Scores:
    return evaluated(world, fitted)


def test_the_threshold_goes_into_the_folder_and_leaves_all_else(
    world: World, fitted: Weights, tmp_path: Path
) -> None:
    again = fit_abstention(
        world.weights, world.data, "classification", ABSTENTION, store=world.store
    )
    assert again == fitted
    assert fitted.abstention is not None
    assert 0 < fitted.abstention.threshold < 1
    assert (fitted.abstention.rows, fitted.abstention.of_clusters) == (120, False)
    before = world.store.get_folder(world.weights.artifact, tmp_path / "before")
    after = world.store.get_folder(fitted.artifact, tmp_path / "after")
    assert {one.name for one in after.iterdir()} == {FILE, *(p.name for p in before.iterdir())}
    for path in before.iterdir():
        assert (after / path.name).read_bytes() == path.read_bytes()
    assert read_threshold(after) == fitted.abstention.threshold


def test_a_risk_that_no_threshold_keeps_ends_the_run(world: World) -> None:
    asked = AbstentionSettings(risk=0.001)
    with pytest.raises(DataError, match=r"raise splits\.validation, or the risk"):
        fit_abstention(world.weights, world.data, "classification", asked, store=world.store)
    turned = pq.read_table(world.store._path(world.data.clean.uri))
    other = {one: LABELS[n - 1] for n, one in enumerate(LABELS)}
    wrong = pa.array([other[one] for one in turned["label"].to_pylist()])
    with pytest.raises(TrainingError, match="no threshold keeps the wrong answers at or below"):
        fit_abstention(
            world.weights, with_rows(world, turned.set_column(2, "label", wrong)),
            "classification", ABSTENTION, store=world.store,
        )  # fmt: skip


def with_rows(world: World, rows: pa.Table) -> DataReport:
    path = world.store.settings.home / "other.parquet"
    pq.write_table(rows, path)
    return replace(world.data, clean=world.store.put_file(world.store.uri("clean", "o"), path))


def test_one_row_of_each_cluster_is_fitted_on_and_told(world: World) -> None:
    rows = pq.read_table(world.store._path(world.data.clean.uri))
    clusters = pa.array([f"author {n % 80}" for n in range(rows.num_rows)])
    data = with_rows(world, rows.append_column("cluster", clusters))
    found = fit_abstention(world.weights, data, "classification", ABSTENTION, store=world.store)
    assert found.abstention is not None
    assert (found.abstention.rows, found.abstention.of_clusters) == (80, True)


def test_what_it_comes_to_is_counted_over_the_test_rows(
    world: World, fitted: Weights, scores: Scores
) -> None:
    found = add_abstention(
        scores, fitted, world.data, ABSTENTION, FAIRNESS, EVALUATION, store=world.store
    )
    told = {one.name: one.value for one in found.estimates}
    assert fitted.abstention is not None
    rows = pq.read_table(world.store._path(scores.artifact.uri))
    best = np.array(rows["probabilities"].to_pylist()).max(axis=1)
    answers = [json.loads(one) for one in rows["answer"].to_pylist()]
    given = best >= fitted.abstention.threshold
    assert [one["label"] != "abstain" for one in answers] == given.tolist()
    wrong = rows["label"].to_numpy() != rows["predicted"].to_numpy()
    assert told["abstention.coverage"] == pytest.approx(given.mean())
    assert told["abstention.selective_risk"] == pytest.approx(wrong[given].mean())
    women = np.arange(len(given)) % 2 == 0
    gap = given[women].mean() - given[~women].mean()
    assert told["abstention.author.coverage_gap.woman"] == pytest.approx(gap)
    with pytest.raises(DataError, match="no threshold"):
        add_abstention(
            scores, world.weights, world.data, ABSTENTION, FAIRNESS, EVALUATION, store=world.store
        )


def texts_of(folder: Path) -> OutOfDistributionSettings:
    path = folder / "ood.txt"
    path.write_text("\n".join(f"rates rates 2024 {n} 一个句子 {n}" for n in range(60)))
    return OutOfDistributionSettings(path=str(path), rows=40, training_rows=50, neighbours=5)


def test_texts_of_a_file_are_told_from_the_test_rows(
    world: World, fitted: Weights, scores: Scores, tmp_path: Path
) -> None:
    asked = texts_of(tmp_path)
    file = pin_out_of_distribution_texts(asked, world.store)
    found = add_out_of_distribution(
        scores, fitted, world.data, file, "classification", asked, EVALUATION, store=world.store
    )
    told = found.out_of_distribution
    assert told is not None
    assert (told.rows, told.test_rows, told.training_rows, told.note) == (40, 120, 50, "")
    assert [one.name for one in told.scores] == ["msp", "energy", "mahalanobis", "knn"]
    texts = Path(asked.path).read_text().splitlines()
    folder = world.store.get_folder(fitted.artifact, tmp_path / "model")
    best = text_probabilities(folder, texts, max_length=MAX_LENGTH).max(axis=1)
    by_text = dict(zip(texts, best.tolist(), strict=True))
    assert told.answered is not None
    assert told.answered.n == 40
    for one in told.surest:
        assert one.score == pytest.approx(by_text[one.text], abs=1e-5)
    assert found.estimates[-len(told.estimates) :] == told.estimates
