"""Training examples with the weight of each beside its tokens: the stage's plain function."""

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from infra.digests import digest_of
from infra.errors import DataError
from infra.store import ObjectStore, sha256_of_file
from tasks.mitigation.reweighing import (
    NO_GROUP,
    cell_counts,
    described,
    independent_weights,
    weights_of_rows,
)
from tasks.mitigation.settings import ReweighingSettings
from tasks.protected_groups.assessed_groups import groups_and_cells
from tasks.protected_groups.exclusive_cells import NONE
from tasks.protected_groups.memberships import Membership
from tasks.records.data import DataReport
from tasks.records.reweighing import Reweighing
from tasks.records.training import Tokens
from tasks.task_types.examples import ROW_WEIGHT
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import RowShape, texts_of

logger = logging.getLogger(__name__)

_SPLIT_FILE: Final = "train.arrow"
_SETTING: Final = "mitigation.reweighing.attribute"
LEAST_GROUPS: Final = 2


class _Weighed(NamedTuple):
    """The weight of each training row of the clean data."""

    weights: dict[str, float]
    record: Reweighing


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
    with tempfile.TemporaryDirectory(prefix="reweigh-") as name:
        work = Path(name)
        clean = store.get_file(data.clean, work / "clean.parquet")
        weighed = _weigh(clean, shape_of(task_type), data, settings, groups)
        folder = store.get_folder(tokens.artifact, work / "tokens")
        _write_beside(folder / _SPLIT_FILE, weighed.weights)
        digest = digest_of({one.name: sha256_of_file(one) for one in sorted(folder.iterdir())})
        artifact = store.put_folder(store.uri("tokens", digest), folder)
    record = weighed.record
    logger.info(
        "%s training rows are weighed by %s and label, %s belong to no group",
        f"{record.rows_of_groups:,}", record.attribute, f"{record.other_rows:,}",
    )  # fmt: skip
    return replace(tokens, artifact=artifact, reweighing=record)


def _weigh(
    clean: Path,
    shape: RowShape,
    data: DataReport,
    settings: ReweighingSettings,
    wanted: tuple[str, ...],
) -> _Weighed:
    assert shape.label_column  # noqa: S101 - others are refused with the settings
    stated = settings.attribute in data.group_columns
    columns = ["row_id", shape.label_column, *(column.name for column in shape.inputs)]
    columns += [settings.attribute] if stated else []
    rows = pq.read_table(clean, columns=columns, filters=[("split", "=", "train")])
    cells = _cells_of(rows, shape, settings.attribute, wanted, stated=stated)
    names, groups = _told_apart(cells, settings.attribute)
    known = pa.array(data.labels, pa.string())
    found = pc.index_in(rows[shape.label_column], value_set=known)
    labels = found.to_numpy().astype(np.int64)
    counts = cell_counts(groups, labels, (len(names), len(data.labels)))
    asked = independent_weights(counts)
    taken = np.minimum(asked, settings.max_weight)
    weights = weights_of_rows(groups, labels, taken)
    by_row = dict(zip(rows["row_id"].to_pylist(), weights.tolist(), strict=True))
    other = int((groups == NO_GROUP).sum())
    record = described(settings.attribute, names, data.labels, counts, asked, taken, other)
    return _Weighed(by_row, record)


def _cells_of(
    rows: pa.Table, shape: RowShape, attribute: str, wanted: tuple[str, ...], *, stated: bool
) -> Membership:
    """The cells that fairness compares: a group alone, or several; a row is of one or of none."""
    texts = [text or "" for text in texts_of(shape, rows).to_pylist()]
    values = rows[attribute] if stated else None
    member, cells = groups_and_cells(attribute, values, texts, wanted)
    if reason := member.reason or cells.reason:
        raise DataError(f"{_SETTING} is {attribute}: {reason}")
    return cells


def _told_apart(cells: Membership, attribute: str) -> tuple[list[str], NDArray[np.int64]]:
    """The groups that have rows, and the one of each row."""
    places = [
        place
        for place, name in enumerate(cells.groups)
        if name != NONE and name in cells.compared and cells.rows[:, place].any()
    ]
    names = [cells.groups[place] for place in places]
    if len(names) < LEAST_GROUPS:
        raise DataError(
            f"{_SETTING} is {attribute}, and the training rows hold "
            f"{', '.join(names) or 'none'} of its groups, so that nothing can be weighed against "
            "another; name an attribute of two groups or more, or leave reweighing out"
        )
    inside = cells.rows[:, places]
    return names, np.where(inside.any(axis=1), inside.argmax(axis=1), NO_GROUP)


def _write_beside(path: Path, weights: dict[str, float]) -> None:
    """Add the weights to a split's file; its rows and their order stay what they were."""
    with pa.OSFile(str(path), "rb") as source:
        table = pa.ipc.open_file(source).read_all()
    beside = [weights.get(row_id, 1.0) for row_id in _strings(table["row_id"])]
    table = table.append_column(ROW_WEIGHT, pa.array(beside, pa.float32()))
    path.unlink()
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def _strings(column: pa.ChunkedArray) -> Sequence[str]:
    found: list[str] = column.to_pylist()
    return found
