"""A mitigated model is judged beside one of its recipe, on the same rows, by group and by gap."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from benchmarks.gpu.folder_store import FolderStore, NoTracking
from tasks.evaluation.evaluation import evaluate_weights
from tasks.evaluation.settings import EvaluationSettings, SliceSettings
from tasks.fairness.assessment import assess_scores
from tasks.fairness.settings import FairnessSettings
from tasks.records.data import DataReport
from tasks.reporting.claims import unsupported_claims
from tasks.reporting.comparison import versus
from tasks.verdicts import Estimate, Verdict
from tests.conftest import NO_LEAKS
from tests.unit.compression.compressed_models import weights_of
from tests.unit.task_types.every_task_type import trained

LABELS = ("no", "yes")
SETTINGS = EvaluationSettings(repeats=4_000, slices=SliceSettings(by=(), search=False))
ROWS = 160


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FolderStore:
    return FolderStore(tmp_path_factory.mktemp("objects"))


@pytest.fixture(scope="module")
def rows(store: FolderStore, tmp_path_factory: pytest.TempPathFactory) -> DataReport:
    random = np.random.default_rng(0)
    words = np.array(["bank", "film", "good", "match", "goal"])
    made = [
        {
            "row_id": f"{row:064x}", "label": LABELS[row % 8 in (0, 1, 4, 2)],
            "author": ("woman", "man")[row // 2 % 2],
            "text": " ".join([*random.choice(words, 4), str(row)]),
            "split": "test" if row < ROWS else "train",
        }
        for row in range(ROWS + 20)
    ]  # fmt: skip
    path = tmp_path_factory.mktemp("rows") / "clean.parquet"
    pq.write_table(pa.Table.from_pylist(made), path)
    clean = store.put_file(store.uri("clean", "rows.parquet"), path)
    return DataReport(
        clean=clean, quarantine=clean, docs_uri="", labels=LABELS, group_columns=("author",),
        rows_by_split={"train": 20, "validation": 0, "test": ROWS}, rows_by_label={},
        rows_quarantined=0, quarantined_by_reason={}, lengths={}, personal_data=(),
        leakage=NO_LEAKS, checks=(), verdict=Verdict.PASS, task_type="classification",
    )  # fmt: skip


def even_out(folder: Path, texts: list[str]) -> None:
    """Have a model answer half of the texts with yes: by chance it gives one answer to all."""
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    asked = AutoTokenizer.from_pretrained(folder)(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        logits = model.eval()(**asked)["logits"]
        model.classifier.bias[1] -= (logits[:, 1] - logits[:, 0]).median()
    model.save_pretrained(folder)


def test_gains_and_gaps_are_those_of_the_two_models(
    tiny_model: Path, tmp_path: Path, store: FolderStore, rows: DataReport
) -> None:
    one = trained("classification", tiny_model, LABELS, tmp_path / "one" / "model")
    other = trained("classification", tiny_model, LABELS, tmp_path / "other" / "model")
    texts = pq.read_table(store.get_file(rows.clean, tmp_path / "clean"))["text"].to_pylist()
    even_out(other, texts[:ROWS])
    ours, theirs = (weights_of(folder, store, LABELS) for folder in (one, other))
    scores = evaluate_weights(
        ours, rows, None, "classification", SETTINGS, store=store, tracking=NoTracking(),
        unmitigated=theirs,
    )  # fmt: skip
    (record,) = scores.versions
    assert (record.comparator, record.rows) == ("unmitigated", ROWS)
    assert record.name == "the model without mitigation"
    table = pq.read_table(store.get_file(scores.artifact, tmp_path / "scores"))
    told: Mapping[str, Estimate] = {each.name: each for each in scores.measured}
    gains = table["row_score"].to_numpy() - table["unmitigated_row_score"].to_numpy()
    assert (gains != 0).any()
    assert told["unmitigated.accuracy_gain"].value == pytest.approx(gains.mean())
    assert "unmitigated.speed_up" not in told

    fairness = assess_scores(scores, rows, FairnessSettings(repeats=4_000), store=store)
    found = {each.name: each for each in fairness.estimates}
    women = np.arange(ROWS) // 2 % 2 == 0
    by_group = [gains[women].mean(), gains[~women].mean()]
    group = found["unmitigated.author.row_score_gain.woman"]
    assert (group.value, group.n) == (pytest.approx(by_group[0]), 80)
    worst = found["unmitigated.author.worst_group_row_score_gain"]
    assert worst.value == pytest.approx(min(by_group))
    truth = table["label"].to_numpy()
    gaps = []
    for column in ("unmitigated_predicted", "predicted"):
        right = table[column].to_numpy() == truth
        gaps.append(abs(right[women].mean() - right[~women].mean()))
    gain = found["unmitigated.author.accuracy_difference_gain"]
    assert gain.value == pytest.approx(gaps[0] - gaps[1])
    assert found["unmitigated.author.accuracy_difference"].value == pytest.approx(gaps[0])
    names = {row.metric for part in versus("unmitigated", scores, fairness.estimates).tables
             for row in part.rows}  # fmt: skip
    assert {gain.name, worst.name, "unmitigated.accuracy_gain"} <= names
    assert not list(unsupported_claims(scores, fairness))
    unnamed = replace(scores, versions=())
    assert "has no model without mitigation" in " ".join(unsupported_claims(unnamed, fairness))
