"""Lists of groups, from the source's files to how the groups fare."""

import hashlib
import json
import uuid
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from infra.store import ObjectStore
from tasks.fairness.assessment import assess_scores
from tasks.fairness.settings import FairnessSettings
from tasks.ingestion.snapshot import write_snapshot
from tasks.ingestion.splits import SplitSettings
from tasks.records.data import DataReport
from tasks.records.evaluation import Scores
from tasks.representation.measurement import represent_rows
from tasks.representation.settings import RepresentationSettings
from tasks.sources.pinning import pin
from tasks.sources.settings import TableSource
from tasks.validation.contract.settings import ContractSettings
from tasks.validation.leakage.settings import LeakageSettings
from tasks.validation.personal_data.settings import PrivacySettings
from tasks.validation.validate import validate_snapshot
from tests.stored_tables import get_table

TARGETS = (["women", "african"], ["african"], ["women"], [])
UNKNOWN = ["women", "martian"]
ROWS = 800


def row(number: int) -> dict[str, object]:
    text = hashlib.sha256(str(number).encode()).hexdigest()
    targets = UNKNOWN if number == 0 else TARGETS[number % 4]
    return {"text": text, "label": "ab"[number % 2], "about": targets}


def write_jsonl(path: Path) -> None:
    lines = [json.dumps(row(number)) for number in range(ROWS)]
    path.write_text("\n".join(lines), encoding="utf-8")


def write_parquet(path: Path) -> None:
    pq.write_table(pa.Table.from_pylist([row(number) for number in range(ROWS)]), path)


def write_csv(path: Path) -> None:
    rows = [{**row(k), "about": "|".join(row(k)["about"])} for k in range(ROWS)]  # type: ignore[arg-type]
    lines = [",".join(str(value) for value in one.values()) for one in rows]
    path.write_text("\n".join(["text,label,about", *lines]), encoding="utf-8")


def clean(store: ObjectStore, folder: Path, kind: str) -> DataReport:
    path = folder / f"rows.{kind}"
    {"jsonl": write_jsonl, "parquet": write_parquet, "csv": write_csv}[kind](path)
    source = TableSource(format=kind, path=str(path), group_columns=("about",))  # type: ignore[arg-type]
    pinned = pin("lists", source, store)
    snapshot = write_snapshot(pinned, source, SplitSettings(), "classification", store)
    contract = ContractSettings(
        min_rows=1, min_rows_per_label=1, groups={"about": ("african", "women")}
    )
    return validate_snapshot(snapshot, None, contract, LeakageSettings(), PrivacySettings(), store)


def scores_of(rows: pa.Table, store: ObjectStore) -> Scores:
    """A model that is wrong on every row about both groups."""
    truth = [("a", "b").index(label) for label in rows["label"].to_pylist()]
    wrong = ["|" in (about or "") for about in rows["about"].to_pylist()]
    table = pa.table(
        {
            "row_id": rows["row_id"],
            "label": pa.array(truth, pa.int32()),
            "predicted": pa.array(
                [1 - one if off else one for one, off in zip(truth, wrong, strict=True)], pa.int32()
            ),
        }
    )
    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer)
    name = store.uri("lists", f"{uuid.uuid4()}.parquet")
    artifact = store.put_bytes(name, buffer.getvalue().to_pybytes())
    return Scores(
        artifact=artifact, labels=("a", "b"), rows=rows.num_rows, estimates=(), confusion=(),
        calibration=(), champion_version=None, champion_note="",
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["jsonl", "parquet", "csv"])
def test_lists_of_groups_reach_the_assessment(
    store: ObjectStore, tmp_path: Path, kind: str
) -> None:
    data = clean(store, tmp_path, kind)
    assert data.quarantined_by_reason == {"unknown about": 1}
    (aside,) = get_table(data.quarantine, store).to_pylist()
    both, martian = (
        ("women|african", "women|martian") if kind == "csv" else ("african|women", "martian|women")
    )
    assert aside["about"] == martian
    (reason,) = aside["reasons"]
    assert reason == (
        "unknown about: 'martian' is not one of african, women; did you mean 'african'? "
        "(expect_column_values_to_match_regex)"
    )
    table = get_table(data.clean, store)
    assert set(table["about"].to_pylist()) == {both, "african", "women", None}
    told = represent_rows(data, RepresentationSettings(identity_attributes=()), store)
    assert {(one.group, one.rows) for one in told.groups if one.label == "a"} == {
        ("african", 399), ("women", 399),
    }  # fmt: skip
    test = table.filter(pc.equal(table["split"], "test"))
    settings = FairnessSettings(repeats=4_000, identity_attributes=())
    fairness = assess_scores(scores_of(test, store), data, settings, store=store)
    values = test["about"].to_pylist()
    assert {group.attribute for group in fairness.groups} == {"about", "about_exclusive"}
    for group in fairness.groups:
        if group.attribute == "about":
            here = [value for value in values if group.group in (value or "")]
        elif group.group == "several":
            here = [value for value in values if value == both]
        else:
            alone = None if group.group == "none" else group.group
            here = [value for value in values if value == alone]
        assert group.rows == len(here)
        assert group.metrics["accuracy"] == pytest.approx(1 - here.count(both) / len(here))
