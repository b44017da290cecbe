"""Counterfactuals over a real store and real tiny models: one goes by gender, one does not."""

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from infra.errors import SettingsError
from infra.store import Artifact, ObjectStore
from tasks.fairness.assessment import assess_scores
from tasks.fairness.counterfactual_scoring import add_counterfactuals
from tasks.fairness.counterfactual_settings import CounterfactualSettings
from tasks.fairness.held_out import count_held_out_rows
from tasks.fairness.settings import FairnessSettings
from tasks.records.data import DataReport
from tasks.records.evaluation import Scores
from tasks.records.fairness import Fairness
from tasks.records.training import Weights
from tasks.task_types.examiner import examiner_of
from tasks.task_types.limits import TokenLimits
from tasks.verdicts import Gate, Verdict, judge
from tests.conftest import NO_LEAKS

LABELS = ("film", "sport")
# "early" has its pronoun before the cut of 12 tokens, "late" behind it.
EARLY = [f"{'she' if n % 2 else 'he'} said a good film {n}" for n in range(40)]
LATE = [f"the match was won by a late goal the bank raised rates {n} as he said" for n in range(10)]
NEUTRAL = ["", *(f"the bank raised rates {n}" for n in range(9))]
TEXTS = [*EARLY, *LATE, *NEUTRAL]
QUICK = CounterfactualSettings(repeats=4_000, swaps=("gendered_words", "religion"))
MAX_LENGTH = 12


