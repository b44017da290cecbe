"""A tiny classifier with random weights, as it was trained and as compression makes it."""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.gpu.folder_store import FolderStore
from tasks.compression import compressing
from tasks.compression.compressing import compress_weights
from tasks.compression.settings import CompressionSettings
from tasks.records.data import DataReport
from tasks.records.training import Tokens, Weights
from tasks.task_types.networks import Network
from tasks.verdicts import Verdict
from tests.conftest import NO_LEAKS
from tests.unit.compression.compressed_models import LABELS, tokens_of, weights_of
from tests.unit.task_types.every_task_type import trained

EXPORT: Final = compressing.export_network


@pytest.fixture(scope="session", autouse=True)
def exported_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An export takes seconds, and gives the same bytes each time: of one model it is made once."""
    kept = tmp_path_factory.mktemp("exported")

    def export(model: Any, network: Network, path: Path) -> None:
        values = [value.detach().numpy().tobytes() for value in model.state_dict().values()]
        name = hashlib.sha256(b"".join([*values, str(network).encode()])).hexdigest()
        if not (kept / name).exists():
            EXPORT(model, network, kept / name)
        shutil.copyfile(kept / name, path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compressing, "export_network", export)
        yield


@pytest.fixture
def exported_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compressing, "export_network", EXPORT)


@pytest.fixture(scope="session")
def folder_store(tmp_path_factory: pytest.TempPathFactory) -> FolderStore:
    return FolderStore(tmp_path_factory.mktemp("objects"))


@pytest.fixture(scope="session")
def classifier(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a classifier whose answers differ."""
    folder = tmp_path_factory.mktemp("classifier") / "model"
    return trained("classification", tiny_model, LABELS, folder)


@pytest.fixture(scope="session")
def weights(classifier: Path, folder_store: FolderStore) -> Weights:
    return weights_of(classifier, folder_store)


@pytest.fixture(scope="session")
def exported(weights: Weights, folder_store: FolderStore) -> Weights:
    settings = CompressionSettings(method="onnx")
    return compress_weights(folder_store, weights, "classification", settings)


@pytest.fixture(scope="session")
def rounded(weights: Weights, folder_store: FolderStore) -> Weights:
    settings = CompressionSettings(method="onnx_int8")
    return compress_weights(folder_store, weights, "classification", settings)


@pytest.fixture(scope="session")
def tokens(
    classifier: Path, folder_store: FolderStore, tmp_path_factory: pytest.TempPathFactory
) -> Tokens:
    """Training examples of the classifier, of several lengths."""
    return tokens_of(
        "classification", LABELS, classifier, folder_store, tmp_path_factory.mktemp("tokens")
    )


@pytest.fixture(scope="session")
def calibrated(weights: Weights, tokens: Tokens, folder_store: FolderStore) -> Weights:
    settings = CompressionSettings(method="onnx_int8_static")
    return compress_weights(folder_store, weights, "classification", settings, tokens)


@pytest.fixture(scope="session")
def four_bits(weights: Weights, folder_store: FolderStore) -> Weights:
    settings = CompressionSettings(method="onnx_int4_weights", embeddings="int4")
    return compress_weights(folder_store, weights, "classification", settings)


@pytest.fixture(scope="session")
def rows(folder_store: FolderStore, tmp_path_factory: pytest.TempPathFactory) -> DataReport:
    """Rows of three topics, some of them by women."""
    random = np.random.default_rng(0)
    words = np.array(["shares", "bank", "film", "good", "said", "match", "goal", "he", "she"])
    made = [
        {
            "row_id": f"{row:064x}", "label": LABELS[row % 3],
            "text": " ".join([*random.choice(words, random.integers(2, 30)), str(row)]),
            "split": "train" if row < 60 else "validation" if row < 120 else "test",
            "author": ("woman", "man")[row % 2],
        }
        for row in range(300)
    ]  # fmt: skip
    path = tmp_path_factory.mktemp("rows") / "clean.parquet"
    pq.write_table(pa.Table.from_pylist(made), path)
    clean = folder_store.put_file(folder_store.uri("clean", "rows.parquet"), path)
    return DataReport(
        clean=clean, quarantine=clean, docs_uri="", labels=LABELS, group_columns=("author",),
        rows_by_split={"train": 60, "validation": 60, "test": 180}, rows_by_label={},
        rows_quarantined=0, quarantined_by_reason={}, lengths={}, personal_data=(),
        leakage=NO_LEAKS, checks=(), verdict=Verdict.PASS,
        task_type="classification",
    )  # fmt: skip
