"""The validation rows that a threshold is fitted on, and whether they are enough.

They are read before the training, where too few are refused, and after it.
"""

import tempfile
from pathlib import Path

import pyarrow as pa

from infra.store import ObjectStore
from tasks.abstention.checks import check_enough, check_labels
from tasks.abstention.settings import AbstentionSettings
from tasks.evaluation.held_out import read_rows
from tasks.perturbations.draws import rank_of
from tasks.records.data import DataReport
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import CLUSTER


def check_validation_rows(
    data: DataReport, task_type: str, settings: AbstentionSettings, *, store: ObjectStore
) -> int:
    """How many rows a threshold would be fitted on; a stage's function.

    Raises:
        DataError: so few leave no threshold, were all answers right; or a label is called as the
            answer of a row that has none.
        StoreError: the clean rows are missing.

    """
    check_labels(data.labels)
    # Clusters are never more than rows, so that this takes no file.
    check_enough(data.rows_by_split.get("validation", 0), settings)
    with tempfile.TemporaryDirectory(prefix="abstention-") as name:
        clean = store.get_file(data.clean, Path(name) / "clean.parquet")
        count: int = rows_to_fit_on(clean, task_type, settings).num_rows
    return count


def rows_to_fit_on(clean: Path, task_type: str, settings: AbstentionSettings) -> pa.Table:
    """The validation rows, of those in clusters one of each.

    Rows of one cluster are no draws of their own.

    Raises:
        DataError: they are too few for any threshold.

    """
    rows = read_rows(clean, "validation", shape_of(task_type))
    kept = one_of_each_cluster(rows)
    check_enough(kept.num_rows, settings, by_cluster=has_clusters(rows))
    return kept


def has_clusters(rows: pa.Table) -> bool:
    """Whether any row belongs to a cluster."""
    return CLUSTER in rows.column_names and rows[CLUSTER].null_count < rows.num_rows


def one_of_each_cluster(rows: pa.Table) -> pa.Table:
    """The row of least hash of each cluster, and rows without one, in their order."""
    if not has_clusters(rows):
        return rows
    ranks = [rank_of(0, "abstention", one) for one in rows["row_id"].to_pylist()]
    least: dict[str, int] = {}
    alone = []
    for place, cluster in enumerate(rows[CLUSTER].to_pylist()):
        if cluster is None:
            alone.append(place)
        elif cluster not in least or ranks[place] < ranks[least[cluster]]:
            least[cluster] = place
    return rows.take(pa.array(sorted([*alone, *least.values()]), pa.int64()))