def put(store: ObjectStore, name: str, table: pa.Table, folder: Path) -> Artifact:
    path = folder / name
    pq.write_table(table, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return store.put_file(store.uri("clean", f"{digest}.parquet"), path)


@pytest.fixture(scope="module")
def data(store: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> DataReport:
    rows = pa.table(
        {
            "row_id": [hashlib.sha256(text.encode()).hexdigest() for text in TEXTS],
            "text": TEXTS,
            "label": ["film"] * len(TEXTS),
            "split": ["test"] * len(TEXTS),
        }
    )
    clean = put(store, "clean.parquet", rows, tmp_path_factory.mktemp("clean"))
    return DataReport(
        clean=clean, quarantine=clean, docs_uri="", labels=LABELS, group_columns=(),
        rows_by_split={"train": 0, "validation": 0, "test": len(TEXTS)}, rows_by_label={},
        task_type="classification", rows_quarantined=0, quarantined_by_reason={}, lengths={},
        personal_data=(), leakage=NO_LEAKS, checks=(), verdict=Verdict.PASS,
    )  # fmt: skip


def fit(tiny_model: Path, folder: Path, *, by_gender: bool) -> Path:
    """The tiny model with a head that tells she from he, or always says film."""
    torch.manual_seed(1)
    model = AutoModelForSequenceClassification.from_pretrained(
        tiny_model, num_labels=2, id2label=dict(enumerate(LABELS)),
        label2id={label: index for index, label in enumerate(LABELS)},
    ).eval()  # fmt: skip
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    texts = [f"{who} said a good film {n}" for n in range(60) for who in ("he", "she")]
    batch = tokenizer(
        texts, padding=True, truncation=True, max_length=MAX_LENGTH, return_tensors="pt"
    )
    with torch.no_grad():
        pooled = model.bert(**batch).pooler_output.numpy()
        if by_gender:
            mean, spread = pooled.mean(axis=0), pooled.std(axis=0) + 1e-9
            head = LogisticRegression(max_iter=2_000).fit((pooled - mean) / spread, [0, 1] * 60)
            slope = head.coef_[0] / spread
            start = float(head.intercept_[0] - slope @ mean)
        else:
            slope, start = np.zeros(pooled.shape[1]), -3.0
        model.classifier.weight[:] = torch.tensor(np.stack([-slope, slope]) / 2)
        model.classifier.bias[:] = torch.tensor([-start, start]) / 2
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def evaluated(
    store: ObjectStore, data: DataReport, model: Path, folder: Path
) -> tuple[Weights, Scores]:
    """The model in the store, and what it says of the test rows, as the evaluation keeps it."""
    weights = Weights(
        artifact=store.put_folder(store.uri("weights", folder.name), model), labels=LABELS,
        max_length=MAX_LENGTH, epochs=(), best_epoch=1, parameters=1, precision="float32",
        run_id="", device="cpu", training_s=0, tokens_per_s=0, resumed_from_step=0,
    )  # fmt: skip
    examiner = examiner_of("classification", LABELS, TokenLimits(MAX_LENGTH))
    rows = pq.read_table(store.get_file(data.clean, folder / "rows.parquet"))
    answers = examiner.predict(model, rows)
    columns = {name: answers[name] for name in answers.column_names}
    table = pa.table({"row_id": rows["row_id"], "row_score": [1.0] * len(TEXTS)} | columns)
    scores = Scores(
        artifact=put(store, "scores.parquet", table, folder), labels=LABELS, rows=len(TEXTS),
        estimates=(), confusion=(), calibration=(), champion_version=None, champion_note="",
    )  # fmt: skip
    return weights, scores


def asked(
    store: ObjectStore,
    data: DataReport,
    found: tuple[Weights, Scores],
    settings: CounterfactualSettings = QUICK,
) -> Fairness:
    weights, scores = found
    assessed = assess_scores(scores, data, FairnessSettings(repeats=4_000), store=store)
    return add_counterfactuals(
        assessed, scores, weights, data, "classification", settings, store=store
    )


@pytest.fixture(scope="module")
def sexist(
    store: ObjectStore, data: DataReport, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Weights, Scores]:
    folder = tmp_path_factory.mktemp("sexist")
    return evaluated(store, data, fit(tiny_model, folder / "model", by_gender=True), folder)


GATES = (
    Gate(metric="counterfactual.gendered_words.flip_rate", at_most=0.2),
    Gate(metric="counterfactual.religion.flip_rate", at_most=0.2),
)


def test_a_model_that_goes_by_a_pronoun_flips(
    store: ObjectStore, data: DataReport, sexist: tuple[Weights, Scores]
) -> None:
    fairness = asked(store, data, sexist, QUICK.model_copy(update={"texts_per_row": 2.0}))
    gendered, religion = fairness.counterfactuals
    # The ten texts whose pronoun the model does not read are no pairs.
    assert (gendered.rows, gendered.pairs) == (40, 40)
    assert gendered.flip_rate.value is not None
    assert gendered.flip_rate.value > 0.9
    assert religion.rows == 0
    assert {flip.family for flip in fairness.flips} == {"gendered_words"}
    made = {estimate.name: estimate for estimate in fairness.estimates}
    assert made["counterfactual.gendered_words.flip_rate"] == gendered.flip_rate
    verdicts = [result.verdict for result in judge(GATES, fairness.estimates)]
    assert verdicts == [Verdict.FAIL, Verdict.UNDETERMINED]


def test_a_model_that_says_one_thing_does_not(
    store: ObjectStore, data: DataReport, tiny_model: Path, tmp_path: Path
) -> None:
    model = fit(tiny_model, tmp_path / "model", by_gender=False)
    fairness = asked(store, data, evaluated(store, data, model, tmp_path))
    (gendered, _), flips = fairness.counterfactuals, fairness.flips
    # Half of the 60 texts that may be scored is this list's, and of its 30 some are cut.
    assert 5 <= gendered.rows <= 30
    assert flips == ()
    lenient = QUICK.model_copy(update={"min_rows": 5, "texts_per_row": 2.0})
    fairness = asked(store, data, evaluated(store, data, model, tmp_path), lenient)
    rate, shift = fairness.counterfactuals[0].flip_rate, fairness.counterfactuals[0].score_shift
    assert (rate.value, shift.value) == (0.0, pytest.approx(0.0, abs=1e-6))
    assert judge(GATES, fairness.estimates)[0].verdict is Verdict.PASS


def test_another_task_type_is_left_as_it_is(
    store: ObjectStore, data: DataReport, sexist: tuple[Weights, Scores]
) -> None:
    weights, scores = sexist
    assessed = assess_scores(scores, data, FairnessSettings(repeats=4_000), store=store)
    kept = store.get_bytes(scores.artifact.uri)
    table = pq.read_table(pa.BufferReader(kept)).drop_columns(["probabilities", "predicted"])
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    content = sink.getvalue().to_pybytes()
    uri = store.uri("scores", f"{hashlib.sha256(content).hexdigest()}.parquet")
    without = Scores(
        artifact=store.put_bytes(uri, content), labels=LABELS, rows=len(TEXTS), estimates=(),
        confusion=(), calibration=(), champion_version=None, champion_note="",
    )  # fmt: skip
    same = add_counterfactuals(
        assessed, without, weights, data, "classification", QUICK, store=store
    )
    assert same == assessed
    assert judge(GATES, same.estimates)[0].verdict is Verdict.UNDETERMINED


def test_a_wrong_list_is_one_clear_error(
    store: ObjectStore, data: DataReport, sexist: tuple[Weights, Scores], tmp_path: Path
) -> None:
    own = tmp_path / "mine.csv"
    own.write_text("slot,group\n")
    with pytest.raises(SettingsError, match=r"mine\.csv has no column term, language"):
        asked(store, data, sexist, QUICK.model_copy(update={"swaps": (str(own),)}))


def test_what_gates_rest_on_is_counted_before_an_answer_and_after_it_alike(
    store: ObjectStore, data: DataReport, sexist: tuple[Weights, Scores]
) -> None:
    settings = QUICK.model_copy(update={"texts_per_row": 2.0})
    found = {one.metric: one for one in asked(store, data, sexist, settings).gate_rows}
    groups = FairnessSettings(min_group_rows=5)
    foreseen = {
        one.metric: one
        for one in count_held_out_rows(
            data, groups, settings, by_cluster=True, store=store
        ).gate_rows
    }
    flips, gap = "counterfactual.gendered_words.flip_rate", "fairness.gender.accuracy_difference"
    # Ten texts more have a pronoun, which the model does not read.
    assert (found[flips].rows, foreseen[flips].rows) == (40, 50)
    assert found[flips].units == 40
    assert foreseen[gap].rows == 20
    assert foreseen[gap].part == "female is the smallest part"
    assert found["counterfactual.religion.flip_rate"].rows == 0


def test_a_label_that_there_is_not_is_refused_before_anything_is_trained(
    store: ObjectStore, data: DataReport
) -> None:
    groups = FairnessSettings(positive_labels=("toxic",))
    with pytest.raises(SettingsError, match=r"positive_labels names \['toxic'\]; the labels"):
        count_held_out_rows(data, groups, QUICK, by_cluster=True, store=store)
