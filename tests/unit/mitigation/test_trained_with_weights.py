"""Two real trainings of one recipe: with weights, group and label come apart in what is learned."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.gpu.folder_store import FolderStore, NoTracking
from tasks.evaluation.evaluation import evaluate_weights
from tasks.evaluation.settings import EvaluationSettings, SliceSettings
from tasks.fairness.assessment import assess_scores
from tasks.fairness.settings import FairnessSettings
from tasks.mitigation.settings import ReweighingSettings
from tasks.mitigation.weighing import weigh_tokens
from tasks.records.data import DataReport
from tasks.tokenization.base_model import pin
from tasks.tokenization.settings import BaseModelSettings, TokenizationSettings
from tasks.tokenization.splits import tokenize_splits
from tasks.training.settings import TrainingSettings
from tasks.training.train import train_model
from tasks.verdicts import Verdict
from tests.conftest import NO_LEAKS

LABELS = ("no", "yes")
TRAINING = TrainingSettings(
    epochs=6, learning_rate=3e-3, batch_size=32, batching="padded", precision="float32",
    compile="off",
)  # fmt: skip
TEST = 600


def biased_rows(random: np.random.Generator, rows: int, split: str) -> list[dict[str, str]]:
    """A weak word for the label, and in training a group that tells it better than the word."""
    made = []
    for row in range(rows):
        yes = bool(random.random() < 0.5)
        agrees = random.random() < (0.5 if split == "test" else 0.9)
        group = "man" if yes == agrees else "woman"
        word = "good" if yes == (random.random() < 0.75) else "bad"
        said = "he said" if group == "man" else "she said"
        made.append(
            {
                "row_id": f"{split}{row:06d}", "label": LABELS[yes], "author": group,
                "text": f"{said} {word}", "split": split,
            }
        )  # fmt: skip
    return made


@pytest.mark.slow
def test_the_gap_shrinks_on_rows_where_group_and_label_are_independent(
    tiny_model: Path, tmp_path: Path
) -> None:
    store, tracking = FolderStore(tmp_path / "store"), NoTracking()
    random = np.random.default_rng(0)
    sizes = {"train": 800, "validation": 200, "test": TEST}
    rows = [row for split, size in sizes.items() for row in biased_rows(random, size, split)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "clean.parquet")
    clean = store.put_file(store.uri("clean", "rows.parquet"), tmp_path / "clean.parquet")
    data = DataReport(
        clean=clean, quarantine=clean, docs_uri="", labels=LABELS, group_columns=("author",),
        rows_by_split=sizes, rows_by_label={}, rows_quarantined=0, quarantined_by_reason={},
        lengths={}, personal_data=(), leakage=NO_LEAKS, checks=(), verdict=Verdict.PASS,
        task_type="classification",
    )  # fmt: skip
    base = pin(BaseModelSettings(reference=str(tiny_model)))
    assert base is not None
    plain = tokenize_splits(
        store, data, base, "classification", TokenizationSettings(max_length=16)
    )
    asked = ReweighingSettings(attribute="author")
    weighed = weigh_tokens(plain, data, "classification", asked, (), store=store)
    ours, theirs = (
        train_model(store, tracking, "x", tokens, base, "classification", TRAINING)
        for tokens in (weighed, plain)
    )
    assert ours.artifact.sha256 != theirs.artifact.sha256
    scores = evaluate_weights(
        ours, data, None, "classification",
        EvaluationSettings(repeats=4_000, slices=SliceSettings(by=(), search=False)),
        store=store, tracking=tracking, unmitigated=theirs,
    )  # fmt: skip
    fairness = assess_scores(scores, data, FairnessSettings(repeats=4_000), store=store)
    told = {one.name: one for one in (*scores.measured, *fairness.estimates)}
    names = ("demographic_parity_difference", "demographic_parity_difference_gain")
    before, gain = (told[f"unmitigated.author.{name}"] for name in names)
    accuracy = told["unmitigated.accuracy_gain"]
    assert before.low is not None
    assert gain.low is not None
    assert accuracy.low is not None
    assert before.low > 0.5
    assert gain.low > 0.2
    assert accuracy.low > 0.05
    again = weigh_tokens(plain, data, "classification", asked, (), store=store)
    repeated = train_model(store, tracking, "x", again, base, "classification", TRAINING)
    assert repeated.artifact.sha256 == ours.artifact.sha256
