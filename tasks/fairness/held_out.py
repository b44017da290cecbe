"""How many test rows each compared group has, before anything is asked of a model."""

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from infra.store import ObjectStore
from tasks.fairness.counterfactual_settings import CounterfactualSettings
from tasks.fairness.foreseen_rows import gate_rows_of_test_rows
from tasks.fairness.groups import compared_groups, memberships
from tasks.fairness.settings import FairnessSettings
from tasks.protected_groups.memberships import Membership, with_groups
from tasks.records.data import DataReport
from tasks.records.power import GroupSize, HeldOut
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import CLUSTER, texts_of


def count_held_out_rows(
    data: DataReport,
    settings: FairnessSettings,
    counterfactuals: CounterfactualSettings,
    *,
    by_cluster: bool,
    store: ObjectStore,
) -> HeldOut:
    """Count the test rows of the clean data, by label, by group and by what gates rest on.

    Args:
        data: the clean rows.
        settings: which groups are assessed and compared.
        counterfactuals: which words will be swapped.
        by_cluster: whether clusters are drawn where rows have them.
        store: holds the rows.

    Raises:
        SettingsError: the settings name an attribute or a label that there is not, or a swap list
            cannot be read.
        StoreError: the clean rows are missing or were changed.

    """
    shape = shape_of(data.task_type)
    with tempfile.TemporaryDirectory(prefix="held-out-") as folder:
        clean = store.get_file(data.clean, Path(folder) / "clean.parquet")
        found = pq.read_schema(clean).names
        wanted = dict.fromkeys(
            ("row_id", *(c.name for c in shape.inputs), *data.group_columns, CLUSTER)
        )
        label = shape.labels.name if shape.labels and shape.labels.kind == "label" else None
        columns = [name for name in (*wanted, *([label] if label else ())) if name in found]
        rows = pq.read_table(clean, columns=columns, filters=[("split", "=", "test")])
    labels = rows[label].to_pylist() if label else []
    texts = [text or "" for text in texts_of(shape, rows).to_pylist()]
    groups: list[GroupSize] = []
    members = tuple(memberships(rows, texts, data.group_columns, settings))
    for member in members:
        compared = compared_groups(member, settings)
        clusters = _clusters(rows) if settings.by_cluster else None
        groups += _sizes(with_groups(member, compared), labels, clusters)
    clusters = _clusters(rows) if by_cluster else None
    distinct = len(set(clusters)) if clusters is not None else None
    foreseen = gate_rows_of_test_rows(rows, texts, members, data, settings, counterfactuals)
    return HeldOut(rows.num_rows, distinct, _counted(labels), tuple(groups), tuple(foreseen))


def _clusters(rows: pa.Table) -> list[str] | None:
    """The cluster of each row, a row without one in a cluster of its own; None without any."""
    if CLUSTER not in rows.column_names or rows[CLUSTER].null_count == rows.num_rows:
        return None
    named = zip(rows["row_id"].to_pylist(), rows[CLUSTER].to_pylist(), strict=True)
    return [f"row {row}" if cluster is None else f"cluster {cluster}" for row, cluster in named]


def _sizes(
    member: Membership, labels: Sequence[str], clusters: Sequence[str] | None
) -> Iterator[GroupSize]:
    groups_of_row = member.rows.sum(axis=1)
    for place, group in enumerate(member.groups):
        here = np.flatnonzero(member.rows[:, place]).tolist()
        yield GroupSize(
            attribute=member.attribute,
            group=group,
            rows=len(here),
            exclusive=int((groups_of_row[here] == 1).sum()),
            clusters=None if clusters is None else len({clusters[row] for row in here}),
            rows_by_label=_counted([labels[row] for row in here] if labels else []),
        )


def _counted(labels: Sequence[str]) -> dict[str, int]:
    return dict(sorted(Counter(labels).items()))
