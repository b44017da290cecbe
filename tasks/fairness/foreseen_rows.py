"""What gates on groups and swapped words will rest on, counted before anything is trained."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa

from infra.store import ObjectStore
from tasks.fairness.assessment import check_labels, read_test_rows
from tasks.fairness.counterfactual_settings import CounterfactualSettings
from tasks.fairness.counterfactuals import SWAPPED, families_of
from tasks.fairness.gate_rows import gate_rows_of_groups, gate_rows_of_swaps
from tasks.fairness.groups import memberships
from tasks.fairness.settings import FairnessSettings
from tasks.records.data import DataReport
from tasks.records.fairness import GateRows
from tasks.resampling_units import units_of_rows, units_of_table
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import CLUSTER, RowShape, texts_of


def count_gate_rows(
    data: DataReport,
    task_type: str,
    fairness: FairnessSettings,
    counterfactuals: CounterfactualSettings,
    *,
    store: ObjectStore,
) -> tuple[GateRows, ...]:
    """What gates on groups and swapped words will rest on, from the clean data alone.

    Raises:
        DataError: a group column is missing.
        SettingsError: a swap list cannot be read, or the settings name an attribute or a label that
            there is not.
        StoreError: an artifact is missing or was changed.

    """
    shape = shape_of(task_type)
    if shape.has_one_class:
        check_labels(data.labels, fairness)
    more = (shape.label_column,) if shape.has_one_class and shape.label_column else ()
    with tempfile.TemporaryDirectory(prefix="count-") as name:
        clean = store.get_file(data.clean, Path(name) / "clean.parquet")
        rows = read_test_rows(clean, shape, (*data.group_columns, *more))
    return tuple(_counted(rows, shape, data, fairness, counterfactuals))


def _counted(
    rows: pa.Table,
    shape: RowShape,
    data: DataReport,
    fairness: FairnessSettings,
    counterfactuals: CounterfactualSettings,
) -> Iterable[GateRows]:
    texts = [text or "" for text in texts_of(shape, rows).to_pylist()]
    truth = None
    if shape.has_one_class and shape.label_column:
        ids = {label: place for place, label in enumerate(data.labels)}
        named = rows[shape.label_column].to_pylist()
        truth = np.array([ids.get(label, -1) for label in named], dtype=np.int64)
    cluster = CLUSTER if fairness.by_cluster else None
    units = units_of_table(rows, cluster=cluster, seed=fairness.seed)
    for member in memberships(rows, texts, data.group_columns, fairness):
        yield from gate_rows_of_groups(member, truth, data.labels, fairness, units)
    if truth is None or [column.kind for column in shape.inputs] != ["text"]:
        return
    drawn = counterfactuals.by_cluster and CLUSTER in rows.column_names
    clusters = rows[CLUSTER].to_pylist() if drawn else None
    for family in families_of(texts, rows["row_id"].to_pylist(), counterfactuals):
        numbers = sorted({pair.row for pair in family.pairs})
        of_rows = clusters is not None and family.kind == SWAPPED
        together = [clusters[row] for row in numbers] if clusters and of_rows else None
        names = [f"{row:09d}" for row in numbers]
        drawn_in = units_of_rows(names, together, seed=counterfactuals.seed)
        count = drawn_in.atoms if drawn_in.clustered else len(numbers)
        yield gate_rows_of_swaps(family.name, len(numbers), count, counterfactuals.min_rows)
