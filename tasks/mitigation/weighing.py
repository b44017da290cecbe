"""Training examples with the weight of each beside its tokens: the stage's plain function."""

import logging
from dataclasses import replace

import numpy as np
import pyarrow as pa

from infra.store import ObjectStore
from tasks.mitigation.reweighing import (
    NO_GROUP,
    described,
    independent_weights,
    weights_of_rows,
)
from tasks.mitigation.settings import ReweighingSettings
from tasks.mitigation.training_cells import grouped_rows, with_column
from tasks.records.data import DataReport
from tasks.records.training import Tokens
from tasks.task_types.examples import ROW_WEIGHT

logger = logging.getLogger(__name__)


def weigh_tokens(
    tokens: Tokens,
    data: DataReport,
    task_type: str,
    settings: ReweighingSettings,
    groups: tuple[str, ...],
    *,
    store: ObjectStore,
) -> Tokens:
    """The same examples, of which each of the training split has its weight beside it.

    Validation and test examples stay byte for byte what they are. A planted row, which is none of
    the clean data, counts once.

    Args:
        tokens: of the clean rows.
        data: these, with their groups.
        task_type: of the line.
        settings: whose groups, and the most that a row counts by.
        groups: the groups that are told apart; none for all.
        store: holds both.

    Raises:
        DataError: fewer than two groups have training rows, or a column does not tell groups.
        StoreError: an artifact is missing.

    """
    attribute = settings.attribute
    cells = grouped_rows(data, task_type, "reweighing", attribute, groups, store)
    asked = independent_weights(cells.counts)
    taken = np.minimum(asked, settings.max_weight)
    weights = weights_of_rows(cells.groups, cells.labels, taken)
    by_row = dict(zip(cells.row_ids, weights.tolist(), strict=True))
    artifact, _ = with_column(tokens, ROW_WEIGHT, by_row, 1.0, pa.float32(), store)
    other = int((cells.groups == NO_GROUP).sum())
    record = described(attribute, cells.names, data.labels, cells.counts, asked, taken, other)
    logger.info(
        "%s training rows are weighed by %s and label, %s belong to no group",
        f"{record.rows_of_groups:,}", attribute, f"{other:,}",
    )  # fmt: skip
    return replace(tokens, artifact=artifact, reweighing=record)
