"""What gates on groups and swapped words will rest on, counted before anything is trained."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from tasks.fairness.assessment import check_labels
from tasks.fairness.counterfactual_settings import CounterfactualSettings
from tasks.fairness.counterfactuals import SWAPPED, families_of
from tasks.fairness.gate_rows import gate_rows_of_groups, gate_rows_of_swaps
from tasks.fairness.settings import FairnessSettings
from tasks.protected_groups.memberships import Membership
from tasks.records.data import DataReport
from tasks.records.gate_rows import GateRows
from tasks.resampling_units import units_of_rows, units_of_table
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import CLUSTER


def gate_rows_of_test_rows(
    rows: pa.Table,
    texts: Sequence[str],
    members: Sequence[Membership],
    data: DataReport,
    fairness: FairnessSettings,
    counterfactuals: CounterfactualSettings,
) -> Iterator[GateRows]:
    """What gates on groups and swapped words will rest on.

    Args:
        rows: the test rows with their labels and clusters, N of them.
        texts: what a person reads of each, N of them.
        members: the groups of each attribute.
        data: the clean rows.
        fairness: told labels, least rows and clusters.
        counterfactuals: the words that will be swapped.

    Raises:
        SettingsError: a swap list cannot be read, or the settings name a label that there is not.

    """
    shape = shape_of(data.task_type)
    if shape.has_one_class:
        check_labels(data.labels, fairness)
    truth = None
    if shape.has_one_class and shape.label_column:
        ids = {label: place for place, label in enumerate(data.labels)}
        named = rows[shape.label_column].to_pylist()
        truth = np.array([ids.get(label, -1) for label in named], dtype=np.int64)
    cluster = CLUSTER if fairness.by_cluster else None
    units = units_of_table(rows, cluster=cluster, seed=fairness.seed)
    for member in members:
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
