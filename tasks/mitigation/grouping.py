"""Training examples with the group of each beside its tokens: the plain function of group DRO."""

import logging
from dataclasses import replace

import numpy as np
import pyarrow as pa

from infra.store import ObjectStore
from tasks.mitigation.reweighing import NO_GROUP
from tasks.mitigation.settings import GroupDroSettings
from tasks.mitigation.training_cells import grouped_rows, with_column
from tasks.records.data import DataReport
from tasks.records.group_dro import DroCell, GroupDro
from tasks.records.training import Tokens
from tasks.task_types.examples import ROW_GROUP

logger = logging.getLogger(__name__)


def group_tokens(
    tokens: Tokens,
    data: DataReport,
    task_type: str,
    settings: GroupDroSettings,
    groups: tuple[str, ...],
    *,
    store: ObjectStore,
) -> Tokens:
    """The same examples, of which each of the training split has the number of its cell beside it.

    A cell is a group and a label, as in Sagawa et al. 2020. Validation and test examples stay byte
    for byte what they are. A planted row, which is none of the clean data, is in no cell.

    Args:
        tokens: of the clean rows.
        data: these, with their groups.
        task_type: of the line.
        settings: whose groups, and how their weights move.
        groups: the groups that are told apart; none for all.
        store: holds both.

    Raises:
        DataError: fewer than two groups have training rows, or a column does not tell groups.
        StoreError: an artifact is missing.

    """
    found = grouped_rows(data, task_type, "group_dro", settings.attribute, groups, store)
    numbers = np.where(
        found.groups == NO_GROUP, NO_GROUP, found.groups * len(data.labels) + found.labels
    )
    by_row = dict(zip(found.row_ids, numbers.tolist(), strict=True))
    artifact, planted = with_column(tokens, ROW_GROUP, by_row, NO_GROUP, pa.int32(), store)
    cells = tuple(
        DroCell(group, label, int(rows))
        for group, of_group in zip(found.names, found.counts, strict=True)
        for label, rows in zip(data.labels, of_group, strict=True)
    )
    other = int((found.groups == NO_GROUP).sum()) + planted
    record = GroupDro(settings.attribute, cells, other, settings.step_size, settings.max_weight)
    logger.info(
        "%s training rows are in %s cells of %s and label, %s are in none",
        f"{record.rows_of_groups:,}", sum(cell.rows > 0 for cell in cells), record.attribute,
        f"{other:,}",
    )  # fmt: skip
    return replace(tokens, artifact=artifact, group_dro=record)
