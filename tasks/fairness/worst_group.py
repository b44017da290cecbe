"""The group that a model serves worst on the validation rows, for a sweep."""

import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from infra.errors import DataError
from infra.store import ObjectStore
from tasks.fairness.groups import compared_groups, memberships
from tasks.fairness.settings import FairnessSettings
from tasks.records.data import DataReport
from tasks.records.sweep import ValidationScores, WorstGroup
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import texts_of


def worst_group(
    scores: ValidationScores, data: DataReport, settings: FairnessSettings, *, store: ObjectStore
) -> WorstGroup:
    """The compared group with the lowest mean row score, of those with `min_group_rows` rows.

    A number to order trials by, without an interval: the gates on groups judge the test rows.

    Raises:
        DataError: the scores are of other rows.
        SettingsError: the settings name an attribute that there is not.
        StoreError: an artifact is missing or was changed.

    """
    shape = shape_of(data.task_type)
    with tempfile.TemporaryDirectory(prefix="worst-group-") as name:
        work = Path(name)
        scored = pq.read_table(store.get_file(scores.artifact, work / "scores.parquet"))
        clean = store.get_file(data.clean, work / "clean.parquet")
        columns = ["row_id", *(one.name for one in shape.inputs), *data.group_columns]
        rows = pq.read_table(clean, columns=columns, filters=[("split", "=", "validation")])
    if rows["row_id"].to_pylist() != scored["row_id"].to_pylist():
        raise DataError("the scores are of other validation rows; run every stage anew")
    row_scores = scored["row_score"].to_numpy()
    texts = [text or "" for text in texts_of(shape, rows).to_pylist()]
    found = WorstGroup("", None, 0)
    for member in memberships(rows, texts, data.group_columns, settings):
        compared = compared_groups(member, settings)
        for place, group in enumerate(member.groups):
            own = row_scores[member.rows[:, place] & np.isfinite(row_scores)]
            if group not in compared or len(own) < settings.min_group_rows:
                continue
            score = float(own.mean())
            if found.score is None or score < found.score:
                found = WorstGroup(f"{member.attribute}.{group}", score, len(own))
    return found
