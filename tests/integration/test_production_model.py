"""The version in production, found by ledger and registry, and asked as it was evaluated."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from infra.errors import IntegrityError, PromotionError
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.registry import Version
from tasks.registry.answers import held_out_rows, is_same
from tasks.registry.manual_promotion import override_promotion_of
from tasks.registry.production import production_of
from tasks.registry.registration import register_version
from tasks.serving.production_model import download_model, model_of_folder

LINE = "asked-in-production"


@pytest.fixture(scope="module")
def version(candidate: Any, store: ObjectStore, tracking: Tracking) -> Version:
    return register_version(
        LINE, candidate.snapshot, candidate.data, candidate.tokens, candidate.base,
        candidate.weights, candidate.scores, candidate.fairness, "classification",
        store=store, tracking=tracking,
    )  # fmt: skip


@pytest.fixture(scope="module")
def in_production(version: Version, store: ObjectStore, tracking: Tracking) -> Version:
    with pytest.raises(PromotionError, match=f"{LINE} has no version in production"):
        production_of(LINE, store=store, tracking=tracking)
    override_promotion_of(
        LINE, version.version, "Ada", "to be asked", store=store, tracking=tracking
    )
    return version


def test_it_answers_what_was_evaluated(
    candidate: Any, in_production: Version, store: ObjectStore, tracking: Tracking, tmp_path: Path
) -> None:
    production = production_of(LINE, store=store, tracking=tracking)
    assert (production.version, production.weights_sha256, production.manifest_sha256) == (
        in_production.version, in_production.weights_sha256, in_production.manifest_sha256,
    )  # fmt: skip
    assert (production.task_type, production.labels) == ("classification", candidate.data.labels)
    assert production.max_length == candidate.weights.max_length
    expected = held_out_rows(candidate.data, candidate.scores, 20, store)
    rows = pa.Table.from_pylist([dict(one.request) for one in expected])
    folder = download_model(production, tmp_path, store=store, tracking=tracking)
    with model_of_folder(production, folder) as model:
        first, again = model.answer(rows), model.answer(rows.slice(3))
    for answer, one in zip(first.to_pylist(), expected, strict=True):
        assert is_same(json.loads(answer), one.answer, 1e-4)
    assert len(again) == len(expected) - 3


def test_files_that_are_not_those_of_the_manifest_are_not_loaded(
    in_production: Version,
    store: ObjectStore,
    tracking: Tracking,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    production = production_of(LINE, store=store, tracking=tracking)
    download = type(tracking).download_artifact

    def change_a_byte(self: Tracking, line: str, version: int, folder: Path) -> Path:
        artifact = download(self, line, version, folder)
        (weights,) = artifact.rglob("*.safetensors")
        content = bytearray(weights.read_bytes())
        content[-1] ^= 1
        weights.write_bytes(content)
        return artifact

    monkeypatch.setattr(type(tracking), "download_artifact", change_a_byte)
    with pytest.raises(IntegrityError, match=f"version {in_production.version} of {LINE}"):
        download_model(production, tmp_path, store=store, tracking=tracking)
