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
from tasks.task_types.rows import CLUSTER, RowShape, texts_of

_SPLIT_FILE: Final = "train.arrow"
LEAST_GROUPS: Final = 2


@dataclass(frozen=True)
class GroupedRows:
    """Rows of one split of the clean data, by group and label.

    Attributes:
        row_ids: of N rows.
        texts: what the model reads of each.
        clusters: of each; None where a row is in none.
        names: of A groups.
        groups: of each row, (N,); NO_GROUP where it belongs to none of them.
        labels: class ids, (N,), of L labels.
        counts: rows, (A, L).

    """

    row_ids: Sequence[str]
    texts: Sequence[str]
    clusters: Sequence[str | None]
    names: Sequence[str]
    groups: NDArray[np.int64]
    labels: NDArray[np.int64]
    counts: NDArray[np.int64]


def grouped_rows(
    data: DataReport,
    task_type: str,
    method: str,
    attribute: str,
    wanted: tuple[str, ...],
    store: ObjectStore,
    *,
    split: str = "train",
    names: Sequence[str] | None = None,
) -> GroupedRows:
    """The rows of a split in the cells that fairness compares.

    Args:
        data: the clean rows.
        task_type: of the line.
        method: name of its settings in mitigation, for messages.
        attribute: whose groups.
        wanted: the groups that are told apart; none for all.
        store: holds the rows.
        split: of these.
        names: groups of another split, which are told apart here too; None for those of this one.

    Raises:
        DataError: this split is to name the groups, and fewer than two have rows; or a column does
            not tell groups.
        StoreError: the rows are missing.

    """
    shape = shape_of(task_type)
    assert shape.label_column  # noqa: S101 - others are refused with the settings
    rows = _rows_of(data, shape, attribute, split, store)
    texts = [text or "" for text in texts_of(shape, rows).to_pylist()]
    values = rows[attribute] if attribute in rows.column_names else None
    member, cells = groups_and_cells(attribute, values, texts, wanted)
    if reason := member.reason or cells.reason:
        raise DataError(f"{_setting(method)} is {attribute}: {reason}")
    told = _told_apart(cells, method, attribute) if names is None else names
    groups = _numbered(cells, told)
    known = pa.array(data.labels, pa.string())
    labels = pc.index_in(rows[shape.label_column], value_set=known).to_numpy().astype(np.int64)
    return GroupedRows(
        rows["row_id"].to_pylist(),
        texts,
        rows[CLUSTER].to_pylist() if CLUSTER in rows.column_names else [None] * len(texts),
        told,
        groups,
        labels,
        cell_counts(groups, labels, (len(told), len(data.labels))),
    )


def _rows_of(
    data: DataReport, shape: RowShape, attribute: str, split: str, store: ObjectStore
) -> pa.Table:
    """The clean rows of a split: row_id, label, texts, and what tells groups and clusters."""
    columns = {"row_id", *shape.names, *({attribute} & set(data.group_columns))}
    with tempfile.TemporaryDirectory(prefix="cells-") as work:
        clean = store.get_file(data.clean, Path(work) / "clean.parquet")
        columns |= {CLUSTER} & set(pq.read_schema(clean).names)
        return pq.read_table(clean, columns=sorted(columns), filters=[("split", "=", split)])


def _numbered(cells: Membership, names: Sequence[str]) -> NDArray[np.int64]:
    """The group (N,) of each row among these; NO_GROUP where it is of none of them."""
    groups = np.full(len(cells.rows), NO_GROUP)
    for number, name in enumerate(names):
        if name in cells.groups:
            groups[cells.rows[:, cells.groups.index(name)]] = number
    return groups


def _told_apart(cells: Membership, method: str, attribute: str) -> list[str]:
    """The groups that have rows."""
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
    return names


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
