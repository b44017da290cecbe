"""Which validation rows a threshold is fitted on, and that too few are refused before training."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.gpu.folder_store import FolderStore
from infra.errors import DataError
from tasks.abstention.settings import AbstentionSettings
from tasks.abstention.validation_rows import check_validation_rows, one_of_each_cluster
from tasks.records.data import DataReport
from tests.unit.reporting.conftest import build_evidence

ONE_IN_A_HUNDRED = AbstentionSettings(risk=0.01)


def stored(folder: Path, clusters: list[str | None]) -> tuple[DataReport, FolderStore]:
    """Validation rows of these clusters, and a test row."""
    store, count = FolderStore(folder / "store"), len(clusters)
    rows = pa.table(
        {
            "row_id": [f"{n:064x}" for n in range(count + 1)],
            "text": ["text"] * (count + 1),
            "label": ["a"] * (count + 1),
            "split": ["validation"] * count + ["test"],
            "cluster": pa.array([*clusters, "alone"], pa.string()),
        }
    )
    pq.write_table(rows, folder / "clean.parquet")
    clean = store.put_file(store.uri("clean", "rows.parquet"), folder / "clean.parquet")
    splits = {"train": 1, "validation": count, "test": 1}
    return replace(build_evidence().data, clean=clean, rows_by_split=splits), store


def test_one_row_of_each_cluster_is_fitted_on() -> None:
    rows = pa.table(
        {"row_id": ["r1", "r2", "r3", "r4", "r5"], "cluster": ["x", "x", None, "y", None]}
    )
    kept = one_of_each_cluster(rows)
    assert kept.num_rows == 4
    assert set(kept["row_id"].to_pylist()) >= {"r3", "r4", "r5"}
    assert one_of_each_cluster(rows.drop_columns(["cluster"])).num_rows == 5
    shuffled = one_of_each_cluster(rows.take([4, 1, 0, 3, 2]))
    assert set(shuffled["row_id"].to_pylist()) == set(kept["row_id"].to_pylist())


def test_rows_without_clusters_count_one_by_one(tmp_path: Path) -> None:
    data, store = stored(tmp_path, [None] * 400)
    found = check_validation_rows(data, "classification", ONE_IN_A_HUNDRED, store=store)
    assert found == 400


def test_too_few_rows_are_told_before_training(tmp_path: Path) -> None:
    data, store = stored(tmp_path, [None] * 40)
    with pytest.raises(DataError, match=r"368 validation rows could show at least.* there are 40"):
        check_validation_rows(data, "classification", ONE_IN_A_HUNDRED, store=store)


def test_too_few_clusters_are_told_before_training(tmp_path: Path) -> None:
    data, store = stored(tmp_path, [f"author {n % 50}" for n in range(400)])
    with pytest.raises(DataError, match=r"368 clusters of validation rows .* there are 50"):
        check_validation_rows(data, "classification", ONE_IN_A_HUNDRED, store=store)
    enough = AbstentionSettings(risk=0.1)
    assert check_validation_rows(data, "classification", enough, store=store) == 50


def test_a_label_of_that_name_is_told_before_training(tmp_path: Path) -> None:
    data, store = stored(tmp_path, [None] * 400)
    with pytest.raises(DataError, match=r"rename it with source\.label_map"):
        check_validation_rows(
            replace(data, labels=("a", "abstain")), "classification", ONE_IN_A_HUNDRED, store=store
        )
