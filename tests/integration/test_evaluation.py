"""Evaluation and fairness over a real store, a real MLflow server and real tiny models."""

import hashlib
import io
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from infra.artifact_manifest import list_files, to_bytes
from infra.errors import (
    BaseModelError,
    DataError,
    IntegrityError,
    SettingsError,
    TrackingError,
    TrainingError,
)
from infra.registered_artifacts import keep_manifest
from infra.settings import Settings
from infra.store import Artifact, ObjectStore
from infra.tracking import Tracking
from tasks.evaluation.comparison_settings import ComparisonSettings
from tasks.evaluation.evaluation import NO_CHAMPION, evaluate_weights
from tasks.evaluation.settings import EvaluationSettings
from tasks.fairness.assessment import assess_scores
from tasks.fairness.settings import FairnessSettings
from tasks.ingestion.splits import SplitSettings, splits_of
from tasks.records.data import DataReport, Snapshot
from tasks.records.evaluation import Champion, Scores
from tasks.records.fairness import Fairness
from tasks.records.training import Weights
from tasks.reporting.claims import unsupported_claims
from tasks.verdicts import Estimate, Gate, Verdict, judge
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
    """A tiny model whose head was fitted to tell good films from bad ones, and mostly does."""
    folder = tmp_path_factory.mktemp("classifier") / "model"
    torch.manual_seed(1)
    model = AutoModelForSequenceClassification.from_pretrained(
        tiny_model, num_labels=2, id2label=dict(enumerate(LABELS)),
        label2id={label: index for index, label in enumerate(LABELS)},
    ).eval()  # fmt: skip
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    tokenizer.model_max_length = 32
    texts = [
        f"{subject} {label} film {k}"
        for k in range(0, 240, 3)
        for subject in ("he likes a", "she likes a", "the")
        for label in LABELS
    ]
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        pooled = model.bert(**batch).pooler_output.numpy()
        mean, spread = pooled.mean(axis=0), pooled.std(axis=0) + 1e-9
        head = LogisticRegression(max_iter=2_000).fit((pooled - mean) / spread, [0, 1] * 240)
        slope = head.coef_[0] / spread
        start = head.intercept_[0] - slope @ mean
        model.classifier.weight[:] = torch.tensor(np.stack([-slope, slope]) / 2)
        model.classifier.bias[:] = torch.tensor([-start, start]) / 2
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def contrary(classifier: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model, which says the contrary."""
    folder = Path(shutil.copytree(classifier, tmp_path_factory.mktemp("contrary") / "model"))
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    with torch.no_grad():
        model.classifier.weight *= -1
        model.classifier.bias *= -1
    model.save_pretrained(folder)
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


def test_a_first_candidate_is_measured_on_the_test_rows(
    weights: Weights, data: DataReport, store: ObjectStore, tracking: Tracking
) -> None:
    scores = evaluate_weights(
        weights, data, None, "classification", QUICK, store=store, tracking=tracking
    )
    made, rows = by_name(scores), rows_of(scores, store)
    assert rows.column_names == [
        "row_id", "row_score", "answer", "label", "predicted", "probabilities",
        "baseline_row_score", "baseline_predicted",
    ]  # fmt: skip
    assert scores.rows == rows.num_rows == 120
    assert sum(map(sum, scores.confusion)) == sum(n for *_, n in scores.calibration) == 120
    truth, predicted = rows["label"].to_numpy(), rows["predicted"].to_numpy()
    assert made["quality.accuracy"].value == pytest.approx((truth == predicted).mean())
    assert predicted.tolist() == [int(np.argmax(p)) for p in rows["probabilities"].to_pylist()]
    assert (truth == predicted).mean() > 0.8
    assert rows["row_score"].to_pylist() == (truth == predicted).tolist()
    assert made["baseline.accuracy"].value == 1
    assert made["baseline.accuracy_gain"].value == pytest.approx((truth == predicted).mean() - 1)
    assert (scores.champion_version, scores.champion_note) == (None, NO_CHAMPION)
    assert not any(name.startswith("champion.") for name in made)
    assert {one.comparator for one in scores.comparisons} == {"baseline"}
    assert {one.name for one in scores.slices} >= {"length.q1", "label.bad", "label.good"}
    gap = made["slice.label.good.score_gap"]
    right, good = truth == predicted, truth == 1
    assert gap.value == pytest.approx(right[good].mean() - right[~good].mean())


def test_the_same_inputs_give_the_same_bytes(
    weights: Weights, data: DataReport, store: ObjectStore, tracking: Tracking
) -> None:
    first, second = (
        evaluate_weights(weights, data, None, "classification", QUICK, store=store,
                         tracking=tracking)
        for _ in range(2)
    )  # fmt: skip
    assert first == second
    assert first.artifact.uri.endswith(f"/scores/{first.artifact.sha256}.parquet")


class WithChampion(Tracking):
    """Real tracking whose registry holds one champion: registration is another stage's matter."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        super().__init__(settings)
        self.folder = folder

    def download_artifact(self, line: str, version: int, folder: Path) -> Path:  # noqa: ARG002
        shutil.copytree(self.folder, folder / "model")
        return folder


def champion_in(
    folder: Path, store: ObjectStore, tmp_path: Path, made_with: Artifact | None = None
) -> Champion:
    """The champion that this folder is, with the manifest of what is downloaded of it."""
    shutil.copytree(folder, tmp_path / "registered" / "model")
    manifest = keep_manifest(to_bytes(list_files(tmp_path / "registered")), store)
    rows = made_with or put_clean(store)
    return Champion("films", 3, "", manifest, data_sha256=rows.sha256, data_uri=rows.uri)


def test_a_champion_is_asked_the_same_rows(
    weights: Weights,
    data: DataReport,
    store: ObjectStore,
    mlflow_settings: Settings,
    contrary: Path,
    tmp_path: Path,
) -> None:
    scores = evaluate_weights(
        weights, data, champion_in(contrary, store, tmp_path), "classification", QUICK,
        store=store, tracking=WithChampion(mlflow_settings, contrary),
    )  # fmt: skip
    made, rows = by_name(scores), rows_of(scores, store)
    accuracy = made["quality.accuracy"].value
    assert accuracy is not None
    assert made["champion.accuracy"].value == pytest.approx(1 - accuracy)
    assert made["champion.accuracy_gain"].value == pytest.approx(2 * accuracy - 1)
    assert made["champion.macro_f1_gain"].low > 0.5
    assert rows["champion_predicted"].to_pylist() == [1 - p for p in rows["predicted"].to_pylist()]
    assert rows["champion_row_score"].to_pylist() == [1 - p for p in rows["row_score"].to_pylist()]
    assert (scores.champion_version, scores.champion_note) == (3, "")
    against = [one for one in scores.comparisons if one.comparator == "champion"]
    assert [one.metric for one in against] == ["macro_f1", "accuracy"]
    for one in against:
        assert one.p_adjusted is not None
        assert one.p_adjusted < 0.01
        assert [claim.verdict for claim in one.claims] == [Verdict.PASS, Verdict.PASS]


def test_a_champion_of_other_labels_is_undetermined(
    weights: Weights, data: DataReport, store: ObjectStore, mlflow_settings: Settings,
    classifier: Path, tmp_path: Path,
) -> None:  # fmt: skip
    folder = Path(shutil.copytree(classifier, tmp_path / "other"))
    config = json.loads((folder / "config.json").read_text())
    config |= {"id2label": {"0": "good", "1": "evil"}, "label2id": {"good": 0, "evil": 1}}
    (folder / "config.json").write_text(json.dumps(config))
    scores = evaluate_weights(
        weights, data, champion_in(folder, store, tmp_path), "classification", QUICK,
        store=store, tracking=WithChampion(mlflow_settings, folder),
    )  # fmt: skip
    assert "knows the labels ['evil', 'good']" in scores.champion_note
    assert by_name(scores)["champion.macro_f1_gain"].reason == scores.champion_note
    assert rows_of(scores, store)["champion_predicted"].null_count == 120


def test_a_champion_of_which_nothing_shows_what_its_files_were_is_no_measure(
    weights: Weights,
    data: DataReport,
    store: ObjectStore,
    mlflow_settings: Settings,
    contrary: Path,
) -> None:
    with pytest.raises(IntegrityError, match="version 3 of films has no manifest, and no tag says"):
        evaluate_weights(
            weights, data, Champion("films", 3, ""), "classification", QUICK,
            store=store, tracking=WithChampion(mlflow_settings, contrary),
        )  # fmt: skip


def test_clusters_and_sources_of_the_rows_are_used(
    weights: Weights, data: DataReport, store: ObjectStore, tracking: Tracking
) -> None:
    table = pq.read_table(io.BytesIO(store.get_bytes(data.clean.uri)))
    authors = pa.array([f"author {k // 6}" for k in range(240)])
    files = pa.table({"file": [f"part-{k % 4}.csv" for k in range(240)], "row": range(240)})
    parts = {"snapshot": table, "clean": table.append_column("cluster", authors), "origins": files}
    stored = {}
    for name, part in parts.items():
        buffer = io.BytesIO()
        pq.write_table(part, buffer)
        stored[name] = store.put_bytes(store.uri("clustered", f"{name}.parquet"), buffer.getvalue())
    snapshot = Snapshot(
        artifact=stored["snapshot"], broken=data.clean, task_type="classification", rows_read=240,
        broken_by_reason={}, rows_readmitted=0, rows_superseded=0, duplicates_dropped=0,
        rows_sampled_out=0, rows_by_split={}, group_columns=(), origins=stored["origins"],
    )  # fmt: skip
    chosen = EvaluationSettings.model_validate(
        {"repeats": 4_000, "slices": {"by": ["source"], "search": False}}
    )
    scores = evaluate_weights(
        weights, replace(data, clean=stored["clean"]), None, "classification", chosen,
        store=store, tracking=tracking, snapshot=snapshot,
    )  # fmt: skip
    made = by_name(scores)
    assert made["quality.accuracy"].method == "Bayesian bootstrap of 40 clusters, 4000 repeats"
    # Only the odd rows are test rows, and so only two of the files hold any.
    assert [one.name for one in scores.slices] == ["source.part-1.csv", "source.part-3.csv"]
    assert [one.rows for one in scores.slices] == [60, 60]


def test_a_champion_that_is_not_in_the_registry_is_undetermined(
    weights: Weights, data: DataReport, store: ObjectStore, tracking: Tracking
) -> None:
    scores = evaluate_weights(
        weights, data, Champion("films", 99, ""), "classification", QUICK,
        store=store, tracking=tracking,
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
            store=store, tracking=Tracking(gone),
        )  # fmt: skip


def test_a_user_reads_what_is_wrong(
    weights: Weights, data: DataReport, store: ObjectStore, tracking: Tracking
) -> None:
    with pytest.raises(SettingsError, match="singing"):
        evaluate_weights(weights, data, None, "singing", QUICK, store=store, tracking=tracking)
    no_test = replace(data, clean=put_clean(store, splits=("train",)))
    with pytest.raises(DataError, match="the test split has no rows"):
        evaluate_weights(
            weights, no_test, None, "classification", QUICK, store=store, tracking=tracking
        )
    fewer = replace(data, labels=("good", "ugly"))
    with pytest.raises(BaseModelError, match=r"knows the labels \['bad', 'good'\]"):
        evaluate_weights(
            weights, fewer, None, "classification", QUICK, store=store, tracking=tracking
        )


def test_a_candidate_of_no_numbers_is_refused(
    weights: Weights, data: DataReport, store: ObjectStore, tracking: Tracking,
    classifier: Path, tmp_path: Path,
) -> None:  # fmt: skip
    folder = Path(shutil.copytree(classifier, tmp_path / "broken"))
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    torch.nn.init.constant_(model.classifier.bias, float("nan"))
    model.save_pretrained(folder)
    broken = replace(weights, artifact=store.put_folder(store.uri("weights", "broken"), folder))
    with pytest.raises(TrainingError, match="gives scores that are no numbers"):
        evaluate_weights(
            broken, data, None, "classification", QUICK, store=store, tracking=tracking
        )


@pytest.fixture
def scores(weights: Weights, data: DataReport, store: ObjectStore, tracking: Tracking) -> Scores:
    return evaluate_weights(
        weights, data, None, "classification", QUICK, store=store, tracking=tracking
    )


def test_groups_come_from_columns_and_from_mentions(
    scores: Scores, data: DataReport, store: ObjectStore
) -> None:
    chosen = FairnessSettings(repeats=4_000, min_group_rows=5)
    fairness = assess_scores(scores, data, chosen, store=store)
    assert [(g.attribute, g.group) for g in fairness.groups] == [
        ("region", "north"), ("region", "south"), ("gender", "female"), ("gender", "male"),
        *(("gender_exclusive", cell) for cell in ("female", "male", "none")),
    ]  # fmt: skip
    assert [g.rows for g in fairness.groups[:2]] == [40, 40]
    names = {estimate.name for estimate in fairness.estimates}
    assert {
        "fairness.region.accuracy_difference",
        "fairness.gender.equalized_odds_difference",
    } <= names
    assert "fairness.gender.accuracy_gap.female" in names
    # A ratio of rates that are all 0 is not defined, and few wrong answers have no kinds to tell.
    untold = {e.name: e.reason for e in fairness.estimates if e.value is None}
    of_errors = ("_ratio", "treatment_equality_difference", "largest_cddpl")
    assert {name: why for name, why in untold.items() if not name.endswith(of_errors)} == {}
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


def split_by(salt: str, texts: Sequence[str]) -> list[str]:
    """The split of each text, as the ingestion has it."""
    digests = [hashlib.sha256((salt + text).encode()).digest() for text in texts]
    numbers = np.array([list(digest) for digest in digests], dtype=np.uint8)
    return list(splits_of(numbers, SplitSettings(salt=salt)).to_pylist())


@dataclass(frozen=True)
class Resalted:
    """Clean rows under another salt than that of the champion, which learned its rows by heart.

    Attributes:
        now: the candidate's rows.
        before: the champion's.
        seen: test rows of now that the champion was trained or selected on.
        unseen: the others.

    """

    now: Artifact
    before: Artifact
    seen: int
    unseen: int


@pytest.fixture(scope="module")
def resalted(store: ObjectStore) -> Resalted:
    """The labels of what the champion learned are such as the contrary model says."""
    table = pq.read_table(io.BytesIO(store.get_bytes(put_clean(store, rows=600).uri)))
    texts = table["text"].to_pylist()
    old, new = split_by("", texts), split_by("2027", texts)
    learnt = [split != "test" for split in old]
    other = {"good": "bad", "bad": "good"}
    labels = [
        other[label] if known else label
        for label, known in zip(table["label"].to_pylist(), learnt, strict=True)
    ]
    table = table.set_column(2, "label", pa.array(labels))
    stored = []
    for splits in (new, old):
        buffer = io.BytesIO()
        pq.write_table(table.set_column(3, "split", pa.array(splits)), buffer)
        uri = store.uri("clean", f"{hashlib.sha256(buffer.getvalue()).hexdigest()}.parquet")
        stored.append(store.put_bytes(uri, buffer.getvalue()))
    test = [known for known, split in zip(learnt, new, strict=True) if split == "test"]
    return Resalted(stored[0], stored[1], sum(test), len(test) - sum(test))


def test_a_new_salt_takes_the_rows_that_the_champion_learned_out_of_the_comparison(
    weights: Weights, data: DataReport, store: ObjectStore, mlflow_settings: Settings,
    contrary: Path, tmp_path: Path, resalted: Resalted,
) -> None:  # fmt: skip
    """On rows that it knows the champion is right; on all others the candidate is far better."""
    assert resalted.seen / (resalted.seen + resalted.unseen) > 0.6
    chosen = EvaluationSettings.model_validate(
        {"repeats": 4_000, "comparison": {"min_rows": 30}, "slices": {"search": False}}
    )
    scores = evaluate_weights(
        weights, replace(data, clean=resalted.now),
        champion_in(contrary, store, tmp_path, resalted.before), "classification", chosen,
        store=store, tracking=WithChampion(mlflow_settings, contrary),
    )  # fmt: skip
    made, rows = by_name(scores), rows_of(scores, store)
    gain = made["champion.accuracy_gain"]
    assert (gain.n, scores.rows) == (resalted.unseen, resalted.seen + resalted.unseen)
    assert gain.low > 0.5  # on all rows it would be below 0
    assert rows["champion_row_score"].null_count == resalted.seen
    assert rows["champion_predicted"].null_count == resalted.seen
    told = [known is not None for known in rows["champion_row_score"].to_pylist()]
    ours = np.array(rows["row_score"].to_pylist())[told].mean()
    assert made["champion.candidate.accuracy"].value == pytest.approx(ours)
    assert made["champion.accuracy"].value == pytest.approx(1 - ours)
    (version,) = scores.versions
    assert (version.rows, version.rows_left_out) == (resalted.unseen, resalted.seen)
    assert f"{resalted.seen} of the {scores.rows} test rows are left out" in version.note
    judged = judge([Gate(metric="champion.accuracy_gain", at_least=-0.02)], scores.estimates)
    assert judged[0].verdict is Verdict.PASS
    assert not list(unsupported_claims(scores, Fairness((), (), 30)))


def test_too_few_rows_that_a_champion_did_not_learn_are_undetermined(
    weights: Weights, data: DataReport, store: ObjectStore, mlflow_settings: Settings,
    contrary: Path, tmp_path: Path, resalted: Resalted,
) -> None:  # fmt: skip
    scores = evaluate_weights(
        weights, replace(data, clean=resalted.now),
        champion_in(contrary, store, tmp_path, resalted.before), "classification", QUICK,
        store=store, tracking=WithChampion(mlflow_settings, contrary),
    )  # fmt: skip
    assert f"{resalted.unseen} are left, fewer than evaluation.comparison.min_rows (100)" in (
        scores.champion_note
    )
    assert by_name(scores)["champion.accuracy_gain"].reason == scores.champion_note
    assert rows_of(scores, store)["champion_row_score"].null_count == scores.rows


@pytest.mark.parametrize("lost", ["no tag", "no object"])
def test_a_champion_that_does_not_tell_its_training_rows_is_not_compared_blindly(
    weights: Weights, data: DataReport, store: ObjectStore, mlflow_settings: Settings,
    contrary: Path, tmp_path: Path, lost: str,
) -> None:  # fmt: skip
    champion = champion_in(contrary, store, tmp_path)
    missing = {"data_uri": store.uri("clean", "gone.parquet"), "data_sha256": "0" * 64}
    silent = {"data_uri": "", "data_sha256": ""} if lost == "no tag" else missing
    asked = {
        "unknown": QUICK,
        "by word": QUICK.model_copy(
            update={"comparison": ComparisonSettings(unknown_training_rows="compare")}
        ),
    }
    made = {
        name: evaluate_weights(
            weights, data, replace(champion, **silent), "classification", chosen,
            store=store, tracking=WithChampion(mlflow_settings, contrary),
        )
        for name, chosen in asked.items()
    }  # fmt: skip
    unknown, by_word = made["unknown"], made["by word"]
    assert by_name(unknown)["champion.accuracy_gain"].value is None
    assert "evaluation.comparison.unknown_training_rows" in unknown.champion_note
    assert by_name(by_word)["champion.accuracy_gain"].n == 120
    assert "it is compared on all test rows" in by_word.versions[0].note


def test_an_anchor_is_compared_beside_the_champion_and_only_once_where_it_is_the_champion(
    weights: Weights, data: DataReport, store: ObjectStore, mlflow_settings: Settings,
    contrary: Path, tmp_path: Path,
) -> None:  # fmt: skip
    champion = champion_in(contrary, store, tmp_path)
    made = {
        anchor.version: evaluate_weights(
            weights, data, champion, "classification", QUICK, store=store,
            tracking=WithChampion(mlflow_settings, contrary), anchor=anchor,
        )
        for anchor in (champion, replace(champion, version=1))
    }  # fmt: skip
    for version, scores in made.items():
        estimates = by_name(scores)
        assert scores.anchor_version == version
        assert [(one.comparator, one.version) for one in scores.versions] == [
            ("champion", 3), ("anchor", version),
        ]  # fmt: skip
        ratios = [estimates[f"{family}.accuracy_ratio"] for family in ("anchor", "champion")]
        assert ratios[0].ladder == ratios[1].ladder
        for metric in ("accuracy", "accuracy_gain", "macro_f1_gain"):
            found = estimates[f"anchor.{metric}"]
            assert replace(found, name=f"champion.{metric}") == estimates[f"champion.{metric}"]
        against = {(one.comparator, one.metric) for one in scores.comparisons}
        assert against >= {("anchor", "macro_f1"), ("champion", "macro_f1")}
        assert not list(unsupported_claims(scores, Fairness((), (), 30)))
        names = rows_of(scores, store).column_names
        assert ("anchor_row_score" in names) == (version != 3)  # scored once, where it is the same


def test_an_anchor_whose_files_are_not_those_that_were_proven_is_no_measure(
    weights: Weights, data: DataReport, store: ObjectStore, mlflow_settings: Settings,
    contrary: Path, classifier: Path, tmp_path: Path,
) -> None:  # fmt: skip
    champion = champion_in(contrary, store, tmp_path)
    exchanged = replace(champion_in(classifier, store, tmp_path / "anchor"), version=1)
    with pytest.raises(IntegrityError, match="version 1 of films"):
        evaluate_weights(
            weights, data, champion, "classification", QUICK, store=store,
            tracking=WithChampion(mlflow_settings, contrary), anchor=exchanged,
        )  # fmt: skip
