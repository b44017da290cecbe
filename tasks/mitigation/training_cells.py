"""In which cell of group and label each training row is, and columns beside the tokens."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from infra.digests import digest_of
from infra.errors import DataError
from infra.store import Artifact, ObjectStore, sha256_of_file
from tasks.mitigation.reweighing import NO_GROUP, cell_counts
from tasks.protected_groups.assessed_groups import groups_and_cells
from tasks.protected_groups.exclusive_cells import NONE
from tasks.protected_groups.memberships import Membership
from tasks.records.data import DataReport
from tasks.records.training import Tokens
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import RowShape, texts_of

_SPLIT_FILE: Final = "train.arrow"
LEAST_GROUPS: Final = 2


@dataclass(frozen=True)
class TrainingCells:
    """The training rows of the clean data by group and label.

    Attributes:
        row_ids: of N rows.
        names: of A groups that have rows.
        groups: of each row, (N,); NO_GROUP where it belongs to none.
        labels: class ids, (N,).
        counts: rows, (A, L).

    """

    row_ids: Sequence[str]
    names: Sequence[str]
    groups: NDArray[np.int64]
    labels: NDArray[np.int64]
    counts: NDArray[np.int64]


def cells_of_training_rows(
    data: DataReport,
    task_type: str,
    method: str,
    attribute: str,
    wanted: tuple[str, ...],
    store: ObjectStore,
) -> TrainingCells:
    """The cell of each training row, as fairness compares them.

    Args:
        data: the clean rows.
        task_type: of the line.
        method: name of its settings in mitigation, for messages.
        attribute: whose groups.
        wanted: the groups that are told apart; none for all.
        store: holds the rows.

    Raises:
        DataError: fewer than two groups have training rows, or a column does not tell groups.
        StoreError: the rows are missing.

    """
    shape = shape_of(task_type)
    assert shape.label_column  # noqa: S101 - others are refused with the settings
    stated = attribute in data.group_columns
    columns = ["row_id", shape.label_column, *(column.name for column in shape.inputs)]
    columns += [attribute] if stated else []
    with tempfile.TemporaryDirectory(prefix="cells-") as work:
        clean = store.get_file(data.clean, Path(work) / "clean.parquet")
        rows = pq.read_table(clean, columns=columns, filters=[("split", "=", "train")])
    found = _cells_of(rows, shape, method, attribute, wanted, stated=stated)
    names, groups = _told_apart(found, method, attribute)
    known = pa.array(data.labels, pa.string())
    labels = pc.index_in(rows[shape.label_column], value_set=known).to_numpy().astype(np.int64)
    counts = cell_counts(groups, labels, (len(names), len(data.labels)))
    return TrainingCells(rows["row_id"].to_pylist(), names, groups, labels, counts)


def _cells_of(
    rows: pa.Table,
    shape: RowShape,
    method: str,
    attribute: str,
    wanted: tuple[str, ...],
    *,
    stated: bool,
) -> Membership:
    """The cells that fairness compares: a group alone, or several; a row is of one or of none."""
    texts = [text or "" for text in texts_of(shape, rows).to_pylist()]
    values = rows[attribute] if stated else None
    member, cells = groups_and_cells(attribute, values, texts, wanted)
    if reason := member.reason or cells.reason:
        raise DataError(f"{_setting(method)} is {attribute}: {reason}")
    return cells


def _told_apart(
    cells: Membership, method: str, attribute: str
) -> tuple[list[str], NDArray[np.int64]]:
    """The groups that have rows, and the one of each row."""
    places = [
        place
        for place, name in enumerate(cells.groups)
        if name != NONE and name in cells.compared and cells.rows[:, place].any()
    ]
    names = [cells.groups[place] for place in places]
    if len(names) < LEAST_GROUPS:
        raise DataError(
            f"{_setting(method)} is {attribute}, and the training rows hold "
            f"{', '.join(names) or 'none'} of its groups, so that nothing can be weighed against "
            f"another; name an attribute of two groups or more, or leave {method} out"
        )
    inside = cells.rows[:, places]
    return names, np.where(inside.any(axis=1), inside.argmax(axis=1), NO_GROUP)


def _setting(method: str) -> str:
    return f"mitigation.{method}.attribute"


def with_column(
    tokens: Tokens,
    name: str,
    values: Mapping[str, float],
    others: float,
    kind: pa.DataType,
    store: ObjectStore,
) -> tuple[Artifact, int]:
    """Put a number beside the token ids of each training row.

    Validation and test examples stay byte for byte what they are.

    Args:
        tokens: of the line.
        name: of the column.
        values: by row id.
        others: the number of rows that are none of these, such as planted ones.
        kind: of the column.
        store: holds the tokens.

    Returns:
        The tokens with the column, and how many training rows are none of these.

    Raises:
        StoreError: the tokens are missing.

    """
    with tempfile.TemporaryDirectory(prefix="beside-") as work:
        folder = store.get_folder(tokens.artifact, Path(work) / "tokens")
        path = folder / _SPLIT_FILE
        with pa.OSFile(str(path), "rb") as source:
            table = pa.ipc.open_file(source).read_all()
        ids = table["row_id"].to_pylist()
        beside = [values.get(row_id, others) for row_id in ids]
        table = table.append_column(name, pa.array(beside, kind))
        path.unlink()
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        digest = digest_of({one.name: sha256_of_file(one) for one in sorted(folder.iterdir())})
        artifact = store.put_folder(store.uri("tokens", digest), folder)
    return artifact, sum(row_id not in values for row_id in ids)
