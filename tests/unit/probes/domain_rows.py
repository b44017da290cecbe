"""Clean rows of reviews in three shops and several months, as a report and a snapshot of them."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from infra.store import Artifact, ObjectStore
from tasks.records.data import DataReport, Snapshot, SourceRows
from tasks.verdicts import Verdict
from tests.conftest import NO_LEAKS

LABELS = ("bad", "good")
NONE = Artifact("s3://none/none", "0" * 64, 0)


def row(split: str, number: int, shop: str | None, text: str, label: str, **more: Any) -> Any:
    """A clean row."""
    return {
        "row_id": f"{split}{number:04d}{shop}", "split": split, "text": text, "label": label,
        "shop": shop, "sold": more.pop("sold", "2026-01-05"), **more,
    }  # fmt: skip


def report_of(rows: list[dict[str, Any]], store: ObjectStore, folder: Path) -> DataReport:
    """The rows as a report has them."""
    pq.write_table(pa.Table.from_pylist(rows), folder / "clean.parquet")
    clean = store.put_file(store.uri("clean", f"{folder.name}.parquet"), folder / "clean.parquet")
    return DataReport(
        clean=clean, quarantine=clean, docs_uri="", labels=LABELS, group_columns=("shop", "sold"),
        rows_by_split={}, rows_by_label={}, rows_quarantined=0, quarantined_by_reason={},
        task_type="classification", lengths={}, personal_data=(), leakage=NO_LEAKS, checks=(),
        verdict=Verdict.PASS,
    )  # fmt: skip


def snapshot_of(
    store: ObjectStore, folder: Path, sources: dict[str, str] | None = None
) -> Snapshot:
    """A snapshot that knows the source of each row; of one source where none are given."""
    if sources is None:
        return Snapshot(NONE, NONE, "classification", 0, {}, 0, 0, 0, 0, {}, (), NONE)
    for name, column, values in (
        ("rows", "row_id", [*sources]), ("origins", "source_name", [*sources.values()]),
    ):  # fmt: skip
        pq.write_table(pa.table({column: values}), folder / f"{name}.parquet")
    kept = {
        name: store.put_file(store.uri("snapshots", f"{folder.name}-{name}"), folder / file)
        for name, file in (("rows", "rows.parquet"), ("origins", "origins.parquet"))
    }
    return Snapshot(
        kept["rows"], NONE, "classification", 0, {}, 0, 0, 0, 0, {}, (), kept["origins"],
        by_source=tuple(
            SourceRows(name, None, 0, 0, 0, 0, {}) for name in sorted(set(sources.values()))
        ),
    )  # fmt: skip
