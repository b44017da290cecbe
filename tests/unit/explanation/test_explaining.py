"""The stage's function: from a candidate's records to its scores with what is known of why."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.gpu.folder_store import FolderStore
from infra.digests import digest_of
from infra.errors import DataError
from tasks.evaluation.settings import EvaluationSettings
from tasks.explanation.explaining import add_explanation, sample_of
from tasks.explanation.settings import ExplanationSettings
from tasks.records.data import DataReport
from tasks.records.evaluation import Scores
from tasks.verdicts import Verdict
from tests.conftest import NO_LEAKS
from tests.unit.compression.compressed_models import weights_of
from tests.unit.explanation.conftest import LABELS, shortcut_texts

SETTINGS = ExplanationSettings(
    methods=("occlusion", "attention_rollout"), rows=30,
    identity_attributes=("gender",),
)  # fmt: skip

EVALUATION = EvaluationSettings(repeats=4_000)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FolderStore:
    return FolderStore(tmp_path_factory.mktemp("objects"))


@pytest.fixture(scope="module")
def data(store: FolderStore, tmp_path_factory: pytest.TempPathFactory) -> DataReport:
    rows = [
        {
            "row_id": f"{(row * 7919) % 101:064x}", "text": text, "label": label,
            "cluster": str(row % 25), "author": ("woman", "man")[row % 2],
            "split": "test" if row < 40 else "train",
        }
        for row, (text, label) in enumerate(shortcut_texts(60, seed=2))
    ]  # fmt: skip
    path = tmp_path_factory.mktemp("rows") / "clean.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    clean = store.put_file(store.uri("clean", "rows.parquet"), path)
    return DataReport(
        clean=clean, quarantine=clean, docs_uri="", labels=LABELS, group_columns=("author",),
        rows_by_split={"train": 20, "test": 40}, rows_by_label={}, rows_quarantined=0,
        quarantined_by_reason={}, lengths={}, personal_data=(), leakage=NO_LEAKS, checks=(),
        verdict=Verdict.PASS, task_type="classification",
    )  # fmt: skip


def test_the_scores_gain_estimates_and_tables(
    shortcut_folder: Path, store: FolderStore, data: DataReport
) -> None:
    weights = weights_of(shortcut_folder, store, LABELS)
    scores = Scores(weights.artifact, LABELS, 40, (), (), (), None, "")
    found = add_explanation(
        scores, weights, data, "classification", SETTINGS, EVALUATION, None, store=store
    )
    explained = found.explanation
    assert explained is not None
    assert explained.rows == 30
    assert [one.method for one in explained.methods] == ["occlusion", "attention_rollout", "random"]
    assert found.estimates == explained.estimates
    names = {one.name for one in found.estimates}
    assert "explanation.attention_rollout.randomisation_correlation" in names
    assert "explanation.identity_words.gender" in names
    drawn = {one.method for one in found.estimates if one.value is not None}
    assert drawn == {"Bayesian bootstrap of 21 clusters, 4000 repeats"}
    assert {one.group for one in explained.words} >= {"", "author: woman", "author: man"}
    assert digest_of(found) != digest_of(scores)


def test_the_sample_is_of_test_rows_by_the_order_of_their_ids(
    store: FolderStore, data: DataReport, tmp_path: Path
) -> None:
    clean = store.get_file(data.clean, tmp_path / "clean.parquet")
    some = sample_of(clean, ("text",), ("author",), SETTINGS)
    whole = sample_of(clean, ("text",), ("author",), SETTINGS.model_copy(update={"rows": 1_000}))
    assert (some.num_rows, whole.num_rows) == (30, 40)
    assert whole["row_id"].to_pylist() == sorted(whole["row_id"].to_pylist())
    assert some["row_id"].to_pylist() == whole["row_id"].to_pylist()[:30]
    pq.write_table(pq.read_table(clean).slice(0, 0), tmp_path / "none.parquet")
    with pytest.raises(DataError, match="the test split has no rows"):
        sample_of(tmp_path / "none.parquet", ("text",), (), SETTINGS)
